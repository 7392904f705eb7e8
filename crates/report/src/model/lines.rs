//! Room `report`, models, format `jsonl`: a line for each file as soon as it is judged, and one that ends the scan. A reader
//! that does not meet the last line has not seen the whole scan.
//!
//! A file is `$defs/file` of `docs/schema/model-scan.v1.schema.json`, the last line its document without the files.

use std::io;

use ringfence_finding::ConfigFile;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelAddition;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelScan;
use ringfence_finding::PolicyId;
use ringfence_finding::Verdict;
use serde::Serialize;

use super::Counts;
use super::File;
use super::SCHEMA_VERSION;
use super::Totals;
use crate::machine;

/// What a line is, then its own.
#[derive(Serialize)]
struct Line<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    line: T,
}

pub(super) fn file(file: &ModelFile, out: &mut dyn io::Write) -> io::Result<()> {
    machine::write_line(&Line { kind: "file", line: File::new(file) }, out)
}

pub(super) fn end(
    scan: &ModelScan,
    totals: Totals,
    exit: ExitCode,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct End<'s> {
        schema_version: &'static str,
        source: &'s str,
        verdict: Verdict,
        complete: bool,
        counts: Counts,
        gaps: &'s [ModelGap],
        passed_over: &'s [String],
        policy: &'s PolicyId,
        additions: &'s [ModelAddition],
        config: Option<&'s ConfigFile>,
        notes: &'s [String],
        exit: ExitCode,
        seconds: f64,
    }
    let line = End {
        schema_version: SCHEMA_VERSION,
        source: &scan.source,
        verdict: totals.verdict,
        complete: totals.complete,
        counts: totals.counts,
        gaps: &scan.gaps,
        passed_over: &scan.passed_over,
        policy: &scan.policy,
        additions: &scan.additions,
        config: scan.config.as_ref(),
        notes: &scan.notes,
        exit,
        seconds: machine::milliseconds(scan.seconds),
    };
    machine::write_line(&Line { kind: "end", line }, out)
}
