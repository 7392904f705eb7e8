//! Room `report`, format `text`: the screen for people. What was looked at, the door, one line per family, the worst
//! of the rest, what could not be looked at, what to type next. Lost: references, fingerprints, and without `-v`
//! everything that is counted instead of listed.

mod coverage;
mod families;
mod frame;
mod head;
pub(crate) mod page;
mod tail;
mod workloads;

use std::cmp::Reverse;
use std::io;

use ringfence_finding::Confidence;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_finding::Scan;

use crate::style::Style;
use page::Page;

pub(crate) fn write(scan: &Scan, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style);
    if style.quiet {
        page.line(&tail::one_line(scan, style));
    } else {
        head::write(scan, &mut page);
        page.gap();
        head::door(scan, &mut page);
        page.gap();
        families::write(scan, &mut page);
        if style.verbose {
            scan.findings.iter().for_each(|finding| frame::write(finding, &mut page));
            workloads::write(scan, &mut page);
            coverage::write(scan, &mut page);
        }
        page.gap();
        tail::write(scan, &mut page);
    }
    out.write_all(page.into_text().as_bytes())
}

/// Root causes, worst first, those by names alone last; equals stay in the order of the scan.
fn fails(scan: &Scan) -> Vec<&Finding> {
    let mut fails: Vec<_> = scan.findings.iter().filter(|finding| finding.outcome == Outcome::Fail).collect();
    fails.sort_by_key(|finding| (finding.confidence == Confidence::Low, Reverse(finding.severity)));
    fails
}

/// Results of one kind, in the order of the scan.
fn of(scan: &Scan, outcome: Outcome) -> impl Iterator<Item = &Finding> {
    scan.findings.iter().filter(move |finding| finding.outcome == outcome)
}

#[cfg(test)]
mod tests;
