//! Room `attest`: what each signature says of one model -> one answer: how many different signers agree that it is theirs, each
//! with a key of its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_finding::FileStatus;
use ringfence_finding::Skipped;
use ringfence_finding::Verification;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;

use super::verify::Request;
use super::verify::Signature;

/// One answer from one verification for each signature, in their order. A signature that does not hold is a note where
/// enough others do, so that an old one beside a new one breaks nothing.
pub(super) fn together(request: &Request<'_>, each: Vec<Verification>) -> Verification {
    let needed = request.require.needed(request.trust.len());
    let held = signers(&each, &[VerifyOutcome::Verified]);
    let agreed = by_own_key(&held);
    let is_enough = agreed.len() >= needed;
    // What could not be looked at might have been the one that is missing.
    let may_hold = signers(&each, &[VerifyOutcome::Verified, VerifyOutcome::Incomplete]);
    let is_open = by_own_key(&may_hold).len() >= needed;
    let several = each.len() > 1;
    let covered = if several && is_enough { covered(&each, needed) } else { BTreeSet::new() };
    let mut result = Verification { notes: differ(request, &each), ..Verification::default() };
    let mut files = BTreeMap::new();
    for (mut one, signature) in each.into_iter().zip(request.signatures) {
        let holds = one.outcome() == VerifyOutcome::Verified;
        if is_enough && !holds {
            let first = one.reasons.first().map(VerifyReason::message).unwrap_or_default();
            result.notes.push(format!("{} does not count: {first}", signature.name));
            continue;
        }
        if several {
            for reason in &mut one.reasons {
                reason.signature = Some(signature.name.clone());
            }
        }
        add(&mut result, &mut files, one);
    }
    result.files = files.into_values().collect();
    // Of a path that several left out, the look that found more: something came between the two.
    result.skipped.sort_by_key(|it| (it.path.clone(), Reverse((it.loadable.len(), it.files))));
    result.skipped.dedup_by(|one, other| one.path == other.path);
    result.skipped.retain_mut(|skipped| is_left(skipped, &covered));
    result.relaxed.dedup();
    if !is_enough && !is_open && needed > 1 {
        result.reasons.push(shortage(request, &agreed, held.len(), needed));
    }
    result
}

/// The signers whose verification came out like this, each with the keys that it signed with.
fn signers(each: &[Verification], outcomes: &[VerifyOutcome]) -> BTreeMap<String, BTreeSet<String>> {
    let mut signers = BTreeMap::<_, BTreeSet<_>>::new();
    for one in each.iter().filter(|one| outcomes.contains(&one.outcome())) {
        if let Some(by) = &one.signed_by {
            signers.entry(by.signer.clone()).or_default().insert(by.key.clone());
        }
    }
    signers
}

/// Names of as many signers as there can be with a key of their own: who holds a key that is trusted as itself and by a
/// certificate is one person. A matching that grows one signer at a time, as far as others can move to another key.
fn by_own_key(signers: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut owners = BTreeMap::new();
    for name in signers.keys() {
        finds_key(name, signers, &mut owners, &mut BTreeSet::new());
    }
    owners.into_values().map(str::to_owned).collect()
}

fn finds_key<'s>(
    name: &'s str,
    signers: &'s BTreeMap<String, BTreeSet<String>>,
    owners: &mut BTreeMap<&'s str, &'s str>,
    tried: &mut BTreeSet<&'s str>,
) -> bool {
    for key in signers.get(name).into_iter().flatten() {
        if !tried.insert(key) {
            continue;
        }
        let owner = owners.get(key.as_str()).copied();
        if owner.is_none_or(|owner| finds_key(owner, signers, owners, tried)) {
            owners.insert(key, name);
            return true;
        }
    }
    false
}

/// Names of the files that as many signers as have to agree have signed as they are.
fn covered(each: &[Verification], needed: usize) -> BTreeSet<String> {
    let mut signed = BTreeMap::<&str, BTreeMap<String, BTreeSet<String>>>::new();
    for one in each.iter().filter(|one| one.outcome() == VerifyOutcome::Verified) {
        let Some(by) = &one.signed_by else { continue };
        for name in matching(one) {
            signed.entry(name).or_default().entry(by.signer.clone()).or_default().insert(by.key.clone());
        }
    }
    let enough = signed.into_iter().filter(|(_, by)| by_own_key(by).len() >= needed);
    enough.map(|(name, _)| name.to_owned()).collect()
}

fn matching(one: &Verification) -> impl Iterator<Item = &str> {
    one.files.iter().filter(|file| file.status == FileStatus::Match).map(|file| file.path.as_str())
}

/// Takes out of what one signature leaves out what others cover; whether anything is left.
fn is_left(skipped: &mut Skipped, covered: &BTreeSet<String>) -> bool {
    let below = format!("{}/", skipped.path);
    let inside = covered.range(below.clone()..).take_while(|name| name.starts_with(&below)).count();
    let inside = inside + usize::from(covered.contains(&skipped.path));
    skipped.loadable.retain(|name| !covered.contains(name));
    skipped.files = skipped.files.saturating_sub(u64::try_from(inside).unwrap_or(u64::MAX));
    inside == 0 || skipped.files > 0 || !skipped.loadable.is_empty()
}

/// A note for each signature that holds and is of another payload than the first, which is the one that is shown.
fn differ(request: &Request<'_>, each: &[Verification]) -> Vec<String> {
    let mut holding =
        each.iter().zip(request.signatures).filter(|(one, _)| one.outcome() == VerifyOutcome::Verified);
    let Some((first, shown)) = holding.next() else { return Vec::new() };
    let names: BTreeSet<&str> = matching(first).collect();
    let note = |(one, signature): (&Verification, &Signature)| {
        let others: BTreeSet<&str> = matching(one).collect();
        let alone: Vec<&&str> = names.symmetric_difference(&others).collect();
        let files = match alone.first() {
            None => "of the same files".to_owned(),
            Some(name) => format!("and files that one of both covers: {}, such as {name}", alone.len()),
        };
        let payload = one.payload.as_deref().unwrap_or_default();
        format!("{} signs another payload than {}, {payload}, {files}", signature.name, shown.name)
    };
    holding.filter(|(one, _)| one.payload != first.payload).map(note).collect()
}

/// Takes one more into the answer. The first signer that holds is the one that is shown; of a file, the worst is kept.
fn add(result: &mut Verification, files: &mut BTreeMap<String, VerifiedFile>, one: Verification) {
    if result.signed_by.is_none() {
        (result.payload, result.root, result.subject) = (one.payload, one.root, one.subject);
        result.signed_by.clone_from(&one.signed_by);
    }
    result.signers.extend(one.signed_by);
    result.reasons.extend(one.reasons);
    result.notes.extend(one.notes);
    result.relaxed.extend(one.relaxed);
    result.skipped.extend(one.skipped);
    for file in one.files {
        let kept = files.entry(file.path.clone()).or_insert_with(|| file.clone());
        if kept.status == FileStatus::Match {
            *kept = file;
        }
    }
}

fn shortage(request: &Request<'_>, agreed: &BTreeSet<String>, signed: usize, needed: usize) -> VerifyReason {
    let missing = request.trust.iter().map(|signer| &signer.name).filter(|name| !agreed.contains(*name));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let shared = if signed > agreed.len() { "; a key counts for one signer only" } else { "" };
    let agreed: Vec<&str> = agreed.iter().map(String::as_str).collect();
    let by = if agreed.is_empty() { "nobody".to_owned() } else { agreed.join(", ") };
    let message = format!(
        "{needed} signers have to agree (require: {}): by {by}, and not by {}{shared}",
        request.require,
        missing.join(", ")
    );
    VerifyReason::failed("signers", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_answers_for_one_signer_only() {
        for (signers, count) in [
            (&[][..], 0),
            (&[("a", "1")][..], 1),
            (&[("a", "1"), ("b", "1")][..], 1),
            (&[("a", "1"), ("b", "2")][..], 2),
            // A second signature with another key is not another signer.
            (&[("a", "1"), ("a", "2")][..], 1),
            // Whoever can moves to another key.
            (&[("a", "1"), ("a", "2"), ("b", "1")][..], 2),
            (&[("a", "1"), ("a", "2"), ("b", "2"), ("b", "3"), ("c", "1"), ("d", "3")][..], 3),
            (&[("a", "1"), ("a", "2"), ("b", "2"), ("b", "3"), ("c", "1"), ("c", "4")][..], 3),
            (&[("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("c", "3"), ("d", "3"), ("d", "4")][..], 4),
        ] {
            let mut by = BTreeMap::<_, BTreeSet<_>>::new();
            for (name, key) in signers {
                by.entry((*name).to_owned()).or_default().insert((*key).to_owned());
            }
            assert_eq!(by_own_key(&by).len(), count, "{signers:?}");
        }
    }
}
