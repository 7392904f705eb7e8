//! Room `report`, format `concise`: one line per finding, blind spot and narrowing flag, for editors, grep and CI logs.
//! Lost: evidence, fixes, counts, dollars.
//!
//! `path:line:col: HIGH RF-GPU-005 Deployment/web/checkout[app]: message`

use std::fmt::Write as _;
use std::io;

use ringfence_finding::Finding;
use ringfence_finding::Location;
use ringfence_finding::Outcome;
use ringfence_finding::Scan;

use crate::clean;
use crate::words;

pub(crate) fn write(scan: &Scan, out: &mut dyn io::Write) -> io::Result<()> {
    for finding in &scan.findings {
        writeln!(out, "{}: {}", place(finding.location.as_ref()), line(finding))?;
    }
    for blind in scan.coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()) {
        let message = clean::sentence(&blind.message());
        writeln!(out, "{}: INCOMPLETE {} {message}", place(blind.location.as_ref()), blind.reason)?;
    }
    for flag in &scan.narrowed {
        writeln!(out, "{}: NARROWED {}", place(None), clean::sentence(flag))?;
    }
    Ok(())
}

fn place(location: Option<&Location>) -> String {
    match location {
        Some(place) if place.is_live() => clean::path(&place.file),
        Some(place) => format!("{}:{}:{}", clean::path(&place.file), place.line, place.column),
        None => "-:0:0".to_owned(),
    }
}

fn line(finding: &Finding) -> String {
    let verdict = words::verdict(finding).to_uppercase();
    let object = finding.resource.as_ref().map_or_else(|| "-".to_owned(), words::object);
    let container =
        finding.container.as_ref().map(|name| format!("[{}]", clean::name(name))).unwrap_or_default();
    let mut message = clean::sentence(&finding.message);
    // Without the missing fact an unknown says nothing that anyone can act on.
    if finding.outcome == Outcome::Unknown && !finding.message.contains(&finding.why) {
        _ = write!(message, ": {}", clean::sentence(&finding.why));
    }
    format!("{verdict} {} {object}{container}: {message}", finding.control)
}

#[cfg(test)]
mod tests {
    use crate::Format;
    use crate::testing;

    #[test]
    fn one_line_per_finding_and_blind_spot() {
        let text = testing::print(&testing::standard(), Format::Concise);
        insta::assert_snapshot!(text, @r"
    demo/open/chat.yaml:44:20: CRITICAL RF-SEC-001 Deployment/web/chat[app]: shows OpenAI key sk-p...9Q
    demo/open/train.yaml:9:20: CRITICAL RF-SEC-001 Deployment/web/train[app]: shows Hugging Face key hf_Q...x1
    demo/open/web.yaml:31:18: HIGH RF-GPU-005 Deployment/web/checkout[app]: opens every GPU
    demo/open/web.yaml:90:18: HIGH RF-GPU-005 Deployment/web/search[app]: opens every GPU
    demo/open/train.yaml:40:7: MEDIUM RF-DATA-008 Deployment/web/train[app]: has an unbounded /dev/shm that can take all memory of the node
    demo/open/train.yaml:80:7: LOW RF-RUN-013 Deployment/web/nb[app]: runs without a sandbox
    -:0:0: UNKNOWN RF-NET-001 -: policies of namespace ml not known: no Namespace objects given
    -:0:0: ERROR RF-MOD-002 -: index out of bounds
    demo/open/old.yaml:12:3: INCOMPLETE unparsable a tab where indentation is expected: indent with spaces
    demo/open/chart/templates/app.yaml:4:9: INCOMPLETE template-not-rendered a template: helm template demo/open/chart | ringfence scan -
    -:0:0: NARROWED --exclude vendor/**
    ");
    }
}
