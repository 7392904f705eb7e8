//! Room `report`, text: one finding enters, its title, the code it points at, what was seen, why and the cure leave.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::AnnotationKind;
use annotate_snippets::Group;
use annotate_snippets::Level;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet as Frame;
use annotate_snippets::renderer::DecorStyle;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_finding::Severity;
use ringfence_finding::Snippet;
use ringfence_finding::Weight;

use super::page::Page;
use crate::clean;
use crate::style::Style;
use crate::style::Tone;
use crate::words;

/// Column of the words behind `why`, `fix`, ...
const INDENT: usize = 11;

/// Everything known about one finding.
pub(crate) fn write(finding: &Finding, page: &mut Page<'_>) {
    page.gap();
    page.block(&frame(finding, page.style));
    if let Some(place) =
        finding.location.as_ref().filter(|_| !finding.snippet.as_ref().is_some_and(has_frame))
    {
        page.labelled("  at", Tone::Dim, INDENT, &words::full_place(place));
    }
    if let Some(resource) = &finding.resource {
        let mut object = words::object(resource);
        if let Some(container) = &finding.container {
            _ = write!(object, ", container {}", clean::name(container));
        }
        let mut owner = resource.owner.as_deref();
        while let Some(outer) = owner {
            _ = write!(object, ", inside {}", words::object(outer));
            owner = outer.owner.as_deref();
        }
        page.labelled("  object", Tone::Dim, INDENT, &object);
    }
    if let Some(pods) = finding.pods {
        page.labelled("  pods", Tone::Dim, INDENT, &format!("{} running", words::thousands(u64::from(pods))));
    }
    for evidence in &finding.evidence {
        let label = match evidence.weight {
            Weight::Decides => "  seen",
            Weight::Supports => "  also",
        };
        let mut seen = clean::sentence(&evidence.shown);
        if !evidence.field.is_empty() {
            seen = format!("{} = {seen}", clean::sentence(&evidence.field));
        }
        if Some(&evidence.resource) != finding.resource.as_ref() {
            _ = write!(seen, " in {}", words::object(&evidence.resource));
        }
        if let Some(place) =
            evidence.location.as_ref().filter(|place| Some(*place) != finding.location.as_ref())
        {
            let line = if place.is_live() { String::new() } else { format!(":{}", place.line) };
            _ = write!(seen, " ({}{line})", clean::path(&place.file));
        }
        page.labelled(label, Tone::Dim, INDENT, &seen);
    }
    let why = match finding.outcome {
        Outcome::Unknown => "  missing",
        Outcome::Fail | Outcome::Error => "  why",
    };
    if !finding.why.is_empty() {
        page.labelled(why, Tone::Dim, INDENT, &clean::sentence(&finding.why));
    }
    if let Some(fix) = &finding.fix {
        let text = format!("{} ({})", clean::sentence(&fix.summary), fix.class.as_str());
        page.labelled("  fix", Tone::Dim, INDENT, &text);
    }
}

/// Title, and where there are lines: `--> file:line:column` and the lines with a caret.
fn frame(finding: &Finding, style: &Style) -> String {
    let id = finding.control.to_string();
    let group =
        level(finding).with_name(Some(words::verdict(finding))).primary_title(words::subject(finding)).id(id);
    let mut group = Group::with_title(group);
    if let Some(snippet) = finding.snippet.as_ref().filter(|snippet| has_frame(snippet)) {
        group = group.element(
            Frame::source(clean::source(snippet.text.trim_end()))
                .path(finding.location.as_ref().map(|place| clean::path(&place.file)))
                .line_start(usize::try_from(snippet.first_line).unwrap_or(1))
                .fold(false)
                .annotation(AnnotationKind::Primary.span(safe_range(snippet))),
        );
    }
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    renderer.term_width(style.columns()).decor_style(decor).render(&[group])
}

/// Whether there is a line to show.
fn has_frame(snippet: &Snippet) -> bool {
    !snippet.text.trim_end().is_empty()
}

fn level(finding: &Finding) -> Level<'static> {
    match (finding.outcome, finding.severity) {
        (Outcome::Fail, Severity::Critical | Severity::High) | (Outcome::Error, _) => Level::ERROR,
        (Outcome::Fail, Severity::Medium) => Level::WARNING,
        (Outcome::Fail, Severity::Low | Severity::Info) => Level::INFO,
        (Outcome::Unknown, _) => Level::NOTE,
    }
}

/// The range inside the text, on character boundaries and on one line: the frame printer panics on any other, and
/// draws a bracket over whole objects.
fn safe_range(snippet: &Snippet) -> Range<usize> {
    let text = snippet.text.trim_end();
    let start = text.floor_char_boundary(snippet.start.min(text.len()));
    let end = text.ceil_char_boundary(snippet.end.clamp(start, text.len()));
    let line = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..end.min(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str, start: usize, end: usize) -> Range<usize> {
        safe_range(&Snippet { first_line: 1, text: text.to_owned(), start, end })
    }

    #[test]
    fn a_range_is_always_one_that_can_be_drawn() {
        assert_eq!(range("abc", 1, 2), 1..2);
        assert_eq!(range("abc", 7, 9), 3..3);
        assert_eq!(range("abc", 2, 1), 2..2);
        assert_eq!(range("aäb", 2, 2), 1..3); // byte 2 is inside the ä
        assert_eq!(range("ab\ncd", 1, 5), 1..2);
        assert_eq!(range("", 0, 0), 0..0);
    }

    #[test]
    fn no_text_and_no_range_stops_the_frame_printer() {
        let mut scan = crate::testing::standard();
        let finding = &mut scan.findings[0];
        let long = format!("{}: \u{1b}{}", "a".repeat(1_000), "日".repeat(1_000));
        for text in ["", "\n", "\n\n x", "a\tä日\u{9b}\r\n\u{200d}\u{1b}\u{301}\n", &long] {
            let ends: Vec<_> = (0..text.len() + 2).step_by(1 + text.len() / 12).chain([usize::MAX]).collect();
            for (start, end) in ends.iter().flat_map(|start| ends.iter().map(move |end| (*start, *end))) {
                for first_line in [0, 1, u32::MAX] {
                    finding.snippet = Some(Snippet { first_line, text: text.to_owned(), start, end });
                    let style = Style { color: start % 2 == 0, unicode: end % 2 == 0, ..Style::default() };
                    assert!(frame(finding, &style).contains("RF-SEC-001"));
                }
            }
        }
    }
}
