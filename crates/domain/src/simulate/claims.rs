//! Room `domain`: what claims of devices take against the quota that Enforce will set, as the API server counts them: by the
//! class that a request names, all devices of a class as the most that a claim can hold, and of alternatives the largest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Denied;
use super::Reason;
use super::budget::Shortage;
use super::budget::left_out;
use crate::desired::Desired;
use crate::quantity::Quantity;
use crate::quantity::parsed;
use crate::rule::case::list;
use crate::rule::case::text;

/// Devices that one claim can hold (`resource.k8s.io/v1`, `AllocationResultsMaxSize`): so many does a request for all count.
const MOST: u32 = 32;

/// A claim of devices, or a template from which claims are made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec` of the claim.
    pub spec: Value,
    /// Whether it is a `ResourceClaimTemplate`, which takes nothing by itself.
    pub is_template: bool,
}

/// The class whose devices a key of a quota counts.
pub(super) fn class_of(key: &str) -> Option<&str> {
    key.strip_suffix(".deviceclass.resource.k8s.io/devices")
}

/// Where claims take more than the quotas of these namespaces, and templates of which no claim could be made.
pub(super) fn judge(
    desired: &Desired,
    namespaces: &[String],
    claims: &[Claim],
) -> (Vec<Shortage>, Vec<Denied>) {
    let mut of: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        of.entry(&claim.namespace).or_default().push(claim);
    }
    let (mut shortages, mut denied) = (Vec::new(), Vec::new());
    let quotas = desired.objects.iter().filter(|it| it.id.kind == "ResourceQuota");
    for quota in quotas.filter(|it| namespaces.contains(&it.id.namespace)) {
        let namespace = &quota.id.namespace;
        let own = of.get(namespace.as_str()).map(Vec::as_slice).unwrap_or_default();
        let body = quota.body.tree();
        let hard = body.pointer("/spec/hard").and_then(Value::as_object).into_iter().flatten();
        for (key, hard) in hard {
            let Some((class, most)) = class_of(key).and_then(|class| Some((class, parsed(hard)?))) else {
                continue;
            };
            let live = own.iter().filter(|it| !it.is_template);
            let takes = live.map(|it| (devices(class, &it.spec), 1)).collect();
            if let Some((used, pods)) = left_out(most, takes) {
                let (namespace, resource, hard) = (namespace.clone(), key.clone(), most.to_string());
                shortages.push(Shortage { namespace, resource, hard, used, pods });
            }
            let templates = own.iter().filter(|it| it.is_template && devices(class, &it.spec) > most);
            denied.extend(templates.filter_map(|it| {
                let asks = devices(class, &it.spec);
                let message = format!(
                    "each claim made from it takes {asks} devices of class {class}, the quota is {most}"
                );
                let reason = Reason { control: "RF-GPU-020".parse().ok()?, message: message.into() };
                let owner = format!("ResourceClaimTemplate/{}", it.name);
                Some(Denied { namespace: namespace.clone(), owner, pods: 0, reasons: vec![reason] })
            }));
        }
    }
    (shortages, denied)
}

/// Devices of a class that a claim takes.
fn devices(class: &str, spec: &Value) -> Quantity {
    let requests = spec.get("devices").into_iter().flat_map(|it| list(it, "requests"));
    requests.fold(Quantity::ZERO, |sum, request| {
        let alternatives = list(request, "firstAvailable").map(|it| counted(class, it)).max();
        // Before `v1`, what it asks for stood in the request itself.
        sum.plus(alternatives.unwrap_or_else(|| counted(class, request.get("exactly").unwrap_or(request))))
    })
}

/// What one alternative counts; a mode that is not known counts nothing, as on the server.
fn counted(class: &str, request: &Value) -> Quantity {
    if text(request, "deviceClassName") != Some(class) {
        return Quantity::ZERO;
    }
    match text(request, "allocationMode") {
        None | Some("ExactCount") => request.get("count").and_then(parsed).unwrap_or(Quantity::ONE),
        Some("All") => Quantity::ONE.times(MOST),
        Some(_) => Quantity::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim(requests: &Value) -> Claim {
        Claim { namespace: "ml".into(), spec: json!({"devices": {"requests": requests}}), ..Claim::default() }
    }

    #[test]
    fn a_claim_takes_what_the_api_server_counts() {
        let takes = |requests: Value| devices("gpu", &claim(&requests).spec).to_string();
        let of = |class: &str, count: u32| json!({"deviceClassName": class, "count": count});
        assert_eq!(takes(json!([{"exactly": of("gpu", 3)}, {"exactly": of("nic", 9)}])), "3");
        assert_eq!(takes(json!([{"exactly": {"deviceClassName": "gpu"}}, {"exactly": of("gpu", 2)}])), "3");
        assert_eq!(takes(json!([{"exactly": {"deviceClassName": "gpu", "allocationMode": "All"}}])), "32");
        assert_eq!(takes(json!([{"exactly": {"deviceClassName": "gpu", "allocationMode": "Some"}}])), "0");
        assert_eq!(takes(json!([{"firstAvailable": [of("gpu", 1), of("gpu", 4), of("nic", 9)]}])), "4");
        assert_eq!(takes(json!([{"firstAvailable": [of("nic", 9)]}])), "0");
        assert_eq!(takes(json!([{"name": "a", "deviceClassName": "gpu", "count": 2}])), "2", "v1beta1");
        assert_eq!(takes(json!(null)), "0");
    }
}
