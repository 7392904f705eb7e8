//! Room `report`, text with `-v`: every workload that counts as AI, what it does, and why it counts.

use ringfence_finding::Scan;

use super::page::Page;
use crate::clean;
use crate::style::Tone;
use crate::words;

/// Column of the reasons.
const INDENT: usize = 6;

/// One line per workload, its reasons below.
pub(crate) fn write(scan: &Scan, page: &mut Page<'_>) {
    if scan.found.workloads.is_empty() {
        return;
    }
    page.gap();
    let title = page.style.paint(Tone::Strong, "AI workloads, and how sure that is").into_owned();
    page.line(&title);
    for workload in &scan.found.workloads {
        let gpus = match workload.gpus {
            0 => String::new(),
            gpus => format!(", {}", words::count(gpus, "GPU")),
        };
        let object = words::object(&workload.resource);
        page.line(&format!("  {object}  {} ({}{gpus})", workload.scope, workload.class));
        let reasons: Vec<String> = workload.reasons.iter().map(|reason| clean::sentence(reason)).collect();
        page.labelled("", Tone::Plain, INDENT, &reasons.join("; "));
    }
}
