//! Room `report`, tests: every JSON document is valid against the published schema, nothing in it is undocumented,
//! and the schema only grows.

use serde_json::Map;
use serde_json::Value;

use crate::Format;
use crate::testing;

/// The published schema, or the frozen copy of the version it may only add to.
pub(crate) fn schema(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Schemas of commands that write their documents themselves.
const DOMAIN: [&str; 4] = ["domain-diff", "domain-plan", "domain-simulate", "domain-status"];

fn published() -> Value {
    schema("scan.v1.schema.json")
}

/// `schema` without tolerance: a property that it does not name is an error.
pub(crate) fn strict(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let mut object: Map<_, _> =
                object.iter().map(|(key, value)| (key.clone(), strict(value))).collect();
            if object.get("type") == Some(&"object".into()) && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
            Value::Object(object)
        }
        Value::Array(items) => items.iter().map(strict).collect(),
        other => other.clone(),
    }
}

pub(crate) fn errors(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn printed(scan: &ringfence_finding::Scan) -> Value {
    serde_json::from_str(&testing::print(scan, Format::Json)).unwrap()
}

#[test]
fn every_document_is_valid_and_wholly_documented() {
    let published = published();
    for scan in testing::all() {
        let document = printed(&scan);
        assert_eq!(errors(&published, &document), [""; 0]);
        assert_eq!(errors(&strict(&published), &document), [""; 0]);
    }
}

#[test]
fn an_undocumented_field_fails_the_strict_form_alone() {
    let mut document = printed(&testing::standard());
    document["findings"][0]["resource"]["uid"] = "7".into();
    assert_eq!(errors(&published(), &document), [""; 0], "readers of an older schema survive additions");
    assert_eq!(errors(&strict(&published()), &document).len(), 1);
    let mut document = printed(&testing::standard());
    document.as_object_mut().unwrap().remove("coverage");
    assert_eq!(errors(&published(), &document).len(), 1);
}

#[test]
fn every_property_is_described() {
    fn walk(node: &Value, at: &str, missing: &mut Vec<String>) {
        let Value::Object(object) = node else { return };
        for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                missing.push(format!("{at}/{name}"));
            }
        }
        for (key, value) in object {
            walk(value, &format!("{at}/{key}"), missing);
            value.as_array().into_iter().flatten().for_each(|item| walk(item, at, missing));
        }
    }
    let mut missing = Vec::new();
    walk(&published(), "", &mut missing);
    for it in DOMAIN {
        walk(&schema(&format!("{it}.v1.schema.json")), it, &mut missing);
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_schema_knows_every_word_of_the_vocabulary() {
    use ringfence_finding::Family;
    use ringfence_finding::Severity;
    let published = published();
    let words = |name: &str| published["$defs"][name]["enum"].as_array().unwrap().clone();
    assert_eq!(words("severity"), Severity::ALL.map(|severity| Value::from(severity.as_str())));
    assert_eq!(words("family"), Family::ALL.map(|family| Value::from(family.as_str())));
}

#[test]
fn the_schema_only_grows() {
    let mut problems = narrowed(&schema("frozen/scan.v1.0.schema.json"), &published());
    for name in DOMAIN {
        let frozen = schema(&format!("frozen/{name}.v1.0.schema.json"));
        problems.extend(narrowed(&frozen, &schema(&format!("{name}.v1.schema.json"))));
    }
    assert!(problems.is_empty(), "readers of version 1.0 would break: {problems:#?}");
}

/// Promises of `old` that `new` no longer keeps. The schema describes output: a reader relies on every property
/// that is named, on those that are required, and on the types. A type may not widen either: a reader that gets null
/// where a string was promised breaks. New words of an enum are allowed, as the schema tells readers to expect them.
pub(crate) fn narrowed(old: &Value, new: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    compare(old, new, "", &mut problems);
    problems
}

fn compare(old: &Value, new: &Value, at: &str, problems: &mut Vec<String>) {
    let Value::Object(old) = old else {
        if old != new {
            problems.push(format!("{at}: changed"));
        }
        return;
    };
    for (key, promise) in old {
        let here = format!("{at}/{key}");
        let Some(now) = new.get(key) else {
            if !matches!(key.as_str(), "description" | "title" | "$id") {
                problems.push(format!("{here}: gone"));
            }
            continue;
        };
        match key.as_str() {
            "description" | "title" | "$id" => {}
            "properties" | "$defs" => {
                for (name, promise) in promise.as_object().unwrap() {
                    match now.get(name) {
                        Some(now) => compare(promise, now, &format!("{here}/{name}"), problems),
                        None => problems.push(format!("{here}/{name}: gone")),
                    }
                }
            }
            "items" | "additionalProperties" => compare(promise, now, &here, problems),
            "anyOf" => {
                let (promise, now) = (promise.as_array().unwrap(), now.as_array().unwrap());
                if promise.len() != now.len() {
                    problems.push(format!("{here}: changed"));
                }
                promise.iter().zip(now).for_each(|(promise, now)| compare(promise, now, &here, problems));
            }
            "required" | "enum" => {
                let now = now.as_array().unwrap();
                let gone = promise.as_array().unwrap().iter().filter(|word| !now.contains(word));
                problems.extend(gone.map(|word| format!("{here}: {word} gone")));
            }
            _ if promise != now => problems.push(format!("{here}: changed")),
            _ => {}
        }
    }
    if new.get("additionalProperties") == Some(&false.into()) && !old.contains_key("additionalProperties") {
        problems.push(format!("{at}: closed, so that it cannot grow"));
    }
}

#[test]
fn the_comparison_sees_every_broken_promise() {
    let frozen = schema("frozen/scan.v1.0.schema.json");
    let after = |change: &dyn Fn(&mut Value)| {
        let mut changed = frozen.clone();
        change(&mut changed);
        narrowed(&frozen, &changed)
    };
    let remove = |pointer: &'static str, key: &'static str| {
        after(&move |schema| {
            schema.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        })
    };
    let set = |pointer: &'static str, value: Value| {
        after(&move |schema| *schema.pointer_mut(pointer).unwrap() = value.clone())
    };
    let drop_last = |pointer: &'static str| {
        after(&move |schema| _ = schema.pointer_mut(pointer).unwrap().as_array_mut().unwrap().pop().unwrap())
    };
    assert_eq!(narrowed(&frozen, &frozen), [""; 0]);
    assert_eq!(remove("/properties", "verdict"), ["/properties/verdict: gone"]);
    assert_eq!(remove("/$defs/finding/properties", "why"), ["/$defs/finding/properties/why: gone"]);
    assert_eq!(remove("/$defs", "evidence"), ["/$defs/evidence: gone"]);
    assert_eq!(set("/properties/source/type", "array".into()), ["/properties/source/type: changed"]);
    let widened = serde_json::json!(["string", "null"]);
    assert_eq!(set("/properties/source/type", widened), ["/properties/source/type: changed"]);
    assert_eq!(drop_last("/$defs/severity/enum"), ["/$defs/severity/enum: \"info\" gone"]);
    assert_eq!(drop_last("/required"), ["/required: \"seconds\" gone"]);
    assert_eq!(remove("/$defs/control", "required"), ["/$defs/control/required: gone"]);
    let other = "#/$defs/controlId".into();
    assert_eq!(set("/properties/failOn/$ref", other), ["/properties/failOn/$ref: changed"]);
    assert_eq!(
        set("/properties/narrowed/items/type", "integer".into()),
        ["/properties/narrowed/items/type: changed"]
    );
    assert_eq!(drop_last("/$defs/locationOrNull/anyOf"), ["/$defs/locationOrNull/anyOf: changed"]);
    let closed = after(&|schema| schema["$defs"]["fixClass"]["additionalProperties"] = false.into());
    assert_eq!(closed, ["/$defs/fixClass: closed, so that it cannot grow"]);
}

#[test]
fn the_comparison_lets_the_schema_grow() {
    let frozen = schema("frozen/scan.v1.0.schema.json");
    let mut grown = frozen.clone();
    grown["properties"]["paths"] = serde_json::json!({ "description": "Attack paths.", "type": "array" });
    grown["required"].as_array_mut().unwrap().push("paths".into());
    grown["$defs"]["finding"]["properties"]["result"]["enum"].as_array_mut().unwrap().push("excepted".into());
    grown["properties"]["source"]["description"] = "Better words.".into();
    assert_eq!(narrowed(&frozen, &grown), [""; 0]);
}
