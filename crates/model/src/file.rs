//! Room `model`: one file -> its formats, findings, gaps and verdict.

use std::sync::Arc;

use ringfence_artifact::Source;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelGap;
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

/// Whether `next` begins where `gap` ends, and says the same: then `gap` has its bytes, too. A pickle that is cut short is a
/// gap for each byte that is no opcode.
fn continues(gap: &mut ModelGap, next: &ModelGap) -> bool {
    let (Some(bytes), Some(more)) = (gap.bytes, next.bytes) else { return false };
    let is_same = (gap.reason, &gap.message) == (next.reason, &next.message);
    let is_next =
        gap.place.path == next.place.path && gap.place.offset.checked_add(bytes) == Some(next.place.offset);
    if is_same && is_next {
        gap.bytes = bytes.checked_add(more);
    }
    is_same && is_next
}

/// The verdict of what was found and what was not explained.
pub(crate) fn draw(file: &mut ModelFile) {
    file.gaps.sort();
    file.gaps.dedup();
    file.gaps.dedup_by(|next, gap| continues(gap, next));
    let worst = file.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Clean);
    file.verdict = if file.gaps.is_empty() { worst } else { worst.max(Verdict::Incomplete) };
    // The last word on coverage: no gap was told, and yet bytes are left that nothing accounts for.
    if file.verdict == Verdict::Clean && file.explained < file.bytes {
        file.verdict = Verdict::Incomplete;
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::GapReason;
    use ringfence_finding::ModelPlace;

    use super::*;

    fn gap(path: &str, offset: u64, bytes: Option<u64>, message: &str) -> ModelGap {
        let place = ModelPlace { path: path.to_owned(), offset };
        ModelGap { reason: GapReason::Unexplained, place, bytes, message: message.to_owned() }
    }

    #[test]
    fn neighbours_are_one_gap_and_others_are_not() {
        let mut file = ModelFile {
            gaps: vec![
                gap("a", 9, Some(1), "x"),
                gap("a", 7, Some(2), "x"),
                gap("a", 4, Some(3), "x"),
                // Behind a hole, of another kind, in another stream, of a length that nobody knows.
                gap("a", 11, Some(1), "x"),
                gap("a", 12, Some(1), "y"),
                gap("b", 13, Some(1), "x"),
                gap("b", 14, None, "x"),
                gap("b", 15, Some(1), "x"),
                gap("c", 0, Some(u64::MAX), "x"),
                gap("c", 1, Some(1), "x"),
            ],
            ..ModelFile::default()
        };
        draw(&mut file);
        let left: Vec<_> =
            file.gaps.iter().map(|gap| (gap.place.path.as_str(), gap.place.offset, gap.bytes)).collect();
        assert_eq!(left[..3], [("a", 4, Some(6)), ("a", 11, Some(1)), ("a", 12, Some(1))]);
        assert_eq!(left[3..6], [("b", 13, Some(1)), ("b", 14, None), ("b", 15, Some(1))]);
        assert_eq!(left[6..], [("c", 0, Some(u64::MAX)), ("c", 1, Some(1))]);
        assert_eq!(file.verdict, Verdict::Incomplete);
    }
}
