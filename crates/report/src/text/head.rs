//! Room `report`, text: the first lines, what was looked at and found, and the line of the door.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringfence_finding::Door;
use ringfence_finding::Reason;
use ringfence_finding::Scan;

use super::page::Page;
use super::page::width;
use crate::clean;
use crate::style::Tone;
use crate::words;

/// Sources longer than this get a line of their own, so that the columns behind it stay readable.
const LABEL: usize = 20;

/// Source, what was found in it, and the flags that narrowed the request.
pub(crate) fn write(scan: &Scan, page: &mut Page<'_>) {
    let source = if scan.source == "-" { "stdin".to_owned() } else { clean::path(&scan.source) };
    let short = width(&source) <= LABEL;
    let indent = if short { width(&source).max("Narrowed".len()) + 2 } else { "Narrowed".len() + 2 };
    if short {
        page.labelled(&source, Tone::Strong, indent, &looked_at(scan));
    } else {
        let source = page.style.paint(Tone::Strong, &source).into_owned();
        page.line(&source);
        page.labelled("Read", Tone::Plain, indent, &looked_at(scan));
    }
    page.labelled("Found", Tone::Plain, indent, &found(scan));
    if !scan.narrowed.is_empty() {
        page.labelled("Narrowed", Tone::Warn, indent, narrowed(scan).trim_start_matches("narrowed "));
    }
}

/// `narrowed by --exclude vendor/**`.
pub(crate) fn narrowed(scan: &Scan) -> String {
    let flags: Vec<_> = scan.narrowed.iter().map(|flag| clean::sentence(flag)).collect();
    format!("narrowed by {}", flags.join(", "))
}

/// `118 documents, all read; 31 pod templates (12 in custom resources)`, or of a cluster `38 kinds, 1,204 objects, all
/// read; ...`.
fn looked_at(scan: &Scan) -> String {
    let coverage = &scan.coverage;
    let blind = words::many(coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()).count());
    let mut parts = Vec::new();
    if coverage.lists.asked > 0 {
        parts.push(words::count(u64::from(coverage.lists.asked), "kind"));
        let objects = coverage.kinds.iter().map(|kind| u64::from(kind.objects)).sum();
        parts.push(words::count(objects, "object"));
    }
    if coverage.documents.found > 0 || parts.is_empty() {
        parts.push(words::count(u64::from(coverage.documents.found), "document"));
    }
    let mut text = parts.join(", ");
    match coverage.percent() {
        Some(100) if blind == 0 => text += ", all read",
        Some(percent) if percent < 100 => _ = write!(text, ", {percent} % read"),
        _ => {}
    }
    if blind > 0 {
        _ = write!(text, ", {}", words::count(blind, "blind spot"));
    }
    _ = write!(text, "; {}", words::count(u64::from(coverage.pods()), "pod template"));
    match coverage.custom_pods() {
        0 => {}
        custom => _ = write!(text, " ({} in custom resources)", words::thousands(u64::from(custom))),
    }
    text
}

/// `17 AI workloads, 4 GPU nodes (32 NVIDIA-H100-80GB-HBM3), 6 models, 5 keys`; what is not there is not named.
fn found(scan: &Scan) -> String {
    let found = &scan.found;
    let workloads = match found.ai_workloads {
        0 => "no AI workloads".to_owned(),
        some => words::count(u64::from(some), "AI workload"),
    };
    let mut parts = vec![match found.ai_maybe {
        0 => workloads,
        maybe => {
            format!("{workloads} ({} more by name only, not judged)", words::thousands(u64::from(maybe)))
        }
    }];
    if found.gpu_nodes > 0 {
        let pools: Vec<_> = found
            .gpus
            .iter()
            .map(|pool| match &pool.model {
                Some(model) => format!("{} {}", words::thousands(pool.gpus), clean::name(model)),
                None => format!("{} of unknown model", words::thousands(pool.gpus)),
            })
            .collect();
        let pools = if pools.is_empty() { String::new() } else { format!(" ({})", pools.join(", ")) };
        parts.push(format!("{}{pools}", words::count(u64::from(found.gpu_nodes), "GPU node")));
    }
    for (number, one) in [(found.models, "model"), (found.keys, "key"), (found.agents, "agent")] {
        if number > 0 {
            parts.push(words::count(u64::from(number), one));
        }
    }
    parts.join(", ")
}

/// The verdict, and what stands open or could not be seen; no path, so that it can be quoted.
pub(crate) fn door(scan: &Scan, page: &mut Page<'_>) {
    let door = scan.assessment.door;
    let headline = headline(door);
    page.labelled(headline, Tone::from(door), headline.len() + 3, &reason(scan));
}

pub(crate) fn headline(door: Door) -> &'static str {
    match door {
        Door::Open => "THE DOOR IS OPEN",
        Door::Closed => "THE DOOR IS CLOSED",
        Door::NotProvenClosed => "THE DOOR IS NOT PROVEN CLOSED",
    }
}

/// Why the headline says what it says.
pub(crate) fn reason(scan: &Scan) -> String {
    match scan.assessment.door {
        Door::Open => words::exposure(&scan.assessment.exposure).unwrap_or_default(),
        Door::Closed => "nothing high or critical fails".to_owned(),
        Door::NotProvenClosed => not_seen(scan),
    }
}

/// `could not look at 3 places: 2 not rendered (template), 1 nested too deep`.
fn not_seen(scan: &Scan) -> String {
    let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
    for blind in scan.coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()) {
        *reasons.entry(blind.reason).or_default() += 1;
    }
    if reasons.keys().eq([&Reason::NothingFound]) {
        return "nothing to scan".to_owned();
    }
    let all = words::count(reasons.values().sum(), "place");
    let each: Vec<_> =
        reasons.iter().map(|(reason, number)| format!("{number} {}", words::reason(*reason))).collect();
    if each.is_empty() {
        return "not everything could be looked at".to_owned();
    }
    format!("could not look at {all}: {}", each.join(", "))
}
