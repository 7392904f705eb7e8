//! Room `domain`: what Enforce would refuse, said before it does: live workloads through the defaults that would be filled in
//! and the rules that would judge.
//!
//! `subjects -> defaults -> rules -> owners that would be refused, each with its reasons`

use std::collections::BTreeMap;

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
            let controls: BTreeMap<_, _> = it.reasons.iter().map(|it| (it.control.to_string(), ())).collect();
            let controls: Vec<_> = controls.into_keys().collect();
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
