//! Room `report`, format `junit`: test cases enter, the XML that CI systems draw as a list of tests leaves. There is no
//! standard; what is written is what the schema of Jenkins' xUnit plugin and PyPI's junitparser take.
//!
//! XML has no way to write most control characters, not even escaped, so they are made visible before.

use std::fmt::Write as _;
use std::io;

use crate::clean;

/// One run.
pub(crate) struct Suite<'s> {
    pub(crate) name: &'s str,
    pub(crate) seconds: f64,
    pub(crate) cases: Vec<Case<'s>>,
}

/// One thing that was looked at.
pub(crate) struct Case<'s> {
    pub(crate) class: &'static str,
    pub(crate) name: &'s str,
    pub(crate) outcome: Outcome,
}

/// What became of it.
pub(crate) enum Outcome {
    Passed,
    /// It does not hold.
    Failure(Told),
    /// It could not be looked at.
    Error(Told),
    /// It could not be looked at, and that was allowed.
    Skipped(String),
}

/// Why, for people.
pub(crate) struct Told {
    /// A word to group by.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) lines: Vec<String>,
}

pub(crate) fn write(suite: &Suite<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let count =
        |wanted: fn(&Outcome) -> bool| suite.cases.iter().filter(|case| wanted(&case.outcome)).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        suite.cases.len(),
        count(|outcome| matches!(outcome, Outcome::Failure(_))),
        count(|outcome| matches!(outcome, Outcome::Error(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        suite.seconds
    );
    let name = attribute(suite.name);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    _ = writeln!(xml, "<testsuites name=\"ringfence\" {counts}>\n  <testsuite name=\"{name}\" {counts}>");
    for case in &suite.cases {
        write_case(case, &mut xml);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    out.write_all(xml.as_bytes())
}

fn write_case(case: &Case<'_>, xml: &mut String) {
    _ = write!(xml, "    <testcase classname=\"{}\" name=\"{}\"", case.class, attribute(case.name));
    match &case.outcome {
        Outcome::Passed => xml.push_str("/>\n"),
        Outcome::Failure(told) => write_told("failure", told, xml),
        Outcome::Error(told) => write_told("error", told, xml),
        Outcome::Skipped(message) => {
            _ = writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", attribute(message));
        }
    }
}

fn write_told(element: &str, told: &Told, xml: &mut String) {
    let (kind, message) = (told.kind, attribute(&told.message));
    let lines: Vec<String> = told.lines.iter().map(|line| attribute(line)).collect();
    _ = writeln!(
        xml,
        ">\n      <{element} type=\"{kind}\" message=\"{message}\">{}</{element}>\n    </testcase>",
        lines.join("\n")
    );
}

/// Text for an attribute or an element, on one line.
fn attribute(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for char in clean::line(text).chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            // No characters of XML 1.0, section 2.2.
            '\u{fffe}' | '\u{ffff}' => _ = write!(xml, "\\u{{{:x}}}", u32::from(char)),
            _ => xml.push(char),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::xml;

    #[test]
    fn every_text_comes_back_and_stays_in_its_field() {
        let hostile = "a\u{1b}[2J\n\"/><x y='</failure>]]>&amp;\u{ffff}\u{0}ä日";
        let shown = "a\\x1b[2J\\n\"/><x y='</failure>]]>&amp;\\u{ffff}\\x00ä日";
        let told = || Told { kind: "k", message: hostile.to_owned(), lines: vec![hostile.to_owned(); 2] };
        let case = |outcome| Case { class: "c", name: hostile, outcome };
        let cases = vec![
            case(Outcome::Passed),
            case(Outcome::Failure(told())),
            case(Outcome::Error(told())),
            case(Outcome::Skipped(hostile.to_owned())),
        ];
        let mut bytes = Vec::new();
        write(&Suite { name: hostile, seconds: 1.5, cases }, &mut bytes).unwrap();
        let root = xml::read(std::str::from_utf8(&bytes).unwrap());
        let counts =
            [("tests", "4"), ("failures", "1"), ("errors", "1"), ("skipped", "1"), ("time", "1.500")];
        for (name, value) in counts {
            assert_eq!((root.attribute(name), root.children[0].attribute(name)), (value, value));
        }
        let suite = &root.children[0];
        assert_eq!((suite.name.as_str(), suite.attribute("name")), ("testsuite", shown));
        let inner: Vec<_> =
            suite.children.iter().map(|case| (case.attribute("name"), &case.children)).collect();
        assert!(inner.iter().all(|(name, _)| *name == shown), "{inner:?}");
        assert!(inner[0].1.is_empty());
        for (case, element) in [(1, "failure"), (2, "error")] {
            let told = &inner[case].1[0];
            assert_eq!((told.name.as_str(), told.attribute("type")), (element, "k"));
            assert_eq!(
                (told.attribute("message"), told.text.as_str()),
                (shown, format!("{shown}\n{shown}").as_str())
            );
        }
        assert_eq!((inner[3].1[0].name.as_str(), inner[3].1[0].attribute("message")), ("skipped", shown));
    }
}
