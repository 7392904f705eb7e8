//! Room `domain`: the CustomResourceDefinition of SecurityDomain, generated from the types.

use kube::CustomResourceExt as _;
use serde_json::Value;

use crate::spec::SecurityDomain;

/// The definition as it is installed.
pub fn definition() -> Value {
    // Plain data always serializes; an empty value would be refused by the test of the committed file.
    let mut value = serde_json::to_value(SecurityDomain::crd()).unwrap_or_default();
    without_formats(&mut value);
    value
}

/// Rust's unsigned widths are no formats of OpenAPI: the API server warns of each. The bounds stand in the schema.
fn without_formats(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("format").and_then(Value::as_str).is_some_and(|it| it.starts_with("uint")) {
                map.remove("format");
            }
            map.values_mut().for_each(without_formats);
        }
        Value::Array(list) => list.iter_mut().for_each(without_formats),
        _ => {}
    }
}
