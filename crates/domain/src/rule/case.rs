//! Room `domain`: a pod spec as the rules in Rust see it. Absent, null and empty mean the same, as they do after the API
//! server has read the object into its types.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::names;
use crate::policy::Rules;

/// A pod as it is after admission has filled in its defaults, in a namespace that is in Enforce. A template is judged as
/// the pods that it makes.
pub(crate) struct Case<'a> {
    /// Spec of the pod.
    pub(crate) spec: &'a Value,
    /// Spec of the Job that it is the template of.
    pub(crate) job: Option<&'a Value>,
    /// Domain of the namespace; empty outside.
    pub(crate) domain: &'a str,
    /// Annotations that the controller writes on the namespace.
    pub(crate) notes: &'a BTreeMap<String, String>,
    /// What the policies are compiled from.
    pub(crate) rules: &'a Rules,
}

impl<'a> Case<'a> {
    /// Containers that the pod runs with, init containers among them.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        list(self.spec, "containers").chain(list(self.spec, "initContainers"))
    }

    /// The same, and what a debugger adds.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &'a Value> {
        self.containers().chain(list(self.spec, "ephemeralContainers"))
    }

    /// Volumes.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = &'a Value> {
        list(self.spec, "volumes")
    }

    /// ServiceAccount it runs as.
    pub(crate) fn account(&self) -> &'a str {
        text(self.spec, "serviceAccountName").unwrap_or("default")
    }

    /// Whether it asks for an accelerator, by a limit or by a claim that a container names. A claim may be of another device,
    /// or of none: only the claim and its DeviceClass say, which neither CEL nor a template sees.
    pub(crate) fn asks_for_accelerator(&self) -> bool {
        let claims =
            |it: &'a Value| it.get("resources").is_some_and(|it| list(it, "claims").next().is_some());
        self.limits_accelerator() || self.containers().any(claims)
    }

    /// Whether it asks for an accelerator by a limit, which the quota counts.
    pub(crate) fn limits_accelerator(&self) -> bool {
        self.containers().any(|it| accelerators(it).any(|(_, amount)| !is_zero(amount)))
    }

    /// An annotation of the namespace.
    pub(crate) fn note(&self, key: &str) -> &'a str {
        self.notes.get(key).map(String::as_str).unwrap_or_default()
    }

    /// Whether the namespace lists what workloads may use, and this is not listed.
    pub(crate) fn is_unlisted(&self, kind: &str, name: &str) -> bool {
        let mountable = self.note(names::MOUNTABLE_ANNOTATION);
        !mountable.contains(",*,") && !mountable.contains(&format!(",{kind}/{name},"))
    }
}

/// Names of resources that are accelerators, whole or as beginnings with `*` at the end: those that a scan knows, and how
/// `DRAExtendedResource` (1.36) names a DeviceClass.
pub(crate) fn accelerator_names() -> impl Iterator<Item = &'static str> {
    const DATA: &str = include_str!("../../../../data/accelerators.yaml");

    let list = DATA.split_once("\nresources:\n").map_or("", |(_, rest)| rest);
    let rows = list.lines().map_while(|line| line.strip_prefix("  - "));
    rows.map(|row| row.trim_matches('\'')).chain(["deviceclass.resource.kubernetes.io/*"])
}

/// Whether a resource is an accelerator.
fn is_accelerator(resource: &str) -> bool {
    accelerator_names().any(|known| match known.strip_suffix('*') {
        Some(prefix) => resource.starts_with(prefix),
        None => resource == known,
    })
}

/// Accelerators in the limits of a container.
pub(crate) fn accelerators(container: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let limits = container.pointer("/resources/limits").and_then(Value::as_object);
    let pairs = limits.into_iter().flatten().map(|(key, value)| (key.as_str(), value));
    pairs.filter(|(key, _)| is_accelerator(key))
}

/// Whether a quantity is zero: `0`, `"0"`, `"0k"`, which the API server all writes as `0`.
pub(crate) fn is_zero(quantity: &Value) -> bool {
    match quantity {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            text.starts_with(|first: char| first.is_ascii_digit() || first == '.')
                && !text
                    .chars()
                    .take_while(|it| !it.is_ascii_alphabetic())
                    .any(|it| ('1'..='9').contains(&it))
        }
        _ => false,
    }
}

/// A list; what is none has no items.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// A string that is not empty.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|it| !it.is_empty())
}

/// Whether a flag is set.
pub(crate) fn is_set(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// An object that is there.
pub(crate) fn object<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|it| it.is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_accelerator_of_the_data_file_is_one_and_a_network_card_is_none() {
        assert!(accelerator_names().count() > 10);
        for name in ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "huawei.com/Ascend910", "qualcomm.com/qaic"] {
            assert!(is_accelerator(name), "{name}");
        }
        for name in ["cpu", "nvidia.com/hostdev", "nvidia.com/gpux", "rdma/hca"] {
            assert!(!is_accelerator(name), "{name}");
        }
    }

    #[test]
    fn zero_in_every_spelling_asks_for_nothing() {
        for zero in [json!(0), json!("0"), json!("0k"), json!("0m"), json!("0.0"), json!("0e5")] {
            assert!(is_zero(&zero), "{zero}");
        }
        for some in [json!(1), json!("1"), json!("10"), json!("0.5"), json!("1k"), json!(""), json!(null)] {
            assert!(!is_zero(&some), "{some}");
        }
    }
}
