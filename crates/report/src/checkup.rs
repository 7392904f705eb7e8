//! Room `report`: a [`Checkup`] enters, one line per fact leaves, with a hint below each that does not hold.

use std::io;

use ringfence_finding::Checkup;
use ringfence_finding::ExitCode;
use ringfence_finding::Mark;
use serde::Serialize;

use crate::clean;
use crate::machine;
use crate::style::Style;
use crate::style::Tone;
use crate::text::page::Page;
use crate::text::page::width;
use crate::words;

/// Major: a reader must change; minor: something was added.
const SCHEMA_VERSION: &str = "1.0";
/// A longer name does not set the column of the others.
const MAX_NAME: usize = 36;

/// Prints a checkup for people.
pub fn checkup_text(checkup: &Checkup, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let checkup = masked(checkup);
    let mut page = Page::new(style);
    let source = style.paint(Tone::Strong, &checkup.source).into_owned();
    page.line(&source);
    let names = checkup.checks().map(|check| width(&check.name)).filter(|width| *width <= MAX_NAME);
    let column = names.max().unwrap_or(0) + 6; // two blanks, the mark, a blank; two more before the sentence
    for group in &checkup.groups {
        page.gap();
        let title = style.paint(Tone::Strong, group.name).into_owned();
        page.line(&title);
        for check in &group.checks {
            let label = format!("  {} {}", sign(check.mark, style), check.name);
            page.labelled(&label, tone(check.mark), column, &check.says);
            if let Some(hint) = &check.hint {
                page.labelled("", Tone::Plain, column, &format!("-> {hint}"));
            }
        }
    }
    page.gap();
    let closing = closing(&checkup);
    page.line(&closing);
    out.write_all(page.into_text().as_bytes())
}

/// Prints a checkup for programs; schema `docs/schema/check.v1.schema.json`.
pub fn checkup_json(checkup: &Checkup, out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'c> {
        schema_version: &'static str,
        #[serde(flatten)]
        checkup: &'c Checkup,
        exit: ExitCode,
    }
    let checkup = masked(checkup);
    let exit = checkup.exit();
    machine::write(&Document { schema_version: SCHEMA_VERSION, checkup: &checkup, exit }, out)
}

/// What a server said may hold anything: masked, and on one line.
fn masked(checkup: &Checkup) -> Checkup {
    let clean = |text: &str| clean::sentence(&clean::mask(text));
    let mut checkup = checkup.clone();
    checkup.source = clean(&checkup.source);
    for check in checkup.groups.iter_mut().flat_map(|group| &mut group.checks) {
        check.name = clean(&check.name);
        check.says = clean(&check.says);
        check.hint = check.hint.as_deref().map(clean);
    }
    checkup
}

fn sign(mark: Mark, style: &Style) -> &'static str {
    match (mark, style.unicode) {
        (Mark::Ok, true) => "✓",
        (Mark::Ok, false) => "+",
        (Mark::Failed, true) => "✗",
        (Mark::Failed, false) => "x",
        (Mark::Unknown, _) => "?",
        (Mark::Note, _) => "-",
    }
}

fn tone(mark: Mark) -> Tone {
    match mark {
        Mark::Ok => Tone::Good,
        Mark::Failed => Tone::Bad,
        Mark::Unknown => Tone::Warn,
        Mark::Note => Tone::Plain,
    }
}

/// `14 hold, 1 failed, 2 could not be asked; exit 4`.
fn closing(checkup: &Checkup) -> String {
    let count = |mark| words::many(checkup.count(mark));
    let mut parts = vec![format!("{} hold", count(Mark::Ok))];
    for (mark, what) in [(Mark::Failed, "failed"), (Mark::Unknown, "could not be asked")] {
        if count(mark) > 0 {
            parts.push(format!("{} {what}", count(mark)));
        }
    }
    format!("{}; exit {}", parts.join(", "), checkup.exit().code())
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Check;
    use ringfence_finding::CheckGroup;

    use super::*;

    fn checkup() -> Checkup {
        let line = |mark, name: &str, says: &str, hint: Option<&str>| Check {
            mark,
            name: name.to_owned(),
            says: says.to_owned(),
            hint: hint.map(str::to_owned),
        };
        Checkup {
            source: "prod  https://10.0.0.1:6443".to_owned(),
            groups: vec![
                CheckGroup { name: "reach", checks: vec![line(Mark::Ok, "API server", "v1.36.4", None)] },
                CheckGroup {
                    name: "rights",
                    checks: vec![
                        line(Mark::Failed, "list nodes", "forbidden\u{1b}[2J", Some("ask for the role")),
                        line(Mark::Unknown, "list jobs.batch", "the server answered 503", Some("try again")),
                        line(Mark::Note, "DRA", "not served: claims are not read", None),
                    ],
                },
            ],
        }
    }

    fn text(style: &Style) -> String {
        let mut bytes = Vec::new();
        checkup_text(&checkup(), style, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn one_line_each_and_a_hint_below_what_does_not_hold() {
        let text = text(&Style::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "prod  https://10.0.0.1:6443");
        assert!(lines.contains(&"  + API server       v1.36.4"), "{text}");
        let failed = lines.iter().position(|line| line.starts_with("  x list nodes")).unwrap();
        assert_eq!(lines[failed + 1].trim(), "-> ask for the role");
        assert_eq!(*lines.last().unwrap(), "1 hold, 1 failed, 1 could not be asked; exit 4");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_document_is_valid_and_wholly_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/check.v1.schema.json");
        let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut bytes = Vec::new();
        checkup_json(&checkup(), &mut bytes).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let strict = crate::testing::schema::strict(&schema);
        for schema in [&schema, &strict] {
            let validator = jsonschema::validator_for(schema).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert_eq!(errors, [""; 0]);
        }
        assert_eq!(document["exit"], 4);
        let mut wrong = document;
        wrong["groups"][0]["checks"][0]["mark"] = "perhaps".into();
        assert!(!jsonschema::is_valid(&schema, &wrong));
    }
}
