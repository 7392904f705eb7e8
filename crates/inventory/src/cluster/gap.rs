//! Room `inventory`, live: what went wrong -> a gap with cause and cure.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::error::ClusterError;
use super::request::Failure;
use super::request::Session;
use super::target::Target;
use crate::pod;
use crate::snapshot::Extent;
use crate::snapshot::Gap;
use crate::snapshot::GapKind;
use crate::snapshot::Listed;
use crate::snapshot::Served;
use crate::snapshot::Snapshot;
use crate::snapshot::Want;

/// The first requests decide whether there is a cluster at all.
pub(super) fn fatal(session: &Session, failure: Failure) -> ClusterError {
    let at = &session.way().words;
    match failure {
        Failure::Fatal(error) => error,
        Failure::Broken(words) if words.starts_with(at.as_str()) => ClusterError::Unreachable(words),
        Failure::Broken(words) => ClusterError::Unreachable(format!("{at}: {words}")),
        Failure::Late => ClusterError::Unreachable(format!("{at}: no answer within the time limit")),
        failure => ClusterError::Unexpected(format!(
            "{at}: not the answer of an API server of Kubernetes: {}; check `server` in the kubeconfig",
            failure.words()
        )),
    }
}

/// Kinds that are wanted and not served: none can exist, unless their API could not say what it serves.
pub(super) fn note_unserved(snapshot: &mut Snapshot, wants: &[Want], failed: &BTreeMap<String, String>) {
    for want in wants.iter().filter(|want| Target::of(want, &snapshot.served).is_none()) {
        let gap = failed.get(&want.group).map(|words| self::failed(words.clone()));
        let extent = if gap.is_none() { Extent::Everywhere } else { Extent::Nowhere };
        snapshot.lists.push(Listed {
            group: want.group.clone(),
            kind: want.kind.clone(),
            plural: want.plural.clone(),
            bears_pods: want.why.bears_pods(),
            version: None,
            objects: 0,
            extent,
            gap,
        });
    }
    // Nothing of the others is wanted, as far as anybody knows; it is told, and makes nothing incomplete.
    for (group, words) in failed {
        if wants.iter().all(|want| want.group != *group) {
            snapshot.silent.push(format!("{group}: {words}"));
        }
    }
}

/// Kinds that are served, that no definition tells about (the server behind an aggregated API has them), and that a scan
/// does not ask for: whether they start pods nobody knows. They are told, and make nothing incomplete.
pub(super) fn note_unasked(snapshot: &mut Snapshot, wants: &[Want], told: &BTreeSet<(String, String)>) {
    let is_unknown = |one: &&Served| {
        let holds_objects = one.verbs.iter().any(|verb| verb == "list");
        let is_wanted = wants.iter().any(|want| want.group == one.group && want.kind == one.kind);
        let is_told = told.contains(&(one.group.clone(), one.kind.clone()));
        holds_objects && !is_wanted && !is_told && !pod::is_without_pods(&one.group)
    };
    let unknown: BTreeSet<String> = snapshot
        .served
        .iter()
        .filter(is_unknown)
        .map(|one| format!("{}.{}", one.plural, one.group))
        .collect();
    snapshot.silent.extend(unknown.into_iter().map(|name| {
        format!(
            "{name}: served by an aggregated API, without a definition; whether they start pods is not known"
        )
    }));
}

/// A gap of a list; `any`: some was received.
pub(super) fn of(target: &Target, failure: &Failure, any: bool) -> Gap {
    match failure {
        Failure::Forbidden(words) => forbidden(target, words),
        Failure::Late => {
            let message = "the time limit was over before it was listed; give more with --timeout".to_owned();
            Gap { kind: GapKind::NotReached, message }
        }
        failure if any => partial(format!("only a part was received: {}", failure.words())),
        failure => failed(failure.words()),
    }
}

pub(super) fn forbidden(target: &Target, words: &str) -> Gap {
    let message = format!("{words}; allow {}", target.rule());
    Gap { kind: GapKind::Forbidden, message }
}

/// Refused in some namespaces.
pub(super) fn closed(target: &Target, names: &BTreeSet<String>) -> Gap {
    let message = format!("forbidden in {}; allow {}", some(names), target.rule());
    Gap { kind: GapKind::Forbidden, message }
}

/// Answered where it was asked, and nobody knows where else it would have to be.
pub(super) fn unknown_namespaces(target: &Target, words: &str, known: &BTreeSet<String>) -> Gap {
    let message = format!(
        "{words}; seen in {} only, since the namespaces may not be listed either; allow {}",
        some(known),
        target.rule()
    );
    Gap { kind: GapKind::Forbidden, message }
}

pub(super) fn partial(message: String) -> Gap {
    Gap { kind: GapKind::Partial, message }
}

pub(super) fn failed(message: String) -> Gap {
    Gap { kind: GapKind::Failed, message }
}

fn some(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(5) {
        0 => format!("namespace{} {shown}", if names.len() == 1 { "" } else { "s" }),
        more => format!("namespaces {shown} and {more} more"),
    }
}
