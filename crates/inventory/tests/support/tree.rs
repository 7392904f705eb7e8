//! Our tree as a JSON value, and equality as JSON's numbers have it.

use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value as Node;
use serde_json::Value;

/// A node with all below it. Numbers that JSON cannot hold are an error, as they are for the API server.
pub(crate) fn to_json(node: Node<'_>) -> Result<Value, String> {
    if node.is_mapping() {
        let entries = node.entries().map(|(key, value)| Ok((key.to_owned(), to_json(value)?)));
        return entries.collect::<Result<_, String>>().map(Value::Object);
    }
    if node.is_sequence() {
        return node.items().map(to_json).collect::<Result<_, _>>().map(Value::Array);
    }
    Ok(match node.scalar() {
        None | Some(Scalar::Null) => Value::Null,
        Some(Scalar::Bool(value)) => value.into(),
        Some(Scalar::Int(value)) => value.into(),
        Some(Scalar::UInt(value)) => value.into(),
        Some(Scalar::Float(value)) => {
            serde_json::Number::from_f64(value).map(Value::Number).ok_or("not finite")?
        }
        Some(Scalar::Str(_)) => String::from_utf8_lossy(&node.bytes().unwrap_or_default()).into(),
    })
}

/// Equal, `1` and `1.0` being one number.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Number(left), Value::Number(right)) => {
            left == right || ((left.is_f64() || right.is_f64()) && near(left.as_f64(), right.as_f64()))
        }
        _ => left == right,
    }
}

/// `serde_json` reads some decimals a unit in the last place off (its `float_roundtrip` is not on).
fn near(left: Option<f64>, right: Option<f64>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    (left - right).abs() <= left.abs() * 2.0 * f64::EPSILON
}
