//! What a scan ends with: exit code, and what was asked for but is not there.

use ringfence_controls::Cx;
use ringfence_controls::Need;
use ringfence_finding::Blind;
use ringfence_finding::Coverage;
use ringfence_finding::ExitCode;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_finding::Reason;
use ringfence_finding::Severity;
use ringfence_inventory::Inventory;

/// Findings win over incomplete, both over a contained internal error.
pub(crate) fn exit(
    findings: &[Finding],
    coverage: &Coverage,
    fail_on: Severity,
    allow_incomplete: bool,
) -> ExitCode {
    let internal = coverage.blind.iter().any(|blind| blind.reason == Reason::Internal)
        || findings.iter().any(|finding| finding.outcome == Outcome::Error);
    let blind =
        coverage.blind.iter().any(|blind| blind.reason.is_incomplete() && blind.reason != Reason::Internal);
    if findings.iter().any(|finding| finding.fails_at(fail_on)) {
        ExitCode::Findings
    } else if blind && !allow_incomplete {
        ExitCode::Incomplete
    } else if internal {
        ExitCode::Internal
    } else {
        ExitCode::Clean
    }
}

/// Facts that were demanded and are not there, and that there was nothing at all.
pub(crate) fn missing(inventory: &Inventory, needs: &[Need], source: &str) -> Vec<Blind> {
    let cx = Cx::new(inventory);
    let mut all: Vec<Blind> = needs
        .iter()
        .filter(|need| !cx.supplies(**need))
        .map(|need| Blind::new(Reason::FactMissing, need.missing()).scan("add them to what is scanned"))
        .collect();
    // A place that could not be read says more than that nothing else was there.
    if inventory.objects().len() == 0 && !inventory.coverage.is_incomplete() {
        let blind = Blind::new(Reason::NothingFound, format!("no Kubernetes object in {source}"));
        all.push(blind.scan("give a file or folder with manifests"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_sets_5_only_when_nothing_else_applies() {
        let coverage = |reasons: &[Reason]| Coverage {
            blind: reasons.iter().map(|reason| Blind::new(*reason, "")).collect(),
            ..Coverage::default()
        };
        let privileged = "apiVersion: v1\nkind: Pod\nmetadata: {name: t}\nspec: {containers: [{name: c, image: i, securityContext: {privileged: true}, resources: {limits: {nvidia.com/gpu: 1}}}]}\n";
        let inventory = Inventory::from_text(privileged);
        let findings = ringfence_controls::judge(&inventory, &ringfence_controls::catalogue()).findings;
        for (found, reasons, allow, expected) in [
            (false, &[][..], false, 0),
            (true, &[Reason::Unparsable, Reason::Internal], false, 1),
            (false, &[Reason::Unparsable, Reason::Internal], false, 3),
            (false, &[Reason::Unparsable, Reason::Internal], true, 5),
            (false, &[Reason::Internal], false, 5),
            (false, &[Reason::Internal], true, 5),
            (false, &[Reason::NotKubernetes, Reason::Assumption], false, 0),
        ] {
            let findings = if found { &findings[..] } else { &[] };
            let code = exit(findings, &coverage(reasons), Severity::High, allow).code();
            assert_eq!(code, expected, "{reasons:?} {allow}");
        }
    }
}
