//! Room `model`: how much is told of one file: findings and names with their texts -> whether there is room for one more.
//!
//! A file of a few kilobytes may ask for gigabytes of words: by many members, or by one with a long name, which stands in each
//! finding again. What has no room is missing from the report, never from the verdict: the file is incomplete at least, and
//! the first of the worst findings is always kept.

use ringfence_finding::ModelFinding;
use ringfence_finding::ModelLookup;
use ringfence_finding::Verdict;

/// Findings and names of one file that are told.
const MOST: usize = 100_000;
/// Bytes of their texts, and of what stands beside them.
const TEXT: usize = 48 << 20;
/// Longest path of a place, in bytes; the middle of a longer one is left out.
const PATH: usize = 1024;

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    count: usize,
    text: usize,
    worst: Verdict,
    /// Whether something had no room.
    pub(crate) is_full: bool,
}

impl Told {
    pub(crate) fn takes_finding(&mut self, finding: &ModelFinding) -> bool {
        let is_worse = finding.verdict > self.worst;
        self.worst = self.worst.max(finding.verdict);
        let text = finding.place.path.len()
            + finding.message.len()
            + finding.subject.as_ref().map_or(0, String::len);
        self.takes(size_of::<ModelFinding>() + finding.why.len() + text) || is_worse
    }

    pub(crate) fn takes_lookup(&mut self, lookup: &ModelLookup) -> bool {
        let text = lookup.place.path.len() + lookup.module.len() + lookup.name.len();
        self.takes(size_of::<ModelLookup>() + text)
    }

    fn takes(&mut self, bytes: usize) -> bool {
        if self.count >= MOST || self.text + bytes > TEXT {
            self.is_full = true;
            return false;
        }
        self.count += 1;
        self.text += bytes;
        true
    }
}

/// A path of a place: the way into an archive, by names that somebody chose.
pub(crate) fn path(path: &str) -> String {
    if path.len() <= PATH {
        return path.to_owned();
    }
    let left = path.get(..path.floor_char_boundary(PATH / 2)).unwrap_or_default();
    let right = path.get(path.ceil_char_boundary(path.len() - PATH / 2)..).unwrap_or_default();
    format!("{left}[{} bytes]{right}", path.len() - left.len() - right.len())
}

#[cfg(test)]
mod tests {
    use ringfence_finding::ModelPlace;

    use super::*;
    use crate::threat;

    fn finding(verdict: Verdict) -> ModelFinding {
        threat::UNKNOWN_NAME.finding(verdict, ModelPlace::default(), "x".repeat(1 << 20))
    }

    #[test]
    fn what_has_no_room_is_left_out_but_for_the_first_of_the_worst() {
        let mut told = Told::default();
        let kept = (0..60).filter(|_| told.takes_finding(&finding(Verdict::Review))).count();
        assert!((40..48).contains(&kept), "{kept}");
        assert!(told.is_full);
        assert!(told.takes_finding(&finding(Verdict::Malicious)));
        assert!(!told.takes_finding(&finding(Verdict::Malicious)));
    }

    #[test]
    fn a_long_path_keeps_its_ends() {
        let long = format!("a.zip!/{}é/data.pkl", "é".repeat(30_000));
        let cut = path(&long);
        assert!(cut.len() < PATH + 20 && cut.starts_with("a.zip!/é") && cut.ends_with("é/data.pkl"), "{cut}");
        assert_eq!(path("a.zip!/data.pkl"), "a.zip!/data.pkl");
    }
}
