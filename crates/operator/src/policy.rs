//! Room `operator`: the order of policies and bindings. A binding that names a policy which is not ready refuses nothing, or
//! everything; and a policy that went before its successor holds leaves a gap. So: the new policy, then the binding, then the
//! old policy goes. An error leaves the old set.

use ringfence_domain::DesiredObject;
use ringfence_domain::Rank;
use ringfence_domain::names;
use serde_json::Value;
use tokio::time::Instant;

use crate::act::Act;
use crate::act::What;
use crate::ledger::Ledger;
use crate::look::Look;
use crate::plan::Report;
use crate::plan::Verdict;
use crate::source::Source;
use crate::store::Key;
use crate::store::Live;
use crate::store::Store;

/// Policies and their bindings.
const PAIRS: [(Source, Source); 2] =
    [(Source::Validating, Source::ValidatingBindings), (Source::Mutating, Source::MutatingBindings)];

/// Why a binding is not written yet.
pub(crate) fn not_yet(object: &DesiredObject, look: &Look, store: &Store) -> Option<Verdict> {
    if object.id.rank != Rank::PolicyBinding {
        return None;
    }
    let body = object.body.tree();
    let name = body.pointer("/spec/policyName").and_then(Value::as_str)?;
    let bindings = Source::of_kind(&object.id.kind)?;
    let (policies, _) = PAIRS.into_iter().find(|it| it.1 == bindings)?;
    let wanted = look.desired.objects.iter().find(|it| it.id.kind == policies.kind() && it.id.name == name);
    let live = store.get(policies, "", name);
    let is_written =
        live.and_then(|it| it.annotation(names::HASH_ANNOTATION)) == wanted.map(|it| it.hash.as_str());
    let Some(live) = live.filter(|_| is_written) else { return Some(Verdict::Wait) };
    match readiness(policies, live) {
        Ok(true) => None,
        Ok(false) => Some(Verdict::Wait),
        Err(words) => Some(Verdict::Blind(words)),
    }
}

/// Whether the API server has compiled a policy; an error if it warns of an expression. Mutating policies say nothing of
/// themselves (Kubernetes 1.36).
fn readiness(source: Source, live: &Live) -> Result<bool, String> {
    if source == Source::Mutating {
        return Ok(true);
    }
    let live = live.tree();
    let number = |at: &str| live.pointer(at).and_then(Value::as_i64);
    if number("/status/observedGeneration") != number("/metadata/generation") {
        return Ok(false);
    }
    let warnings = live.pointer("/status/typeChecking/expressionWarnings").and_then(Value::as_array);
    match warnings.into_iter().flatten().next() {
        None => Ok(true),
        Some(warning) => {
            let text = |key: &str| warning.get(key).and_then(Value::as_str).unwrap_or_default();
            Err(format!(
                "the API server warns of {}: {}; the bindings before stay",
                text("fieldRef"),
                text("warning")
            ))
        }
    }
}

/// Bindings and policies of ours that nobody wants, when everything that is wanted holds.
pub(crate) fn removals(
    look: &Look,
    store: &Store,
    ledger: &Ledger,
    now: Instant,
    report: &Report,
) -> Vec<Vec<Act>> {
    // A domain that cannot be read, or a spec that cannot hold, is missing in what is wanted.
    let is_blind = !look.unreadable.is_empty();
    if is_blind || report.pending > 0 || !report.faults.is_empty() {
        return Vec::new();
    }
    let mut stages = Vec::new();
    for (policies, bindings) in PAIRS {
        let old = unwanted(bindings, look, store);
        let named: Vec<_> = store.all(bindings).map(|(_, live)| live.pointer("/spec/policyName")).collect();
        let free = unwanted(policies, look, store)
            .into_iter()
            .filter(|it| !named.iter().any(|name| *name == it.0.name));
        // The policy goes in the next look, when its binding has gone.
        for stage in [old, free.collect()] {
            let acts = stage.into_iter().filter(|(key, _)| ledger.waiting(key, "", now).is_none());
            stages.push(
                acts.map(|(key, live)| Act {
                    key,
                    what: What::Delete(Box::new(live.clone())),
                    hash: String::new(),
                    drift: None,
                    is_known: false,
                })
                .collect(),
            );
        }
    }
    stages
}

/// Those that we wrote: with our label, by which they are watched, and our annotation.
fn unwanted<'a>(source: Source, look: &Look, store: &'a Store) -> Vec<(Key, &'a Live)> {
    let is_wanted =
        |name: &str| look.desired.objects.iter().any(|it| it.id.kind == source.kind() && it.id.name == name);
    let ours = store.all(source).filter(|((_, name), live)| {
        live.annotation(names::HASH_ANNOTATION).is_some() && !live.is_going() && !is_wanted(name)
    });
    ours.map(|((_, name), live)| (Key::global(source, name), live)).collect()
}
