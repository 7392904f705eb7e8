//! Room `report`, text: the counts, what is unknown, what could not be looked at, what to type next, the exit code.

use std::cmp::Reverse;
use std::fmt::Write as _;

use ringfence_finding::Blind;
use ringfence_finding::Door;
use ringfence_finding::ExitCode;
use ringfence_finding::Outcome;
use ringfence_finding::Reason;
use ringfence_finding::Scan;
use ringfence_finding::Severity;

use super::head;
use super::page::Page;
use crate::clean;
use crate::style::Style;
use crate::style::Tone;
use crate::words;

/// Blind spots printed before they are counted.
const BLIND: usize = 5;

/// Everything below the families.
pub(crate) fn write(scan: &Scan, page: &mut Page<'_>) {
    counts(scan, page);
    for error in super::of(scan, Outcome::Error) {
        let words = format!("could not run: {}", clean::sentence(&error.message));
        page.labelled(&error.control.to_string(), Tone::Warn, 13, &words);
    }
    blind_spots(scan, page);
    for (index, command) in next(scan, page.style).iter().enumerate() {
        // Commands are copied: one a line, never wrapped.
        let label = page.style.paint(Tone::Strong, if index == 0 { "Next" } else { "    " }).into_owned();
        page.line(&format!("{label}  {command}"));
    }
    page.line(&exit(scan));
}

/// The whole result in one line, for `--quiet`.
pub(crate) fn one_line(scan: &Scan, style: &Style) -> String {
    let door = scan.assessment.door;
    let headline = style.paint(Tone::from(door), head::headline(door)).into_owned();
    let nothing_fails = super::fails(scan).is_empty();
    let reason = if nothing_fails && door == Door::Closed { root_causes(scan) } else { head::reason(scan) };
    let mut parts = vec![if reason.is_empty() { headline } else { format!("{headline}   {reason}") }];
    if !nothing_fails {
        parts.push(root_causes(scan));
    }
    let blind = scan.coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()).count();
    for (number, one, many) in [
        (super::of(scan, Outcome::Unknown).count(), "unknown", "unknown"),
        (super::of(scan, Outcome::Error).count(), "error", "errors"),
        (blind, "blind spot", "blind spots"),
    ] {
        if number > 0 {
            parts.push(words::plural(words::many(number), one, many));
        }
    }
    if !scan.narrowed.is_empty() {
        parts.push(head::narrowed(scan));
    }
    parts.push(format!("exit {}", scan.exit.code()));
    parts.join("; ")
}

/// How many root causes there are. Where nothing was read, "nothing fails" would be a lie.
fn root_causes(scan: &Scan) -> String {
    match super::fails(scan).len() {
        0 if scan.coverage.documents.parsed == 0 => "nothing was judged".to_owned(),
        0 => "nothing fails".to_owned(),
        some => words::count(words::many(some), "root cause"),
    }
}

/// `11 root causes (-v), 2 of them low or info; 2 unknown: no Node objects given`.
fn counts(scan: &Scan, page: &mut Page<'_>) {
    let minor = super::fails(scan).iter().filter(|finding| finding.severity <= Severity::Low).count();
    let mut text = root_causes(scan);
    if !page.style.verbose && !super::fails(scan).is_empty() {
        text += " (-v)";
    }
    if minor > 0 {
        _ = write!(text, ", {} of them low or info", words::thousands(words::many(minor)));
    }
    let mut facts: Vec<(usize, String)> = Vec::new();
    for finding in super::of(scan, Outcome::Unknown) {
        let fact = clean::sentence(&finding.why);
        match facts.iter_mut().find(|(_, known)| *known == fact) {
            Some((count, _)) => *count += 1,
            None => facts.push((1, fact)),
        }
    }
    facts.sort_by_key(|(count, _)| Reverse(*count));
    let separator = if minor > 0 { "; " } else { ", " };
    let unknown: usize = facts.iter().map(|(count, _)| count).sum();
    match facts.as_slice() {
        [] => {}
        [(_, fact)] => _ = write!(text, "{separator}{unknown} unknown: {fact}"),
        _ => _ = write!(text, "{separator}{unknown} unknown:"),
    }
    page.labelled("", Tone::Plain, 0, &text);
    if facts.len() > 1 {
        for (count, fact) in &facts {
            page.labelled(&format!("  {count}"), Tone::Plain, 6, fact);
        }
    }
}

/// Each place with cause and cure: the user has to be able to open their eyes.
fn blind_spots(scan: &Scan, page: &mut Page<'_>) {
    let blind: Vec<_> = scan.coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()).collect();
    if blind.is_empty() {
        return;
    }
    page.gap();
    let title =
        format!("{}: not looked at, or only in part", words::count(words::many(blind.len()), "blind spot"));
    page.labelled("", Tone::Plain, 0, &title);
    let shown = if page.style.verbose { blind.len() } else { BLIND };
    for spot in blind.iter().take(shown) {
        let place = words::blind_place(spot, &scan.source);
        let place = place.map(|place| format!("{place}  ")).unwrap_or_default();
        let reason = page.style.paint(Tone::Warn, words::reason(spot.reason)).into_owned();
        page.line(&format!("  {place}{reason}"));
        if !spot.cause.is_empty() {
            page.labelled("", Tone::Plain, 6, &clean::sentence(&spot.message()));
        }
    }
    if blind.len() > shown {
        page.line(&format!("  {} more (-v)", words::thousands(words::many(blind.len() - shown))));
    }
    page.gap();
}

/// Commands of this build that bring this reader further.
fn next(scan: &Scan, style: &Style) -> Vec<String> {
    let program = style.program;
    let mut commands = Vec::new();
    let worst = super::fails(scan).into_iter().next();
    if let Some(finding) = worst.or_else(|| super::of(scan, Outcome::Unknown).next()) {
        commands.push(format!("{program} explain {}", finding.control));
    }
    if let Some(render) = scan.coverage.blind.iter().find_map(rendering) {
        commands.push(render.replace("| ringfence ", &format!("| {program} ")));
    }
    let nothing_read = scan.coverage.documents.parsed == 0;
    if nothing_read && commands.is_empty() {
        commands.push(format!("{program} scan --help"));
    }
    let nothing_to_list = nothing_read || scan.findings.is_empty() && scan.coverage.blind.is_empty();
    match words::typed(&scan.source) {
        Some(source) if !style.verbose && !nothing_to_list => {
            commands.push(format!("{program} scan {source} -v"));
        }
        _ => {}
    }
    if commands.is_empty() {
        commands.push(format!("{program} controls list"));
    }
    commands
}

/// The command that renders a chart or kustomization, out of the cure that says so.
fn rendering(blind: &Blind) -> Option<&str> {
    let mut parts = blind.cure.as_ref()?.words().split('`');
    let (command, rest) = (parts.nth(1)?, parts.count());
    let is_whole = rest == 1 && command.ends_with(" | ringfence scan -");
    (blind.reason == Reason::NotRendered && is_whole && !command.chars().any(clean::is_unprintable))
        .then_some(command)
}

/// `exit 1, 17 controls, 0.04 s`; codes that need it carry their meaning.
fn exit(scan: &Scan) -> String {
    let meaning = match scan.exit {
        ExitCode::Clean | ExitCode::Findings if scan.fail_on != Severity::High => {
            format!(" (--fail-on {})", scan.fail_on)
        }
        ExitCode::Clean | ExitCode::Findings => String::new(),
        ExitCode::Usage => " (usage error)".to_owned(),
        ExitCode::Incomplete => " (incomplete)".to_owned(),
        ExitCode::VerificationFailed => " (verification failed)".to_owned(),
        ExitCode::Internal => " (internal error)".to_owned(),
    };
    let controls = words::count(words::many(scan.controls.len()), "control");
    format!("exit {}{meaning}, {controls}, {:.2} s", scan.exit.code(), scan.seconds)
}
