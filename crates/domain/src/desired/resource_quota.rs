//! Room `domain`: ResourceQuota `rf-quota` (guide 3 and 45, hole 7), one per namespace.
//!
//! Accelerators are counted as `requests.<resource>`: quotas on `limits.nvidia.com/gpu` or the bare name are accepted by
//! the API server and never enforced. Devices of dynamic resource allocation are counted under two keys, because a pod can
//! ask for them through a claim or, with `DRAExtendedResource`, as an extended resource.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Cx;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Mode;
use crate::spec::QuotaAmounts;

/// What is counted where no node says which accelerators there are.
const USUAL_ACCELERATOR: &str = "nvidia.com/gpu";

/// The quota of a namespace; none where nothing is bounded.
pub(crate) fn quota(cx: &Cx<'_>, namespace: &str) -> Option<DesiredObject> {
    let mut hard = Map::new();
    if let Some(quota) = &cx.resolved.spec.quota {
        bound(cx, &quota.amounts, &mut hard);
        for own in quota.overrides.iter().filter(|it| it.namespace == namespace) {
            bound(cx, &own.amounts, &mut hard);
        }
    }
    if cx.resolved.services_closed {
        hard.insert("services.loadbalancers".into(), "0".into());
        hard.insert("services.nodeports".into(), "0".into());
    }
    if hard.is_empty() {
        return None;
    }
    let body = json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "rf-quota", "namespace": namespace},
        "spec": {"hard": hard},
    });
    let purpose =
        Purpose { min_mode: Mode::Enforce, controls: &["RF-GPU-020", "RF-GPU-021"], guide: &[3, 45] };
    Some(DesiredObject::new(Rank::Quota, "resourcequotas", Write::Apply, &cx.owner, purpose, body))
}

fn bound(cx: &Cx<'_>, amounts: &QuotaAmounts, hard: &mut Map<String, Value>) {
    let mut put = |key: String, value: String| hard.insert(key, value.into());
    let usual = [USUAL_ACCELERATOR.to_owned()];
    if let Some(gpus) = amounts.gpu {
        let kinds = if cx.accelerators.is_empty() { &usual[..] } else { &cx.accelerators };
        for kind in kinds {
            put(format!("requests.{kind}"), gpus.to_string());
        }
    }
    let both = [
        ("cpu", &amounts.cpu),
        ("memory", &amounts.memory),
        ("ephemeral-storage", &amounts.ephemeral_storage),
    ];
    for (key, amount) in both {
        if let Some(amount) = amount {
            put(format!("requests.{key}"), amount.clone());
            put(format!("limits.{key}"), amount.clone());
        }
    }
    if let Some(storage) = &amounts.storage {
        put("requests.storage".into(), storage.clone());
    }
    if let Some(pods) = amounts.pods {
        put("pods".into(), pods.to_string());
    }
    for (class, devices) in &amounts.device_classes {
        put(format!("{class}.deviceclass.resource.k8s.io/devices"), devices.to_string());
        put(format!("requests.deviceclass.resource.kubernetes.io/{class}"), devices.to_string());
    }
}
