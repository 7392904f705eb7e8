//! Room `domain`: a desired object and the live one in, the fields of ours that differ out. Semantic: `1Gi` is `1024Mi`,
//! and what the API server fills in is no difference.

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::names;
use crate::object::DesiredObject;
use crate::quantity::Quantity;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Its path, such as `spec.hard.pods`.
    pub field: String,
    /// What it should be; null: nothing.
    pub want: Value,
    /// What it is; null: nothing.
    pub live: Value,
}

impl std::fmt::Display for Drift {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.want, &self.live) {
            (Value::Null, live) => write!(out, "{}: {live} was added", self.field),
            (want, Value::Null) => write!(out, "{}: {want} is missing", self.field),
            (want, live) => write!(out, "{}: {live} instead of {want}", self.field),
        }
    }
}

/// Kinds whose `spec` (or subjects and role) is ours alone: a field more opens what we closed. Of a quota, a scope would
/// take most pods out of the count; of a policy, a condition or selector would take everything out of it.
const WHOLE: [&str; 8] = [
    "LimitRange",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "NetworkPolicy",
    "ResourceQuota",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// The fields of ours that differ. Labels and annotations of others are not ours.
pub fn compare(want: &DesiredObject, live: &Value) -> Vec<Drift> {
    let mut drift = Vec::new();
    let whole = WHOLE.contains(&want.id.kind.as_str());
    for (key, wanted) in want.body.tree().as_object().into_iter().flatten() {
        let found = live.get(key).unwrap_or(&Value::Null);
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => metadata(wanted, found, want.id.kind == "Namespace", &mut drift),
            "spec" if want.id.kind == "Node" => taints(wanted, found, &mut drift),
            _ => fields(key, wanted, found, whole, &mut drift),
        }
    }
    drift
}

/// Labels and annotations that are ours. The hash and the UID of a namespace are evidence, not content. `all`: all of our
/// names count, since the policies believe what a namespace says under them.
fn metadata(want: &Value, live: &Value, all: bool, drift: &mut Vec<Drift>) {
    for map in ["labels", "annotations"] {
        let found = live.get(map).unwrap_or(&Value::Null);
        for (key, value) in found.as_object().into_iter().flatten().filter(|_| all) {
            if is_planted(key, want.get(map)) {
                let field = format!("metadata.{map}.{key}");
                drift.push(Drift { field, want: Value::Null, live: value.clone() });
            }
        }
        for (key, wanted) in want.get(map).and_then(Value::as_object).into_iter().flatten() {
            let value = found.get(key).unwrap_or(&Value::Null);
            if key != names::HASH_ANNOTATION && value != wanted {
                drift.push(Drift {
                    field: format!("metadata.{map}.{key}"),
                    want: wanted.clone(),
                    live: value.clone(),
                });
            }
        }
    }
}

/// Whether a label or annotation under our name is not among ours. Exceptions are written by who owns the object.
pub fn is_planted(key: &str, wanted: Option<&Value>) -> bool {
    let ours = [names::HASH_ANNOTATION, names::OWNER_ANNOTATION];
    names::is_ours(key) && !ours.contains(&key) && wanted.is_none_or(|it| it.get(key).is_none())
}

/// Each taint of ours is there; others belong to others.
fn taints(want: &Value, live: &Value, drift: &mut Vec<Drift>) {
    let list = |it: &Value| it.get("taints").and_then(Value::as_array).cloned().unwrap_or_default();
    let found = list(live);
    for taint in list(want) {
        let same =
            |other: &Value| ["key", "value", "effect"].iter().all(|it| text(other, it) == text(&taint, it));
        if found.iter().any(same) {
            continue;
        }
        let near = found.iter().find(|it| text(it, "key") == text(&taint, "key"));
        drift.push(Drift {
            field: format!("spec.taints[key={}]", text(&taint, "key")),
            want: taint,
            live: near.cloned().unwrap_or(Value::Null),
        });
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What differs below `path`. `whole`: a field that is not wanted differs too.
fn fields(path: &str, want: &Value, live: &Value, whole: bool, drift: &mut Vec<Drift>) {
    match (want, live) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, value) in wanted {
                let other = found.get(key).unwrap_or(&Value::Null);
                fields(&format!("{path}.{key}"), value, other, whole, drift);
            }
            if whole {
                extra(path, wanted, found, drift);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (value, other)) in wanted.iter().zip(found).enumerate() {
                fields(&format!("{path}[{index}]"), value, other, whole, drift);
            }
        }
        (want, live) if want == live || is_empty(want) && is_empty(live) => {}
        (want, live) if is_amount(path) && is_same_amount(want, live) => {}
        (want, live) => drift.push(Drift { field: path.into(), want: want.clone(), live: live.clone() }),
    }
}

/// Fields that nobody wants. A mapping of amounts may have more of them: each only bounds more.
fn extra(path: &str, wanted: &Map<String, Value>, found: &Map<String, Value>, drift: &mut Vec<Drift>) {
    if path == "spec.hard" {
        return;
    }
    for (key, value) in found.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
        if !is_empty(value) && !is_filled_in(path, key, wanted, value) {
            drift.push(Drift { field: format!("{path}.{key}"), want: Value::Null, live: value.clone() });
        }
    }
}

/// What the API server fills in: a LimitRange copies `max` to `default` and `default` to `defaultRequest`.
fn is_filled_in(path: &str, key: &str, wanted: &Map<String, Value>, value: &Value) -> bool {
    /// What ours bound: a default of anything else is somebody's.
    const BOUNDED: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];
    if !path.starts_with("spec.limits[") {
        return false;
    }
    let container = path.ends_with(']') && ["default", "defaultRequest"].contains(&key);
    let inside = ["default", "defaultRequest"].iter().any(|it| path.ends_with(&format!("].{it}")));
    let mut keys = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    inside && BOUNDED.contains(&key)
        || container && wanted.contains_key("type") && keys.all(|it| BOUNDED.contains(&it))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Elsewhere `1000` and `1e3` are two names.
fn is_amount(path: &str) -> bool {
    path.starts_with("spec.hard.") || path.starts_with("spec.limits[")
}

fn is_same_amount(want: &Value, live: &Value) -> bool {
    let (Some(want), Some(live)) = (want.as_str(), live.as_str()) else { return false };
    let (want, live) = (want.parse::<Quantity>(), live.parse::<Quantity>());
    want.is_ok() && want.ok() == live.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Owner;
    use crate::object::Purpose;
    use crate::object::Rank;
    use crate::object::Write;
    use crate::spec::Mode;

    fn want(body: Value) -> DesiredObject {
        let purpose = Purpose { min_mode: Mode::Observe, controls: &[], guide: &[] };
        let owner = Owner { domain: "ml", uid: "1" };
        DesiredObject::new(Rank::Quota, "things", Write::Apply, &owner, purpose, body)
    }

    /// Fields that differ after `change` was made to the live object, which otherwise is as written.
    fn drift(body: Value, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let want = want(body);
        let mut live = want.body.tree();
        change(&mut live);
        compare(&want, &live).into_iter().map(|it| it.field).collect()
    }

    fn policy() -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "rf-egress", "namespace": "a"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"],
                "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]},
        })
    }

    #[test]
    fn what_others_add_beside_ours_is_theirs() {
        let none = drift(policy(), |live| {
            live["metadata"]["labels"]["team"] = json!("a");
            live["metadata"]["resourceVersion"] = json!("7");
            live["status"] = json!({"conditions": []});
        });
        assert_eq!(none, Vec::<String>::new());
    }

    #[test]
    fn a_policy_that_opens_more_differs() {
        assert_eq!(drift(policy(), |live| live["spec"]["egress"] = json!([{}])), ["spec.egress[0].to"]);
        let without = |live: &mut Value| {
            live["spec"]["egress"][0]["to"][0]["ipBlock"].as_object_mut().unwrap().remove("except");
        };
        assert_eq!(drift(policy(), without), ["spec.egress[0].to[0].ipBlock.except"]);
        let narrowed = |live: &mut Value| live["spec"]["podSelector"] = json!({"matchLabels": {"a": "b"}});
        assert_eq!(drift(policy(), narrowed), ["spec.podSelector.matchLabels"]);
        let more = |live: &mut Value| live["spec"]["egress"].as_array_mut().unwrap().push(json!({}));
        assert_eq!(drift(policy(), more), ["spec.egress"]);
    }

    #[test]
    fn an_amount_is_compared_by_value_and_a_scope_differs() {
        let quota = || {
            json!({
                "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "rf-quota", "namespace": "a"},
                "spec": {"hard": {"requests.memory": "1Gi", "pods": "10"}},
            })
        };
        let same = |live: &mut Value| {
            live["spec"]["hard"]["requests.memory"] = json!("1024Mi");
            live["spec"]["hard"]["count/secrets"] = json!("5");
        };
        assert_eq!(drift(quota(), same), Vec::<String>::new());
        assert_eq!(drift(quota(), |live| live["spec"]["hard"]["pods"] = json!("11")), ["spec.hard.pods"]);
        assert_eq!(drift(quota(), |live| live["spec"]["scopes"] = json!(["BestEffort"])), ["spec.scopes"]);
    }

    #[test]
    fn what_the_server_fills_into_a_limit_range_is_no_difference() {
        let limits = || {
            json!({
                "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "rf-limits", "namespace": "a"},
                "spec": {"limits": [{"type": "Container", "max": {"memory": "64Gi"}, "default": {"cpu": "1"}}]},
            })
        };
        let filled = |live: &mut Value| {
            live["spec"]["limits"][0]["default"]["memory"] = json!("64Gi");
            live["spec"]["limits"][0]["defaultRequest"] = json!({"memory": "64Gi", "cpu": "1"});
        };
        assert_eq!(drift(limits(), filled), Vec::<String>::new());
        let raised = |live: &mut Value| live["spec"]["limits"][0]["max"]["memory"] = json!("65Gi");
        assert_eq!(drift(limits(), raised), ["spec.limits[0].max.memory"]);
        let given = |live: &mut Value| live["spec"]["limits"][0]["default"]["nvidia.com/gpu"] = json!("1");
        assert_eq!(drift(limits(), given), ["spec.limits[0].default.nvidia.com/gpu"]);
        let bounded = |live: &mut Value| live["spec"]["limits"][0]["min"] = json!({"cpu": "9"});
        assert_eq!(drift(limits(), bounded), ["spec.limits[0].min"]);
    }

    #[test]
    fn a_node_keeps_the_taints_of_others() {
        let node = || {
            json!({
                "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {names::NODE_LABEL: "ml"}},
                "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]},
            })
        };
        let more = |live: &mut Value| {
            live["spec"]["taints"].as_array_mut().unwrap().push(json!({"key": "x", "effect": "NoExecute"}));
        };
        assert_eq!(drift(node(), more), Vec::<String>::new());
        let changed = |live: &mut Value| live["spec"]["taints"][0]["value"] = json!("false");
        assert_eq!(drift(node(), changed), ["spec.taints[key=nvidia.com/gpu]"]);
        assert_eq!(drift(node(), |live| live["spec"] = json!({})), ["spec.taints[key=nvidia.com/gpu]"]);
    }
}
