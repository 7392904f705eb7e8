//! Room `operator`: the end of a domain, step by step. Each step is derived from what is there, so it goes on where it was
//! interrupted. What opens goes first, what closes goes last. There are no owner references: a finalizer taken off by hand
//! must not let the garbage collector open the network.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use ringfence_domain::SecurityDomain;
use ringfence_domain::spec::DeletionPolicy;
use tokio::time::Instant;

use crate::act::Act;
use crate::act::What;
use crate::inventory::Written;
use crate::ledger::Ledger;
use crate::node::Mark;
use crate::node::operations;
use crate::plan::Report;
use crate::prune::Evidence;
use crate::prune::evidence;
use crate::source::Source;
use crate::status;
use crate::store::Key;
use crate::store::Live;
use crate::store::Sight;
use crate::store::Store;

/// The order in which objects go: what lets in, what bounds, what closes, what joins; nodes at the end.
const ORDER: [Source; 8] = [
    Source::ExternalSecrets,
    Source::RoleBindings,
    Source::ResourceQuotas,
    Source::LimitRanges,
    Source::ServiceAccounts,
    Source::NetworkPolicies,
    Source::Namespaces,
    Source::Nodes,
];

/// What is next.
pub(crate) enum Step {
    /// These writes; then look again.
    Acts(Vec<Act>),
    /// Something cannot be looked at, and why.
    Blind(String),
    /// Nothing of it is left.
    Done,
}

/// The next step of a domain that goes. `wanted`: what other domains want stays as it is.
pub(crate) fn next(domain: &SecurityDomain, wanted: &BTreeSet<Key>, store: &Store) -> Step {
    let written = status::written(domain);
    let orphan = domain.spec.namespaces.deletion_policy == DeletionPolicy::Orphan;
    for source in ORDER {
        let mut acts = Vec::new();
        for it in written.iter().filter(|it| it.key.source == source && !wanted.contains(&it.key)) {
            match evidence(it, domain, store) {
                Evidence::Ours(live) => acts.extend(act(it, live, orphan, domain)),
                Evidence::Unseen => {
                    if let Some(words) = blindness(store, source) {
                        return Step::Blind(format!("{}: {words}", it.key));
                    }
                }
                Evidence::Gone => {}
            }
        }
        if source == Source::Nodes {
            // All taints, then all labels: a label that went first would leave nodes closed to everybody.
            let labels = acts.iter().all(|act| act.hash.is_empty());
            acts.retain(|act| labels || !act.hash.is_empty());
        }
        if !acts.is_empty() {
            return Step::Acts(acts);
        }
    }
    Step::Done
}

/// Removals, a stage per kind.
pub(crate) fn in_order(acts: Vec<Act>) -> Vec<Vec<Act>> {
    let mut stages: Vec<Vec<Act>> = ORDER.iter().map(|_| Vec::new()).collect();
    for act in acts {
        let place = ORDER.iter().position(|it| *it == act.key.source);
        if let Some(stage) = place.and_then(|place| stages.get_mut(place)) {
            stage.push(act);
        }
    }
    stages
}

/// The stages without what failed and is not to be tried yet.
pub(crate) fn stages(
    stages: Vec<Vec<Act>>,
    ledger: &Ledger,
    now: Instant,
    report: &mut Report,
) -> Vec<Vec<Act>> {
    let due = |act: &Act, report: &mut Report| match ledger.waiting(&act.key, &act.hash, now) {
        None => {
            report.pending += 1;
            true
        }
        Some(fault) => {
            report.faults.push(format!("{}: {}", act.key, fault.words));
            false
        }
    };
    let stages = stages.into_iter().map(|stage| stage.into_iter().filter(|act| due(act, report)).collect());
    stages.collect()
}

fn blindness(store: &Store, source: Source) -> Option<String> {
    match store.sight(source) {
        Sight::Whole => None,
        Sight::Waiting => Some("not seen yet".into()),
        Sight::Refused(words) => Some(format!("cannot be watched: {words}")),
    }
}

fn act(written: &Written, live: &Live, orphan: bool, domain: &SecurityDomain) -> Option<Act> {
    let key = written.key.clone();
    let boxed = Box::new(live.clone());
    if key.source == Source::Nodes {
        let taint = Mark {
            label: Some(domain.name_any()),
            taint: None,
            without: written.taint.iter().cloned().collect(),
        };
        // What is there of it first: the label is put on by nobody here.
        let has_label = live.label(ringfence_domain::names::NODE_LABEL).is_some();
        let taint = Mark { label: taint.label.filter(|_| has_label), ..taint };
        if !operations(live, &taint).is_empty() {
            return Some(Act { key, what: What::Node(taint, boxed), hash: "taint".into(), drift: None });
        }
        let act = Act { key, what: What::Node(Mark::default(), boxed), hash: String::new(), drift: None };
        return has_label.then_some(act);
    }
    if orphan && key.source != Source::Namespaces {
        return Some(Act { key, what: What::Strip(boxed), hash: String::new(), drift: None });
    }
    Some(Act::removal(key, live))
}
