//! Room `report`, models: the screen for people, and one line per finding or gap for editors and grep.

use std::fmt::Write as _;
use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelOpcode;
use ringfence_finding::ModelPlace;
use ringfence_finding::ModelScan;
use ringfence_finding::Verdict;

use super::Counts;
use super::Totals;
use crate::clean;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::text::page::fit;
use crate::words;

/// Lines of one kind that are shown for one file; `-v` shows all.
const SHOWN: usize = 5;

/// Whether the screen names a file.
pub(super) fn is_told(file: &ModelFile, style: &Style) -> bool {
    !style.quiet && (is_shown(file, style) || file.sha256.is_some())
}

/// Whether a file has a section of its own on the screen.
fn is_shown(file: &ModelFile, style: &Style) -> bool {
    style.verbose || file.verdict != Verdict::Clean || !file.findings.is_empty()
}

/// Whether anything was met in a file that has a line of its own.
pub(super) fn is_met(file: &ModelFile) -> bool {
    !file.findings.is_empty() || !file.gaps.is_empty()
}

/// `path@0x1f3: MALICIOUS RF-MOD-101 os.system: message`
pub(super) fn concise(scan: &ModelScan, out: &mut dyn io::Write) -> io::Result<()> {
    for finding in scan.files.iter().flat_map(|file| &file.findings) {
        writeln!(out, "{}", finding_line(finding))?;
    }
    for gap in scan.files.iter().flat_map(|file| &file.gaps).chain(&scan.gaps) {
        writeln!(out, "{}", gap_line(gap))?;
    }
    Ok(())
}

pub(super) fn finding_line(finding: &ModelFinding) -> String {
    let (word, id) = (asked(finding).to_uppercase(), finding.id);
    format!("{}: {word} {id} {}", place(&finding.place), clean::sentence(&finding.message))
}

pub(super) fn gap_line(gap: &ModelGap) -> String {
    let (message, bytes) = (clean::sentence(&gap.message), length(gap));
    format!("{}: INCOMPLETE {} {message}{bytes}", place(&gap.place), gap.reason)
}

/// `, 12 bytes`, where that is known.
fn length(gap: &ModelGap) -> String {
    gap.bytes.map(|bytes| format!(", {}", words::count(bytes, "byte"))).unwrap_or_default()
}

/// The verdict that a finding asks for, or what it is where it asks for none.
pub(super) fn asked(finding: &ModelFinding) -> &'static str {
    if finding.verdict < Verdict::Review { "key" } else { finding.verdict.as_str() }
}

fn place(place: &ModelPlace) -> String {
    format!("{}@0x{:x}", clean::path(&place.path), place.offset)
}

pub(super) fn write(
    scan: &ModelScan,
    totals: &Totals,
    exit: ExitCode,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page::new(style);
    let (counts, headline) = (counts(&totals.counts), headline(totals));
    if style.quiet {
        page.line(&format!("{headline}: {counts}"));
        return out.write_all(page.into_text().as_bytes());
    }
    let worst = if totals.has_key { totals.verdict.max(Verdict::Review) } else { totals.verdict };
    let headline = style.paint(tone(worst), headline).into_owned();
    page.line(&headline);
    page.line(&format!("{}: {counts}", clean::path(&scan.source)));
    for file in scan.files.iter().filter(|file| is_shown(file, style)) {
        write_file(file, &mut page);
    }
    digests(scan, &mut page);
    if !scan.gaps.is_empty() || style.verbose && !scan.passed_over.is_empty() {
        page.gap();
    }
    for gap in &scan.gaps {
        let words = format!("{}: {}", clean::path(&gap.place.path), clean::sentence(&gap.message));
        page.labelled("not read", Tone::Warn, 12, &words);
    }
    if style.verbose {
        for line in &scan.passed_over {
            page.labelled("passed over", Tone::Plain, 13, &clean::sentence(line));
        }
    }
    additions(scan, &mut page);
    page.gap();
    if let Some(path) = scan.worst().and_then(|file| words::typed(&on_disk(scan, file))) {
        // A command is copied: never wrapped.
        let label = style.paint(Tone::Strong, "Next").into_owned();
        page.line(&format!("{label}  {} model inspect {path}", style.program));
    }
    page.line(&closing(scan, exit));
    out.write_all(page.into_text().as_bytes())
}

/// A file of the scan by the path that opens it.
fn on_disk(scan: &ModelScan, file: &ModelFile) -> String {
    if scan.is_file {
        return scan.source.clone();
    }
    format!("{}/{}", scan.source.trim_end_matches('/'), file.path)
}

/// What a team has added about the names that were met, with the day on which that ends, and what else is worth knowing.
fn additions(scan: &ModelScan, page: &mut Page<'_>) {
    if !scan.additions.is_empty() || !scan.notes.is_empty() {
        page.gap();
    }
    for one in &scan.additions {
        let (label, tone, day) =
            if one.expired { ("expired", Tone::Warn, "on") } else { ("allowed", Tone::Plain, "until") };
        let (module, name) = (clean::name(&one.module), clean::name(&one.name));
        let (owner, reason) = (clean::name(&one.owner), clean::sentence(&one.reason));
        page.labelled(label, tone, 12, &format!("{module}.{name} {day} {}, {owner}: {reason}", one.expires));
    }
    for note in &scan.notes {
        page.labelled("note", Tone::Plain, 12, &clean::sentence(note));
    }
}

/// Where digests were asked for: one line a file, as `sha256sum` prints it.
fn digests(scan: &ModelScan, page: &mut Page<'_>) {
    let with = scan.files.iter().filter_map(|file| Some((file.sha256.as_ref()?, file)));
    for (index, (digest, file)) in with.enumerate() {
        if index == 0 {
            page.gap();
        }
        page.line(&format!("{digest}  {}", clean::path(&file.path)));
    }
}

fn headline(totals: &Totals) -> &'static str {
    match totals.verdict {
        Verdict::Clean if totals.has_key => "A KEY STANDS IN THIS",
        Verdict::Incomplete if totals.has_key => "A KEY STANDS IN THIS, AND IT IS NOT PROVEN CLEAN",
        Verdict::Clean => "CLEAN",
        Verdict::Incomplete if totals.counts.files() == 0 => "NOTHING WAS SCANNED",
        Verdict::Incomplete => "NOT PROVEN CLEAN",
        Verdict::Review => "SOMEBODY HAS TO LOOK AT THIS",
        Verdict::Malicious => "LOADING THIS RUNS CODE",
    }
}

pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Clean => Tone::Good,
        Verdict::Incomplete | Verdict::Review => Tone::Warn,
        Verdict::Malicious => Tone::Worst,
    }
}

/// `3 files: 1 clean, 2 malicious`.
fn counts(counts: &Counts) -> String {
    let of = [
        (counts.malicious, Verdict::Malicious),
        (counts.review, Verdict::Review),
        (counts.incomplete, Verdict::Incomplete),
        (counts.clean, Verdict::Clean),
    ];
    let mut text = words::count(words::many(counts.files()), "file");
    for (index, (count, verdict)) in of.into_iter().filter(|(count, _)| *count > 0).enumerate() {
        let separator = if index == 0 { ": " } else { ", " };
        _ = write!(text, "{separator}{} {verdict}", words::thousands(words::many(count)));
    }
    text
}

fn write_file(file: &ModelFile, page: &mut Page<'_>) {
    page.gap();
    let style = page.style;
    let formats = if file.formats.is_empty() { "unknown format".to_owned() } else { file.formats.join(", ") };
    let word = style.paint(tone(file.verdict), file.verdict.as_str()).into_owned();
    let size = words::count(file.bytes, "byte");
    page.line(&format!("{}  {word}  ({formats}, {size})", clean::path(&file.path)));
    let shown = |length: usize| if style.verbose { length } else { SHOWN.min(length) };
    for finding in file.findings.iter().take(shown(file.findings.len())) {
        let inner = inner(&finding.place, file);
        let label = format!("  {:<9} {}", asked(finding), finding.id);
        let words = format!("{inner} {}: {}", clean::sentence(&finding.message), finding.why);
        page.labelled(&label, tone(finding.verdict.max(Verdict::Review)), 24, &words);
        write_act(finding, 24, page);
    }
    more(file.findings.len(), shown(file.findings.len()), "finding", page);
    for gap in file.gaps.iter().take(shown(file.gaps.len())) {
        let label = format!("  not read  {}", gap.reason);
        let words = format!("{} {}{}", inner(&gap.place, file), clean::sentence(&gap.message), length(gap));
        page.labelled(&label, Tone::Warn, 28, &words);
    }
    more(file.gaps.len(), shown(file.gaps.len()), "gap", page);
    if style.verbose {
        for lookup in &file.lookups {
            let words = format!(
                "{}.{} ({})",
                clean::name(&lookup.module),
                clean::name(&lookup.name),
                lookup.uses.join(", ")
            );
            page.labelled("  looks up", Tone::Plain, 12, &words);
        }
    }
}

/// What the finding does in Python's words; with `-v` the opcodes around it.
pub(super) fn write_act(finding: &ModelFinding, indent: usize, page: &mut Page<'_>) {
    let style = page.style;
    let columns = style.columns();
    if let Some(python) = &finding.python {
        let words = fit(&clean::line(python), columns.saturating_sub(indent), style.ellipsis());
        let words = style.paint(Tone::Strong, &words).into_owned();
        page.line(&format!("{:indent$}{words}", ""));
    }
    if style.verbose {
        for opcode in &finding.trace {
            let mark = if opcode.matters { '>' } else { ' ' };
            let ModelOpcode { offset, name, argument, .. } = opcode;
            let line = format!("    {mark} 0x{offset:<8x} {name:<16} {}", clean::line(argument));
            let line = fit(line.trim_end(), columns, style.ellipsis());
            page.line(&style.paint(if opcode.matters { Tone::Plain } else { Tone::Dim }, &line));
        }
    }
}

fn more(all: usize, shown: usize, what: &str, page: &mut Page<'_>) {
    if all > shown {
        let rest = words::many(all - shown);
        page.line(&format!("  {} more: -v shows them", words::count(rest, what)));
    }
}

/// The place inside of the file: its own path stands above already.
pub(super) fn inner(place: &ModelPlace, file: &ModelFile) -> String {
    let member = place.path.strip_prefix(&file.path).unwrap_or(&place.path).trim_start_matches("!/");
    if member.is_empty() {
        return format!("0x{:x}", place.offset);
    }
    format!("{}@0x{:x}", clean::path(member), place.offset)
}

fn closing(scan: &ModelScan, exit: ExitCode) -> String {
    let policy = &scan.policy;
    let digest = policy.digest.get(..12).unwrap_or(&policy.digest);
    let additions = match policy.additions {
        0 => String::new(),
        count => format!(" with {}", words::count(words::many(count), "addition")),
    };
    let config = scan.config.as_ref().map(|config| {
        let digest = config.sha256.get(..12).unwrap_or(&config.sha256);
        format!(" by {} ({digest})", clean::path(&config.path))
    });
    let config = config.unwrap_or_default();
    format!(
        "exit {}, policy of {} ({digest}){additions}{config}, {:.2} s",
        exit.code(),
        policy.date,
        scan.seconds
    )
}
