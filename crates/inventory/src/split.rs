//! Text of a file -> documents, before any parsing: a broken one loses only itself.
//!
//! YAML forbids a line that starts with `---` or `...` and a blank inside any scalar, block scalars too (YAML 1.2.2,
//! 9.1.2 c-forbidden), so lines alone decide.

use std::ops::Range;

/// One document as cut: bytes of the text, and the line it starts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes, from the marker (when content may follow it on its line) to the next marker.
    pub range: Range<usize>,
    /// Line of its first byte, from 1.
    pub first_line: u32,
}

/// Cuts at `---` and `...` lines. The pieces joined are the text; a text without markers is one piece.
pub fn split(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line) = (0, 1_u32);
    // Lines are counted between markers only: most of a file is never looked at twice.
    let (mut counted, mut line) = (0, 1_u32);
    // A piece that began at a marker, or holds content, is cut by the next one; one of directives, comments and blanks
    // is the prologue of the document behind the marker.
    let mut begun = false;
    for marker in markers(text) {
        line = line.saturating_add(newlines(text.get(counted..marker.start).unwrap_or("")));
        counted = marker.start;
        let before = text.get(start..marker.start).unwrap_or("");
        if marker.is_end {
            pieces.push(Piece { range: start..marker.line_end, first_line: start_line });
            (start, start_line) = (marker.line_end, line.saturating_add(1));
            begun = false;
        } else {
            if begun || !before.split_inclusive('\n').all(is_prologue) {
                pieces.push(Piece { range: start..marker.start, first_line: start_line });
                (start, start_line) = (marker.start, line);
            }
            begun = true;
        }
    }
    if start < text.len() || pieces.is_empty() {
        pieces.push(Piece { range: start..text.len(), first_line: start_line });
    }
    pieces
}

struct Marker {
    start: usize,
    line_end: usize,
    /// `...`, which ends a document without starting one.
    is_end: bool,
}

/// Marker lines in order.
fn markers(text: &str) -> impl Iterator<Item = Marker> {
    let bytes = text.as_bytes();
    let starts =
        std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|newline| newline.saturating_add(1)));
    starts.filter_map(move |start| {
        // A byte order mark may stand before any document.
        if !matches!(bytes.get(start)?, b'-' | b'.' | 0xEF) {
            return None;
        }
        let rest = text.get(start..)?;
        let bare = rest.strip_prefix('\u{feff}').unwrap_or(rest);
        let is_end = is_marker(bare, "...");
        if !is_end && !is_marker(bare, "---") {
            return None;
        }
        let line_end =
            memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |newline| newline.saturating_add(1));
        Some(Marker { start, line_end: start.saturating_add(line_end), is_end })
    })
}

fn newlines(text: &str) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text.as_bytes()).count()).unwrap_or(u32::MAX)
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Directive, comment or blank line: what may stand before a document's marker.
fn is_prologue(line: &str) -> bool {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let trimmed = line.trim_end();
    trimmed.is_empty() || trimmed.starts_with('%') || trimmed.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<(&str, u32)> {
        split(text).iter().map(|piece| (&text[piece.range.clone()], piece.first_line)).collect()
    }

    #[test]
    fn cuts_at_marker_lines_only() {
        assert_eq!(cut("a: 1\n---\nb: 2\n"), [("a: 1\n", 1), ("---\nb: 2\n", 2)]);
        assert_eq!(cut("--- {a: 1}\n--- # note\nb: 2"), [("--- {a: 1}\n", 1), ("--- # note\nb: 2", 2)]);
        assert_eq!(cut("a: |\n  ---\n  x\n"), [("a: |\n  ---\n  x\n", 1)]);
        assert_eq!(cut("a: ---b\n----\n---x\n"), [("a: ---b\n----\n---x\n", 1)]);
        assert_eq!(cut("a: 1\r\n---\r\nb: 2"), [("a: 1\r\n", 1), ("---\r\nb: 2", 2)]);
    }

    #[test]
    fn end_markers_and_directives_belong_where_yaml_puts_them() {
        assert_eq!(
            cut("a: 1\n...\n%YAML 1.2\n---\nb: 2\n"),
            [("a: 1\n...\n", 1), ("%YAML 1.2\n---\nb: 2\n", 3)]
        );
        assert_eq!(cut("# licence\n---\na: 1\n"), [("# licence\n---\na: 1\n", 1)]);
        assert_eq!(cut("\u{feff}---\na: 1\n"), [("\u{feff}---\na: 1\n", 1)]);
        assert_eq!(cut(""), [("", 1)]);
        assert_eq!(cut("---\n---\na: 1"), [("---\n", 1), ("---\na: 1", 2)]);
    }

    proptest! {
        #[test]
        fn pieces_joined_are_the_text(text in "(---|\\.\\.\\.|%|#|\n|\r|a: 1| |x|é|\u{feff}){0,40}") {
            let pieces = split(&text);
            let joined: String = pieces.iter().map(|piece| &text[piece.range.clone()]).collect();
            prop_assert_eq!(&joined, &text);
            for piece in pieces {
                let line = text[..piece.range.start].matches('\n').count() + 1;
                prop_assert_eq!(piece.first_line as usize, line);
            }
        }
    }
}
