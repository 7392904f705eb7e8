//! Room `domain`: ResourceQuota `rf-quota` (guide 3 and 45, hole 7), one per namespace.
//!
//! Accelerators are counted as `requests.<resource>`: quotas on `limits.nvidia.com/gpu` or the bare name are accepted by
//! the API server and never enforced. Every kind that has a name of its own is counted, whether a node offers it now or not: a
//! pool that is scaled to nothing comes back, and pods wait for it that nobody counted. Partitions, whose names are many, are
//! counted while a node offers them. Devices of dynamic resource allocation are counted under two keys, because a pod can
//! ask for them through a claim or, with `DRAExtendedResource`, as an extended resource. Which classes are of accelerators
//! nobody can tell from here: those that the spec does not name are not counted, and that is said.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Cx;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::rule::case::accelerator_names;
use crate::spec::Mode;
use crate::spec::QuotaAmounts;
use crate::tier::Problem;

/// End of the key under which devices of a class are counted.
const DEVICES: &str = ".deviceclass.resource.k8s.io/devices";

/// Says where accelerators are bounded and those that a claim takes are not: where the API server serves claims, in the whole
/// domain or in one of its namespaces.
pub(crate) fn unknown(cx: &Cx<'_>) -> Option<Problem> {
    let quota = cx.resolved.spec.quota.as_ref()?;
    let serves = ["v1", "v1beta2", "v1beta1"]
        .into_iter()
        .any(|version| cx.facts.serves("resource.k8s.io", version, "ResourceClaim") == Some(true));
    let bounds_gpus = |it: &QuotaAmounts| it.gpu.is_some() && it.device_classes.is_empty();
    let own = quota.overrides.iter().map(|it| &it.amounts);
    let is_open = quota.amounts.device_classes.is_empty()
        && std::iter::once(&quota.amounts).chain(own).any(bounds_gpus);
    (serves && is_open).then(|| {
        Problem::new(
            "spec.quota.gpu",
            "the quota counts no device that a ResourceClaim takes: the API server serves claims, and quota.deviceClasses names no \
             class",
            "name each DeviceClass of accelerators in spec.quota.deviceClasses with its bound; 0 closes it",
        )
    })
}

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
    let counts_devices = hard.keys().any(|key| key.ends_with(DEVICES));
    let controls: &[_] = if counts_devices { &["RF-GPU-020", "RF-GPU-021"] } else { &["RF-GPU-020"] };
    let purpose = Purpose { min_mode: Mode::Enforce, controls, guide: &[3, 45] };
    Some(DesiredObject::new(Rank::Quota, "resourcequotas", Write::Apply, &cx.owner, purpose, body))
}

fn bound(cx: &Cx<'_>, amounts: &QuotaAmounts, hard: &mut Map<String, Value>) {
    let mut put = |key: String, value: String| hard.insert(key, value.into());
    if let Some(gpus) = amounts.gpu {
        let named = accelerator_names().filter(|it| !it.ends_with('*')).map(str::to_owned);
        for kind in named.chain(cx.accelerators.iter().cloned()) {
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
        put(format!("{class}{DEVICES}"), devices.to_string());
        put(format!("requests.deviceclass.resource.kubernetes.io/{class}"), devices.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Asked;
    use crate::desired::desired;
    use crate::facts::ClusterFacts;
    use crate::facts::NodeFact;
    use crate::spec::SecurityDomain;

    #[test]
    fn a_kind_is_counted_whether_a_node_offers_it_now_or_not() {
        let domain = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": "a"},
            "spec": {"namespaces": {"names": ["ml"]}, "nodes": {"selector": {}}, "quota": {"gpu": 8}}});
        let domain: SecurityDomain = serde_json::from_value(domain).unwrap();
        let hard = |kinds: &[&str]| {
            let accelerators = kinds.iter().map(|kind| ((*kind).to_owned(), 8)).collect();
            let node = NodeFact { name: "gpu-1".into(), accelerators, ..NodeFact::default() };
            let facts = ClusterFacts { nodes: Some(vec![node]), ..ClusterFacts::default() };
            let objects = desired(&[Asked::new(&domain, Mode::Enforce)], &facts).objects;
            objects.into_iter().find(|it| it.id.kind == "ResourceQuota").unwrap().body.tree()["spec"]["hard"]
                .take()
        };
        let (full, empty) = (hard(&["nvidia.com/gpu", "amd.com/gpu"]), hard(&[]));
        assert_eq!(full, empty, "a pool that is scaled to nothing changes nothing");
        assert_eq!(
            (&empty["requests.nvidia.com/gpu"], &empty["requests.amd.com/gpu"]),
            (&json!("8"), &json!("8"))
        );
        assert!(empty.as_object().unwrap().keys().all(|key| !key.contains('*')), "{empty}");
        let sliced = hard(&["nvidia.com/mig-1g.5gb"]);
        assert_eq!(sliced["requests.nvidia.com/mig-1g.5gb"], "8");
    }

    #[test]
    fn where_claims_are_served_and_no_class_is_named_the_quota_is_not_whole() {
        let said = |quota: Value, served: Option<&str>| {
            let domain = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": "a"},
                "spec": {"namespaces": {"names": ["ml"]}, "quota": quota}});
            let domain: SecurityDomain = serde_json::from_value(domain).unwrap();
            let served = served.map(|it| [it.to_owned()].into());
            let facts = ClusterFacts { served, ..ClusterFacts::default() };
            let desired = desired(&[Asked::new(&domain, Mode::Enforce)], &facts);
            let quota = desired.objects.into_iter().find(|it| it.id.kind == "ResourceQuota").unwrap();
            let controls: Vec<_> = quota.controls.iter().map(ToString::to_string).collect();
            let unknown = &desired.outcomes["a"].unknown;
            (unknown.iter().any(|it| it.field == "spec.quota.gpu"), controls.join(" "))
        };
        let claims = Some("resource.k8s.io/v1/ResourceClaim");
        let (open, gpus) = (json!({"gpu": 8}), "RF-GPU-020".to_owned());
        assert_eq!(said(open.clone(), claims), (true, gpus.clone()));
        assert_eq!(said(open.clone(), Some("/v1/Pod")), (false, gpus.clone()));
        assert_eq!(said(open, None), (false, gpus.clone()), "nobody looked what is served");
        assert_eq!(said(json!({"pods": 5}), claims), (false, gpus.clone()));
        let named = json!({"gpu": 8, "deviceClasses": {"gpu.nvidia.com": 0}});
        assert_eq!(said(named, claims), (false, "RF-GPU-020 RF-GPU-021".to_owned()));
        let one = json!({"pods": 5, "overrides": [{"namespace": "ml", "gpu": 0}]});
        assert_eq!(said(one, claims), (true, gpus));
    }
}
