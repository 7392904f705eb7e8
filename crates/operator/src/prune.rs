//! Room `operator`: what a domain wrote and no longer wants. Three things must hold before anything goes: it carries the
//! UID of the domain, the inventory says that we wrote it, and nobody wants it. Labels prove nothing: others write them.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use ringfence_domain::Outcome;
use ringfence_domain::SecurityDomain;
use ringfence_domain::names;
use ringfence_domain::spec::Mode;

use crate::act::Act;
use crate::act::What;
use crate::inventory::Written;
use crate::inventory::key_of_id;
use crate::look::Look;
use crate::node::Mark;
use crate::plan::is_leaving;
use crate::removal;
use crate::source::Source;
use crate::store::Key;
use crate::store::Live;
use crate::store::Sight;
use crate::store::Store;

/// What stays in the inventory, and the removals in their order. `own` is what the domain should have, `wanted` what all of them
/// should.
pub(crate) fn of(
    domain: &SecurityDomain,
    own: &BTreeSet<Written>,
    wanted: &BTreeSet<Key>,
    look: &Look,
    store: &Store,
) -> (BTreeSet<Written>, Vec<Vec<Act>>) {
    let name = domain.name_any();
    let before = look.written.get(&name).cloned().unwrap_or_default();
    if look.desired.outcomes.get(&name).is_none_or(|it| !it.invalid.is_empty()) {
        return (before, Vec::new());
    }
    let mut left = own.clone();
    let mut acts = Vec::new();
    let outcome = look.desired.outcomes.get(&name);
    // What a weaker mode does not write: Secrets and rights that workloads and people rest on are not taken from them.
    let held_back: BTreeSet<Key> =
        outcome.into_iter().flat_map(|it| &it.held_back).filter_map(key_of_id).collect();
    let gives = |key: &Key| {
        matches!(key.source, Source::ExternalSecrets | Source::RoleBindings) && held_back.contains(key)
    };
    let stays = |key: &Key| gives(key) || outcome.is_some_and(|it| is_unknown(it, key));
    for written in before.into_iter().filter(|it| !left.contains(it)).collect::<Vec<_>>() {
        // Of a node that stays an old taint goes by its own write; until then it is known as ours.
        if wanted.contains(&written.key) {
            let is_there = |live: &Live| written.taint.as_ref().is_some_and(|words| has_taint(live, words));
            if matches!(evidence(&written, domain, store), Evidence::Ours(live) if is_there(live)) {
                left.insert(written);
            }
            continue;
        }
        match evidence(&written, domain, store) {
            Evidence::Ours(_) if stays(&written.key) => drop(left.insert(written)),
            Evidence::Ours(live) => {
                acts.push(removal_of(&written, live));
                left.insert(written);
            }
            Evidence::Unseen => drop(left.insert(written)),
            Evidence::Gone => {}
        }
    }
    let mut stages = removal::in_order(acts);
    stages.retain(|stage| !stage.is_empty());
    (left, stages)
}

/// Whether a NetworkPolicy is one that could not be derived: that is not one that nobody wants. Only where it would be wanted.
fn is_unknown(outcome: &Outcome, key: &Key) -> bool {
    let field = match key.name.as_str() {
        "rf-allow-dns" => "spec.network.allowDNS",
        "rf-egress" => "spec.network.egress",
        _ => return false,
    };
    key.source == Source::NetworkPolicies
        && outcome.mode >= Mode::Enforce
        && outcome.namespaces.contains(&key.namespace)
        && outcome.unknown.iter().any(|it| it.field.starts_with(field))
}

/// Whether what was written is still there and ours.
pub(crate) enum Evidence<'a> {
    /// It is.
    Ours(&'a Live),
    /// It is not known, or going with its namespace.
    Unseen,
    /// It is gone, or somebody else's.
    Gone,
}

/// What was seen of something that was written.
pub(crate) fn evidence<'a>(written: &Written, domain: &SecurityDomain, store: &'a Store) -> Evidence<'a> {
    let key = &written.key;
    if *store.sight(key.source) != Sight::Whole {
        // A kind that is no longer served has no objects.
        let gone = store.served.is_some() && !store.serves(key.source);
        return if gone { Evidence::Gone } else { Evidence::Unseen };
    }
    let Some(live) = store.at(key) else { return Evidence::Gone };
    if live.is_going() || is_leaving(store, &key.namespace) {
        return Evidence::Unseen;
    }
    let is_ours = if key.source == Source::Nodes {
        // The label is the evidence; without it, the taint that we know to have put there.
        match live.label(names::NODE_LABEL) {
            Some(label) => label == domain.name_any(),
            None => written.taint.as_ref().is_some_and(|words| has_taint(live, words)),
        }
    } else {
        live.is_of(&domain.uid().unwrap_or_default())
    };
    if is_ours { Evidence::Ours(live) } else { Evidence::Gone }
}

fn has_taint(live: &Live, words: &str) -> bool {
    let taints = live.pointer("/spec/taints");
    taints.as_array().into_iter().flatten().any(|taint| crate::inventory::taint_words(taint) == words)
}

fn removal_of(written: &Written, live: &Live) -> Act {
    if written.key.source != Source::Nodes {
        return Act::removal(written.key.clone(), live);
    }
    let mark = Mark { without: written.taint.iter().cloned().collect(), ..Mark::default() };
    let hash = written.taint.clone().unwrap_or_default();
    Act {
        key: written.key.clone(),
        what: What::Node(mark, Box::new(live.clone())),
        hash,
        drift: None,
        is_known: false,
    }
}
