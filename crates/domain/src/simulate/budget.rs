//! Room `domain`: what running pods take against the quota, and what containers ask for against the limits that Enforce will
//! set. As the API server counts: a container that runs before the others counts only where it takes more than they do.

use std::collections::BTreeMap;

use ringfence_finding::ControlId;
use serde::Serialize;
use serde_json::Value;

use super::Reason;
use super::claims;
use crate::desired::Desired;
use crate::desired::limit_range::RESOURCES;
use crate::quantity::Quantity;
use crate::quantity::parsed;
use crate::rule::case::Case;
use crate::rule::case::list;
use crate::tier::Resolved;

/// A resource of which the pods, or the claims of devices, of a namespace take more than their quota will allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// The namespace.
    pub namespace: String,
    /// Key of the quota: `requests.nvidia.com/gpu`, `pods`.
    pub resource: String,
    /// What the quota will allow.
    pub hard: String,
    /// What the pods take that would not be refused anyway; what all claims take.
    pub used: String,
    /// Pods or claims that could not be made again, at least: as many as are left out when the smallest come first.
    pub pods: u32,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, resource, hard, used, pods } = self;
        let who = if claims::class_of(resource).is_some() { "claims" } else { "pods" };
        write!(
            out,
            "{namespace}: {who} take {used} {resource}, the quota is {hard}; {pods} could not be made again"
        )
    }
}

/// Pods that run, say the same, and would not be refused by what they say.
pub(super) struct Running<'a> {
    pub(super) namespace: &'a str,
    /// With what would be filled in.
    pub(super) spec: Value,
    pub(super) pods: usize,
}

/// Pods that could not be made again for want of quota: those that lack one resource mostly lack the others too.
pub(super) fn pods(shortages: &[Shortage]) -> u32 {
    let mut most: BTreeMap<&str, u32> = BTreeMap::new();
    for shortage in shortages {
        let of = most.entry(&shortage.namespace).or_default();
        *of = (*of).max(shortage.pods);
    }
    most.values().fold(0, |sum, pods| sum.saturating_add(*pods))
}

/// Where the quotas of these namespaces are smaller than what runs.
pub(super) fn shortages(desired: &Desired, namespaces: &[String], running: &[Running<'_>]) -> Vec<Shortage> {
    let mut of: BTreeMap<&str, Vec<&Running<'_>>> = BTreeMap::new();
    for pods in running {
        of.entry(pods.namespace).or_default().push(pods);
    }
    let quotas = desired.objects.iter().filter(|it| it.id.kind == "ResourceQuota");
    let own = quotas.filter(|it| namespaces.contains(&it.id.namespace));
    own.flat_map(|quota| {
        let namespace = &quota.id.namespace;
        let running = of.get(namespace.as_str()).map(Vec::as_slice).unwrap_or_default();
        let hard = quota.body.tree().pointer("/spec/hard").and_then(Value::as_object).cloned();
        hard.into_iter().flatten().filter_map(move |(key, hard)| {
            let found = shortage(&key, hard.as_str()?, running)?;
            Some(Shortage { namespace: namespace.clone(), ..found })
        })
    })
    .collect()
}

fn shortage(key: &str, hard: &str, running: &[&Running<'_>]) -> Option<Shortage> {
    let most = hard.parse::<Quantity>().ok()?;
    let takes =
        running.iter().map(|it| (usage(key, &it.spec), u32::try_from(it.pods).unwrap_or(u32::MAX))).collect();
    let (used, pods) = left_out(most, takes)?;
    Some(Shortage { resource: key.into(), hard: hard.into(), used, pods, ..Shortage::default() })
}

/// What all of them take, and how many do not fit when the smallest come first; none if all fit. Each with its number.
pub(super) fn left_out(most: Quantity, mut takes: Vec<(Quantity, u32)>) -> Option<(String, u32)> {
    takes.sort_unstable();
    let used = takes.iter().fold(Quantity::ZERO, |sum, (each, pods)| sum.plus(each.times(*pods)));
    if used <= most {
        return None;
    }
    let mut left = most;
    let mut refused = 0_u32;
    for (each, pods) in takes {
        let fit = left.holds(each).min(pods);
        left = left.minus(each.times(fit));
        refused = refused.saturating_add(pods - fit);
    }
    Some((used.to_string(), refused))
}

/// What one pod takes of what a quota counts. Zero of what pods do not take: volumes and Services are there already, and
/// claims of devices are counted by themselves.
fn usage(key: &str, spec: &Value) -> Quantity {
    if key == "pods" {
        return Quantity::ONE;
    }
    let Some((part, resource)) =
        key.split_once('.').filter(|(part, _)| ["requests", "limits"].contains(part))
    else {
        return Quantity::ZERO;
    };
    if resource == "storage" {
        return Quantity::ZERO;
    }
    let of_pod = amount(spec, part, resource).unwrap_or_else(|| {
        let is_sidecar = |it: &&Value| it.get("restartPolicy").and_then(Value::as_str) == Some("Always");
        let each = |it: &Value| amount(it, part, resource).unwrap_or(Quantity::ZERO);
        let sum = |sum: Quantity, it: &Value| sum.plus(each(it));
        let sidecars = list(spec, "initContainers").filter(is_sidecar).fold(Quantity::ZERO, sum);
        let main = list(spec, "containers").fold(sidecars, sum);
        // Each runs beside the sidecars that were started before it.
        let mut beside = Quantity::ZERO;
        list(spec, "initContainers").fold(main, |most, it| {
            if is_sidecar(&it) {
                beside = beside.plus(each(it));
                most
            } else {
                most.max(beside.plus(each(it)))
            }
        })
    });
    let overhead = spec.get("overhead").and_then(|it| it.get(resource)).and_then(parsed);
    of_pod.plus(overhead.unwrap_or(Quantity::ZERO))
}

/// What a container or a pod as a whole asks for. A request that is not written is the limit.
fn amount(of: &Value, part: &str, resource: &str) -> Option<Quantity> {
    let resources = of.get("resources")?;
    let written = |part: &str| resources.get(part)?.get(resource).and_then(parsed);
    written(part).or_else(|| written("limits").filter(|_| part == "requests"))
}

/// Containers that ask for more than the LimitRange will allow, in `LimitRanger`'s words, and those whose request is above the
/// limit that it fills in, which the API server takes for a typing error of the author.
pub(super) fn beyond(resolved: &Resolved, case: &Case<'_>) -> Vec<Reason> {
    let Some(limits) = resolved.spec.limits.as_ref() else { return Vec::new() };
    let Ok(control) = "RF-RUN-002".parse::<ControlId>() else { return Vec::new() };
    let mut reasons = Vec::new();
    let mut tell = |message: String| reasons.push(Reason { control, message: message.into() });
    for (resource, amount) in RESOURCES {
        let asked = |of: &Value, part: &str| of.get("resources")?.get(part)?.get(resource).and_then(parsed);
        let max = limits.max.as_ref().and_then(|it| amount(&it.container));
        if let Some((text, max)) = max.and_then(|it| Some((it, it.parse::<Quantity>().ok()?))) {
            let most = case.containers().filter_map(|it| asked(it, "limits")).max();
            if let Some(most) = most.filter(|it| *it > max) {
                tell(format!("maximum {resource} usage per Container is {text}, but limit is {most}"));
            }
        }
        let above = case.containers().find_map(|it| {
            let (request, limit) = (asked(it, "requests")?, asked(it, "limits")?);
            (request > limit).then_some((request, limit))
        });
        if let Some((request, limit)) = above {
            tell(format!(
                "a request of {request} {resource} is above the limit of {limit} that the LimitRange fills in. Fix: write \
                 resources.limits.{resource}, or raise spec.limits.default"
            ));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(key: &str, spec: &Value) -> String {
        usage(key, spec).to_string()
    }

    #[test]
    fn a_pod_takes_what_the_api_server_counts() {
        let container = |limits: Value| json!({"resources": {"limits": limits}});
        let mut sidecar = container(json!({"cpu": "500m"}));
        sidecar["restartPolicy"] = json!("Always");
        let spec = json!({
            "initContainers": [container(json!({"cpu": "3"})), sidecar, container(json!({"cpu": "2"}))],
            "containers": [container(json!({"cpu": "1", "nvidia.com/gpu": 2})), container(json!({"cpu": "1"}))],
            "overhead": {"cpu": "250m"},
        });
        // 3 before the sidecar, 2.5 beside it, 2.5 at the end.
        assert_eq!(takes("limits.cpu", &spec), "3250m");
        assert_eq!(takes("requests.nvidia.com/gpu", &spec), "2");
        assert_eq!(takes("pods", &spec), "1");
        assert_eq!(takes("requests.memory", &spec), "0");
        let request =
            json!({"containers": [{"resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}}]});
        assert_eq!(
            (takes("requests.cpu", &request), takes("limits.cpu", &request)),
            ("100m".into(), "1".into())
        );
        let whole =
            json!({"resources": {"limits": {"cpu": "4"}}, "containers": [container(json!({"cpu": "1"}))]});
        assert_eq!(takes("requests.cpu", &whole), "4");
    }

    #[test]
    fn a_quota_leaves_out_as_few_pods_as_it_can() {
        let of = |gpus: u32, pods: usize| Running {
            namespace: "ml",
            spec: json!({"containers": [{"resources": {"limits": {"nvidia.com/gpu": gpus}}}]}),
            pods,
        };
        let (large, small) = (of(8, 2), of(1, 4));
        let found = shortage("requests.nvidia.com/gpu", "12", &[&large, &small]).unwrap();
        assert_eq!((found.used.as_str(), found.pods), ("20", 1));
        assert_eq!(shortage("requests.nvidia.com/gpu", "20", &[&large, &small]), None);
        assert_eq!(shortage("pods", "0", &[&small]).unwrap().pods, 4);
    }
}
