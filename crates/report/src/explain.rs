//! Room `report`: controls enter, their manual page or their list leaves. The text is our own, never foreign.

use std::io;

use ringfence_finding::ControlId;
use ringfence_finding::ControlInfo;
use serde::Serialize;

use crate::machine;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::text::page::wrap;

/// Prints the manual page of `control`: Markdown laid out for a terminal.
pub fn explain(control: &ControlInfo, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style);
    let facts = format!("{} severity, fix: {}", control.severity, control.fix.as_str());
    let id = format!("{}  {}", control.id, control.slug);
    let id = style.paint(Tone::Strong, &id).into_owned();
    page.line(&id);
    page.labelled("", Tone::Plain, 0, control.title);
    let facts = style.paint(Tone::from(control.severity), &facts).into_owned();
    page.line(&facts);
    page.gap();
    markdown(control.manual, control.slug, &mut page);
    out.write_all(page.into_text().as_bytes())
}

/// Prints what is known of a class of threats in model files: a row of the table in docs/models.md.
pub fn explain_threat(
    id: ControlId,
    name: &str,
    why: &str,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page::new(style);
    let head = style.paint(Tone::Strong, &format!("{id}  {name}")).into_owned();
    page.line(&head);
    page.labelled("", Tone::Plain, 0, "A class of threats that `model scan` finds in model files");
    page.gap();
    page.labelled("", Tone::Plain, 0, &format!("What can happen: {why}."));
    out.write_all(page.into_text().as_bytes())
}

/// Prints the same for programs.
pub fn threat_json(id: ControlId, name: &str, why: &str, out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'t> {
        schema_version: &'static str,
        threats: [Threat<'t>; 1],
    }
    #[derive(Serialize)]
    struct Threat<'t> {
        id: ControlId,
        name: &'t str,
        why: &'t str,
    }
    machine::write(&Document { schema_version: "1.0", threats: [Threat { id, name, why }] }, out)
}

/// Headings in capitals, code indented as written, everything else wrapped. A first heading that only repeats the
/// name of the control is left out.
fn markdown(manual: &str, slug: &str, page: &mut Page<'_>) {
    let mut paragraph = String::new();
    let mut in_code = false;
    for line in manual.lines() {
        let fence = line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#').trim();
        if fence {
            flush(&mut paragraph, page);
            in_code = !in_code;
            page.gap();
        } else if in_code {
            page.line(&format!("    {line}"));
        } else if line.starts_with('#') {
            flush(&mut paragraph, page);
            if heading != slug {
                page.gap();
                let heading = page.style.paint(Tone::Strong, &heading.to_uppercase()).into_owned();
                page.line(&heading);
            }
        } else if line.trim().is_empty() {
            flush(&mut paragraph, page);
            page.gap();
        } else {
            if starts_block(line) {
                flush(&mut paragraph, page);
            } else if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim_end());
        }
    }
    flush(&mut paragraph, page);
}

/// A list item or table row, which is no continuation of the line before.
fn starts_block(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|char: char| char.is_ascii_digit());
    line.starts_with(['-', '*', '|']) && !line.starts_with("**")
        || number.len() < line.len() && number.starts_with(". ")
}

fn flush(paragraph: &mut String, page: &mut Page<'_>) {
    let text = std::mem::take(paragraph);
    let words = text.trim_start();
    if words.is_empty() {
        return;
    }
    if words.starts_with('|') {
        page.line(words);
        return;
    }
    let outer = text.len() - words.len();
    let hang = if starts_block(words) { words.find(' ').map_or(0, |marker| marker + 1) } else { 0 };
    let columns = page.style.columns();
    for (index, line) in
        wrap(words, columns - outer.min(columns), columns.saturating_sub(outer + hang)).iter().enumerate()
    {
        let indent = if index == 0 { outer } else { outer + hang };
        page.line(&format!("{:indent$}{line}", ""));
    }
}

/// Prints one control a line: id, severity, class of fix, title.
pub fn controls_table(controls: &[ControlInfo], style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style);
    for control in controls {
        // Widest: `RF-RBAC-001`, `critical`, `needs-input`.
        let head = format!("{:<13}{:<10}{}", control.id, control.severity, control.fix.as_str());
        page.labelled(&head, Tone::from(control.severity), 36, control.title);
    }
    out.write_all(page.into_text().as_bytes())
}

/// Prints the same list for programs: the `controls` of the scan document, with its `schemaVersion`.
pub fn controls_json(controls: &[ControlInfo], out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'c> {
        schema_version: &'static str,
        controls: &'c [ControlInfo],
    }
    machine::write(&List { schema_version: crate::json::SCHEMA_VERSION, controls }, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn text(print: impl Fn(&mut dyn io::Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn narrow() -> Style {
        Style { width: 60, ..Style::default() }
    }

    #[test]
    fn a_manual_page_reads_well_on_a_narrow_terminal() {
        let page = text(|out| explain(&testing::GPU_005, &narrow(), out));
        insta::assert_snapshot!(page, @r"
    RF-GPU-005  gpu-without-request
    Workload opens GPUs that it does not request
    high severity, fix: safe

    WHAT IT SEES
    `NVIDIA_VISIBLE_DEVICES` set by hand in a container that
    requests no GPU, which the container toolkit answers with
    every GPU of the node.

    BAD

        env:
        - name: NVIDIA_VISIBLE_DEVICES
          value: all

    FIX AND ITS SIDE EFFECTS
    - Remove the variable.
    - Request `nvidia.com/gpu` instead; the device plugin sets
      the variable by itself and to the right devices.
    ");
    }

    #[test]
    fn lists_controls_one_a_line() {
        let table = text(|out| controls_table(&testing::controls(), &narrow(), out));
        insta::assert_snapshot!(table, @r"
    RF-GPU-005   high      safe         Workload opens GPUs that
                                        it does not request
    RF-NET-001   high      safe         Namespace with AI
                                        workloads has no policy
    RF-SEC-001   critical  safe         API key written into the
                                        manifest
    RF-MOD-002   high      safe         Model is loaded from a
                                        moving revision
    RF-DATA-008  medium    safe         Memory volume without a
                                        size limit
    RF-RUN-013   low       safe         Notebook without a
                                        sandboxed runtime
    ");
    }

    #[test]
    fn the_list_for_programs_matches_the_controls_of_a_scan() {
        let list = text(|out| controls_json(&testing::controls(), out));
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let scan = testing::print(&testing::standard(), crate::Format::Json);
        let scan: serde_json::Value = serde_json::from_str(&scan).unwrap();
        assert_eq!(list["controls"], scan["controls"]);
        assert_eq!(list["schemaVersion"], scan["schemaVersion"]);
    }
}
