//! Room `model`: one file -> its formats, findings, gaps and verdict.

use std::sync::Arc;

use ringfence_artifact::Source;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::limits::Limits;
use crate::policy::Policy;
use crate::walk::Walk;

/// Judges the bytes of one file, whatever its name is.
pub fn judge(name: &str, source: &Arc<dyn Source>, policy: &Policy, limits: &Limits) -> ModelFile {
    let mut walk = Walk::new(policy, limits);
    let explained = walk.source(name, source, 0);
    close(ModelFile { path: name.to_owned(), bytes: source.len(), explained, ..ModelFile::default() }, walk)
}

/// Sorts what was found, and draws the verdict from it.
fn close(mut file: ModelFile, walk: Walk<'_>) -> ModelFile {
    (file.findings, file.gaps, file.lookups) = (walk.findings, walk.gaps, walk.lookups);
    file.formats = walk.formats;
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
