//! Room `report`, text: one line per family of the guide, then the worst findings that none of them shows.

use ringfence_finding::Confidence;
use ringfence_finding::Family;
use ringfence_finding::FamilyScore;
use ringfence_finding::Finding;
use ringfence_finding::Fingerprint;
use ringfence_finding::Outcome;
use ringfence_finding::Scan;
use ringfence_finding::Severity;

use super::page::Page;
use super::page::pad;
use super::page::shorten;
use super::page::width;
use super::page::wrap;
use crate::clean;
use crate::style::Tone;
use crate::words;

/// Findings of high or critical severity listed below the families.
const ALSO: usize = 5;
/// Fewer columns than this are no sentence: the place moves to a line of its own.
const SENTENCE: usize = 24;
/// Lines that a sentence may take below its first.
const MORE_LINES: usize = 2;

struct Row {
    label: &'static str,
    tally: String,
    tone: Tone,
    control: String,
    sentence: String,
    place: String,
}

/// Families in guide order; agents only where there are any.
pub(crate) fn write(scan: &Scan, page: &mut Page<'_>) {
    let fails = super::fails(scan);
    let with_agents =
        scan.found.agents > 0 || scan.findings.iter().any(|finding| finding.control.family == Family::Agt);
    let mut rows = Vec::new();
    let mut shown = Vec::new();
    for family in Family::ALL.into_iter().filter(|family| *family != Family::Agt || with_agents) {
        let worst = fails.iter().find(|finding| finding.control.family == family);
        rows.push(match worst {
            Some(worst) => {
                shown.push(worst.fingerprint);
                let same =
                    |other: &&&Finding| other.control.family == family && other.severity == worst.severity;
                let tally = format!("{} {}", fails.iter().filter(same).count(), worst.severity);
                Row { tally, ..row(scan, family.as_str(), worst) }
            }
            None => without_fail(scan, family),
        });
    }
    // With `-v` every finding follows with its code: no need to list some of them twice.
    let also = if page.style.verbose { Vec::new() } else { unshown(&fails, &shown) };
    for (index, finding) in also.iter().take(ALSO).enumerate() {
        rows.push(row(scan, if index == 0 { "also" } else { "" }, finding));
    }
    table(&rows, page);
    if also.len() > ALSO {
        page.line(&format!(
            "      {} more high or critical",
            words::thousands(words::many(also.len() - ALSO))
        ));
    }
}

/// Serious findings that are on no family line; those by names alone are left to `-v`.
fn unshown<'f>(fails: &[&'f Finding], shown: &[Fingerprint]) -> Vec<&'f Finding> {
    let serious = |finding: &&&Finding| {
        finding.severity >= Severity::High
            && finding.confidence > Confidence::Low
            && !shown.contains(&finding.fingerprint)
    };
    fails.iter().filter(serious).copied().collect()
}

fn row(scan: &Scan, label: &'static str, finding: &Finding) -> Row {
    let evidence = finding.evidence.iter().find_map(|evidence| evidence.location.as_ref());
    let location = finding.location.as_ref().or(evidence);
    Row {
        label,
        tally: words::verdict(finding).to_owned(),
        tone: Tone::from(finding.severity),
        control: finding.control.to_string(),
        sentence: words::subject(finding),
        place: location.map(|location| words::place(location, &scan.source)).unwrap_or_default(),
    }
}

/// Nothing fails: that is ok, not applicable, unknown or not asked, and each says so.
fn without_fail(scan: &Scan, family: Family) -> Row {
    let plain = |tally: String, tone, sentence: String| Row {
        label: family.as_str(),
        tally,
        tone,
        control: String::new(),
        sentence,
        place: String::new(),
    };
    let first = |outcome| super::of(scan, outcome).find(|finding| finding.control.family == family);
    let ran = |score: &&FamilyScore| score.family == family && !score.controls.is_empty();
    let Some(score) = scan.assessment.families.iter().find(ran) else {
        return plain("-".to_owned(), Tone::Dim, "no control of this family ran".to_owned());
    };
    let controls = words::count(words::many(score.controls.len()), "control");
    if score.error > 0 {
        let tally = words::count(u64::from(score.error), "error");
        return match first(Outcome::Error) {
            Some(finding) => Row { tally, tone: Tone::Warn, ..row(scan, family.as_str(), finding) },
            None => plain(tally, Tone::Warn, format!("of {controls}")),
        };
    }
    if score.unknown > 0 {
        let tally = format!("{} unknown", score.unknown);
        return match first(Outcome::Unknown) {
            Some(finding) => Row {
                tally,
                tone: Tone::Warn,
                sentence: clean::sentence(&finding.why),
                ..row(scan, family.as_str(), finding)
            },
            None => plain(tally, Tone::Warn, format!("of {controls}")),
        };
    }
    match score.pass {
        0 => plain("-".to_owned(), Tone::Dim, format!("not applicable: nothing here for its {controls}")),
        pass => {
            let passes = words::plural(u64::from(pass), "pass", "passes");
            plain("ok".to_owned(), Tone::Good, format!("{controls}, {passes}"))
        }
    }
}

/// Columns: family, tally, control, sentence, place. Only sentences give way when the screen is narrow.
fn table(rows: &[Row], page: &mut Page<'_>) {
    let widest = |of: fn(&Row) -> &str| rows.iter().map(|row| width(of(row))).max().unwrap_or(0);
    let (label, tally, control) = (6, widest(|row| &row.tally) + 2, widest(|row| &row.control) + 2);
    let room = page.style.columns().saturating_sub(label + tally + control);
    // A place that is half a line long cannot set the column of the others.
    let fits = |place: &str| width(place) <= room / 2;
    let places =
        rows.iter().map(|row| row.place.as_str()).filter(|place| fits(place)).map(width).max().unwrap_or(0);
    let sentences = room.saturating_sub(places + 2);
    let beside = sentences >= SENTENCE;
    let column = if beside { sentences } else { room };
    let used =
        rows.iter().filter(|row| !row.place.is_empty()).map(|row| width(&row.sentence)).max().unwrap_or(0);
    let column_used = column.min(used);
    for row in rows {
        let head = pad(row.label, label);
        let verdict = page.style.paint(row.tone, &pad(&row.tally, tally)).into_owned();
        if row.control.is_empty() {
            page.line(&format!("{head}{verdict}{}", row.sentence));
            continue;
        }
        let start = format!("{head}{verdict}{}", pad(&row.control, control));
        let lines = wrap(&row.sentence, column, column);
        // A name wider than its column would push the place off the screen.
        let has_room = lines.iter().all(|line| width(line) <= column);
        if row.place.is_empty() || beside && has_room && fits(&row.place) {
            let mut lines = lines.into_iter();
            let first = lines.next().unwrap_or_default();
            page.line(&format!("{start}{}  {}", pad_exact(&first, column_used), row.place));
            let rest: Vec<String> = lines.collect();
            for (index, line) in rest.iter().take(MORE_LINES).enumerate() {
                let more = index + 1 == MORE_LINES && rest.len() > MORE_LINES;
                let end = if more { format!(" {}", page.style.ellipsis()) } else { String::new() };
                page.line(&format!("{:1$}{line}{end}", "", label + tally + control));
            }
        } else {
            // The sentence gets a line of its own, and with it the room to name the object.
            page.line(&format!("{start}{}", row.place));
            let sentence = shorten(&row.sentence, page.style.columns() - label, page.style.ellipsis());
            page.line(&format!("{:label$}{sentence}", ""));
        }
    }
}

fn pad_exact(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{:blanks$}", "")
}
