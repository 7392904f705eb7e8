//! Room `report`, models: an inspection as a screen: what it is, tensors, what it says of itself, names, what bytes are.

use std::collections::HashMap;
use std::io;

use ringfence_finding::ExitCode;
use ringfence_finding::ModelFile;
use ringfence_finding::ModelInspection;
use ringfence_finding::ModelTensor;

use super::coverage;
use crate::clean;
use crate::model::text::asked;
use crate::model::text::inner;
use crate::model::text::tone;
use crate::model::text::write_act;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::text::page::fit;
use crate::text::page::pad;
use crate::text::page::width;
use crate::words;

/// Entries, names and findings of one section; `-v` shows all.
const SHOWN: usize = 20;
/// Widest columns of a type and of a shape, and on a narrow screen.
const DTYPE: usize = 14;
const SHAPE: usize = 26;
const NARROW: (usize, usize) = (10, 16);
/// Column in which values begin.
const VALUE: usize = 32;
/// Digits of a length and their commas, up to a terabyte.
const BYTES: usize = 17;

pub(super) fn write(
    inspection: &ModelInspection,
    exit: ExitCode,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page::new(style);
    let Some(file) = inspection.scan.files.first() else { return Ok(()) };
    let formats = if file.formats.is_empty() { "unknown format".to_owned() } else { file.formats.join(", ") };
    let word = style.paint(tone(file.verdict), file.verdict.as_str()).into_owned();
    let size = words::count(file.bytes, "byte");
    page.line(&format!("{}  {word}  ({formats}, {size})", clean::path(&inspection.scan.source)));
    if let Some(member) = &inspection.member {
        page.line(&format!("of it only {}", clean::path(member)));
    }
    tensors(inspection, file, &mut page);
    metadata(inspection, file, &mut page);
    names(file, &mut page);
    findings(file, &mut page);
    for stream in &inspection.streams {
        coverage::write(stream, &mut page);
    }
    if inspection.more_streams > 0 {
        page.gap();
        page.line(&format!("{} more are not listed", words::count(inspection.more_streams, "stream")));
    }
    page.gap();
    page.line(&format!("exit {}", exit.code()));
    out.write_all(page.into_text().as_bytes())
}

fn heading(words: &str, page: &mut Page<'_>) {
    page.gap();
    let words = page.style.paint(Tone::Strong, words).into_owned();
    page.line(&words);
}

fn tensors(inspection: &ModelInspection, file: &ModelFile, page: &mut Page<'_>) {
    let count = inspection.tensor_count();
    if count == 0 && !inspection.is_cut {
        return;
    }
    let parameters = inspection.totals.iter().fold(0_u64, |sum, total| sum.saturating_add(total.parameters));
    let bytes = inspection.totals.iter().fold(0_u64, |sum, total| sum.saturating_add(total.bytes));
    let counted = format!(
        "{}, {}, {}",
        words::count(count, "tensor"),
        words::count(parameters, "parameter"),
        words::size(bytes)
    );
    heading(&counted, page);
    if inspection.is_cut {
        page.labelled("  not all", Tone::Warn, 12, "a limit ended the list before every tensor was met");
    }
    for total in &inspection.totals {
        let dtype = fit(&clean::name(&total.dtype), DTYPE, page.style.ellipsis());
        let words = format!(
            "{}, {}, {}",
            words::count(total.tensors, "tensor"),
            words::count(total.parameters, "parameter"),
            words::size(total.bytes)
        );
        page.labelled(&format!("  {dtype}"), Tone::Plain, DTYPE + 3, &words);
    }
    page.gap();
    let first = inspection.tensors.first().map(|tensor| tensor.member.as_str()).unwrap_or_default();
    let is_one = inspection.tensors.iter().all(|tensor| tensor.member == first);
    let listed = words::many(inspection.tensors.len());
    if is_one && first != file.path && listed > 0 {
        page.line(&format!("  in {}", member(first, file)));
    }
    for tensor in &inspection.tensors {
        page.line(&row(tensor, file, is_one, page.style));
    }
    if count > listed {
        let rest = words::plural(count - listed, "smaller tensor is", "smaller tensors are");
        page.line(&format!("  {rest} not listed: --limit"));
    }
}

fn row(tensor: &ModelTensor, file: &ModelFile, is_one: bool, style: &Style) -> String {
    let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    // Two blanks end each column.
    let (of_dtype, of_shape) = if style.columns() < 80 { NARROW } else { (DTYPE, SHAPE) };
    let shape = fit(&format!("[{}]", shape.join(", ")), of_shape - 2, style.ellipsis());
    let dtype = fit(&clean::name(&tensor.dtype), of_dtype - 2, style.ellipsis());
    let right = format!(
        "{} {} {:>BYTES$}",
        pad(&dtype, of_dtype),
        pad(&shape, of_shape),
        words::thousands(tensor.bytes)
    );
    let mut name = clean::name(&tensor.name);
    if !is_one {
        name = format!("{}: {name}", member(&tensor.member, file));
    }
    if let Some(elsewhere) = &tensor.elsewhere {
        name = format!("{name} in {}", clean::path(elsewhere));
    }
    let room = style.columns().saturating_sub(width(&right) + 3);
    format!("  {} {right}", pad(&fit(&name, room.saturating_sub(2), style.ellipsis()), room))
}

fn member(path: &str, file: &ModelFile) -> String {
    let inner = path.strip_prefix(file.path.as_str()).unwrap_or(path).trim_start_matches("!/");
    if inner.is_empty() { clean::path(&file.path) } else { clean::path(inner) }
}

fn metadata(inspection: &ModelInspection, file: &ModelFile, page: &mut Page<'_>) {
    let entries = &inspection.metadata;
    if entries.is_empty() {
        return;
    }
    heading("says of itself", page);
    let shown = shown(entries.len(), page.style);
    let is_one = entries.iter().all(|entry| entry.member == file.path);
    for entry in entries.iter().take(shown) {
        let key = if is_one || entry.member == file.path {
            clean::name(&entry.key)
        } else {
            format!("{}: {}", member(&entry.member, file), clean::name(&entry.key))
        };
        let columns = page.style.columns();
        let key = fit(&key, VALUE - 3, page.style.ellipsis());
        let key = pad(&format!("  {key}"), VALUE);
        let room = columns.saturating_sub(width(&key)).max(16);
        page.line(&format!("{key}{}", fit(&clean::line(&entry.value), room, page.style.ellipsis())));
    }
    more(words::many(entries.len() - shown) + inspection.more_metadata, "entry", "entries", page);
}

/// Every name that is looked up, with its use and what is wrong with it.
fn names(file: &ModelFile, page: &mut Page<'_>) {
    if file.lookups.is_empty() {
        return;
    }
    heading(
        &format!("{} looked up when it is loaded", words::count(words::many(file.lookups.len()), "name")),
        page,
    );
    let shown = shown(file.lookups.len(), page.style);
    // A map: a file may look up 100,000 names, with a finding for each.
    let mut of_name = HashMap::new();
    for finding in &file.findings {
        finding.subject.as_deref().map(|subject| of_name.entry(subject).or_insert(finding));
    }
    for lookup in file.lookups.iter().take(shown) {
        let name = format!("{}.{}", clean::name(&lookup.module), clean::name(&lookup.name));
        let own = of_name.get(format!("{}.{}", lookup.module, lookup.name).as_str()).copied();
        let word = own.map_or("allowed", asked);
        let tone = own.map_or(Tone::Dim, |finding| tone(finding.verdict));
        page.labelled(&format!("  {word:<10}"), tone, 14, &format!("{name} ({})", lookup.uses.join(", ")));
    }
    more(words::many(file.lookups.len() - shown), "name", "names", page);
}

fn findings(file: &ModelFile, page: &mut Page<'_>) {
    if file.findings.is_empty() && file.gaps.is_empty() {
        return;
    }
    heading("why", page);
    let style = page.style;
    let count = shown(file.findings.len(), style);
    // The opcodes are what an inspection is for: they are shown without `-v` too.
    let detailed = Style { verbose: true, ..*style };
    for finding in file.findings.iter().take(count) {
        let label = format!("  {:<9} {}", asked(finding), finding.id);
        let words =
            format!("{} {}: {}", inner(&finding.place, file), clean::sentence(&finding.message), finding.why);
        page.labelled(&label, tone(finding.verdict.max(ringfence_finding::Verdict::Review)), 24, &words);
        let mut act = Page::new(&detailed);
        write_act(finding, 24, &mut act);
        page.block(&act.into_text());
    }
    more(words::many(file.findings.len() - count), "finding", "findings", page);
    let count = shown(file.gaps.len(), style);
    for gap in file.gaps.iter().take(count) {
        let words = format!("{} {}", inner(&gap.place, file), clean::sentence(&gap.message));
        page.labelled(&format!("  not read  {}", gap.reason), Tone::Warn, 28, &words);
    }
    more(words::many(file.gaps.len() - count), "gap", "gaps", page);
}

fn shown(count: usize, style: &Style) -> usize {
    if style.verbose { count } else { SHOWN.min(count) }
}

fn more(count: u64, one: &str, many: &str, page: &mut Page<'_>) {
    if count > 0 {
        page.line(&format!("  {} more: -v shows more", words::plural(count, one, many)));
    }
}
