//! Room `operator`: the end of a domain, step by step. Each step is derived from what is there, so it goes on where it was
//! interrupted. What opens goes first, what closes goes last. There are no owner references: a finalizer taken off by hand
//! must not let the garbage collector open the network.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use ringfence_domain::SecurityDomain;
use ringfence_domain::names;
use ringfence_domain::spec::DeletionPolicy;
use serde_json::Value;
use serde_json::json;
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
    let orphan = (domain.spec.namespaces.deletion_policy == DeletionPolicy::Orphan)
        .then(|| written.iter().map(|it| &it.key).filter(|it| it.source == Source::Namespaces))
        .map(|it| it.map(|key| key.name.as_str()).collect::<Vec<_>>());
    for source in ORDER {
        let mut acts = Vec::new();
        for it in written.iter().filter(|it| it.key.source == source && !wanted.contains(&it.key)) {
            match evidence(it, domain, store) {
                Evidence::Ours(live) => acts.extend(act(it, live, orphan.as_deref(), domain)),
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

/// The write of one object. `orphan`: the namespaces of a domain whose objects stay.
fn act(written: &Written, live: &Live, orphan: Option<&[&str]>, domain: &SecurityDomain) -> Option<Act> {
    let key = written.key.clone();
    let boxed = Box::new(live.clone());
    if key.source == Source::Nodes {
        let taint = Mark {
            label: Some(domain.name_any()),
            taint: None,
            without: written.taint.iter().cloned().collect(),
        };
        // What is there of it first: the label is put on by nobody here.
        let has_label = live.label(names::NODE_LABEL).is_some();
        let taint = Mark { label: taint.label.filter(|_| has_label), ..taint };
        if !operations(live, &taint).is_empty() {
            return Some(Act {
                key,
                what: What::Node(taint, boxed),
                hash: "taint".into(),
                drift: None,
                is_known: false,
            });
        }
        let act = Act {
            key,
            what: What::Node(Mark::default(), boxed),
            hash: String::new(),
            drift: None,
            is_known: false,
        };
        return has_label.then_some(act);
    }
    if let Some(namespaces) = orphan.filter(|_| key.source != Source::Namespaces) {
        let what = What::Strip(boxed, by_name(live, namespaces));
        return Some(Act { key, what, hash: String::new(), drift: None, is_known: false });
    }
    Some(Act::removal(key, live))
}

/// The spec of a NetworkPolicy with its domain's namespaces by name, where it selects them by the label that goes with the
/// domain: the fence that stays would part the pods behind it. Of any other object nothing.
fn by_name(live: &Live, namespaces: &[&str]) -> Value {
    let mut fields = json!({});
    for direction in ["egress", "ingress"] {
        let Some(mut rules) = live.tree().pointer_mut(&format!("/spec/{direction}")).map(Value::take) else {
            continue;
        };
        let peers = rules.as_array_mut().into_iter().flatten().flat_map(|rule| {
            let sides = rule
                .as_object_mut()
                .into_iter()
                .flatten()
                .filter(|(side, _)| *side == "to" || *side == "from");
            sides.filter_map(|(_, peers)| peers.as_array_mut()).flatten()
        });
        let mut is_other = false;
        for selector in peers.filter_map(|peer| peer.get_mut("namespaceSelector")) {
            if selector.pointer("/matchLabels").and_then(|it| it.get(names::DOMAIN_LABEL)).is_some() {
                let named =
                    json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces});
                *selector = json!({"matchExpressions": [named]});
                is_other = true;
            }
        }
        if is_other {
            fields["spec"][direction] = rules;
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_stays_names_the_namespaces_that_its_domain_had() {
        let labelled = |key: &str, value: &str| json!({"namespaceSelector": {"matchLabels": {key: value}}});
        let registry =
            json!({"to": [labelled("kubernetes.io/metadata.name", "registry")], "ports": [{"port": 443}]});
        let policy = |rules: Value| {
            Live::new(
                Source::NetworkPolicies,
                json!({"metadata": {"name": "rf-egress"}, "spec": {"podSelector": {}, "egress": rules}}),
            )
        };
        let live = policy(json!([{"to": [labelled("ringfence.dev/domain", "ml")]}, registry]));
        let named = json!({"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ml", "ml-dev"]}]}});
        let wanted = json!({"spec": {"egress": [{"to": [named]}, registry]}});
        assert_eq!(by_name(&live, &["ml", "ml-dev"]), wanted);
        assert_eq!(by_name(&policy(json!([registry])), &["ml"]), json!({}));
    }
}
