//! A view on one node: what it says, where it stands, and its path by list keys.

use std::fmt::Write as _;
use std::ops::Range;

use super::scalar::Scalar;
use super::tree::Kind;
use super::tree::NONE;
use super::tree::NodeId;
use super::tree::Tree;

/// A value of a tree. Copy it freely.
#[derive(Clone, Copy)]
pub struct Value<'t> {
    pub(super) tree: &'t Tree,
    pub(super) id: NodeId,
}

impl<'t> Value<'t> {
    /// The node, to keep beside the tree.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The tree it belongs to.
    pub fn tree(self) -> &'t Tree {
        self.tree
    }

    /// Whether it is a mapping, also an empty one.
    pub fn is_mapping(self) -> bool {
        self.kind() == Kind::Mapping
    }

    /// Whether it is a list, also an empty one.
    pub fn is_sequence(self) -> bool {
        self.kind() == Kind::Sequence
    }

    /// Whether it is neither mapping nor list.
    pub fn is_scalar(self) -> bool {
        !self.is_mapping() && !self.is_sequence()
    }

    /// Whether it is a null: written, or implied by nothing after the colon.
    pub fn is_null(self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// Value of a key; None when it is not a mapping, the key is absent, or its value is null.
    pub fn get(self, key: &str) -> Option<Self> {
        self.entries()
            .find_map(|(name, value)| (name == key).then_some(value))
            .filter(|value| !value.is_null())
    }

    /// Value under several keys in turn.
    pub fn at(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Text of a scalar under a key, if it resolves to text.
    pub fn str_at(self, key: &str) -> Option<&'t str> {
        self.get(key)?.as_str()
    }

    /// Items of a list; nothing for other kinds.
    pub fn items(self) -> impl Iterator<Item = Self> + use<'t> {
        let first = if self.is_sequence() { self.tree.node(self.id).child } else { NONE };
        children(self.tree, first)
    }

    /// Keys and values of a mapping; nothing for other kinds. Each key once: the last of duplicates.
    pub fn entries(self) -> impl Iterator<Item = (&'t str, Self)> + use<'t> {
        let first = if self.is_mapping() { self.tree.node(self.id).child } else { NONE };
        children(self.tree, first).map(|value| (value.key().unwrap_or(""), value))
    }

    /// Items of a list or values of a mapping.
    pub fn children(self) -> impl Iterator<Item = Self> + use<'t> {
        children(self.tree, self.tree.node(self.id).child)
    }

    /// What its text says, where the reader opened it: YAML in a string, at places known for it.
    pub fn opened(self) -> Option<Self> {
        let opened = &self.tree.opened;
        let at = opened.binary_search_by_key(&self.id.0, |(host, _)| *host).ok()?;
        opened.get(at).map(|(_, root)| self.tree.value(NodeId(*root)))
    }

    /// The key it stands under, when its parent is a mapping.
    pub fn key(self) -> Option<&'t str> {
        let key = self.tree.node(self.id).key;
        (key != NONE).then(|| self.tree.text(self.tree.node(NodeId(key)).text))
    }

    /// The collection it stands in.
    pub fn parent(self) -> Option<Self> {
        let parent = self.tree.node(self.id).parent;
        (parent != NONE).then(|| self.tree.value(NodeId(parent)))
    }

    /// The scalar right before it in a list. Items are read in order, so it is the node before this one, whatever the
    /// length of the list.
    pub fn previous_scalar(self) -> Option<Self> {
        let before = self.tree.value(NodeId(self.id.0.checked_sub(1)?));
        let node = self.tree.node(before.id);
        let is_sibling =
            node.next == self.id.0 && node.key == NONE && node.parent == self.tree.node(self.id).parent;
        (is_sibling && before.is_scalar()).then_some(before)
    }

    /// The scalar as the API server's YAML layer resolves it; None for collections.
    pub fn scalar(self) -> Option<Scalar<'t>> {
        match self.kind() {
            Kind::Mapping | Kind::Sequence => None,
            Kind::Plain | Kind::Typed => Some(Scalar::resolve(self.raw())),
            Kind::Text => Some(Scalar::Str(self.raw())),
        }
    }

    /// Text, if it is text.
    pub fn as_str(self) -> Option<&'t str> {
        match self.scalar()? {
            Scalar::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Text of any scalar as written: where the API wants text and the file has `yes` or `8000`. None for null.
    pub fn text(self) -> Option<&'t str> {
        match self.scalar()? {
            Scalar::Null => None,
            _ => Some(self.raw()),
        }
    }

    /// Bytes of its text: what a `!!binary` holds, decoded.
    pub fn bytes(self) -> Option<Vec<u8>> {
        self.text().map(|text| text.as_bytes().to_vec())
    }

    /// Boolean, YAML 1.1 words included.
    pub fn as_bool(self) -> Option<bool> {
        match self.scalar()? {
            Scalar::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Boolean by intent: also quoted text that says true or false in any of the words. The API server would refuse
    /// such a field; a scanner that passed it over would be blind to what its author wants.
    pub fn means_bool(self) -> Option<bool> {
        match self.scalar()? {
            Scalar::Bool(value) => Some(value),
            Scalar::Str(text) => match Scalar::resolve(text) {
                Scalar::Bool(value) => Some(value),
                Scalar::Int(1) => Some(true),
                Scalar::Int(0) => Some(false),
                _ => None,
            },
            Scalar::Int(1) => Some(true),
            Scalar::Int(0) => Some(false),
            _ => None,
        }
    }

    /// Whole number; also one written as text or as a float without fraction (`8e0`).
    pub fn as_i64(self) -> Option<i64> {
        let scalar = match self.scalar()? {
            Scalar::Str(text) => Scalar::resolve(text),
            other => other,
        };
        match scalar {
            Scalar::Int(value) => Some(value),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "bounded and whole, checked on the line before"
            )]
            Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
            _ => None,
        }
    }

    /// Bytes in the source text of the tree; for an expanded alias those of the anchor.
    pub fn range(self) -> Range<usize> {
        let node = self.tree.node(self.id);
        node.start as usize..node.end as usize
    }

    /// Bytes of the key it stands under.
    pub fn key_range(self) -> Option<Range<usize>> {
        let key = self.tree.node(self.id).key;
        (key != NONE).then(|| {
            let node = self.tree.node(NodeId(key));
            node.start as usize..node.end as usize
        })
    }

    fn kind(self) -> Kind {
        self.tree.node(self.id).kind
    }

    fn raw(self) -> &'t str {
        self.tree.text(self.tree.node(self.id).text)
    }
}

impl std::fmt::Debug for Value<'_> {
    /// Kind and place only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {:?}", self.kind(), self.range())
    }
}

fn children(tree: &Tree, first: u32) -> impl Iterator<Item = Value<'_>> {
    let mut next = first;
    std::iter::from_fn(move || {
        if next == NONE {
            return None;
        }
        let value = tree.value(NodeId(next));
        next = tree.node(value.id).next;
        Some(value)
    })
}

/// Path of `value` below `root`, list items by key: `spec.containers[name=vllm].env[name=HF_TOKEN].value`.
/// An index stands only where an item has no natural key. Keys that are no plain words are quoted.
pub fn field_path(root: Value<'_>, value: Value<'_>) -> String {
    let mut chain = Vec::new();
    let mut next = Some(value);
    while let Some(current) = next.filter(|current| current.id() != root.id()) {
        chain.push(current);
        next = current.parent();
    }
    let mut path = String::new();
    for step in chain.into_iter().rev() {
        match step.key() {
            Some(key) if is_plain_key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Some(key) => {
                let _ = write!(path, "[{key:?}]");
            }
            None => {
                let _ = match (natural_key(step), flag_of(step)) {
                    (Some((name, value)), _) => write!(path, "[{name}={value}]"),
                    (None, Some((flag, equals))) => write!(path, "[{flag}{equals}]"),
                    (None, None) => write!(path, "[{}]", index_of(step)),
                };
            }
        }
    }
    path
}

fn is_plain_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The field that tells list items apart, as the API's own merge keys do (`patchMergeKey`).
fn natural_key(item: Value<'_>) -> Option<(&'static str, &str)> {
    let list = item.parent().and_then(Value::key).unwrap_or("");
    let candidates: &[&'static str] = match list {
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "hostAliases" => &["ip"],
        // Of an ExternalSecret; beside an `accessKey` it would be the secret itself.
        "data" if item.get("remoteRef").is_some() || item.get("sourceRef").is_some() => {
            &["secretKey", "name"]
        }
        // What tells their items apart may be what must not be shown.
        _ if holds_secrets(list) => &[],
        "tolerations" | "matchExpressions" | "matchFields" | "items" => &["key"],
        _ => &["name", "groupName", "containerPort"],
    };
    if holds_secrets(list) {
        return None;
    }
    let named = candidates.iter().find_map(|name| Some((*name, item.get(name)?.text()?)));
    // Claim templates of a StatefulSet carry their name in metadata.
    named.or_else(|| Some(("name", item.at(&["metadata", "name"])?.text()?)))
}

/// Whether a list is called after secrets themselves (`passwords`, `apiTokens`), not after objects that hold them.
fn holds_secrets(list: &str) -> bool {
    let name: String =
        list.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    name == "auth"
        || ["password", "passwd", "token", "apikey", "credential"].iter().any(|word| name.contains(word))
}

/// The flag that names an argument: its own (`--model`, or `--model=` with its value), or the one before it. Arguments
/// come and go; a place among them by number would make an old finding look new.
fn flag_of(item: Value<'_>) -> Option<(&str, &'static str)> {
    item.parent().filter(|list| matches!(list.key(), Some("args" | "command" | "extraArgs")))?;
    let own = item.as_str()?;
    if let Some((flag, _)) = own.split_once('=') {
        return is_flag(flag).then_some((flag, "="));
    }
    if is_flag(own) {
        return Some((own, ""));
    }
    let before = item.previous_scalar()?.as_str()?;
    is_flag(before).then_some((before, "="))
}

fn is_flag(word: &str) -> bool {
    word.starts_with('-')
        && word.len() <= 64
        && is_plain_key(word)
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn index_of(item: Value<'_>) -> usize {
    item.parent().map_or(0, |list| list.items().take_while(|other| other.id() != item.id()).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_json;
    use crate::yaml::read_yaml;

    #[test]
    fn the_scalar_before_an_item_is_found_whatever_stands_between() {
        let text = "a: &x [1, 2]\nargs: [--model, org/m, {k: v}, --key, *x, w, &s t, *s, z]\n";
        let tree = read_yaml(text).unwrap().unwrap();
        let args = tree.root().get("args").unwrap();
        let before: Vec<_> =
            args.items().map(|item| item.previous_scalar().and_then(Value::as_str)).collect();
        let expected = [
            None,
            Some("--model"),
            Some("org/m"),
            None,
            Some("--key"),
            None,
            Some("w"),
            Some("t"),
            Some("t"),
        ];
        assert_eq!(before, expected);
        assert!(tree.root().get("args").unwrap().previous_scalar().is_none());
        let (tree, _) = read_json("{\"args\": [\"--token\", \"abc\"], \"b\": \"c\"}").unwrap().unwrap();
        let items: Vec<_> = tree.root().get("args").unwrap().items().collect();
        assert_eq!(items[1].previous_scalar().and_then(Value::as_str), Some("--token"));
        assert!(tree.root().get("b").unwrap().previous_scalar().is_none());
    }
}
