//! `scan PATH --on-cluster`: what the files change -> the findings that are theirs to answer for.

use std::collections::HashSet;

use ringfence_finding::Blind;
use ringfence_finding::Finding;
use ringfence_finding::Fingerprint;
use ringfence_finding::Outcome;
use ringfence_finding::Reason;

/// What a change does to a cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Findings of the cluster that the files do not touch: left out.
    pub(crate) untouched: usize,
    /// Findings that the cluster has today and that are gone with the files applied.
    pub(crate) closed: usize,
}

impl Effect {
    /// In words, beside the other assumptions of the result.
    pub(crate) fn words(&self) -> Blind {
        let cause = format!(
            "the files are judged as if applied to the cluster: findings of theirs are shown, and those that the cluster \
             has only because of them; they close {} of its findings and leave {} as they are (`ringfence scan` lists \
             those)",
            self.closed, self.untouched
        );
        Blind::new(Reason::Assumption, cause)
    }
}

/// Keeps what stands in the files, and what the cluster has only because of them. `before`: the cluster's findings
/// without the files.
pub(crate) fn keep_the_change(findings: &mut Vec<Finding>, before: &[Finding]) -> Effect {
    let had: HashSet<(Fingerprint, Outcome)> = before.iter().map(identity).collect();
    let has: HashSet<(Fingerprint, Outcome)> = findings.iter().map(identity).collect();
    let closed = before.iter().filter(|finding| finding.outcome == Outcome::Fail);
    let closed = closed.filter(|finding| !has.contains(&identity(finding))).count();
    let all = findings.len();
    findings.retain(|finding| is_of_files(finding) || !had.contains(&identity(finding)));
    Effect { untouched: all.saturating_sub(findings.len()), closed }
}

fn identity(finding: &Finding) -> (Fingerprint, Outcome) {
    (finding.fingerprint, finding.outcome)
}

/// Whether any place of it stands in a file.
fn is_of_files(finding: &Finding) -> bool {
    let evidence = finding.evidence.iter().filter_map(|evidence| evidence.location.as_ref());
    finding.location.iter().chain(evidence).any(|place| !place.is_live())
}
