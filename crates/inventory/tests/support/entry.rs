//! What a fuzz target does with its bytes, shared by `fuzz/` and the replay of the corpora on stable: each ends with a
//! panic when something that holds for every input does not.

use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::KindSchema;
use ringfence_inventory::Options;
use ringfence_inventory::Peek;
use ringfence_inventory::Redact;
use ringfence_inventory::Snapshot;
use ringfence_inventory::peek;
use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value;
use ringfence_inventory::yaml::field_path;
use ringfence_inventory::yaml::read_json;
use ringfence_inventory::yaml::read_yaml;

use super::tree::same;
use super::tree::to_json;

/// Pieces joined are the text, a glance hides nothing, and a whole file of these bytes is read without a panic.
pub(crate) fn split(bytes: &[u8]) {
    let inventory = Inventory::read(Input::from_bytes("x.yaml", bytes.to_vec()), &Options::default());
    let internal = is_internal(&inventory);
    assert!(!internal, "a reader failed");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut joined = 0;
    for piece in ringfence_inventory::split(text) {
        assert_eq!(piece.range.start, joined);
        joined = piece.range.end;
        let part = &text[piece.range];
        let full = read_yaml(part.trim_start_matches('\u{feff}'));
        match (peek(part), full) {
            (Peek::Empty, Ok(Some(tree))) => assert!(tree.root().is_null(), "a value was passed over"),
            (Peek::Schema, Ok(Some(tree))) => {
                assert_eq!(tree.root().str_at("kind"), Some("CustomResourceDefinition"));
            }
            _ => {}
        }
    }
    assert_eq!(joined, text.len());
}

/// Whether the guard around a reader caught a panic.
fn is_internal(inventory: &Inventory) -> bool {
    inventory.coverage.blind.iter().any(|blind| blind.reason.as_str() == "internal")
}

/// A tree's places lie in the text and in one another, and every path can be told.
pub(crate) fn tree(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read_yaml(text) {
        Ok(Some(tree)) => walk(tree.root(), tree.root(), text, 0),
        Ok(None) => {}
        Err(error) => assert!(error.at() <= text.len(), "{error} at {}", error.at()),
    }
    let _ = Inventory::from_text(text);
}

fn walk(root: Value<'_>, value: Value<'_>, text: &str, depth: usize) {
    assert!(depth <= 200);
    let range = value.range();
    assert!(range.start <= range.end && text.get(range.clone()).is_some(), "{range:?} of {}", text.len());
    let _ = (value.scalar(), value.text(), value.bytes(), value.means_bool(), value.as_i64());
    if depth < 6 {
        let _ = field_path(root, value);
    }
    for child in value.children() {
        assert_eq!(child.parent().map(Value::id), Some(value.id()));
        walk(root, child, text, depth + 1);
    }
    for (key, child) in value.entries() {
        assert_eq!(child.key(), Some(key));
    }
}

/// Ours accepts what `serde_json` accepts, with the same value.
pub(crate) fn json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let ours = read_json(text);
    if let Err(error) = &ours {
        assert!(error.at() <= text.len());
    }
    let Ok(expected) = serde_json::from_str::<serde_json::Value>(text) else { return };
    match ours {
        Ok(Some((tree, used))) => {
            assert!(used <= text.len());
            let duplicates = !tree.duplicates().is_empty();
            let found = to_json(tree.root()).unwrap_or_default();
            assert!(duplicates || same(&found, &expected), "{found} {expected}");
        }
        Ok(None) => panic!("nothing read of {expected}"),
        Err(error) => assert!(error.to_string().contains("nested"), "{error}: {expected}"),
    }
}

/// A plain scalar resolves alike in a list, as a value and in flow style, and is text when quoted.
pub(crate) fn scalar(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._~=<".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) || matches!(text, "-" | "---" | "...") {
        return;
    }
    let read = |source: String| -> Option<serde_json::Value> {
        let tree = read_yaml(&source).ok()??;
        let value = tree.root().children().next()?;
        match value.scalar()? {
            Scalar::Float(number) if !number.is_finite() => Some(format!("float {number}").into()),
            _ => to_json(value).ok(),
        }
    };
    let value = read(format!("k: {text}\n"));
    assert!(value.is_some(), "{text}");
    assert_eq!(value, read(format!("- {text}\n")), "{text}");
    assert_eq!(value, read(format!("k: {text} # c\n")), "{text}");
    assert_eq!(value, read(format!("[{text}]")), "{text}");
    assert_eq!(read(format!("k: '{text}'\n")), Some(text.into()), "{text}");
    assert_eq!(read(format!("k: !!str {text}\n")), Some(text.into()), "{text}");
}

/// A walk through any document ends, and every path it tells is one that a reader of paths can show.
pub(crate) fn schema(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(Some(tree)) = read_yaml(text) else { return };
    let Some(kind) = KindSchema::from_crd(tree.root()) else { return };
    assert!(kind.paths.len() + kind.opaque.len() <= 1_000);
    for path in kind.paths.iter().map(|(_, path)| path).chain(&kind.opaque) {
        assert!(path.to_string().len() <= text.len() + 4 * 41, "{path}");
    }
    // The same definition again tells nothing new.
    let mut schemas = ringfence_inventory::Schemas::default();
    schemas.add(kind.clone());
    schemas.add(kind.clone());
    let lengths = |kind: &KindSchema| (kind.paths.len(), kind.opaque.len());
    assert_eq!(schemas.get(&kind.group, &kind.kind).map(lengths), Some(lengths(&kind)));
}

/// Masks nothing.
struct AsItIs;

impl Redact for AsItIs {
    fn value(&self, _: Value<'_>) -> Option<String> {
        None
    }

    fn key(&self, _: &str) -> Option<String> {
        None
    }
}

/// What can be loaded is an inventory, and saved again it loads whole, with the same objects and lists.
pub(crate) fn saved(bytes: &[u8]) {
    let Ok(loaded) = Snapshot::load(bytes) else { return };
    assert!(loaded.lost.len() <= 22, "{} lines told", loaded.lost.len());
    let mut again = Vec::new();
    assert!(loaded.save(&AsItIs, &mut again).is_ok());
    match Snapshot::load(again.as_slice()) {
        Ok(second) => {
            assert_eq!((second.len(), &second.lost, &second.lists), (loaded.len(), &vec![], &loaded.lists));
            assert_eq!((second.about, second.served), (loaded.about.clone(), loaded.served.clone()));
        }
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&again)),
    }
    let inventory = Inventory::from_snapshot(loaded, &Options::default());
    assert!(!is_internal(&inventory), "a reader failed");
}
