//! Room `report`, tests: names, values and ranges made by an attacker break out of no format.

use serde_json::Value;

use crate::Format;
use crate::Style;
use crate::clean;
use crate::testing;
use crate::testing::HOSTILE;
use crate::testing::styled;

/// Every way to print the hostile scan.
fn outputs() -> Vec<(String, String)> {
    let scan = testing::hostile();
    let mut outputs = Vec::new();
    for format in Format::ALL {
        for verbose in [false, true] {
            for (color, unicode, quiet, width) in [
                (false, true, false, 80),
                (true, true, false, 60),
                (false, false, false, 200),
                (false, true, true, 80),
            ] {
                let style = Style { color, unicode, width, verbose, quiet, ..Style::default() };
                outputs.push((format!("{format} {style:?}"), styled(&scan, format, &style)));
            }
        }
    }
    outputs
}

#[test]
fn nothing_acts_on_a_terminal() {
    for (name, text) in outputs() {
        // Our own colours are all of the form ESC [ digits ; m.
        let mut rest = text.as_str();
        let mut foreign = String::new();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            foreign.push_str(before);
            let end = after.find(|char: char| !char.is_ascii_digit() && char != ';').unwrap();
            assert!(name.contains("color: true") && after[end..].starts_with('m'), "{name}: {after:.20}");
            rest = &after[end + 1..];
        }
        foreign.push_str(rest);
        let bad = foreign.chars().find(|char| clean::is_unprintable(*char) && *char != '\n');
        assert_eq!(bad, None, "{name}");
    }
}

#[test]
fn nothing_acts_on_a_ci_log_or_page() {
    for (name, text) in outputs() {
        assert!(!text.contains("##["), "{name}");
        let command = text.lines().find(|line| line.trim_start().starts_with("::"));
        assert_eq!(command, None, "{name}");
        if name.starts_with("json") || name.starts_with("sarif") {
            assert!(!text.contains("</script") && !text.contains("<!--"), "{name}");
        }
    }
}

#[test]
fn one_finding_stays_one_line() {
    let scan = testing::hostile();
    let text = testing::print(&scan, Format::Concise);
    let blind = scan.coverage.blind.iter().filter(|blind| blind.reason.is_incomplete()).count();
    assert_eq!(text.lines().count(), scan.findings.len() + blind + scan.narrowed.len());
    assert!(
        text.lines().all(|line| line.starts_with("./=cmd|") || line.starts_with("-:0:0: NARROWED")),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.contains("characters cut]") && line.len() < 4000 || line.len() < 1000)
    );
}

#[test]
fn ten_kilobyte_names_are_cut_for_people_only() {
    for (name, text) in outputs() {
        let whole = text.contains(&"n".repeat(10_000));
        let for_people = name.starts_with("text") || name.starts_with("concise");
        assert_eq!(whole, !for_people, "{name}");
    }
}

#[test]
fn programs_read_the_exact_names() {
    let scan = testing::hostile();
    let json: Value = serde_json::from_str(&testing::print(&scan, Format::Json)).unwrap();
    assert_eq!(json["findings"][0]["resource"]["kind"], HOSTILE);
    assert_eq!(json["coverage"]["blind"][0]["location"]["file"], HOSTILE);
    let sarif: Value = serde_json::from_str(&testing::print(&scan, Format::Sarif)).unwrap();
    let at = &sarif["runs"][0]["results"][0]["locations"][0];
    assert_eq!(at["logicalLocations"][0]["name"], scan.findings[0].resource.as_ref().unwrap().name);
}
