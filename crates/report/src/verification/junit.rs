//! Room `report`, verifications, format `junit`: a test case for the signature and one for each file. Lost: who signed, what
//! no signature covers.

use std::io;

use ringfence_finding::FileStatus;
use ringfence_finding::Verification;
use ringfence_finding::VerifyOutcome;
use ringfence_finding::VerifyReason;

use crate::junit;
use crate::junit::Case;
use crate::junit::Outcome;
use crate::junit::Suite;
use crate::junit::Told;

const CLASS: &str = "ringfence.verify";

pub(super) fn write(verification: &Verification, out: &mut dyn io::Write) -> io::Result<()> {
    let name = format!("signature {}", verification.signature);
    let mut cases = vec![Case { class: CLASS, name: &name, outcome: of_signature(verification) }];
    for file in &verification.files {
        let (incomplete, message) = match file.status {
            FileStatus::Match => {
                cases.push(Case { class: CLASS, name: &file.path, outcome: Outcome::Passed });
                continue;
            }
            FileStatus::Differs => (false, "other bytes than were signed"),
            FileStatus::Missing => (false, "signed, and not there"),
            FileStatus::Unsigned if !is_said(verification, "unsigned") => {
                let message = "nobody signed it, and that was allowed".to_owned();
                cases.push(Case { class: CLASS, name: &file.path, outcome: Outcome::Skipped(message) });
                continue;
            }
            FileStatus::Unsigned => (false, "there, and nobody signed it"),
            FileStatus::Changed => (false, "it changed while it was read"),
            FileStatus::Unread => (true, "it could not be read"),
        };
        let own = verification.reasons.iter().filter(|reason| reason.path.as_ref() == Some(&file.path));
        let lines = own.map(VerifyReason::message).collect();
        let told = Told { kind: kind(incomplete), message: message.to_owned(), lines };
        let outcome = if incomplete { Outcome::Error(told) } else { Outcome::Failure(told) };
        cases.push(Case { class: CLASS, name: &file.path, outcome });
    }
    let uncovered = verification.uncovered();
    for reason in &uncovered {
        let told = Told { kind: "uncovered", message: reason.message(), lines: Vec::new() };
        cases.push(Case { class: CLASS, name: "what no signature covers", outcome: Outcome::Failure(told) });
    }
    junit::write(&Suite { name: &verification.source, seconds: verification.seconds, cases }, out)
}

/// Files have cases of their own, where what is wrong with them is told; everything else is told here.
fn of_signature(verification: &Verification) -> Outcome {
    let of_files = ["differs", "missing", "unsigned", "changed", "unread"];
    let has_files = !verification.files.is_empty();
    let own = verification.reasons.iter().filter(|reason| !has_files || !of_files.contains(&reason.kind));
    let lines: Vec<String> = own.clone().map(VerifyReason::message).collect();
    let fails = own.clone().any(|reason| !reason.incomplete);
    let outcome = verification.outcome();
    match lines.first() {
        Some(first) => {
            let told = Told { kind: kind(!fails), message: first.clone(), lines };
            if fails { Outcome::Failure(told) } else { Outcome::Error(told) }
        }
        // Nothing is said against it, and nothing is verified either.
        None if outcome == VerifyOutcome::Failed && verification.reasons.is_empty() => {
            let message = "nobody who is trusted has signed anything that is there".to_owned();
            Outcome::Failure(Told { kind: kind(false), message, lines: Vec::new() })
        }
        None => Outcome::Passed,
    }
}

fn is_said(verification: &Verification, kind: &str) -> bool {
    verification.reasons.iter().any(|reason| reason.kind == kind)
}

fn kind(incomplete: bool) -> &'static str {
    if incomplete { "incomplete" } else { "not-verified" }
}
