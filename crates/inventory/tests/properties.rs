//! What holds for every text: JSON reads as `serde_json` has it, places are where values stand, paths lead back, and a
//! glance never hides what a full reading finds.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/tree.rs"]
mod tree;

use proptest::collection::vec;
use proptest::prelude::*;
use ringfence_inventory::Inventory;
use ringfence_inventory::Peek;
use ringfence_inventory::peek;
use ringfence_inventory::split;
use ringfence_inventory::yaml::Value as Node;
use ringfence_inventory::yaml::field_path;
use ringfence_inventory::yaml::read_json;
use ringfence_inventory::yaml::read_yaml;
use serde_json::Value;

use tree::same;
use tree::to_json;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinity", |value| value.is_finite()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(yes|no|0777|1_000|~|null|<<|y|\\PC{0,3})".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((".{0,6}", inner), 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn read(text: &str) -> Result<Value, String> {
    match read_json(text).map_err(|error| error.to_string())? {
        Some((tree, used)) if text[used..].trim_matches([' ', '\t', '\r', '\n']).is_empty() => {
            to_json(tree.root())
        }
        Some(_) => Err("something follows".to_owned()),
        None => Err("nothing".to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_reads_back_as_it_was_written(value in json()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let found = read(&text);
            prop_assert!(found.as_ref().is_ok_and(|found| same(found, &value)), "{} gave {:?}", text, found);
        }
    }

    #[test]
    fn json_is_accepted_exactly_where_serde_accepts_it(
        value in json(),
        edits in vec((any::<prop::sample::Index>(), "[-{}\\[\\]\",:0-9.eE+trufalsn\\\\ \u{0}\u{1f}\u{7f}]"), 1..4),
    ) {
        let mut text = serde_json::to_string(&value).unwrap();
        for (at, new) in edits {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let Some(at) = (!places.is_empty()).then(|| places[at.index(places.len())]) else { continue };
            let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(at..end, &new);
        }
        let (found, expected) = (read(&text), serde_json::from_str::<Value>(&text));
        match (&found, &expected) {
            (Ok(found), Ok(expected)) => prop_assert!(same(found, expected), "{}: {} {}", text, found, expected),
            (Err(_), Err(_)) => {}
            // Numbers beyond 64 bits and lone surrogates are text to one and an error to the other.
            (Ok(_), Err(error)) => {
                let error = error.to_string();
                prop_assert!(
                    error.contains("number out of range") || error.contains("surrogate")
                        || error.contains("unexpected end of hex escape"),
                    "{}: {}", text, error
                );
            }
            // A float too large for 64 bits is no number to the API server's layer either.
            (Err(error), Ok(_)) => prop_assert!(false, "{}: {}", text, error),
        }
    }

    #[test]
    fn readers_take_any_text_without_panic(text in "(?s).{0,200}") {
        let _ = read_json(&text);
        let _ = read_yaml(&text);
        let _ = Inventory::from_text(&text);
    }

    #[test]
    fn yaml_of_any_shape_keeps_places_and_paths(text in manifest()) {
        let tree = read_yaml(&text).unwrap().unwrap();
        check(tree.root(), tree.root(), &text)?;
    }

    #[test]
    fn a_glance_never_hides_what_a_full_reading_finds(lines in vec(prop::sample::select(LINES), 0..8)) {
        for newline in ["\n", "\r\n", "\r"] {
            let text = lines.join(newline);
            for piece in split(&text) {
                let part = &text[piece.range];
                let bare = part.trim_start_matches('\u{feff}');
                match (peek(part), read_yaml(bare)) {
                    (Peek::Schema, Ok(Some(tree))) => {
                        prop_assert_eq!(tree.root().str_at("kind"), Some("CustomResourceDefinition"), "{:?}", part);
                        let version = tree.root().str_at("apiVersion").unwrap_or("");
                        prop_assert!(version.starts_with("apiextensions.k8s.io/"), "{:?}", part);
                    }
                    (Peek::Schema, Ok(None)) => prop_assert!(false, "a schema without a value: {:?}", part),
                    (Peek::Empty, Ok(Some(tree))) => {
                        prop_assert!(tree.root().is_null(), "{:?} is not empty", part);
                    }
                    (Peek::Empty, Err(error)) => prop_assert!(false, "{:?} is not empty: {}", part, error),
                    _ => {}
                }
            }
        }
    }
}

/// Lines that make a document a schema, a pod in disguise, or nothing.
const LINES: &[&str] = &[
    "apiVersion: apiextensions.k8s.io/v1",
    "apiVersion: apiextensions.k8s.io/v1",
    "kind: CustomResourceDefinition",
    "kind: CustomResourceDefinition",
    "kind: 'CustomResourceDefinition' # note",
    "kind: CustomResourceDefinition # x\u{2028}kind: Pod",
    "kind: Pod",
    "\"kind\": Pod",
    "'kind': Pod",
    "kind : Pod",
    "kind: &a Pod",
    "&a kind: Pod",
    "!!str kind: Pod",
    "? kind",
    ": Pod",
    "<<: {kind: Pod}",
    "spec: {}",
    "spec:",
    "  kind: Pod",
    " kind: Pod",
    "a: |",
    "a: \"",
    "\"",
    "a: '",
    "'",
    "b: [",
    "kind: Pod]",
    "]",
    "{}",
    "{kind: Pod}",
    "- a",
    "x",
    "\t",
    "\tx",
    "",
    " ",
    "# c",
    " # c",
    "---",
    "--- # c",
    "--- {}",
    "---x",
    "...",
    "...x",
    "%YAML 1.1",
    "%x",
    "\u{feff}",
    "\u{feff}kind: Pod",
    "\u{feff}# c",
    "a\rkind: Pod",
    "# c\rkind: Pod",
];

/// Mappings and lists in block or flow style, scalars in every style, comments and blank lines between.
fn manifest() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "[a-z][a-z0-9./-]{0,8}",
        "[0-9]{1,3}",
        "'[a-z ]{0,6}'",
        "\"[a-zé ]{0,6}\"",
        Just("yes".to_owned()),
        Just("\"a\\nb\"".to_owned()),
    ];
    let node = scalar.clone().prop_map(|text| vec![text]).prop_recursive(4, 40, 4, move |inner| {
        prop_oneof![
            vec(("k[a-z]{1,5}", inner.clone(), any::<bool>()), 1..4).prop_map(|entries| {
                let mut lines = Vec::new();
                for (index, (key, value, comment)) in entries.into_iter().enumerate() {
                    if comment {
                        lines.push("# note".to_owned());
                    }
                    if value.len() == 1 && !value[0].starts_with("- ") && !value[0].contains(": ") {
                        lines.push(format!("{key}{index}: {}", value[0]));
                    } else {
                        lines.push(format!("{key}{index}:"));
                        lines.extend(value.into_iter().map(|line| format!("  {line}")));
                    }
                }
                lines
            }),
            vec(inner, 1..4).prop_map(|items| {
                let mut lines = Vec::new();
                for item in items.into_iter().map(|item| item.into_iter().filter(|line| !line.contains('#')))
                {
                    for (index, line) in item.enumerate() {
                        lines.push(format!("{}{line}", if index == 0 { "- " } else { "  " }));
                    }
                }
                lines
            }),
            vec(("k[a-z]{1,4}", scalar.clone()), 1..3).prop_map(|entries| {
                let fields: Vec<String> = entries
                    .into_iter()
                    .enumerate()
                    .map(|(index, (key, value))| format!("{key}{index}: {value}"))
                    .collect();
                vec![format!("{{{}}}", fields.join(", "))]
            }),
        ]
    });
    ("k[a-z]{1,5}", node).prop_map(|(key, lines)| {
        let indented: Vec<String> = lines.into_iter().map(|line| format!("  {line}")).collect();
        format!("# head\n{key}:\n{}\nlast: 1\n", indented.join("\n"))
    })
}

/// Every value stands inside its parent, a plain scalar's place is its text, and its path is its own alone.
fn check(root: Node<'_>, value: Node<'_>, text: &str) -> Result<(), TestCaseError> {
    let range = value.range();
    let mut paths = std::collections::BTreeSet::new();
    for child in value.children() {
        let inner = child.range();
        prop_assert!(
            range.start <= inner.start && inner.end <= range.end,
            "{:?} in {:?}: {}",
            inner,
            range,
            text
        );
        prop_assert!(paths.insert(field_path(root, child)), "{} twice: {}", field_path(root, child), text);
        if let Some(key) = child.key_range() {
            prop_assert_eq!(&text[key], child.key().unwrap());
        }
        check(root, child, text)?;
    }
    if value.is_scalar() {
        let written = &text[range];
        let said = value.text().unwrap_or("");
        let shown = written == said || written.trim_matches(['"', '\'']) == said || written == "\"a\\nb\"";
        prop_assert!(shown, "{:?} stands at {:?}", said, written);
    }
    Ok(())
}
