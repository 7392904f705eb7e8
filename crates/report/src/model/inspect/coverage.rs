//! Room `report`, models: the map of a stream as a bar, where each cell is as many bytes as fit, and a list of its ranges.
//! A cell with one byte in it that nobody accounts for is drawn as such.

use ringfence_finding::ModelSpan;
use ringfence_finding::ModelStream;
use ringfence_finding::SpanKind;

use crate::clean;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::text::page::fit;
use crate::words;

/// Ranges that are listed; `-v` shows all that the inspection has.
const SHOWN: usize = 30;

pub(super) fn write(stream: &ModelStream, page: &mut Page<'_>) {
    page.gap();
    let explained = words::thousands(stream.explained);
    let formats =
        if stream.formats.is_empty() { "no known format".to_owned() } else { stream.formats.join(", ") };
    let (path, bytes) = (clean::path(&stream.path), words::count(stream.bytes, "byte"));
    let tone = if stream.explained < stream.bytes { Tone::Warn } else { Tone::Strong };
    let line = format!("{path}: {explained} of {bytes} explained ({formats})");
    let line = page.style.paint(tone, &line).into_owned();
    page.line(&line);
    if stream.bytes == 0 {
        return;
    }
    let bar = format!("  {}", bar(stream, page.style));
    page.line(&bar);
    page.line(&format!("  {}", legend(stream, page.style)));
    let shown = if page.style.verbose { stream.spans.len() } else { SHOWN.min(stream.spans.len()) };
    let digits = format!("{:x}", stream.bytes).len();
    for span in stream.spans.iter().take(shown) {
        let ModelSpan { start, end, what, name } = span;
        let line = format!(
            "  0x{start:0digits$x}..0x{end:0digits$x} {:>15}  {:<11}  {}",
            words::thousands(end - start),
            what.as_str(),
            clean::name(name)
        );
        let line = fit(line.trim_end(), page.style.columns(), page.style.ellipsis());
        let tone = if *what == SpanKind::Unexplained { Tone::Warn } else { Tone::Plain };
        let line = page.style.paint(tone, &line).into_owned();
        page.line(&line);
    }
    let rest = stream.spans.len() - shown;
    if rest > 0 {
        page.line(&format!("  {} more: -v shows them", words::count(words::many(rest), "range")));
    }
}

fn bar(stream: &ModelStream, style: &Style) -> String {
    let room = words::many(style.columns().saturating_sub(4));
    let cells = room.min(stream.bytes);
    let mut bar = String::new();
    let (mut run, mut last) = (String::new(), None);
    let mut spans = stream.spans.iter().peekable();
    for cell in 0..cells {
        // Without overflow: no stream has 2^118 bytes.
        let edge = |cell: u64| {
            u64::try_from(u128::from(stream.bytes) * u128::from(cell) / u128::from(cells)).unwrap_or(u64::MAX)
        };
        let kind = kind_of(&mut spans, edge(cell), edge(cell + 1));
        if last.is_some_and(|last| last != kind) {
            paint(&mut bar, &run, last, style);
            run.clear();
        }
        last = Some(kind);
        run.push(glyph(kind, style));
    }
    paint(&mut bar, &run, last, style);
    bar
}

/// What most bytes between two edges are, or unexplained where one of them is. Spans that end before are dropped.
fn kind_of<'s>(
    spans: &mut std::iter::Peekable<impl Iterator<Item = &'s ModelSpan> + Clone>,
    start: u64,
    end: u64,
) -> SpanKind {
    while spans.peek().is_some_and(|span| span.end <= start) {
        spans.next();
    }
    let inside = spans.clone().take_while(|span| span.start < end);
    let mut most = (0, SpanKind::Unexplained);
    for span in inside {
        if span.what == SpanKind::Unexplained {
            return SpanKind::Unexplained;
        }
        let bytes = span.end.min(end) - span.start.max(start);
        if bytes > most.0 {
            most = (bytes, span.what);
        }
    }
    most.1
}

fn paint(bar: &mut String, run: &str, kind: Option<SpanKind>, style: &Style) {
    let tone = match kind {
        Some(SpanKind::Unexplained) => Tone::Worst,
        Some(SpanKind::Padding) => Tone::Dim,
        Some(SpanKind::Parsed | SpanKind::Text) => Tone::Good,
        _ => Tone::Plain,
    };
    bar.push_str(&style.paint(tone, run));
}

fn glyph(kind: SpanKind, style: &Style) -> char {
    match (kind, style.unicode) {
        (SpanKind::Parsed, true) => '▓',
        (SpanKind::Text, true) => '▒',
        (SpanKind::Tensor, true) => '█',
        (SpanKind::Member, true) => '■',
        (SpanKind::Padding, true) => '·',
        (SpanKind::Parsed, false) => '=',
        (SpanKind::Text, false) => '~',
        (SpanKind::Tensor, false) => '#',
        (SpanKind::Member, false) => '+',
        (SpanKind::Padding, false) => '.',
        (SpanKind::Unexplained, _) => '?',
    }
}

/// The kinds that are there.
fn legend(stream: &ModelStream, style: &Style) -> String {
    let is_there = |kind: &SpanKind| stream.spans.iter().any(|span| span.what == *kind);
    let kinds = SpanKind::ALL.into_iter().filter(is_there);
    kinds.map(|kind| format!("{} {}", glyph(kind, style), kind.as_str())).collect::<Vec<_>>().join("   ")
}
