//! Room `operator`: a tree against the structural schema of the definition: unknown keys with the nearest known one, types,
//! bounds, patterns. What the API server would prune without a word is an error here.

use std::sync::LazyLock;

use regex::Regex;
use ringfence_inventory::nearest;
use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value as Node;
use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = ringfence_domain::definition();
    definition.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default()
});

/// Told of each fault: where, which field, what.
type Tell<'a> = &'a mut dyn FnMut(Node<'_>, String, String);

/// Checks a whole object. The status is the controller's and passed over, as the API server does.
pub(super) fn check(root: Node<'_>, tell: Tell<'_>) {
    let properties = SCHEMA.get("properties").unwrap_or(&Value::Null);
    for (key, node) in root.entries() {
        match key {
            "apiVersion" | "kind" | "metadata" | "status" => {}
            "spec" => walk("spec", node, &properties["spec"], tell),
            other => unknown(node, other.to_owned(), other, ["metadata", "spec"].into_iter(), tell),
        }
    }
    if root.at(&["metadata", "name"]).and_then(Node::as_str).is_none_or(str::is_empty) {
        tell(root, "metadata.name".into(), "a domain needs a name".into());
    }
    if root.get("spec").is_none() {
        tell(root, "spec".into(), "is required; `ringfence domain init` prints one to begin with".into());
    }
}

fn walk(path: &str, node: Node<'_>, schema: &Value, tell: Tell<'_>) {
    if node.is_null() && schema["nullable"] == true {
        return;
    }
    match schema["type"].as_str() {
        Some("object") if node.is_mapping() => object(path, node, schema, tell),
        Some("array") if node.is_sequence() => array(path, node, schema, tell),
        Some("string") => match node.scalar() {
            Some(Scalar::Str(text)) => string(path, node, text, schema, tell),
            _ => wrong_type(path, node, "a string", tell),
        },
        Some("integer") => match node.as_i64() {
            Some(number) => bounds(path, node, number, schema, tell),
            None => wrong_type(path, node, "a whole number", tell),
        },
        Some("boolean") if matches!(node.scalar(), Some(Scalar::Bool(_))) => {}
        Some("object") => wrong_type(path, node, "a mapping", tell),
        Some("array") => wrong_type(path, node, "a list", tell),
        Some("boolean") => wrong_type(path, node, "true or false", tell),
        _ => {}
    }
}

fn object(path: &str, node: Node<'_>, schema: &Value, tell: Tell<'_>) {
    let known = schema["properties"].as_object();
    let free = &schema["additionalProperties"];
    for (key, child) in node.entries() {
        let field = format!("{path}.{key}");
        match known.and_then(|it| it.get(key)) {
            Some(schema) => walk(&field, child, schema, tell),
            None if free.is_object() => walk(&field, child, free, tell),
            None => {
                let known = known.into_iter().flatten().map(|(key, _)| key.as_str());
                unknown(child, field, key, known, tell);
            }
        }
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if node.get(required).is_none() {
            tell(node, format!("{path}.{required}"), "is required".into());
        }
    }
}

fn unknown<'k>(
    node: Node<'_>,
    field: String,
    key: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    tell: Tell<'_>,
) {
    let message = match nearest(key, known.clone()) {
        Some(near) => format!("unknown field, did you mean `{near}`?"),
        None => format!("unknown field; known here: {}", known.collect::<Vec<_>>().join(", ")),
    };
    tell(node, field, message);
}

fn array(path: &str, node: Node<'_>, schema: &Value, tell: Tell<'_>) {
    let items: Vec<_> = node.items().collect();
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if schema["maxItems"].as_i64().is_some_and(|most| count > most) {
        tell(node, path.into(), format!("{count} items, at most {} are allowed", schema["maxItems"]));
    }
    if schema["minItems"].as_i64().is_some_and(|least| count < least) {
        tell(node, path.into(), format!("at least {} are needed", schema["minItems"]));
    }
    let keys: Vec<_> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_set = schema["x-kubernetes-list-type"] == "set";
    for (index, item) in items.iter().enumerate() {
        let identity = |it: &Node<'_>| -> Vec<Option<String>> {
            if is_set {
                vec![it.text().map(str::to_owned)]
            } else {
                keys.iter().map(|key| it.str_at(key).map(str::to_owned)).collect()
            }
        };
        let own = identity(item);
        if !own.is_empty() && items.iter().take(index).any(|before| identity(before) == own) {
            let shown: Vec<_> = own.into_iter().flatten().collect();
            tell(
                *item,
                format!("{path}[{index}]"),
                format!("`{}` stands in the list twice", shown.join("/")),
            );
        }
        walk(&format!("{path}[{index}]"), *item, &schema["items"], tell);
    }
}

fn string(path: &str, node: Node<'_>, text: &str, schema: &Value, tell: Tell<'_>) {
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        if !words.contains(&text) {
            let near = nearest(text, words.iter().copied());
            let near = near.map_or_else(String::new, |near| format!(", did you mean {near}?"));
            tell(node, path.into(), format!("`{}` is none of {}{near}", shown(text), words.join(", ")));
        }
        return;
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if schema["maxLength"].as_i64().is_some_and(|most| length > most) {
        tell(node, path.into(), format!("{length} characters, at most {} are allowed", schema["maxLength"]));
    } else if schema["minLength"].as_i64().is_some_and(|least| length < least) {
        tell(node, path.into(), "may not be empty".into());
    } else if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|it| !it.is_match(text))
    {
        tell(node, path.into(), format!("`{}` does not have the form {pattern}", shown(text)));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounds of the schema are far below 2^53")]
fn bounds(path: &str, node: Node<'_>, number: i64, schema: &Value, tell: Tell<'_>) {
    // Generated as floating point; all of them are whole and small.
    let bound = |key: &str| schema[key].as_f64().map(|it| it as i64);
    if let Some(least) = bound("minimum").filter(|least| number < *least) {
        tell(node, path.into(), format!("{number} is less than {least}"));
    } else if let Some(most) = bound("maximum").filter(|most| number > *most) {
        tell(node, path.into(), format!("{number} is more than {most}"));
    }
}

fn wrong_type(path: &str, node: Node<'_>, wanted: &str, tell: Tell<'_>) {
    let found = if node.is_mapping() {
        "a mapping".to_owned()
    } else if node.is_sequence() {
        "a list".to_owned()
    } else {
        format!("`{}`", shown(node.text().unwrap_or_default()))
    };
    tell(node, path.into(), format!("{found} is not {wanted}"));
}

/// A value of a file, at most so much of it that a line stays a line.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    if short.len() == text.len() { short } else { format!("{short}...") }
}
