//! Room `report`, format `json`: one document for programs, everything a scan knows but the manual pages.
//!
//! Schema: `docs/schema/scan.v1.schema.json`. Within version 1 it only grows: readers ignore keys and words they do
//! not know.

use std::collections::BTreeMap;
use std::io;

use ringfence_finding::Assessment;
use ringfence_finding::ControlInfo;
use ringfence_finding::Coverage;
use ringfence_finding::ExitCode;
use ringfence_finding::Finding;
use ringfence_finding::Found;
use ringfence_finding::Outcome;
use ringfence_finding::Scan;
use ringfence_finding::Severity;
use serde::Serialize;

use crate::machine;

/// Major: a reader must change; minor: something was added.
pub(crate) const SCHEMA_VERSION: &str = "1.2";

pub(crate) fn write(scan: &Scan, out: &mut dyn io::Write) -> io::Result<()> {
    machine::write(&Document::from(scan), out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'s> {
    schema_version: &'static str,
    tool: Tool,
    source: &'s str,
    narrowed: &'s [String],
    coverage: CoverageWithSum<'s>,
    found: &'s Found,
    verdict: &'s Assessment,
    summary: Summary,
    findings: &'s [Finding],
    controls: &'s [ControlInfo],
    fail_on: Severity,
    exit: ExitCode,
    seconds: f64,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct CoverageWithSum<'s> {
    percent: Option<u8>,
    complete: bool,
    #[serde(flatten)]
    coverage: &'s Coverage,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    by_severity: BTreeMap<&'static str, usize>,
    unknown: usize,
    error: usize,
}

impl<'s> From<&'s Scan> for Document<'s> {
    fn from(scan: &'s Scan) -> Self {
        let of = |outcome| scan.findings.iter().filter(move |finding| finding.outcome == outcome);
        let count = |severity| of(Outcome::Fail).filter(|finding| finding.severity == severity).count();
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: "ringfence", version: env!("CARGO_PKG_VERSION") },
            source: &scan.source,
            narrowed: &scan.narrowed,
            coverage: CoverageWithSum {
                percent: scan.coverage.percent(),
                complete: !scan.coverage.is_incomplete(),
                coverage: &scan.coverage,
            },
            found: &scan.found,
            verdict: &scan.assessment,
            summary: Summary {
                by_severity: Severity::ALL.map(|severity| (severity.as_str(), count(severity))).into(),
                unknown: of(Outcome::Unknown).count(),
                error: of(Outcome::Error).count(),
            },
            findings: &scan.findings,
            controls: &scan.controls,
            fail_on: scan.fail_on,
            exit: scan.exit,
            seconds: machine::milliseconds(scan.seconds),
        }
    }
}
