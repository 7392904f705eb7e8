//! Lines of `cargo test` and `go test -v` -> counts, and the ignored tests with what they need.

use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) const PASS: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAIL: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIP: Self = Self { passed: 0, failed: 0, skipped: 1 };
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...`, the closing line of one test
/// binary.
pub(crate) fn closing_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |word: &str| {
        counts.split("; ").find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok())
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

/// The name in `test NAME ... FAILED`.
pub(crate) fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// A test that libtest left out, and the component it names: `test NAME ... ignored, needs COMPONENT`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Ignored {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
        Some(Self { name: name.into(), reason: outcome.trim_start_matches(", ").into() })
    }

    /// The program the test needs: `go` of "needs go: builds the judge".
    pub(crate) fn component(&self) -> Option<&str> {
        self.reason.strip_prefix("needs ")?.split([' ', ',', ':', ';']).next()
    }
}

/// Counts one top-level result line of `go test -v`.
pub(crate) fn go_line(line: &str) -> Option<Tally> {
    let outcome = line.strip_prefix("--- ")?.split_once(':')?.0;
    match outcome {
        "PASS" => Some(Tally::PASS),
        "FAIL" => Some(Tally::FAIL),
        "SKIP" => Some(Tally::SKIP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_closing_line_of_a_test_binary() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(closing_line(line), Some(Tally { passed: 12, failed: 2, skipped: 1 }));
        assert_eq!(closing_line("test closing ... ok"), None);
        assert_eq!(failed_test("test room::denies_it ... FAILED"), Some("room::denies_it"));
    }

    #[test]
    fn reads_what_an_ignored_test_needs() {
        let needs = Ignored::read("test scalars_match_the_judge ... ignored, needs go: builds it").unwrap();
        assert_eq!((needs.name.as_str(), needs.component()), ("scalars_match_the_judge", Some("go")));
        let silent = Ignored::read("test slow ... ignored").unwrap();
        assert_eq!((silent.reason.as_str(), silent.component()), ("", None));
        assert_eq!(Ignored::read("test plain ... ok"), None);
    }

    #[test]
    fn counts_only_top_level_go_results() {
        assert_eq!(go_line("--- PASS: TestAnswers (0.00s)"), Some(Tally::PASS));
        assert_eq!(go_line("    --- PASS: TestAnswers/one (0.00s)"), None);
    }
}
