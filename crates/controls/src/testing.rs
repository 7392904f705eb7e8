//! What control tests share: render a fixture, judge it, print it as one line.

use ringfence_finding::ControlId;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_inventory::Inventory;

use crate::catalogue::catalogue;
use crate::engine::judge;

/// Findings of all controls on a text.
pub(crate) fn judged_by_all(text: &str) -> Vec<Finding> {
    let inventory = Inventory::from_text(text);
    assert_eq!(
        inventory.coverage.documents.failed, 0,
        "the text does not parse: {:?}",
        inventory.coverage.blind
    );
    judge(&inventory, &catalogue()).findings
}

/// Findings of one control on a text.
pub(crate) fn judged(id: &str, text: &str) -> Vec<Finding> {
    let id: ControlId = id.parse().unwrap();
    assert!(catalogue().iter().any(|control| control.meta.id == id), "no control {id}");
    judged_by_all(text).into_iter().filter(|finding| finding.control == id).collect()
}

/// Findings on a rendered fixture of a control, one line each, other controls' findings included: a bad fixture has
/// one flaw. What another control cannot judge for want of a whole kind (no bindings in the base) is left out.
pub(crate) fn one_line(slug: &str, name: &str) -> String {
    let findings = judged_by_all(&ringfence_fixture::control(slug, name));
    let own = catalogue().into_iter().find(|control| control.meta.slug == slug).unwrap().meta.id;
    let said = findings.iter().filter(|finding| {
        finding.control == own || finding.resource.is_some() || finding.outcome != Outcome::Unknown
    });
    said.map(line).collect::<Vec<_>>().join("\n")
}

fn line(finding: &Finding) -> String {
    let word = match finding.outcome {
        Outcome::Fail => finding.severity.as_str().to_uppercase(),
        Outcome::Unknown => "UNKNOWN".to_owned(),
        Outcome::Error => "ERROR".to_owned(),
    };
    let resource = finding.resource.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let container = finding.container.as_ref().map_or_else(String::new, |name| format!("[{name}]"));
    format!("{word} {} {resource}{container}: {}", finding.control, finding.message)
}
