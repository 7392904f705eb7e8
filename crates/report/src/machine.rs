//! Room `report`: a value enters, JSON leaves that is safe in a terminal, a CI log and an HTML page, and loses nothing.
//!
//! JSON may carry escape-like characters (C1, bidi, U+2028) and `</script>` as they are. All of them have a second
//! spelling, `\uXXXX`, that every parser reads back to the same text: that one is written.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::CompactFormatter;
use serde_json::ser::Formatter;
use serde_json::ser::PrettyFormatter;

use crate::clean;

/// Writes `value` indented, with a line break at the end.
pub fn write(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Inert(PrettyFormatter::new())))?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

/// Seconds to the millisecond: more is noise.
pub(crate) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Writes `value` on one line, with a line break at the end.
pub(crate) fn write_line(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Inert(CompactFormatter)))?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

/// What lays the document out, with its texts made inert.
struct Inert<F>(F);

impl<F: Formatter> Formatter for Inert<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut done = 0;
        for (at, char) in fragment.char_indices() {
            let after = &fragment[at + char.len_utf8()..];
            let acts = match char {
                '<' => after.starts_with(['/', '!', '?']),
                '#' => after.starts_with("#["),
                _ => clean::is_unprintable(char),
            };
            if acts {
                out.write_all(&fragment.as_bytes()[done..at])?;
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
                done = at + char.len_utf8();
            }
        }
        out.write_all(&fragment.as_bytes()[done..])
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_inert_and_reads_back_to_the_same_text() {
        let hostile =
            "a\u{1b}[2J\u{9b}1m\u{7f}</script><!-- ##[error]x\u{2028}\u{202e}\u{e0041}ä日 < / ::error::";
        let mut bytes = Vec::new();
        write(&[hostile], &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.trim_end().chars().any(|char| clean::is_unprintable(char) && char != '\n'), "{text}");
        assert!(!text.contains("</") && !text.contains("<!") && !text.contains("##["), "{text}");
        assert!(text.contains("ä日 < / ::error::"), "{text}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [hostile]);
        let mut line = Vec::new();
        write_line(&[hostile], &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, text.replace("[\n  ", "[").replace("\n]", "]"), "the same on one line");
    }
}
