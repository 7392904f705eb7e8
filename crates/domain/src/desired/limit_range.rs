//! Room `domain`: LimitRange `rf-limits` (guide 45), written before the quota that would refuse pods without limits. No
//! accelerators: type Pod would refuse every pod without a GPU, and a Container maximum gives each container a GPU by
//! default. The bound per pod is a rule of the policy.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Cx;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Amounts;
use crate::spec::Limits;
use crate::spec::Mode;

/// The LimitRange of a namespace; none where the domain sets no limits.
pub(crate) fn limits(cx: &Cx<'_>, namespace: &str) -> Option<DesiredObject> {
    let limits = cx.resolved.spec.limits.as_ref()?;
    let mut container = Map::new();
    let mut put = |key: &str, amounts: Option<&Amounts>| {
        let map = amounts.map(amount_map).unwrap_or_default();
        if !map.is_empty() {
            container.insert(key.into(), map.into());
        }
    };
    put("default", limits.default.as_ref());
    put("defaultRequest", limits.default_request.as_ref());
    put("max", limits.max.as_ref().map(|it| &it.container));
    let mut items = Vec::new();
    if !container.is_empty() {
        container.insert("type".into(), "Container".into());
        items.push(Value::from(container));
    }
    if let Some(storage) = limits.max.as_ref().and_then(|it| it.storage.as_ref()) {
        items.push(json!({"type": "PersistentVolumeClaim", "max": {"storage": storage}}));
    }
    if items.is_empty() {
        return None;
    }
    let body = json!({
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "rf-limits", "namespace": namespace},
        "spec": {"limits": items},
    });
    let purpose = Purpose { min_mode: Mode::Enforce, controls: &["RF-RUN-002"], guide: &[45] };
    Some(DesiredObject::new(Rank::Limits, "limitranges", Write::Apply, &cx.owner, purpose, body))
}

/// Limits for cpu and memory that a container without any gets: the default, else the maximum, as `LimitRanger` does.
pub(crate) fn default_limits(limits: Option<&Limits>) -> [(&'static str, Option<&String>); 2] {
    let of = |amount: fn(&Amounts) -> Option<&String>| {
        let given = limits?.default.as_ref().and_then(amount);
        given.or_else(|| limits?.max.as_ref().and_then(|it| amount(&it.container)))
    };
    [("cpu", of(|it| it.cpu.as_ref())), ("memory", of(|it| it.memory.as_ref()))]
}

fn amount_map(amounts: &Amounts) -> Map<String, Value> {
    let pairs = [
        ("cpu", &amounts.cpu),
        ("memory", &amounts.memory),
        ("ephemeral-storage", &amounts.ephemeral_storage),
    ];
    pairs.into_iter().filter_map(|(key, it)| Some((key.into(), it.clone()?.into()))).collect()
}
