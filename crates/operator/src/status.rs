//! Room `operator`: what a domain says of itself. A condition that was not looked at is Unknown, never True; a status is
//! written only when something in it is new.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use ringfence_domain::Outcome;
use ringfence_domain::Problem;
use ringfence_domain::SecurityDomain;
use ringfence_domain::SecurityDomainSpec;
use ringfence_domain::kept;
use ringfence_domain::names;
use ringfence_domain::spec::Condition;
use ringfence_domain::spec::Mode;
use ringfence_domain::spec::NodeCounts;
use ringfence_domain::spec::Nodes;
use ringfence_domain::spec::SecurityDomainStatus;
use ringfence_domain::spec::SimulationStatus;

use crate::inventory;
use crate::inventory::Written;
use crate::look::Look;
use crate::own::Own;
use crate::plan::Report;
use crate::simulating::Simulations;
use crate::simulating::shown;
use crate::source::Source;
use crate::store::Store;

/// Problems named in one message; the others are counted.
const NAMED: usize = 5;
/// Bytes of a status.
const WHOLE: usize = 30_000;
/// Words that are not made shorter any more, bytes.
const SHORT: usize = 64;

/// What a domain's status says was written.
pub(crate) fn written(domain: &SecurityDomain) -> BTreeSet<Written> {
    domain.status.as_ref().map(|status| inventory::read(&status.inventory)).unwrap_or_default()
}

/// What a status is drawn from.
pub(crate) struct Seen<'a> {
    /// What should be.
    pub(crate) look: &'a Look,
    /// What is.
    pub(crate) store: &'a Store,
    /// What simulations found.
    pub(crate) simulations: &'a Simulations,
    /// Of the domain's objects.
    pub(crate) report: &'a Report,
    /// Of what stands for all domains.
    pub(crate) all: &'a Report,
    /// What was written and is still there.
    pub(crate) left: &'a BTreeSet<Written>,
}

/// The status of a domain of which nothing is left to write, if it is new.
pub(crate) fn of(domain: &SecurityDomain, seen: &Seen<'_>, clock: Timestamp) -> Option<Own> {
    let Seen { look, store, simulations, report, all, left } = *seen;
    let name = domain.name_any();
    let outcome = look.desired.outcomes.get(&name)?;
    let old = domain.status.clone().unwrap_or_default();
    let mut promises = Promises::new(domain, &old.conditions, clock);
    // What is not known to be in force says nothing of nodes.
    let nodes = outcome.resolved.as_ref().map_or(old.nodes, |_| nodes(domain, look, store));
    let modes = look.modes.get(&name).cloned().unwrap_or_default();
    let accepted = match (&modes.held, modes.mode) {
        (Some(_), Mode::Enforce) => old.accepted_spec.clone(),
        (None, Mode::Enforce) => kept(&domain.spec),
        _ => None,
    };
    let (entries, fits) = inventory::entries(left, accepted.as_deref());
    let words = |problems: &[Problem]| -> Vec<String> { problems.iter().map(ToString::to_string).collect() };
    let (invalid, conflicts) = (words(look.invalid_of(&name)), words(&outcome.conflicts));
    // What the spec leaves open is told, and keeps nothing of what it asks for from being there.
    let (left_open, unknown): (Vec<Problem>, Vec<Problem>) =
        outcome.unknown.iter().cloned().partition(|it| it.field == "spec.quota.gpu");
    let (left_open, unknown) = (words(&left_open), words(&unknown));
    let faults: Vec<String> = report.faults.iter().chain(&all.faults).cloned().collect();

    promises.say("Conflict", !conflicts.is_empty(), "OtherDomain", "NoConflict", &conflicts);
    // What refuses for this domain is shared: a policy that somebody takes away is away for each.
    let contests: Vec<String> = report.contests.iter().chain(&all.contests).cloned().collect();
    promises.say("DriftContested", !contests.is_empty(), "Contested", "NotContested", &contests);
    let of_namespaces: Vec<String> =
        unknown.iter().filter(|it| it.starts_with("spec.namespaces")).cloned().collect();
    promises.say("NamespacesReady", of_namespaces.is_empty(), "AllThere", "Missing", &of_namespaces);
    let open =
        isolation(&mut promises, &in_force(domain, outcome).nodes, nodes, modes.mode, &ways(&name, look));
    let opened = look.opened.get(&name).cloned().unwrap_or_default();
    network(&mut promises, &opened);
    admission(&mut promises, all, &left_open);
    let simulation = shown(old.simulation.as_ref(), simulations.of(domain), clock);
    simulated(&mut promises, simulation.as_ref(), look.hashes.get(&name));
    let mut all_faults = faults;
    if !fits {
        all_faults.push(
            "status.inventory is full: objects beyond it will not be removed with the domain, and namespaces beyond it are not \
             kept from an older domain; split the domain"
                .into(),
        );
    }
    let held: Vec<String> =
        modes.held.iter().map(|why| format!("spec.enforcement.mode waits: {why}")).collect();
    let reasons = [
        ("InvalidSpec", invalid),
        ("WriteFailed", all_faults),
        ("Conflict", conflicts),
        ("DriftContested", contests),
        ("OpenedByOthers", opened),
        ("Unknown", unknown),
        ("NotIsolated", open),
        ("Held", held),
        ("Progressing", waiting(all)),
    ];
    promises.ready(&reasons);
    let mut status = old.clone();
    status.observed_generation = domain.metadata.generation.unwrap_or_default();
    status.simulation = simulation;
    status.accepted_spec = accepted;
    status.effective_modes = modes;
    status.nodes = nodes;
    status.inventory = entries;
    status.conditions = promises.made;
    squeeze(&mut status);
    Own::status(domain, &status)
}

/// The status of a domain that cannot go on with its end.
pub(crate) fn blocked(domain: &SecurityDomain, words: &str, clock: Timestamp) -> Option<Own> {
    let old = domain.status.clone().unwrap_or_default();
    let mut promises = Promises::new(domain, &old.conditions, clock);
    promises.ready(&[("RemovalBlocked", vec![words.to_owned()])]);
    let mut status = old.clone();
    status.conditions.retain(|it| it.kind != "Ready");
    status.conditions.extend(promises.made);
    status.conditions.sort_by(|left, right| left.kind.cmp(&right.kind));
    Own::status(domain, &status)
}

/// Takes the middle half out of the longest words until all of it fits: they begin with what is wrong and end with why, and spec
/// and inventory leave at least a quarter of a status to them.
fn squeeze(status: &mut SecurityDomainStatus) {
    while serde_json::to_vec(status).is_ok_and(|it| it.len() > WHOLE) {
        let simulation =
            status.simulation.iter_mut().flat_map(|it| it.owners.iter_mut().chain(&mut it.missing));
        let words = status.conditions.iter_mut().map(|it| &mut it.message).chain(simulation);
        let longest = words.chain(&mut status.effective_modes.held).max_by_key(|it| it.len());
        let Some(longest) = longest.filter(|it| it.len() > SHORT) else { return };
        let quarter = longest.len() / 4;
        let middle =
            longest.floor_char_boundary(quarter)..longest.ceil_char_boundary(longest.len() - quarter);
        longest.replace_range(middle, "…");
    }
}

/// Whether it is known what Enforce would refuse as spec and rules are now, and how much that is.
fn simulated(promises: &mut Promises<'_>, simulation: Option<&SimulationStatus>, hash: Option<&String>) {
    let kind = "SimulationCurrent";
    let Some(simulation) = simulation else {
        return promises.unknown(kind, "NotRun", "no simulation of Enforce was run yet");
    };
    if Some(&simulation.hash) != hash {
        let words = "spec or rules changed since the last simulation".to_owned();
        return promises.say(kind, false, "", "Outdated", &[words]);
    }
    if !simulation.missing.is_empty() {
        return promises.say(kind, false, "", "InputMissing", &simulation.missing);
    }
    let words = match simulation.would_deny {
        0 => "Enforce would refuse no pod that runs, and no template; Pod Security was asked of running pods by the API \
              server, and of templates by the same rules as of Kubernetes 1.36"
            .to_owned(),
        count => format!("Enforce would refuse {count} pods and templates, see status.simulation"),
    };
    promises.say(kind, true, "Current", "", &[words]);
}

fn network(promises: &mut Promises<'_>, opened: &[String]) {
    if opened.is_empty() {
        let words = "the policies are written; whether the network enforces them was not tried";
        promises.unknown("NetworkEnforced", "NotProbed", words);
    } else {
        promises.say("NetworkEnforced", false, "", "OpenedByOthers", opened);
    }
}

fn admission(promises: &mut Promises<'_>, all: &Report, left_open: &[String]) {
    let missing: Vec<String> = all.faults.iter().chain(&all.contests).cloned().chain(waiting(all)).collect();
    if missing.is_empty() {
        let words = "policies and bindings are written and compiled; whether a pod is refused was not tried, and they cannot \
                     tell which devices stand behind a claim and whether any do, what a RuntimeClass does, and which variables \
                     an image or a ConfigMap in envFrom sets";
        let open = left_open.iter().map(|it| format!("; {it}"));
        promises.unknown("AdmissionActive", "NotProbed", &format!("{words}{}", open.collect::<String>()));
    } else {
        promises.say("AdmissionActive", false, "", "NotInPlace", &missing);
    }
}

fn waiting(all: &Report) -> Vec<String> {
    let words = (all.pending > 0)
        .then(|| format!("{} bindings wait for the API server to compile their policies", all.pending));
    words.into_iter().collect()
}

/// Other domains whose pods may come onto the nodes of this one, where the API server does not fill in what keeps them off: those
/// that do not refuse yet, and those that place GPU pods nowhere.
fn ways(name: &str, look: &Look) -> Vec<String> {
    if look.keeps_apart {
        return Vec::new();
    }
    let others =
        look.desired.outcomes.iter().filter(|(other, it)| *other != name && !it.namespaces.is_empty());
    let ways = others.filter_map(|(other, it)| {
        let nodes = &it.resolved.as_ref()?.spec.nodes;
        let why = if it.mode < Mode::Enforce {
            format!("is in mode {:?}", it.mode)
        } else if nodes.selector.is_none() || !nodes.inject_node_selector {
            "does not place its GPU pods".to_owned()
        } else {
            return None;
        };
        Some(format!(
            "domain {other} {why}, so its pods may come here; raise it to Enforce and give it nodes of its own, or see that \
             the MutatingAdmissionPolicy ringfence-pod-places and its binding, which keep them off, are in place (Kubernetes 1.36)"
        ))
    });
    ways.collect()
}

/// The spec that is in force: the accepted one while an edit waits.
fn in_force<'a>(domain: &'a SecurityDomain, outcome: &'a Outcome) -> &'a SecurityDomainSpec {
    outcome.resolved.as_ref().map_or(&domain.spec, |it| &it.spec)
}

/// Says whether nodes are closed, and gives what is wrong with it if that is none of what the spec asks for.
fn isolation(
    promises: &mut Promises<'_>,
    spec: &Nodes,
    nodes: NodeCounts,
    mode: Mode,
    ways: &[String],
) -> Vec<String> {
    if spec.selector.is_none() {
        promises.say("NodesIsolated", true, "NoNodes", "", &[]);
    } else if mode < Mode::Enforce {
        let words =
            format!("{} nodes are selected; label and taint are written in mode Enforce", nodes.selected);
        promises.say("NodesIsolated", false, "", "NotEnforced", &[words]);
    } else if nodes.selected == 0 {
        let words = "no node has the labels of spec.nodes.selector; there is nothing to close yet";
        promises.unknown("NodesIsolated", "NoNodeSelected", words);
    } else if !spec.dedicated {
        let words = "spec.nodes.dedicated is false: other pods may run here".to_owned();
        promises.say("NodesIsolated", false, "", "NotDedicated", &[words]);
    } else {
        let words =
            format!("{}/{} nodes labelled, {} tainted", nodes.labelled, nodes.selected, nodes.tainted);
        let is_labelled = nodes.labelled == nodes.selected;
        if is_labelled && nodes.tainted < nodes.selected && !spec.manage_taint {
            let words = format!(
                "{words}; spec.nodes.manageTaint is false, so the taint is left to you. Fix: taint the other nodes with \
                 {}={}:{}, or set manageTaint to true",
                spec.taint.key,
                spec.taint.value,
                spec.taint.effect.name()
            );
            promises.say("NodesIsolated", false, "", "NotTainted", std::slice::from_ref(&words));
            return vec![words];
        }
        let is_whole = is_labelled && nodes.tainted == nodes.selected;
        if is_whole && !ways.is_empty() {
            promises.say("NodesIsolated", false, "", "OpenToDomains", ways);
            return ways.to_vec();
        }
        promises.say("NodesIsolated", is_whole, "AllNodes", "SomeNodes", &[words]);
    }
    Vec::new()
}

fn nodes(domain: &SecurityDomain, look: &Look, store: &Store) -> NodeCounts {
    let name = domain.name_any();
    let mut counts = NodeCounts::default();
    let Some(outcome) = look.desired.outcomes.get(&name) else { return counts };
    let taint = &in_force(domain, outcome).nodes.taint;
    let words = format!("{}={}:{}", taint.key, taint.value, taint.effect.name());
    for node in &outcome.nodes {
        let Some(live) = store.get(Source::Nodes, "", node) else { continue };
        let taints = live.pointer("/spec/taints");
        let is_tainted =
            taints.as_array().into_iter().flatten().any(|it| inventory::taint_words(it) == words);
        counts.selected += 1;
        counts.labelled += u32::from(live.label(names::NODE_LABEL) == Some(name.as_str()));
        counts.tainted += u32::from(is_tainted);
    }
    counts
}

/// Conditions in the making.
struct Promises<'a> {
    domain: &'a SecurityDomain,
    old: &'a [Condition],
    clock: String,
    made: Vec<Condition>,
}

impl<'a> Promises<'a> {
    fn new(domain: &'a SecurityDomain, old: &'a [Condition], clock: Timestamp) -> Self {
        let clock = clock.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Self { domain, old, clock, made: Vec::new() }
    }

    /// True or False, each with its reason.
    fn say(&mut self, kind: &str, holds: bool, yes: &str, no: &str, words: &[String]) {
        let (status, reason) = if holds { ("True", yes) } else { ("False", no) };
        self.add(kind, status, reason, &listed(words));
    }

    fn unknown(&mut self, kind: &str, reason: &str, words: &str) {
        self.add(kind, "Unknown", reason, words);
    }

    /// Ready, unless there is a reason not to be; the first one is named, the words of all are said.
    fn ready(&mut self, reasons: &[(&str, Vec<String>)]) {
        let mut those = reasons.iter().filter(|(_, words)| !words.is_empty());
        let first = those.next();
        match first {
            None => self.add("Ready", "True", "Settled", "everything that should exist exists"),
            Some((reason, words)) => {
                let words: Vec<String> =
                    words.iter().chain(those.flat_map(|(_, words)| words)).cloned().collect();
                self.add("Ready", "False", reason, &listed(&words));
            }
        }
        self.made.sort_by(|left, right| left.kind.cmp(&right.kind));
    }

    fn add(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let before = self.old.iter().find(|it| it.kind == kind && it.status == status);
        self.made.push(Condition {
            kind: kind.into(),
            status: status.into(),
            observed_generation: self.domain.metadata.generation.unwrap_or_default(),
            last_transition_time: before.map_or(&self.clock, |it| &it.last_transition_time).clone(),
            reason: reason.into(),
            message: message.into(),
        });
    }
}

fn listed(words: &[String]) -> String {
    let mut text = words.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if words.len() > NAMED {
        text.push_str("; and more: ");
        text.push_str(&(words.len() - NAMED).to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    #[test]
    fn a_status_full_of_everything_is_30_kilobytes_and_keeps_what_is_evidence() {
        let names: Vec<String> = (0..1_000).map(|it| format!("{it:0>60}")).collect();
        let written =
            names.iter().map(|it| Written { key: Key::global(Source::Namespaces, it), taint: None });
        // What a spec of named namespaces looks like, as long as one that is kept can be.
        let accepted = format!("{:?}", &names[..160]);
        let (inventory, _) = inventory::entries(&written.collect(), Some(&accepted));
        let kept: usize = inventory.iter().map(|it| it.namespaces.len()).sum();
        assert!(kept > 160, "{kept} namespaces, at least those that are named");
        let long = |length: usize| "wörter ".repeat(length / 8);
        let condition = |number: usize| Condition {
            kind: format!("Condition{number}"),
            status: "False".into(),
            observed_generation: 1,
            last_transition_time: "2026-03-02T12:00:00Z".into(),
            reason: "Because".into(),
            message: long(3_000),
        };
        let simulation = SimulationStatus {
            owners: vec![long(300); 20],
            missing: vec![long(1_000); 8],
            ..Default::default()
        };
        let mut status = SecurityDomainStatus {
            simulation: Some(simulation),
            accepted_spec: Some(accepted.clone()),
            inventory: inventory.clone(),
            conditions: (0..10).map(condition).collect(),
            ..Default::default()
        };
        squeeze(&mut status);
        let length = serde_json::to_vec(&status).unwrap().len();
        assert!((20_000..=WHOLE).contains(&length), "{length}");
        assert_eq!((status.accepted_spec.as_ref(), &status.inventory), (Some(&accepted), &inventory));
        assert!(status.conditions.iter().all(|it| it.message.len() > SHORT / 2
            && it.message.contains('…')
            && it.message.ends_with("wörter ")));
        let again = status.clone();
        squeeze(&mut status);
        assert_eq!(status, again, "what fits stays as it is");
    }
}
