//! Value -> block YAML, in the shapes people and generators write: quoted where a plain scalar would
//! change its type, literal blocks for lines, long prose folded or not.

use serde_json::Map;
use serde_json::Value;

/// How one file is written.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// List items two columns to the right of their key, as people write; generators do not.
    pub(super) indented_lists: bool,
    /// Prose goes on over several lines, as older generators wrote it.
    pub(super) folded: bool,
}

const COLUMNS: usize = 80;

pub(super) fn yaml(value: &Value, style: Style) -> String {
    let mut writer = Writer { out: String::new(), style };
    match value {
        Value::Object(map) if !map.is_empty() => writer.map(map, 0),
        Value::Array(items) if !items.is_empty() => writer.list(items, 0),
        scalar => {
            writer.scalar(scalar, 0);
            writer.out.push('\n');
        }
    }
    writer.out
}

struct Writer {
    out: String,
    style: Style,
}

impl Writer {
    fn map(&mut self, map: &Map<String, Value>, indent: usize) {
        for (key, value) in map {
            self.indent(indent);
            self.out.push_str(&text(key));
            self.out.push(':');
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.out.push('\n');
                    self.map(inner, indent + 2);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.out.push('\n');
                    self.list(items, if self.style.indented_lists { indent + 2 } else { indent });
                }
                scalar => {
                    self.out.push(' ');
                    self.scalar(scalar, indent + 2);
                    self.out.push('\n');
                }
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for item in items {
            let start = self.out.len();
            match item {
                Value::Object(map) if !map.is_empty() => {
                    self.map(map, indent + 2);
                    self.out.replace_range(start + indent..=start + indent, "-"); // over the first key's indent
                }
                Value::Array(inner) if !inner.is_empty() => {
                    self.list(inner, indent + 2);
                    self.out.replace_range(start + indent..=start + indent, "-");
                }
                scalar => {
                    self.indent(indent);
                    self.out.push_str("- ");
                    self.scalar(scalar, indent + 2);
                    self.out.push('\n');
                }
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(string) if string.contains('\n') => self.block(string, indent),
            Value::String(string) if self.style.folded && string.len() > COLUMNS && is_plain(string) => {
                self.fold(string, indent);
            }
            Value::String(string) => self.out.push_str(&text(string)),
            other => self.out.push_str(&other.to_string()), // JSON, which flow YAML contains
        }
    }

    fn block(&mut self, string: &str, indent: usize) {
        self.out.push_str(if string.ends_with('\n') { "|" } else { "|-" });
        for line in string.lines() {
            self.out.push('\n');
            if !line.is_empty() {
                self.indent(indent);
                self.out.push_str(line);
            }
        }
    }

    fn fold(&mut self, string: &str, indent: usize) {
        let mut column = indent + COLUMNS / 4;
        for (index, word) in string.split(' ').enumerate() {
            if index > 0 && column + word.len() > COLUMNS.max(indent + COLUMNS / 2) {
                self.out.push('\n');
                self.indent(indent);
                column = indent;
            } else if index > 0 {
                self.out.push(' ');
            }
            self.out.push_str(word);
            column += word.len() + 1;
        }
    }

    fn indent(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// A string on one line: plain where it stays a string, else in double quotes, as JSON writes it.
fn text(string: &str) -> String {
    if is_plain(string) { string.to_owned() } else { Value::from(string).to_string() }
}

fn is_plain(string: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    string.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && string.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ')
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.contains("{{")
        && !string.ends_with([':', ' '])
        && !WORDS.contains(&string.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_what_a_reader_takes_for_the_same_value() {
        let value =
            json!({"a": [{"b": "yes", "c": []}, "x: y", 1], "d": "one\n\n two\n", "e": {}, "f": [["g"]]});
        let written = yaml(&value, Style { indented_lists: true, folded: true });
        let expected =
            "a:\n  - b: \"yes\"\n    c: []\n  - \"x: y\"\n  - 1\nd: |\n  one\n\n   two\ne: {}\nf:\n  - - g\n";
        assert_eq!(written, expected);
    }
}
