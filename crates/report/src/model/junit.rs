//! Room `report`, models, format `junit`: a test case for each file. Malicious, review and a key are failures; what is
//! incomplete is an error, or skipped where `--allow-incomplete` made the exit code 0. Lost: names of clean files, bytes.

use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelScan;

use super::text;
use crate::clean;
use crate::junit;
use crate::junit::Case;
use crate::junit::Outcome;
use crate::junit::Suite;
use crate::junit::Told;

const CLASS: &str = "ringfence.model";

pub(super) fn write(scan: &ModelScan, exit: ExitCode, out: &mut dyn io::Write) -> io::Result<()> {
    let files = scan.files.iter();
    let mut cases: Vec<_> =
        files.map(|file| Case { class: CLASS, name: &file.path, outcome: of_file(file, exit) }).collect();
    for gap in &scan.gaps {
        let outcome = incomplete(gap.message.clone(), vec![text::gap_line(gap)], exit);
        cases.push(Case { class: CLASS, name: &gap.place.path, outcome });
    }
    if cases.is_empty() {
        // No case at all would be drawn as a success.
        let outcome = incomplete("nothing was scanned".to_owned(), vec![], exit);
        cases.push(Case { class: CLASS, name: &scan.source, outcome });
    }
    junit::write(&Suite { name: &scan.source, seconds: scan.seconds, cases }, out)
}

fn of_file(file: &ModelFile, exit: ExitCode) -> Outcome {
    let gaps = file.gaps.iter().map(text::gap_line);
    if let Some(worst) = file.findings.first() {
        let mut lines = Vec::new();
        for finding in &file.findings {
            lines.push(format!("{}: {}", text::finding_line(finding), clean::sentence(&finding.why)));
            lines.extend(finding.python.as_deref().map(|python| format!("  {}", clean::line(python))));
        }
        lines.extend(gaps);
        let message = worst.message.clone();
        return Outcome::Failure(Told { kind: text::asked(worst), message, lines });
    }
    match file.gaps.first() {
        Some(gap) => incomplete(gap.message.clone(), gaps.collect(), exit),
        None if file.explained < file.bytes => {
            incomplete("bytes that nothing accounts for".to_owned(), vec![], exit)
        }
        None => Outcome::Passed,
    }
}

fn incomplete(message: String, lines: Vec<String>, exit: ExitCode) -> Outcome {
    if exit == ExitCode::Clean {
        return Outcome::Skipped(message);
    }
    Outcome::Error(Told { kind: "incomplete", message, lines })
}
