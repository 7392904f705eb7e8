//! Room `model`: one file -> its formats, findings, gaps and verdict.

use std::sync::Arc;

use ringfence_artifact::Source;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::limits::Limits;
use crate::pickle;
use crate::policy::Policy;
use crate::policy::judge::Judge;
use crate::sniff;
use crate::sniff::Format;

/// Judges the bytes of one file, whatever its name is.
pub fn judge(name: &str, source: &Arc<dyn Source>, policy: &Policy, limits: &Limits) -> ModelFile {
    let mut judge = Judge::new(policy, name.to_owned());
    let mut file = ModelFile { path: name.to_owned(), bytes: source.len(), ..ModelFile::default() };
    match sniff::formats(source.as_ref()) {
        Ok(formats) => {
            file.formats = formats.iter().map(|format| format.as_str()).collect();
            for format in formats {
                match format {
                    Format::Empty => {}
                    Format::Pickle => {
                        let facts = pickle::read(source.as_ref(), limits);
                        file.explained = facts.explained;
                        judge.pickle(&facts);
                    }
                    other => {
                        let message = format!("{} is not read by this build", other.as_str());
                        judge.gap(GapReason::Unsupported, 0, Some(source.len()), message);
                    }
                }
            }
            if file.formats.is_empty() {
                let message = "a format that is not known: nothing was looked at".to_owned();
                judge.gap(GapReason::UnknownFormat, 0, Some(source.len()), message);
            }
        }
        Err(error) => judge.read_error(0, &error),
    }
    close(file, judge)
}

/// Sorts what was found, and draws the verdict from it.
fn close(mut file: ModelFile, judge: Judge<'_>) -> ModelFile {
    (file.findings, file.gaps, file.lookups) = (judge.findings, judge.gaps, judge.lookups);
    file.findings.sort_by(|one, other| {
        let worst_first = other.verdict.cmp(&one.verdict);
        worst_first.then_with(|| (&one.place, one.id).cmp(&(&other.place, other.id)))
    });
    file.gaps.sort();
    file.gaps.dedup();
    file.lookups.sort();
    let worst = file.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Clean);
    file.verdict = if file.gaps.is_empty() { worst } else { worst.max(Verdict::Incomplete) };
    // The last word on coverage: no gap was told, and yet bytes are left that nothing accounts for.
    if file.verdict == Verdict::Clean && file.explained < file.bytes {
        file.verdict = Verdict::Incomplete;
    }
    file
}
