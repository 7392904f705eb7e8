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

/// What a container gets of a resource that it does not speak of.
pub(crate) struct Default<'a> {
    pub(crate) resource: &'static str,
    /// The limit: the default, else the maximum.
    pub(crate) limit: Option<&'a String>,
    /// The request of a container without a limit of its own: the default, else the limit.
    pub(crate) request: Option<&'a String>,
}

/// What `LimitRanger` fills in, with what the API server adds to a LimitRange that does not say it
/// (`SetDefaults_LimitRangeItem`).
pub(crate) fn defaults(limits: Option<&Limits>) -> [Default<'_>; 3] {
    RESOURCES.map(|(resource, amount)| {
        let max = limits.and_then(|it| it.max.as_ref()).and_then(|max| amount(&max.container));
        let limit = limits.and_then(|it| it.default.as_ref()).and_then(amount).or(max);
        let request = limits.and_then(|it| it.default_request.as_ref()).and_then(amount).or(limit);
        Default { resource, limit, request }
    })
}

fn amount_map(amounts: &Amounts) -> Map<String, Value> {
    let pairs = RESOURCES.map(|(resource, amount)| (resource, amount(amounts)));
    pairs.into_iter().filter_map(|(key, it)| Some((key.into(), it?.clone().into()))).collect()
}

/// An amount among several.
type Pick = fn(&Amounts) -> Option<&String>;

/// The resources of a container that a domain bounds.
pub(crate) const RESOURCES: [(&str, Pick); 3] = [
    ("cpu", |it| it.cpu.as_ref()),
    ("memory", |it| it.memory.as_ref()),
    ("ephemeral-storage", |it| it.ephemeral_storage.as_ref()),
];
