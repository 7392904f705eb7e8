//! Room `report`: a [`ModelScan`] enters, a screen, lines, or one document for programs leave.
//!
//! Paths, names and members are foreign text: masked here for every form, and made inert by each.

mod inspect;
mod junit;
mod lines;
mod sarif;
mod text;

use std::io;

use ringfence_finding::ConfigFile;
use ringfence_finding::ExitCode;
use ringfence_finding::ModelAddition;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::PolicyId;
use ringfence_finding::Verdict;
use serde::Serialize;

pub use inspect::write_inspection;

use crate::Style;
use crate::clean;
use crate::machine;

/// Major: a reader must change; minor: something was added.
const SCHEMA_VERSION: &str = "1.2";

/// Forms of a scan of models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelFormat {
    /// A test case for each file, for CI systems.
    Junit,
    /// One document for each file and one that ends them; [`write_model_line`] writes the files.
    Lines,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
    /// The screen for people.
    #[default]
    Text,
    /// One line per finding and per gap.
    Concise,
    /// One document for programs, `docs/schema/model-scan.v1.schema.json`.
    Json,
}

/// Writes a scan of models. `style` matters to text alone, `exit` is what the command returns.
pub fn write_models(
    scan: &ModelScan,
    exit: ExitCode,
    format: ModelFormat,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let totals = Totals::of(scan);
    match format {
        ModelFormat::Text => {
            let told = masked_of(scan, |file| text::is_told(file, style));
            text::write(&told, &totals, exit, style, out)
        }
        ModelFormat::Concise => text::concise(&masked_of(scan, text::is_met), out),
        ModelFormat::Json => machine::write(&Document::new(&masked(scan), totals, exit), out),
        ModelFormat::Junit => junit::write(&masked(scan), exit, out),
        ModelFormat::Lines => lines::end(&masked_of(scan, |_| false), totals, exit, out),
        ModelFormat::Sarif => sarif::write(&masked(scan), exit, out),
    }
}

/// One file of a scan whose format is [`ModelFormat::Lines`], as soon as it is judged.
pub fn write_model_line(file: &ModelFile, out: &mut dyn io::Write) -> io::Result<()> {
    lines::file(&masked_file(file), out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'s> {
    schema_version: &'static str,
    source: &'s str,
    verdict: Verdict,
    complete: bool,
    counts: Counts,
    files: Vec<File<'s>>,
    gaps: &'s [ModelGap],
    passed_over: &'s [String],
    policy: &'s PolicyId,
    additions: &'s [ModelAddition],
    config: Option<&'s ConfigFile>,
    notes: &'s [String],
    exit: ExitCode,
    seconds: f64,
}

#[derive(Default, Serialize)]
struct Counts {
    clean: usize,
    incomplete: usize,
    review: usize,
    malicious: usize,
}

#[derive(Serialize)]
struct File<'s> {
    complete: bool,
    #[serde(flatten)]
    file: &'s ModelFile,
}

impl<'s> File<'s> {
    fn new(file: &'s ModelFile) -> Self {
        Self { complete: file.is_complete(), file }
    }
}

impl<'s> Document<'s> {
    fn new(scan: &'s ModelScan, totals: Totals, exit: ExitCode) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            source: &scan.source,
            verdict: totals.verdict,
            complete: totals.complete,
            counts: totals.counts,
            files: scan.files.iter().map(File::new).collect(),
            gaps: &scan.gaps,
            passed_over: &scan.passed_over,
            policy: &scan.policy,
            additions: &scan.additions,
            config: scan.config.as_ref(),
            notes: &scan.notes,
            exit,
            seconds: machine::milliseconds(scan.seconds),
        }
    }
}

/// What is told of all files together, by forms that tell of some alone too.
struct Totals {
    verdict: Verdict,
    complete: bool,
    has_key: bool,
    counts: Counts,
}

impl Totals {
    fn of(scan: &ModelScan) -> Self {
        Self {
            verdict: scan.verdict(),
            complete: scan.is_complete(),
            has_key: scan.has_key(),
            counts: Counts::of(scan),
        }
    }
}

impl Counts {
    fn of(scan: &ModelScan) -> Self {
        let mut counts = Self::default();
        for file in &scan.files {
            *match file.verdict {
                Verdict::Clean => &mut counts.clean,
                Verdict::Incomplete => &mut counts.incomplete,
                Verdict::Review => &mut counts.review,
                Verdict::Malicious => &mut counts.malicious,
            } += 1;
        }
        counts
    }

    fn files(&self) -> usize {
        self.clean + self.incomplete + self.review + self.malicious
    }
}

/// Keys inside foreign text are hidden before any form sees it.
fn masked(scan: &ModelScan) -> ModelScan {
    masked_of(scan, |_| true)
}

/// The same, with those files alone that a form tells of. Most are clean and are not: to hide keys in their words takes longer
/// than all else that is done here.
fn masked_of(scan: &ModelScan, is_told: impl Fn(&ModelFile) -> bool) -> ModelScan {
    let mut scan = ModelScan {
        source: scan.source.clone(),
        is_file: scan.is_file,
        files: scan.files.iter().filter(|file| is_told(file)).map(masked_file).collect(),
        gaps: scan.gaps.clone(),
        passed_over: scan.passed_over.clone(),
        policy: scan.policy.clone(),
        additions: scan.additions.clone(),
        config: scan.config.clone(),
        notes: scan.notes.clone(),
        seconds: scan.seconds,
    };
    mask(&mut scan.source);
    scan.passed_over.iter_mut().chain(&mut scan.notes).for_each(mask);
    if let Some(config) = &mut scan.config {
        mask(&mut config.path);
    }
    for one in &mut scan.additions {
        [&mut one.module, &mut one.name, &mut one.owner, &mut one.reason].into_iter().for_each(mask);
    }
    scan.gaps.iter_mut().for_each(mask_gap);
    scan
}

fn masked_file(file: &ModelFile) -> ModelFile {
    let mut file = file.clone();
    mask(&mut file.path);
    file.gaps.iter_mut().for_each(mask_gap);
    file.findings.iter_mut().for_each(mask_finding);
    for lookup in &mut file.lookups {
        mask(&mut lookup.module);
        mask(&mut lookup.name);
        mask_place(&mut lookup.place);
    }
    file
}

fn mask_gap(gap: &mut ModelGap) {
    mask(&mut gap.message);
    mask_place(&mut gap.place);
}

fn mask_finding(finding: &mut ModelFinding) {
    mask(&mut finding.message);
    mask_place(&mut finding.place);
    finding.subject.as_mut().map(mask);
    finding.python.as_mut().map(mask);
    finding.trace.iter_mut().for_each(|opcode| mask(&mut opcode.argument));
}

fn mask_place(place: &mut ModelPlace) {
    mask(&mut place.path);
}

pub(crate) fn mask(text: &mut String) {
    if let std::borrow::Cow::Owned(masked) = clean::mask(text) {
        *text = masked;
    }
}

#[cfg(test)]
mod tests;
