//! Room `report`, text with `-v`: everything that was looked at and everything that was not, by name.

use std::fmt::Write as _;

use ringfence_finding::Coverage;
use ringfence_finding::FoundBy;
use ringfence_finding::Reason;
use ringfence_finding::Scan;

use super::page::Page;
use super::page::width;
use crate::clean;
use crate::style::Tone;
use crate::words;

/// Column behind the labels.
const INDENT: usize = 13;

/// Files, documents, objects, pod templates, what was left out and what was assumed.
pub(crate) fn write(scan: &Scan, page: &mut Page<'_>) {
    let coverage = &scan.coverage;
    page.gap();
    let title = page.style.paint(Tone::Strong, "What was looked at").into_owned();
    page.line(&title);
    let lists = coverage.lists;
    if coverage.files.seen > 0 || lists.asked == 0 {
        let files = format!(
            "{} seen, {} read",
            words::thousands(u64::from(coverage.files.seen)),
            words::thousands(u64::from(coverage.files.read))
        );
        page.labelled("  files", Tone::Plain, INDENT, &files);
        page.labelled("  documents", Tone::Plain, INDENT, &documents(coverage));
    }
    if lists.asked > 0 {
        page.labelled("  lists", Tone::Plain, INDENT, &listed(coverage));
    }
    objects(coverage, page);
    let templates: Vec<_> = coverage
        .pod_templates
        .iter()
        .map(|(found_by, number)| format!("{} {}", words::thousands(u64::from(*number)), how(*found_by)))
        .collect();
    if !templates.is_empty() {
        page.labelled("  pods", Tone::Plain, INDENT, &templates.join(", "));
    }
    for (index, (kind, number)) in coverage.no_pod_path.iter().enumerate() {
        let label = if index == 0 { "  no pods" } else { "" };
        let objects = words::count(u64::from(*number), "object");
        page.labelled(
            label,
            Tone::Plain,
            INDENT,
            &format!("{}: {objects}, no pod template in it", clean::name(kind)),
        );
    }
    let not_seen: Vec<_> = coverage.not_seen.iter().map(|fact| clean::sentence(fact)).collect();
    if !not_seen.is_empty() {
        page.labelled("  not given", Tone::Plain, INDENT, &not_seen.join(", "));
    }
    let judged =
        |reason| matches!(reason, Reason::NoSchema | Reason::UnresolvedJoin | Reason::WouldBeRejected);
    list(scan, page, "Left out, by rule or by flag", |reason| {
        !reason.is_incomplete() && !judged(reason) && reason != Reason::Assumption
    });
    list(scan, page, "Judged as far as possible", judged);
    list(scan, page, "Assumed", |reason| reason == Reason::Assumption);
}

fn documents(coverage: &Coverage) -> String {
    let documents = &coverage.documents;
    let mut parts = vec![format!("{} found", words::thousands(u64::from(documents.found)))];
    for (number, what) in [
        (documents.parsed, "read"),
        (documents.failed, "not readable"),
        (documents.template, "not rendered"),
        (documents.not_kubernetes, "no Kubernetes object"),
        (documents.empty, "empty"),
        (documents.schema_only, "schema only"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", words::thousands(u64::from(number))));
        }
    }
    if let Some(percent) = coverage.percent().filter(|_| coverage.lists.asked == 0) {
        parts.push(format!("coverage {percent} %"));
    }
    parts.join(", ")
}

/// Lists of a cluster, one a kind.
fn listed(coverage: &Coverage) -> String {
    let lists = coverage.lists;
    let mut parts = vec![format!("{} asked, {} answered", lists.asked, lists.answered)];
    for (number, what) in [(lists.forbidden, "forbidden"), (lists.partial, "not whole")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    if let Some(percent) = coverage.percent() {
        parts.push(format!("coverage {percent} %"));
    }
    parts.join(", ")
}

fn objects(coverage: &Coverage, page: &mut Page<'_>) {
    let name = |group: &str, kind: &str| match group {
        "" => clean::name(kind),
        group => format!("{}.{}", clean::name(kind), clean::name(group)),
    };
    let names: Vec<_> = coverage.kinds.iter().map(|kind| name(&kind.group, &kind.kind)).collect();
    // One absurdly long kind must not push the numbers of the others off the screen.
    let column = names.iter().map(|name| width(name)).filter(|width| *width <= 48).max().unwrap_or(0);
    for (index, (kind, name)) in coverage.kinds.iter().zip(&names).enumerate() {
        let label = if index == 0 { "  objects" } else { "" };
        let blanks = column.saturating_sub(width(name));
        let mut line =
            format!("{label:INDENT$}{name}{:blanks$}  {:>6}", "", words::thousands(u64::from(kind.objects)));
        if kind.pods > 0 {
            _ = write!(line, "  {}", words::count(u64::from(kind.pods), "pod template"));
        }
        page.line(&line);
    }
}

fn how(found_by: FoundBy) -> &'static str {
    match found_by {
        FoundBy::Core => "in kinds of Kubernetes",
        FoundBy::Table => "in known custom kinds",
        FoundBy::CrdSchema => "by the schema of a custom kind",
        FoundBy::ContainerLike => "in parts that an operator completes",
        FoundBy::Structural => "by their shape in unknown kinds",
    }
}

fn list(scan: &Scan, page: &mut Page<'_>, title: &str, wanted: impl Fn(Reason) -> bool) {
    let spots: Vec<_> = scan.coverage.blind.iter().filter(|blind| wanted(blind.reason)).collect();
    if spots.is_empty() {
        return;
    }
    page.gap();
    let title = page.style.paint(Tone::Strong, title).into_owned();
    page.line(&title);
    for spot in spots {
        let place = words::blind_place(spot, &scan.source);
        let mut text = match (place, spot.reason) {
            (Some(place), Reason::Assumption) => place,
            (Some(place), reason) => format!("{place}: {}", words::reason(reason)),
            (None, Reason::Assumption) => String::new(),
            (None, reason) => words::reason(reason).to_owned(),
        };
        if !spot.cause.is_empty() {
            let separator = if text.is_empty() { "" } else { ": " };
            _ = write!(text, "{separator}{}", clean::sentence(&spot.message()));
        }
        page.labelled("  ", Tone::Plain, 2, &text);
    }
}
