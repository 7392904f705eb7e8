//! Room `model`: one file -> its formats, findings, gaps and verdict.

use std::sync::Arc;

use ringfence_artifact::Source;
use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::inspect::Book;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::repository;
use crate::repository::Judged;
use crate::walk::Walk;

/// Judges the bytes of one file, whatever its name is.
pub fn judge(name: &str, source: &Arc<dyn Source>, policy: &Policy, limits: &Limits) -> ModelFile {
    repository::alone(judged(name, source, policy, limits))
}

/// The same, with what it takes from other files.
pub(crate) fn judged(name: &str, source: &Arc<dyn Source>, policy: &Policy, limits: &Limits) -> Judged {
    judged_with(name, source, policy, limits, None)
}

/// The same, and a book of what it holds.
pub(crate) fn judged_with<'w>(
    name: &str,
    source: &Arc<dyn Source>,
    policy: &'w Policy,
    limits: &'w Limits,
    book: Option<&'w mut Book>,
) -> Judged {
    let mut walk = Walk::new(policy, limits);
    walk.book = book;
    let explained = walk.source(name, source, 0);
    let externals = std::mem::take(&mut walk.externals);
    let file = ModelFile { path: name.to_owned(), bytes: source.len(), explained, ..ModelFile::default() };
    Judged { file: close(file, walk), externals }
}

/// Sorts what was found, and draws the verdict from it.
fn close(mut file: ModelFile, walk: Walk<'_>) -> ModelFile {
    (file.findings, file.gaps, file.lookups) = (walk.findings, walk.gaps, walk.lookups);
    file.formats = walk.formats;
    file.findings.sort_by(|one, other| {
        let worst_first = other.verdict.cmp(&one.verdict);
        worst_first.then_with(|| (&one.place, one.id).cmp(&(&other.place, other.id)))
    });
    file.lookups.sort();
    // Kept until all files are judged, perhaps a million: no room for more in each.
    file.lookups.shrink_to_fit();
    file.formats.shrink_to_fit();
    draw(&mut file);
    file
}

/// The verdict of what was found and what was not explained.
pub(crate) fn draw(file: &mut ModelFile) {
    file.gaps.sort();
    file.gaps.dedup();
    let worst = file.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Clean);
    file.verdict = if file.gaps.is_empty() { worst } else { worst.max(Verdict::Incomplete) };
    // The last word on coverage: no gap was told, and yet bytes are left that nothing accounts for.
    if file.verdict == Verdict::Clean && file.explained < file.bytes {
        file.verdict = Verdict::Incomplete;
    }
}
