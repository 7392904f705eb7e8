//! Room `domain`: what Enforce would refuse, said before it does: live workloads through the defaults that would be filled in
//! and the rules that would judge.
//!
//! `subjects -> defaults -> rules -> owners that would be refused, each with its reasons`

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_finding::ControlId;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::defaults::fill_in;
use crate::desired::Desired;
use crate::desired::namespace::notes;
use crate::object::hash;
use crate::policy::Rules;
use crate::rule;
use crate::rule::Rule;
use crate::rule::case::Case;
use crate::spec::SimulationStatus;
use crate::tier::Resolved;

/// A workload, resolved to the object that somebody wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// `Kind/name` of the object that somebody wrote; of a bare pod, the pod's.
    pub owner: String,
    /// `spec` of its pods: from the template where there is one. A bare pod's own names the node it was placed on: the
    /// caller takes that out, since a pod that is made again is placed again.
    pub pod_spec: Value,
    /// `spec` of the Job that it is or makes.
    pub job_spec: Option<Value>,
    /// Pods behind it now.
    pub pods: u32,
    /// What its ServiceAccount says of the API token. None: nothing, which means yes.
    pub automount: Option<bool>,
}

/// What Enforce would refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// Workloads that were judged.
    pub judged: u32,
    /// Pods and templates that would be refused at their next start.
    pub would_deny: u32,
    /// Whose they are, by namespace and owner.
    pub denied: Vec<Denied>,
}

/// A workload that would be refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// Its namespace.
    pub namespace: String,
    /// `Kind/name`.
    pub owner: String,
    /// Pods behind it now.
    pub pods: u32,
    /// Why, in the order in which the API server asks.
    pub reasons: Vec<Reason>,
}

/// Why something would be refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The control.
    pub control: ControlId,
    /// What the API server would say.
    pub message: &'static str,
}

/// Judges what a domain would: workloads in its namespaces, and those outside all domains if it closes nodes to them.
/// None: there is no such domain, or its spec cannot hold.
pub fn simulate(desired: &Desired, domain: &str, rules: &Rules, subjects: &[Subject]) -> Option<Simulation> {
    let outcome = desired.outcomes.get(domain)?;
    let resolved = outcome.resolved.as_ref()?;
    let closes = resolved.spec.nodes.selector.is_some() && resolved.spec.nodes.dedicated;
    let is_fenced = |name: &String| desired.outcomes.values().any(|it| it.namespaces.contains(name));
    let mut result = Simulation::default();
    for subject in subjects {
        let reasons = if outcome.namespaces.contains(&subject.namespace) {
            inside(domain, resolved, rules, subject)
        } else if closes && !is_fenced(&subject.namespace) && !rules.allowed.contains(&subject.namespace) {
            outside(rules, subject)
        } else {
            continue;
        };
        result.judged = result.judged.saturating_add(1);
        if reasons.is_empty() {
            continue;
        }
        // A template without pods is refused too, when it makes one.
        result.would_deny = result.would_deny.saturating_add(subject.pods.max(1));
        let Subject { namespace, owner, pods, .. } = subject;
        result.denied.push(Denied {
            namespace: namespace.clone(),
            owner: owner.clone(),
            pods: *pods,
            reasons,
        });
    }
    result
        .denied
        .sort_by(|left, right| (&left.namespace, &left.owner).cmp(&(&right.namespace, &right.owner)));
    Some(result)
}

/// What a simulation is of: a change of the spec, beside `enforcement`, or of the rules makes it old. 64 hex digits.
pub fn simulation_hash(resolved: &Resolved, rules: &Rules) -> String {
    let mut resolved = json!(resolved);
    if let Some(spec) = resolved.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("enforcement");
    }
    hash(&json!({"domain": resolved, "rules": rules.version()}))
}

impl Simulation {
    /// For the status of the domain: the first twenty owners. `missing` names inputs that could not be read.
    pub fn status(&self, hash: String, at: String, missing: Vec<String>) -> SimulationStatus {
        let line = |it: &Denied| {
            let controls: BTreeSet<_> = it.reasons.iter().map(|it| it.control.to_string()).collect();
            let controls: Vec<_> = controls.into_iter().collect();
            format!("{}/{}: {}", it.namespace, it.owner, controls.join(", "))
        };
        let owners = self.denied.iter().take(20).map(line).collect();
        SimulationStatus { hash, at, would_deny: self.would_deny, owners, missing }
    }
}

fn inside(domain: &str, resolved: &Resolved, rules: &Rules, subject: &Subject) -> Vec<Reason> {
    let notes = notes(resolved);
    let spec = fill_in(domain, resolved, rules, &notes, subject);
    let case = Case { spec: &spec, job: subject.job_spec.as_ref(), domain, notes: &notes, rules };
    failing(rule::inside(), &case)
}

fn outside(rules: &Rules, subject: &Subject) -> Vec<Reason> {
    let notes = BTreeMap::new();
    let case = Case { spec: &subject.pod_spec, job: None, domain: "", notes: &notes, rules };
    failing(rule::outside(), &case)
}

fn failing(rules: impl Iterator<Item = &'static Rule>, case: &Case<'_>) -> Vec<Reason> {
    let failing = rules.filter(|it| !(it.holds)(case));
    failing
        .filter_map(|it| Some(Reason { control: it.control().parse().ok()?, message: it.message }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Asked;
    use crate::desired::desired;
    use crate::facts::ClusterFacts;
    use crate::spec::Mode;
    use crate::spec::SecurityDomain;

    fn domain(spec: Value) -> SecurityDomain {
        let mut spec = spec;
        spec["namespaces"] = json!({"names": ["ml"]});
        let object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
            "metadata": {"name": "a"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn subject(namespace: &str, fields: &Value) -> Subject {
        let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        let mut spec = json!({"containers": [{"name": "main", "image": "it", "resources": limits}]});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Subject {
            namespace: namespace.into(),
            owner: "Deployment/it".into(),
            pod_spec: spec,
            ..Subject::default()
        }
    }

    fn simulated(domain: &SecurityDomain, subjects: &[Subject]) -> Simulation {
        let asked = [Asked { domain, mode: Mode::Observe }];
        let rules = Rules::of(&asked, &ClusterFacts::default());
        simulate(&desired(&asked, &ClusterFacts::default()), "a", &rules, subjects).unwrap()
    }

    fn controls(domain: &SecurityDomain, subject: &Subject) -> Vec<String> {
        let simulation = simulated(domain, std::slice::from_ref(subject));
        simulation.denied.iter().flat_map(|it| &it.reasons).map(|it| it.control.to_string()).collect()
    }

    #[test]
    fn counts_pods_and_a_template_without_pods_as_one() {
        let bad = json!({"hostPID": true, "hostIPC": true});
        let twelve = Subject { pods: 12, ..subject("ml", &bad) };
        let none = Subject { owner: "CronJob/nightly".into(), ..subject("ml", &bad) };
        let simulation = simulated(&domain(json!({})), &[twelve, none, subject("ml", &json!({}))]);
        assert_eq!((simulation.judged, simulation.would_deny), (3, 13));
        let status = simulation.status("h".into(), "2026-03-02T11:00:00Z".into(), Vec::new());
        assert_eq!(
            status.owners,
            ["ml/CronJob/nightly: RF-DATA-009, RF-RUN-010", "ml/Deployment/it: RF-DATA-009, RF-RUN-010"]
        );
    }

    #[test]
    fn judges_those_outside_only_if_the_domain_closes_nodes_to_them() {
        let tolerant = |namespace| subject(namespace, &json!({"tolerations": [{"operator": "Exists"}]}));
        let subjects = [tolerant("shop"), tolerant("kube-system"), tolerant("drivers")];
        assert_eq!(simulated(&domain(json!({})), &subjects).judged, 0);
        let nodes = json!({"selector": {}, "systemAllowList": {"namespaces": ["drivers"]}});
        let simulation = simulated(&domain(json!({"nodes": nodes})), &subjects);
        let denied: Vec<_> = simulation.denied.iter().map(|it| it.namespace.as_str()).collect();
        assert_eq!((simulation.judged, denied), (1, vec!["shop"]));
    }

    #[test]
    fn what_would_be_filled_in_is_not_missed() {
        let bare = subject("ml", &json!({"containers": [{"name": "main", "image": "it"}]}));
        assert_eq!(controls(&domain(json!({})), &bare), ["RF-RUN-002"]);
        let defaults = json!({"limits": {"default": {"cpu": "1"}, "max": {"memory": "1Gi"}}});
        assert!(controls(&domain(defaults), &bare).is_empty());

        let gpu = json!({"limits": {"nvidia.com/gpu": "1", "cpu": "1", "memory": "1Gi"}});
        let gpu = subject("ml", &json!({"containers": [{"name": "main", "image": "it", "resources": gpu}]}));
        let noded = domain(json!({"nodes": {"selector": {}}}));
        assert!(controls(&noded, &gpu).is_empty());
        // Where the server fills nothing in, the author has to.
        let served = ["admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy".to_owned()];
        let facts =
            ClusterFacts { served: Some(served.into()), nodes: Some(Vec::new()), ..ClusterFacts::default() };
        let asked = [Asked { domain: &noded, mode: Mode::Observe }];
        let simulation = simulate(&desired(&asked, &facts), "a", &Rules::of(&asked, &facts), &[gpu]).unwrap();
        assert_eq!(simulation.denied[0].reasons[0].control.to_string(), "RF-GPU-004");
    }

    #[test]
    fn a_token_is_foreseen_where_admission_will_mount_one() {
        let limited = domain(json!({"tier": "Restricted", "jobs": {"activeDeadlineSeconds": 60},
            "access": {"mountable": {"serviceAccounts": ["trainer"]}}}));
        assert!(controls(&limited, &subject("ml", &json!({}))).is_empty());
        let asks = json!({"automountServiceAccountToken": true});
        assert_eq!(controls(&limited, &subject("ml", &asks)), ["RF-RBAC-008"]);
        let other = subject("ml", &json!({"serviceAccountName": "other"}));
        assert_eq!(controls(&limited, &other), ["RF-RBAC-008", "RF-RBAC-003"]);
        let silent = Subject { automount: Some(false), ..other };
        assert_eq!(controls(&limited, &silent), ["RF-RBAC-003"]);
        assert!(controls(&limited, &subject("ml", &json!({"serviceAccountName": "trainer"}))).is_empty());
        let meant = domain(json!({"access": {"serviceAccounts": {"automountDefault": true}}}));
        assert!(controls(&meant, &subject("ml", &json!({}))).is_empty());
    }

    #[test]
    fn a_job_needs_a_deadline_where_none_is_given_to_it() {
        let strict = domain(json!({"tier": "Restricted"}));
        let job = |spec: Value| Subject {
            job_spec: Some(spec),
            ..subject("ml", &json!({"automountServiceAccountToken": false}))
        };
        assert_eq!(controls(&strict, &job(json!({}))), ["RF-RUN-013"]);
        assert!(controls(&strict, &job(json!({"activeDeadlineSeconds": 60}))).is_empty());
        assert!(controls(&domain(json!({})), &job(json!({}))).is_empty());
    }

    #[test]
    fn the_hash_follows_spec_and_rules_but_not_the_mode() {
        let hash = |domain: &SecurityDomain, all: &[&SecurityDomain]| {
            let asked: Vec<_> = all.iter().map(|domain| Asked { domain, mode: Mode::Observe }).collect();
            let rules = Rules::of(&asked, &ClusterFacts::default());
            simulation_hash(&crate::resolve(&domain.spec).unwrap(), &rules)
        };
        let plain = domain(json!({}));
        let before = hash(&plain, &[&plain]);
        assert_eq!(before.len(), 64);
        let mut raised = plain.clone();
        raised.spec.enforcement.mode = Mode::Enforce;
        raised.spec.enforcement.acknowledged = Some(before.clone());
        assert_eq!(hash(&raised, &[&raised]), before);
        let stricter = domain(json!({"limits": {"maxGPUsPerPod": 1}}));
        assert_ne!(hash(&stricter, &[&stricter]), before);
        let taints = domain(json!({"nodes": {"selector": {}, "taint": {"key": "example.com/gpu"}}}));
        assert_ne!(hash(&plain, &[&plain, &taints]), before);
    }
}
