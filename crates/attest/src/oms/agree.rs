//! Room `attest`: what each signature says of one model -> one answer: how many different signers agree that it is theirs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_finding::FileStatus;
use ringfence_finding::Verification;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;

use super::verify::Request;

/// One answer from one verification for each signature, in their order. A signature that does not hold is a note where
/// enough others do, so that an old one beside a new one breaks nothing.
pub(super) fn together(request: &Request<'_>, each: Vec<Verification>) -> Verification {
    let needed = request.require.needed(request.trust.len());
    let agreed = signers(&each, VerifyOutcome::Verified);
    let is_enough = agreed.len() >= needed;
    // What could not be looked at might have been the one that is missing.
    let is_open = agreed.union(&signers(&each, VerifyOutcome::Incomplete)).count() >= needed;
    let several = each.len() > 1;
    let mut result = Verification::default();
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
    result.skipped.sort_by(|one, other| one.path.cmp(&other.path));
    result.skipped.dedup_by(|one, other| one.path == other.path);
    result.relaxed.dedup();
    if !is_enough && !is_open && needed > 1 {
        result.reasons.push(shortage(request, &agreed, needed));
    }
    result
}

/// Names of the signers whose verification came out like this.
fn signers(each: &[Verification], outcome: VerifyOutcome) -> BTreeSet<String> {
    let with = each.iter().filter(|one| one.outcome() == outcome);
    with.filter_map(|one| Some(one.signed_by.as_ref()?.signer.clone())).collect()
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

fn shortage(request: &Request<'_>, agreed: &BTreeSet<String>, needed: usize) -> VerifyReason {
    let missing = request.trust.iter().map(|signer| &signer.name).filter(|name| !agreed.contains(*name));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let agreed: Vec<&str> = agreed.iter().map(String::as_str).collect();
    let by = if agreed.is_empty() { "nobody".to_owned() } else { agreed.join(", ") };
    let message = format!(
        "{needed} signers have to agree (require: {}): by {by}, and not by {}",
        request.require,
        missing.join(", ")
    );
    VerifyReason::failed("signers", message)
}
