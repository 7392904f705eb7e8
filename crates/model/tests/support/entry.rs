//! What a fuzz target does with its bytes, shared by `fuzz/` and the replay of the corpora on stable: it ends with a panic
//! when something that holds for every input does not.

use std::sync::Arc;

use ringfence_artifact::Slice;
use ringfence_artifact::Source;
use ringfence_finding::Family;
use ringfence_finding::Verdict;
use ringfence_model::Limits;
use ringfence_model::Policy;

/// Clean means that every byte was explained and nothing was found; the same bytes give the same result.
pub(crate) fn judge(bytes: &[u8]) {
    let limits = Limits { opcodes: 1_000_000, decoded: 64 << 20, members: 1000, ..Limits::default() };
    let once = || {
        let source: Arc<dyn Source> = Arc::new(Slice::new(bytes));
        ringfence_model::judge("x", &source, Policy::embedded(), &limits)
    };
    let file = once();
    assert!(file.explained <= file.bytes, "{} of {}", file.explained, file.bytes);
    if file.verdict == Verdict::Clean {
        assert!(file.gaps.is_empty() && file.explained == file.bytes);
    }
    let worst = file.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Clean);
    assert!(file.verdict >= worst);
    // A key is told and is no part of the verdict.
    let is_key = |family| family == Family::Sec;
    assert!(
        file.findings.iter().all(|finding| is_key(finding.id.family) == (finding.verdict < Verdict::Review))
    );
    assert_eq!(file, once());
}
