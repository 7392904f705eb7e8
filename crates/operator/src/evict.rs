//! Room `operator`: whom a taint would throw out. A taint with effect NoExecute evicts within seconds what does not tolerate
//! it; drivers, device plugins and agents of a node are DaemonSets, and the GPU Operator's tolerate NoSchedule only, so that
//! a domain could take the GPUs from under its own pods. Asked right before such a taint is written, and only then.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::core::v1::Toleration;
use kube::Api;
use kube::Client;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::Value;

use crate::inventory::taint_words;
use crate::node::Mark;
use crate::store::Live;

/// DaemonSets named in one message; the others are counted.
const NAMED: usize = 3;

/// Why the mark cannot be put on a node; none if it evicts no pod of a DaemonSet, or is there already.
pub(crate) async fn obstacle(
    client: &Client,
    mark: &Mark,
    live: &Live,
) -> Result<Option<String>, kube::Error> {
    let Some(taint) = mark.taint.as_ref().filter(|it| text(it, "effect") == "NoExecute") else {
        return Ok(None);
    };
    let words = taint_words(taint);
    let taints = live.pointer("/spec/taints");
    if taints.as_array().into_iter().flatten().any(|it| taint_words(it) == words) {
        return Ok(None);
    }
    let on_node = format!("spec.nodeName={}", live.name().1);
    let pods: Api<Pod> = Api::all(client.clone());
    let pods = pods.list(&ListParams::default().fields(&on_node)).await?;
    Ok(told(pods.iter().filter_map(|pod| evicted(pod, taint)).collect(), &words))
}

/// A pod of a DaemonSet that the taint would throw out.
fn evicted(pod: &Pod, taint: &Value) -> Option<String> {
    let set =
        pod.owner_references().iter().find(|it| it.kind == "DaemonSet" && it.controller == Some(true))?;
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref()).unwrap_or_default();
    let is_over = pod.metadata.deletion_timestamp.is_some() || ["Succeeded", "Failed"].contains(&phase);
    let tolerations = pod.spec.iter().flat_map(|it| it.tolerations.iter().flatten());
    if is_over || tolerations.into_iter().any(|it| tolerates(it, taint)) {
        return None;
    }
    let namespace = pod.namespace().unwrap_or_default();
    Some(format!("DaemonSet {namespace}/{} (pod {})", set.name, pod.name_any()))
}

/// Whether a toleration keeps a pod on a node with this taint (apimachinery's `ToleratesTaint`); one that ends after some
/// seconds does not.
fn tolerates(toleration: &Toleration, taint: &Value) -> bool {
    let is_any = |field: &Option<String>, key: &str| {
        field.as_deref().is_none_or(|it| it.is_empty() || it == text(taint, key))
    };
    let holds = match toleration.operator.as_deref() {
        Some("Exists") => true,
        None | Some("" | "Equal") => toleration.value.as_deref().unwrap_or_default() == text(taint, "value"),
        Some(_) => false,
    };
    let has_key = toleration.key.as_deref().is_some_and(|it| !it.is_empty());
    let is_keyed = has_key || toleration.operator.as_deref() == Some("Exists");
    holds
        && is_keyed
        && is_any(&toleration.key, "key")
        && is_any(&toleration.effect, "effect")
        && toleration.toleration_seconds.is_none()
}

fn told(evicted: Vec<String>, taint: &str) -> Option<String> {
    let more = evicted.len().saturating_sub(NAMED);
    let mut named = evicted.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if named.is_empty() {
        return None;
    }
    if more > 0 {
        named.push_str(" and more: ");
        named.push_str(&more.to_string());
    }
    Some(format!(
        "spec.nodes.taint: {taint} would evict {named}, which runs there and does not tolerate it, so the taint is not set. \
         Fix: give the DaemonSet a toleration and name its namespace in spec.nodes.systemAllowList, or set \
         spec.nodes.taint.effect: NoSchedule"
    ))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(owner: &str, phase: &str, tolerations: &Value) -> Pod {
        let owner =
            json!({"apiVersion": "apps/v1", "kind": owner, "name": "driver", "uid": "1", "controller": true});
        let value = json!({
            "metadata": {"name": "driver-x", "namespace": "gpu", "ownerReferences": [owner]},
            "spec": {"containers": [], "tolerations": tolerations},
            "status": {"phase": phase},
        });
        serde_json::from_value(value).unwrap()
    }

    fn is_evicted(owner: &str, phase: &str, tolerations: &Value) -> bool {
        let taint = json!({"key": "nvidia.com/gpu", "value": "true", "effect": "NoExecute"});
        evicted(&pod(owner, phase, tolerations), &taint).is_some()
    }

    #[test]
    fn only_what_runs_for_a_daemon_set_without_a_lasting_toleration_is_in_the_way() {
        // The GPU Operator's own (v26.7.0): NoSchedule only.
        let of_operator = json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]);
        assert!(is_evicted("DaemonSet", "Running", &of_operator));
        assert!(is_evicted("DaemonSet", "Pending", &json!([])));
        assert!(!is_evicted("ReplicaSet", "Running", &of_operator));
        assert!(!is_evicted("DaemonSet", "Failed", &json!([])));
        for good in [
            json!([{"operator": "Exists"}]),
            json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]),
            json!([{"key": "nvidia.com/gpu", "value": "true", "effect": "NoExecute"}]),
        ] {
            assert!(!is_evicted("DaemonSet", "Running", &good), "{good}");
        }
        for bad in [
            json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]),
            json!([{"key": "nvidia.com/gpu", "operator": "Equal", "value": "false"}]),
            json!([{"key": "amd.com/gpu", "operator": "Exists"}]),
            json!([{"value": "true"}]),
        ] {
            assert!(is_evicted("DaemonSet", "Running", &bad), "{bad}");
        }
    }
}
