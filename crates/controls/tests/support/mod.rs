//! Test equipment of `controls`: texts in, what all controls say about them out.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

pub(crate) mod live;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringfence_controls::Control;
use ringfence_controls::catalogue;
use ringfence_controls::judge;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_inventory::Inventory;

/// What every control says about a text, which must parse completely.
pub(crate) fn judged(text: &str) -> Vec<Finding> {
    let inventory = Inventory::from_text(text);
    let documents = &inventory.coverage.documents;
    assert_eq!(documents.found, documents.parsed, "not everything parses: {:?}", inventory.coverage.blind);
    judge(&inventory, &catalogue()).findings
}

/// The fixtures `name` of all controls that have one, rendered: slug and text.
pub(crate) fn fixtures(name: &str) -> Vec<(&'static str, String)> {
    let all = catalogue().into_iter().map(|control| control.meta.slug);
    let file =
        |slug: &str| ringfence_fixture::folder().join("controls").join(slug).join(format!("{name}.yaml"));
    let existing = all.filter(|slug| file(slug).is_file());
    existing.map(|slug| (slug, ringfence_fixture::control(slug, name))).collect()
}

/// The control of a slug.
pub(crate) fn control(slug: &str) -> Option<&'static Control> {
    catalogue().into_iter().find(|control| control.meta.slug == slug)
}

/// Identity of a result: what a baseline compares.
pub(crate) fn identity(finding: &Finding) -> String {
    format!("{} {:?} {}", finding.control, finding.outcome, finding.fingerprint)
}

/// Identities and how often each stands there.
pub(crate) fn counted(findings: &[Finding]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for finding in findings {
        *all.entry(identity(finding)).or_insert(0) += 1;
    }
    all
}

/// One finding as a line, for messages of tests.
pub(crate) fn line(finding: &Finding) -> String {
    let mut line = format!("{:?} {} ", finding.outcome, finding.control);
    if let Some(resource) = &finding.resource {
        let _ = write!(line, "{resource}");
    }
    if let Some(container) = &finding.container {
        let _ = write!(line, "[{container}]");
    }
    let _ = write!(line, " {}: {}", finding.field, finding.message);
    line
}

/// All of them.
pub(crate) fn lines(findings: &[Finding]) -> String {
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Those with an outcome.
pub(crate) fn with(findings: &[Finding], outcome: Outcome) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.outcome == outcome).collect()
}

/// Documents of a rendered fixture.
pub(crate) fn documents(text: &str) -> Vec<String> {
    text.split("---\n").filter(|document| !document.trim().is_empty()).map(str::to_owned).collect()
}

/// A text of documents.
pub(crate) fn joined<'d>(documents: impl IntoIterator<Item = &'d String>) -> String {
    documents.into_iter().flat_map(|document| ["---\n", document]).collect()
}
