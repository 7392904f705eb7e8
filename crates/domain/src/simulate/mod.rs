//! Room `domain`: what Enforce would refuse, said before it does: live workloads through the defaults that would be filled in
//! and the rules that would judge.
//!
//! `subjects -> defaults -> rules -> owners that would be refused, each with its reasons`

mod budget;
mod claims;
mod security;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub use budget::Shortage;
use budget::shortages;
pub use claims::Claim;
use ringfence_finding::ControlId;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::defaults::fill_in;
use crate::desired::Desired;
use crate::desired::namespace::notes;
use crate::names;
use crate::object::hash;
use crate::policy::Rules;
use crate::rule;
use crate::rule::Rule;
use crate::rule::case::Case;
use crate::spec::Level;
use crate::spec::SimulationStatus;
use crate::spec::Taint;
use crate::tier::Resolved;

/// Lines of a status about what would be refused.
const LINES: usize = 20;
/// Lines of a status about what could not be read.
const MISSING: usize = 8;
/// Bytes of a line.
const LINE: usize = 256;

/// Fields of a pod spec that are judged, beside its containers. Whoever fills a [`Subject`] may leave out all others.
pub const POD_FIELDS: [&str; 16] = [
    "affinity",
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "resources",
    "runtimeClassName",
    "securityContext",
    "serviceAccountName",
    "tolerations",
    "volumes",
];

/// The same of a container.
pub const CONTAINER_FIELDS: [&str; 13] = [
    "env",
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "volumeDevices",
    "volumeMounts",
];

/// A workload, resolved to the object that somebody wrote: what pods are made from, or pods that run and say the same.
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
    /// Names of the pods that run; none for a template.
    pub pods: Vec<String>,
    /// Nodes that they run on, in the same order; empty for one that has none yet.
    pub nodes: Vec<String>,
    /// What its ServiceAccount says of the API token. None: nothing, which means yes.
    pub automount: Option<bool>,
    /// Values of its AppArmor annotations (`container.apparmor.security.beta.kubernetes.io/CONTAINER`).
    pub app_armor: Vec<String>,
}

/// What Enforce would refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// Workloads that were judged: objects that somebody wrote.
    pub judged: u32,
    /// Pods and templates that would be refused at their next start.
    pub would_deny: u32,
    /// Whose they are, by namespace and owner.
    pub denied: Vec<Denied>,
    /// Pods below the Pod Security level, as the API server groups and names them; of pods that are denied anyway too.
    pub violations: Vec<Violation>,
    /// What the pods that are left take, and claims of devices, where that is more than the quota will allow.
    pub shortages: Vec<Shortage>,
}

/// A workload that would be refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// Its namespace.
    pub namespace: String,
    /// `Kind/name`.
    pub owner: String,
    /// Pods behind it now that could not be made again.
    pub pods: u32,
    /// Why, in the order in which the API server asks.
    pub reasons: Vec<Reason>,
}

/// Why something would be refused.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The control.
    pub control: ControlId,
    /// What the API server would say.
    pub message: Cow<'static, str>,
}

/// Pods that are below the Pod Security level that Enforce sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Their namespace.
    pub namespace: String,
    /// One of them.
    pub pod: String,
    /// How many.
    pub pods: u32,
    /// What they do, in the API server's words.
    pub message: String,
}

/// Judges what a domain would: workloads in its namespaces, and if it closes nodes those outside all domains, and those of other
/// domains that it would keep off.
/// `desired` is what would exist if the domain were in Enforce; `violations` is what the API server says of running pods and the
/// Pod Security level (none: it was not asked, and they are judged here as templates are), `claims` are those of devices. None:
/// there is no such domain, or its spec cannot hold.
pub fn simulate(
    desired: &Desired,
    domain: &str,
    rules: &Rules,
    subjects: &[Subject],
    claims: &[Claim],
    violations: Option<Vec<Violation>>,
) -> Option<Simulation> {
    let outcome = desired.outcomes.get(domain)?;
    let resolved = outcome.resolved.as_ref()?;
    let closes = resolved.spec.nodes.selector.is_some() && resolved.spec.nodes.dedicated;
    let is_fenced = |name: &String| desired.outcomes.values().any(|it| it.namespaces.contains(name));
    let levels = levels(desired);
    let mut owners: BTreeMap<(&str, &str), Verdict> = BTreeMap::new();
    let mut left = Vec::new();
    for subject in subjects {
        let is_inside = outcome.namespaces.contains(&subject.namespace);
        let mut is_below = false;
        let mut pods: Vec<&str> = subject.pods.iter().map(String::as_str).collect();
        let reasons = if is_inside {
            let (mut reasons, filled) = inside(domain, resolved, rules, subject);
            let of_level = below(&levels, subject);
            if subject.pods.is_empty() || violations.is_none() {
                reasons.extend(of_level);
            } else {
                is_below = of_level.is_some();
            }
            if reasons.is_empty() && !subject.pods.is_empty() {
                left.push(budget::Running {
                    namespace: &subject.namespace,
                    spec: filled,
                    pods: subject.pods.len(),
                });
            }
            reasons
        } else if !closes || rules.allowed.contains(&subject.namespace) {
            continue;
        } else if !is_fenced(&subject.namespace) {
            outside(rules, subject)
        } else if rules.fills_in() {
            pods = on(&outcome.nodes, subject);
            let comes = subject.pods.is_empty() && comes(&resolved.spec.nodes.taint, subject);
            if pods.is_empty() && !comes {
                continue;
            }
            kept_off(domain)
        } else {
            continue;
        };
        let verdict = owners.entry((&subject.namespace, &subject.owner)).or_default();
        if is_below {
            verdict.below.extend(&pods);
        }
        verdict.add(subject.pods.is_empty(), &pods, reasons);
    }
    let mut denied: Vec<_> = owners.iter().filter_map(|(owner, verdict)| verdict.denied(*owner)).collect();
    let (of_claims, templates) = claims::judge(desired, &outcome.namespaces, claims);
    denied.extend(templates);
    // A template without pods is refused too, when it makes one.
    let mut would_deny = denied.iter().fold(0_u32, |sum, it| sum.saturating_add(it.pods.max(1)));
    // The API server names one pod of those that do the same: which of the others are refused anyway is known from ours alone.
    let violations = violations.unwrap_or_default();
    let mut below: BTreeMap<&str, u32> = BTreeMap::new();
    for violation in &violations {
        let of = below.entry(&violation.namespace).or_default();
        *of = of.saturating_add(violation.pods);
    }
    for ((namespace, _), verdict) in &owners {
        if let Some(pods) = below.get_mut(namespace) {
            *pods = pods.saturating_sub(verdict.refused_below());
        }
    }
    would_deny = below.into_values().fold(would_deny, u32::saturating_add);
    let mut shortages = shortages(desired, &outcome.namespaces, &left);
    shortages.extend(of_claims);
    would_deny = would_deny.saturating_add(budget::pods(&shortages));
    let judged = u32::try_from(owners.len()).unwrap_or(u32::MAX);
    Some(Simulation { judged, would_deny, denied, violations, shortages })
}

/// What became of an owner's template and pods.
#[derive(Default)]
struct Verdict<'a> {
    /// Names of its pods.
    pods: Vec<&'a str>,
    /// Those of them that are refused by what they say themselves.
    refused: Vec<&'a str>,
    /// Those of them that are below the Pod Security level, by our own judgement.
    below: Vec<&'a str>,
    /// The template is refused, so all pods are.
    is_template_refused: bool,
    reasons: Vec<Reason>,
}

impl<'a> Verdict<'a> {
    fn add(&mut self, is_template: bool, pods: &[&'a str], reasons: Vec<Reason>) {
        self.pods.extend(pods);
        if reasons.is_empty() {
            return;
        }
        if is_template {
            self.is_template_refused = true;
        } else {
            self.refused.extend(pods);
        }
        // What is filled into pods is not in a template: their reasons need not be the same.
        let new: Vec<_> = reasons.into_iter().filter(|it| !self.reasons.contains(it)).collect();
        self.reasons.extend(new);
    }

    /// How many below the Pod Security level are refused anyway.
    fn refused_below(&self) -> u32 {
        let refused: BTreeSet<&str> = self.refused.iter().copied().collect();
        let both = self.below.iter().filter(|it| self.is_template_refused || refused.contains(*it));
        u32::try_from(both.count()).unwrap_or(u32::MAX)
    }

    fn denied(&self, (namespace, owner): (&str, &str)) -> Option<Denied> {
        let refused = if self.is_template_refused { &self.pods } else { &self.refused };
        (!self.reasons.is_empty()).then(|| Denied {
            namespace: namespace.into(),
            owner: owner.into(),
            pods: u32::try_from(refused.len()).unwrap_or(u32::MAX),
            reasons: self.reasons.clone(),
        })
    }
}

/// What a simulation is of: a change of the spec, beside `enforcement`, of the rules, or of the namespaces that the spec
/// selects makes it old. 64 hex digits.
pub fn simulation_hash(resolved: &Resolved, rules: &Rules, namespaces: &[String]) -> String {
    let namespaces: BTreeSet<_> = namespaces.iter().collect();
    let mut resolved = json!(resolved);
    if let Some(spec) = resolved.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("enforcement");
    }
    hash(&json!({"domain": resolved, "namespaces": namespaces, "rules": rules.version()}))
}

impl Simulation {
    /// For the status of the domain: the first twenty owners. `missing` names inputs that could not be read.
    pub fn status(&self, hash: String, at: String, missing: Vec<String>) -> SimulationStatus {
        let denied = self.denied.iter().map(|it| {
            let controls: BTreeSet<_> = it.reasons.iter().map(|it| it.control.to_string()).collect();
            let controls: Vec<_> = controls.into_iter().collect();
            format!("{}/{}: {}", it.namespace, it.owner, controls.join(", "))
        });
        let lines = denied
            .chain(self.violations.iter().map(ToString::to_string))
            .chain(self.shortages.iter().map(ToString::to_string));
        let owners = lines.take(LINES).map(|line| cut(line, LINE)).collect();
        let missing = missing.into_iter().take(MISSING).map(|line| cut(line, LINE)).collect();
        SimulationStatus { hash, at, would_deny: self.would_deny, owners, missing }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, pod, pods, message } = self;
        write!(out, "{namespace}/Pod/{pod}")?;
        if *pods > 1 {
            write!(out, " and {} more", pods - 1)?;
        }
        write!(out, ": Pod Security: {message}")
    }
}

/// A line of bounded length, for a status of bounded size.
fn cut(mut line: String, most: usize) -> String {
    if line.len() > most {
        line.truncate(line.floor_char_boundary(most - 3));
        line.push_str("...");
    }
    line
}

/// Why it would be refused, and the spec with what would be filled in.
fn inside(domain: &str, resolved: &Resolved, rules: &Rules, subject: &Subject) -> (Vec<Reason>, Value) {
    let notes = notes(resolved);
    let spec = fill_in(domain, resolved, rules, &notes, subject);
    let case = Case { spec: &spec, job: subject.job_spec.as_ref(), domain, notes: &notes, rules };
    let mut reasons = failing(rule::inside(), &case);
    reasons.extend(budget::beyond(resolved, &case));
    (reasons, spec)
}

/// The Pod Security level of each namespace.
fn levels(desired: &Desired) -> BTreeMap<&str, Level> {
    let namespaces = desired.objects.iter().filter(|it| it.id.kind == "Namespace");
    let level = |it: &'_ Value| {
        let label = it.pointer("/metadata/labels/pod-security.kubernetes.io~1enforce")?.as_str()?;
        [Level::Baseline, Level::Restricted].into_iter().find(|it| it.label() == label)
    };
    namespaces.filter_map(|it| Some((it.id.name.as_str(), level(&it.body.tree())?))).collect()
}

/// What Pod Security will refuse of it. Admission fills in nothing that matters to it.
fn below(levels: &BTreeMap<&str, Level>, subject: &Subject) -> Option<Reason> {
    let level = *levels.get(subject.namespace.as_str())?;
    let found = security::violations(level, &subject.pod_spec, &subject.app_armor);
    let message = format!("violates PodSecurity \"{}:latest\": {}", level.label(), found.join(", "));
    (!found.is_empty()).then_some(())?;
    Some(Reason { control: "RF-RUN-004".parse().ok()?, message: message.into() })
}

fn outside(rules: &Rules, subject: &Subject) -> Vec<Reason> {
    let notes = BTreeMap::new();
    let case = Case { spec: &subject.pod_spec, job: None, domain: "", notes: &notes, rules };
    failing(rule::outside(), &case)
}

/// Pods of another domain's that run on these nodes.
fn on<'a>(nodes: &[String], subject: &'a Subject) -> Vec<&'a str> {
    let placed = subject.pods.iter().zip(&subject.nodes);
    placed.filter(|(_, node)| nodes.contains(node)).map(|(pod, _)| pod.as_str()).collect()
}

/// Whether a template of another domain's is made for each node, those with this taint too. One that asks for nodes of a domain
/// is judged by its own.
fn comes(taint: &Taint, subject: &Subject) -> bool {
    let spec = &subject.pod_spec;
    let asks = spec.get("nodeSelector").is_some_and(|it| it.get(names::NODE_LABEL).is_some());
    let is =
        |it: &Value, key: &str, value: &str| it[key].as_str().is_none_or(|it| it.is_empty() || it == value);
    let tolerates = |it: &Value| {
        let is_any = it["operator"].as_str() == Some("Exists");
        let value = it["value"].as_str().unwrap_or_default();
        is(it, "key", &taint.key) && is(it, "effect", taint.effect.name()) && (is_any || value == taint.value)
    };
    let mut tolerations = spec.get("tolerations").and_then(Value::as_array).into_iter().flatten();
    subject.owner.starts_with("DaemonSet/") && !asks && tolerations.any(tolerates)
}

/// Nothing is refused: the pod gets an affinity filled in that leads elsewhere.
fn kept_off(domain: &str) -> Vec<Reason> {
    let message = format!(
        "RF-GPU-004 spec.affinity: would be kept off the nodes of domain {domain}. Fix: run it in a namespace of {domain}, or \
         add its namespace to spec.nodes.systemAllowList.namespaces of {domain}."
    );
    let control = "RF-GPU-004".parse().ok();
    control.map(|control| Reason { control, message: message.into() }).into_iter().collect()
}

fn failing(rules: impl Iterator<Item = &'static Rule>, case: &Case<'_>) -> Vec<Reason> {
    let failing = rules.filter(|it| !(it.holds)(case));
    failing
        .filter_map(|it| Some(Reason { control: it.control().parse().ok()?, message: it.message.into() }))
        .collect()
}
