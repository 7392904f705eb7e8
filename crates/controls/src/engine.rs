//! Runs the controls: each pod once for all pod controls, objects by kind, namespaces, then what looks at the whole
//! set. Parallel; the result does not depend on the order of arrival.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::panic;
use std::panic::AssertUnwindSafe;

use rayon::prelude::*;
use ringfence_finding::Confidence;
use ringfence_finding::Family;
use ringfence_finding::FamilyScore;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_finding::ResourceRef;
use ringfence_inventory::Inventory;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;

use crate::blind;
use crate::control::Check;
use crate::control::Control;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Results;

/// What the controls say about a set.
#[derive(Debug)]
pub struct Judgement {
    /// Fail, unknown and error; worst first, then by control, then by object.
    pub findings: Vec<Finding>,
    /// One score per family, in guide order.
    pub families: Vec<FamilyScore>,
}

/// Results of one control on some targets.
#[derive(Default)]
struct Tally {
    findings: Vec<Finding>,
    passed: u32,
    not_applicable: u32,
}

impl Tally {
    fn add(&mut self, results: Results<'_>) {
        self.findings.extend(results.findings);
        self.passed = self.passed.saturating_add(results.passed);
        self.not_applicable = self.not_applicable.saturating_add(results.not_applicable);
    }

    fn join(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        self.passed = self.passed.saturating_add(other.passed);
        self.not_applicable = self.not_applicable.saturating_add(other.not_applicable);
        self
    }
}

/// Judges a set by the given controls.
pub fn judge(inventory: &Inventory, controls: &[&'static Control]) -> Judgement {
    let cx = Cx::new(inventory);
    let mut tallies: Vec<(&'static Control, Tally)> = Vec::new();
    let mut pod_controls = Vec::new();
    let mut others = Vec::new();
    for control in controls {
        let gap = blind::gap(&cx, control);
        if let Some(need) = control.meta.needs.iter().find(|need| !cx.supplies(**need)) {
            let mut results = Results::new(inventory, &control.meta);
            // Without any AI workload the missing fact would not matter either.
            if let Some(gap) = gap {
                results.whole(Outcome::Unknown, gap);
            } else if cx.has_ai() {
                results.whole(Outcome::Unknown, need.missing());
            } else {
                results.not_applicable();
            }
            let mut tally = Tally::default();
            tally.add(results);
            tallies.push((control, tally));
            continue;
        }
        if let Some(gap) = gap {
            let mut results = Results::new(inventory, &control.meta);
            results.whole(Outcome::Unknown, gap);
            let mut tally = Tally::default();
            tally.add(results);
            tallies.push((control, tally));
        }
        if let Check::Pod(target, check) = control.check {
            pod_controls.push((*control, target, check));
        } else {
            others.push(*control);
        }
    }
    let pods: Vec<Pod<'_>> = inventory.pods().collect();
    let of_pods = pods
        .par_iter()
        .fold(
            || pod_controls.iter().map(|_| Tally::default()).collect::<Vec<_>>(),
            |mut tallies, pod| {
                for ((control, target, check), tally) in pod_controls.iter().zip(&mut tallies) {
                    tally.add(judge_pod(&cx, control, *target, *check, *pod));
                }
                tallies
            },
        )
        .reduce(
            || pod_controls.iter().map(|_| Tally::default()).collect(),
            |left, right| left.into_iter().zip(right).map(|(left, right)| left.join(right)).collect(),
        );
    tallies.extend(pod_controls.iter().map(|(control, ..)| *control).zip(of_pods));
    tallies.par_extend(others.par_iter().map(|control| (*control, judge_set(&cx, control))));
    summarize(tallies, &Makers::of(inventory))
}

fn judge_pod<'i>(
    cx: &Cx<'i>,
    control: &'static Control,
    target: Target,
    check: fn(&Cx<'_>, Pod<'_>, &mut Results<'_>),
    pod: Pod<'i>,
) -> Results<'i> {
    let cap = if Inventory::is_guess(pod.found_by()) { Confidence::Medium } else { Confidence::High };
    let mut results = Results::new(cx.inventory, &control.meta).capped(cap);
    let ai = pod.ai();
    let judged = match target {
        Target::AllPods => true,
        Target::AiPods => ai.scope >= Scope::Medium && ai.class != WorkloadClass::AcceleratorInfra,
    };
    if !judged {
        results.not_applicable();
        return results;
    }
    guarded(&mut results, |results| check(cx, pod, results));
    if let Some(patch) = pod.closed_patch().filter(|_| results.is_silent()) {
        results.passed = 0;
        results.unknown(
            pod.object(),
            Some(patch),
            "the patch of this pod depends on parameters that nobody gives",
        );
    }
    settle(&mut results, cx.inventory, pod.object_id());
    results
}

/// Silence is a pass, unless a key written twice makes it worth nothing.
fn settle(results: &mut Results<'_>, inventory: &Inventory, id: ObjectId) {
    if !results.is_silent() {
        return;
    }
    if inventory.has_duplicate_keys(id) {
        results.passed = 0;
        results.unknown(
            inventory.object(id),
            None,
            "a key is written twice; which value counts is not certain",
        );
    } else if results.passed == 0 {
        results.pass();
    }
}

fn judge_set(cx: &Cx<'_>, control: &'static Control) -> Tally {
    let inventory = cx.inventory;
    let mut tally = Tally::default();
    match control.check {
        Check::Pod(..) => {}
        Check::Object(kinds, check) => {
            let ids = kinds.iter().flat_map(|(group, kind)| inventory.ids_of(group, kind));
            for id in ids {
                let mut results = Results::new(inventory, &control.meta);
                guarded(&mut results, |results| check(cx, *id, inventory.object(*id), results));
                settle(&mut results, inventory, *id);
                tally.add(results);
            }
        }
        Check::Namespace(check) => {
            for (name, namespace) in inventory.namespaces.iter() {
                if !inventory.is_ai_namespace(namespace) {
                    continue;
                }
                let mut results = Results::new(inventory, &control.meta);
                guarded(&mut results, |results| check(cx, name, namespace, results));
                if results.findings.is_empty() && results.not_applicable == 0 && results.passed == 0 {
                    results.pass();
                }
                tally.add(results);
            }
        }
        Check::Cluster(check) | Check::Graph(check) => {
            let mut results = Results::new(inventory, &control.meta);
            guarded(&mut results, |results| check(cx, results));
            tally.add(results);
        }
    }
    tally
}

/// A panicking control becomes an error for that target; the others still run.
fn guarded<'i>(results: &mut Results<'i>, run: impl FnOnce(&mut Results<'i>)) {
    if panic::catch_unwind(AssertUnwindSafe(|| run(results))).is_err() {
        results.whole(Outcome::Error, "the control failed on this input; report it with the input");
    }
}

fn summarize(tallies: Vec<(&'static Control, Tally)>, makers: &Makers) -> Judgement {
    let mut families: BTreeMap<Family, FamilyScore> = Family::ALL
        .into_iter()
        .map(|family| {
            let score = FamilyScore {
                family,
                pass: 0,
                fail: 0,
                unknown: 0,
                not_applicable: 0,
                error: 0,
                controls: Vec::new(),
            };
            (family, score)
        })
        .collect();
    let mut findings = Vec::new();
    for (control, tally) in tallies {
        let mut own = tally.findings;
        own.sort_by(|left, right| order(left).cmp(&order(right)));
        let own = makers.fold(one_per_root_cause(own));
        if let Some(score) = families.get_mut(&control.meta.id.family) {
            score.controls.push(control.meta.id);
            score.pass = score.pass.saturating_add(tally.passed);
            score.not_applicable = score.not_applicable.saturating_add(tally.not_applicable);
            for finding in &own {
                let counter = match finding.outcome {
                    Outcome::Fail => &mut score.fail,
                    Outcome::Unknown => &mut score.unknown,
                    Outcome::Error => &mut score.error,
                };
                *counter = counter.saturating_add(1);
            }
        }
        findings.extend(own);
    }
    for score in families.values_mut() {
        score.controls.sort();
        score.controls.dedup();
    }
    findings.sort_by(|left, right| order(left).cmp(&order(right)));
    Judgement { findings, families: families.into_values().collect() }
}

/// Findings of one control, sorted, with one root cause each: equal identity is one cause, its evidence is joined.
fn one_per_root_cause(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut by_identity = BTreeMap::new();
    for finding in findings {
        let file = finding.location.as_ref().map(|location| location.file.clone());
        // The same identity in two files is two overlays, and both are shown.
        match by_identity.entry((finding.fingerprint, file, finding.outcome)) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(kept.len());
                kept.push(finding);
            }
            std::collections::btree_map::Entry::Occupied(slot) => {
                if let Some(first) = kept.get_mut(*slot.get()) {
                    let new = finding.evidence.into_iter().filter(|piece| !first.evidence.contains(piece));
                    let new: Vec<_> = new.collect();
                    first.evidence.extend(new);
                }
            }
        }
    }
    kept
}

/// What a finding and its maker's have in common.
type Cause<'f> = (Outcome, &'f ResourceRef, Option<&'f str>);

/// Objects of a dump that a controller in the set has made, and who made them.
struct Makers(HashMap<ResourceRef, ResourceRef>);

impl Makers {
    fn of(inventory: &Inventory) -> Self {
        let made = inventory.objects().filter_map(|(id, object)| {
            let maker = inventory.object(inventory.made_by(id)?);
            Some((inventory.reference(object), inventory.reference(maker)))
        });
        Self(made.collect())
    }

    /// Drops a finding on what was made when its maker has the same one: same control and container, and the same
    /// field behind the template. What only the running pod shows stays.
    fn fold(&self, findings: Vec<Finding>) -> Vec<Finding> {
        if self.0.is_empty() {
            return findings;
        }
        let maker_of = |finding: &Finding| self.0.get(finding.resource.as_ref()?);
        let mut of_makers: HashMap<Cause<'_>, Vec<&str>> = HashMap::new();
        for finding in findings.iter().filter(|finding| maker_of(finding).is_none()) {
            if let Some(resource) = &finding.resource {
                let cause = (finding.outcome, resource, finding.container.as_deref());
                of_makers.entry(cause).or_default().push(&finding.field);
            }
        }
        let is_told = |finding: &Finding| {
            let Some(maker) = maker_of(finding) else { return false };
            let field = finding.field.strip_prefix("spec").unwrap_or(&finding.field);
            let cause = (finding.outcome, maker, finding.container.as_deref());
            of_makers.get(&cause).is_some_and(|fields| fields.iter().any(|other| other.ends_with(field)))
        };
        let told: Vec<bool> = findings.iter().map(is_told).collect();
        findings.into_iter().zip(told).filter(|(_, told)| !told).map(|(finding, _)| finding).collect()
    }
}

type Order<'f> = (
    Outcome,
    Reverse<ringfence_finding::Severity>,
    ringfence_finding::ControlId,
    Reverse<Confidence>,
    Option<&'f ringfence_finding::Location>,
    Option<&'f ResourceRef>,
    Option<&'f str>,
    &'f str,
    &'f str,
);

fn order(finding: &Finding) -> Order<'_> {
    (
        finding.outcome,
        Reverse(finding.severity),
        finding.control,
        Reverse(finding.confidence),
        finding.location.as_ref(),
        finding.resource.as_ref(),
        finding.container.as_deref(),
        &finding.field,
        &finding.message,
    )
}

#[cfg(test)]
mod tests {
    use ringfence_inventory::Inventory;

    use super::*;
    use crate::catalogue::catalogue;

    #[test]
    fn a_flaw_of_a_template_is_told_once_and_what_only_runs_is_told_too() {
        let pod = |name: &str, extra: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: ml, uid: u, ownerReferences: [{{apiVersion: batch/v1, kind: Job, name: train, controller: true}}]}}\nspec: {{containers: [{{name: t, image: i, securityContext: {{privileged: true}}, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}{extra}]}}\n"
            )
        };
        let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: train, namespace: ml}\nspec: {template: {spec: {containers: [{name: t, image: i, securityContext: {privileged: true}, resources: {limits: {nvidia.com/gpu: 1}}}]}}}\n";
        let injected = ", {name: injected, image: i, securityContext: {privileged: true}}";
        let inventory = Inventory::from_text(&(job.to_owned() + &pod("a", "") + &pod("b", injected)));
        let privileged: Vec<_> =
            catalogue().into_iter().filter(|control| control.meta.slug == "privileged").collect();
        let findings = judge(&inventory, &privileged).findings;
        let told: Vec<String> = findings
            .iter()
            .map(|finding| {
                format!("{}[{}]", finding.resource.as_ref().unwrap(), finding.container.as_ref().unwrap())
            })
            .collect();
        assert_eq!(told, ["Job/ml/train[t]", "Pod/ml/b[injected]"]);
        assert_eq!(findings[0].pods, Some(2));
    }
}
