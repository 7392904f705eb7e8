//! Room `report`, verifications, format `junit`: a test case for the signature and one for each file. Lost: who signed, what
//! no signature covers. No reason is lost: one that is of no file with a case that fails is told with the signature, so that
//! nothing but a verified model has passed in every case.

use std::collections::HashMap;
use std::io;

use ringfence_finding::FileStatus;
use ringfence_finding::Verification;
use ringfence_finding::VerifiedFile;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;

use crate::junit;
use crate::junit::Case;
use crate::junit::Outcome;
use crate::junit::Suite;
use crate::junit::Told;

const CLASS: &str = "ringfence.verify";

/// Kinds of reasons that are about a file.
const OF_FILES: [&str; 5] = ["differs", "missing", "unsigned", "changed", "unread"];

pub(super) fn write(verification: &Verification, out: &mut dyn io::Write) -> io::Result<()> {
    let name = format!("signature {}", verification.signature);
    let is_unsigned_said = verification.reasons.iter().any(|reason| reason.kind == "unsigned");
    let faults: Vec<(&VerifiedFile, Option<Fault>)> =
        verification.files.iter().map(|file| (file, fault(file, is_unsigned_said))).collect();
    let (mut of_files, others) = split(verification, &faults);
    let mut cases = vec![Case { class: CLASS, name: &name, outcome: of_signature(verification, &others) }];
    for (file, fault) in faults {
        let outcome = match fault {
            None if file.status == FileStatus::Unsigned => {
                Outcome::Skipped("nobody signed it, and that was allowed".to_owned())
            }
            None => Outcome::Passed,
            Some((incomplete, message)) => {
                let lines = of_files.remove(file.path.as_str()).unwrap_or_default();
                let told = Told { kind: kind(incomplete), message: message.to_owned(), lines };
                if incomplete { Outcome::Error(told) } else { Outcome::Failure(told) }
            }
        };
        cases.push(Case { class: CLASS, name: &file.path, outcome });
    }
    let uncovered = verification.uncovered();
    for reason in &uncovered {
        let told = Told { kind: "uncovered", message: reason.message(), lines: Vec::new() };
        cases.push(Case { class: CLASS, name: "what no signature covers", outcome: Outcome::Failure(told) });
    }
    junit::write(&Suite { name: &verification.source, seconds: verification.seconds, cases }, out)
}

/// Whether it could not be looked at, and what is wrong.
type Fault = (bool, &'static str);

fn fault(file: &VerifiedFile, is_unsigned_said: bool) -> Option<Fault> {
    match file.status {
        FileStatus::Match => None,
        FileStatus::Differs => Some((false, "other bytes than were signed")),
        FileStatus::Missing => Some((false, "signed, and not there")),
        FileStatus::Unsigned => is_unsigned_said.then_some((false, "there, and nobody signed it")),
        FileStatus::Changed => Some((false, "it changed while it was read")),
        FileStatus::Unread => Some((true, "it could not be read")),
    }
}

/// What is said of each file whose case fails, and everything else that is said. One look at each reason: there may be a
/// million.
fn split<'v>(
    verification: &'v Verification,
    faults: &[(&'v VerifiedFile, Option<Fault>)],
) -> (HashMap<&'v str, Vec<String>>, Vec<&'v VerifyReason>) {
    let with_fault = faults.iter().filter(|(_, fault)| fault.is_some());
    let mut of_files: HashMap<&str, Vec<String>> =
        with_fault.map(|(file, _)| (file.path.as_str(), Vec::new())).collect();
    let mut others = Vec::new();
    for reason in &verification.reasons {
        let path = reason.path.as_deref().filter(|_| OF_FILES.contains(&reason.kind));
        match path.and_then(|path| of_files.get_mut(path)) {
            Some(lines) => lines.push(reason.message()),
            None => others.push(reason),
        }
    }
    (of_files, others)
}

/// What is said of no file.
fn of_signature(verification: &Verification, others: &[&VerifyReason]) -> Outcome {
    let lines: Vec<String> = others.iter().map(|reason| reason.message()).collect();
    let fails = others.iter().any(|reason| !reason.incomplete);
    match lines.first() {
        Some(first) => {
            let told = Told { kind: kind(!fails), message: first.clone(), lines };
            if fails { Outcome::Failure(told) } else { Outcome::Error(told) }
        }
        // Nothing is said against it, and nothing is verified either.
        None if verification.outcome() == VerifyOutcome::Failed && verification.reasons.is_empty() => {
            let message = "nobody who is trusted has signed anything that is there".to_owned();
            Outcome::Failure(Told { kind: kind(false), message, lines: Vec::new() })
        }
        None => Outcome::Passed,
    }
}

fn kind(incomplete: bool) -> &'static str {
    if incomplete { "incomplete" } else { "not-verified" }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::SignedBy;

    use super::*;
    use crate::testing::xml;

    fn signed(files: Vec<VerifiedFile>, reasons: Vec<VerifyReason>) -> Verification {
        let signer = SignedBy {
            signer: "release".to_owned(),
            signature: "a.sig".to_owned(),
            method: "key",
            algorithm: "P-256",
            key: "8b1f".to_owned(),
            certificate: None,
            subject: None,
        };
        Verification {
            source: "llama".to_owned(),
            signature: "a.sig, b.sig".to_owned(),
            signed_by: Some(signer.clone()),
            signers: vec![signer],
            files,
            reasons,
            ..Verification::default()
        }
    }

    fn file(path: &str, status: FileStatus) -> VerifiedFile {
        VerifiedFile { path: path.to_owned(), bytes: 1, digest: None, hash: None, status }
    }

    /// Name of each case, what it came to, and the lines of its text.
    fn cases(verification: &Verification) -> Vec<(String, String, Vec<String>)> {
        let mut bytes = Vec::new();
        write(verification, &mut bytes).unwrap();
        let root = xml::read(&String::from_utf8(bytes).unwrap());
        let case = |case: &xml::Element| {
            let told = case.children.first();
            let lines = told.map(|told| told.text.trim().lines().map(str::to_owned).collect());
            let outcome = told.map_or("passed".to_owned(), |told| told.name.clone());
            (case.attribute("name").to_owned(), outcome, lines.unwrap_or_default())
        };
        root.children[0].children.iter().map(case).collect()
    }

    #[test]
    fn no_reason_is_lost_and_what_is_not_verified_has_a_case_that_says_so() {
        let ok = || vec![file("a", FileStatus::Match)];
        let unread = |path: &str| vec![VerifyReason::incomplete("unread", "Permission denied").of(path)];
        for (verification, outcome) in [
            // A folder is no file, a second signature is none, and a file that matches is not at fault.
            (signed(ok(), unread("evil")), "error"),
            (signed(ok(), vec![VerifyReason::incomplete("unread", "Is a directory").by("b.sig")]), "error"),
            (signed(ok(), unread("a")), "error"),
            (
                signed(ok(), vec![VerifyReason::incomplete("unread", "more entries than are looked at")]),
                "error",
            ),
            (
                signed(
                    ok(),
                    vec![VerifyReason::failed("differs", "its SHA-256 is 1, 2 was signed").of("gone")],
                ),
                "failure",
            ),
            (signed(Vec::new(), Vec::new()), "failure"),
        ] {
            assert_ne!(verification.outcome(), VerifyOutcome::Verified);
            let cases = cases(&verification);
            assert_eq!((cases[0].0.as_str(), cases[0].1.as_str()), ("signature a.sig, b.sig", outcome));
        }
        assert!(cases(&signed(ok(), Vec::new())).iter().all(|(_, outcome, _)| outcome == "passed"));
    }

    #[test]
    fn each_file_has_its_own_reasons_and_20_000_are_no_more_work_each() {
        // Each name begins many others.
        let names: Vec<String> = (0..20_000).map(|number| format!("a.{number}")).collect();
        let reason = |name: &String| VerifyReason::failed("unsigned", "nobody signed it").of(name);
        let mut verification = signed(
            names.iter().map(|name| file(name, FileStatus::Unsigned)).collect(),
            names.iter().map(reason).collect(),
        );
        // Of one of several signatures, and a name that looks like more than one.
        verification.files.push(file("b: c: d", FileStatus::Missing));
        verification.reasons.push(VerifyReason::failed("missing", "signed").of("b: c: d").by("a.sig"));
        let cases = cases(&verification);
        assert_eq!(cases[0].1, "passed");
        for ((name, outcome, lines), expected) in cases[1..].iter().zip(&names) {
            let line = format!("{expected}: nobody signed it");
            assert_eq!((name, outcome.as_str(), lines), (expected, "failure", &vec![line]));
        }
        let last = ("b: c: d".to_owned(), "failure".to_owned(), vec!["a.sig: b: c: d: signed".to_owned()]);
        assert_eq!(cases.last(), Some(&last));
    }
}
