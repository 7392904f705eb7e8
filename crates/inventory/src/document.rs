//! One document of one file: its tree, and how its bytes become lines and columns. Lines are counted on demand, for
//! findings only.

use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use ringfence_finding::Location;

use crate::yaml::Tree;
use crate::yaml::Value;

/// Lines shown before and after a place.
const CONTEXT: usize = 2;
/// A line longer than this is cut out of frames around the place: minified JSON is one line.
const MAX_LINE: usize = 400;

/// Bytes between two counts of characters.
const STEP: usize = 4 << 10;

/// A document with its place in a file.
#[derive(Debug)]
pub struct Document {
    /// Path as reached from what the user typed; `-` for standard input.
    pub file: Arc<str>,
    /// Number inside the file, from 0.
    pub index: u32,
    /// Byte of the file where `tree.source()` starts.
    pub offset: usize,
    /// Line of the file where it starts, from 1.
    pub first_line: u32,
    /// What it says.
    pub tree: Tree,
    /// Set when its text is a value of another document (YAML inside a ConfigMap): every place is then that value's.
    pub(crate) host: Option<(Arc<Self>, Range<usize>)>,
    /// It came from a live cluster: one object, whose text is JSON that nobody wrote.
    pub(crate) live: bool,
    /// Where its lines end; counted once, for the first place that is shown.
    pub(crate) line_ends: OnceLock<Vec<usize>>,
    /// Characters before every `STEP` bytes; None in ASCII, where they are the bytes. Counted once, like the lines: in
    /// JSON of one line every column would be counted from the beginning.
    pub(crate) characters: OnceLock<Option<Vec<usize>>>,
}

/// A few lines around a place, as they stand in the file: not masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Line number of the first line.
    pub first_line: u32,
    /// Bytes of the lines in the document's text.
    pub lines: Range<usize>,
    /// Bytes to point at in the document's text, inside `lines`.
    pub mark: Range<usize>,
}

impl Document {
    /// One object of a live cluster.
    pub(crate) fn of_cluster(path: Arc<str>, tree: Tree) -> Self {
        Self {
            file: path,
            index: 0,
            offset: 0,
            first_line: 1,
            tree,
            host: None,
            live: true,
            line_ends: OnceLock::new(),
            characters: OnceLock::new(),
        }
    }

    /// Place in the file of bytes of the document's text.
    pub fn location(&self, range: Range<usize>) -> Location {
        if let Some((host, range)) = &self.host {
            return host.location(range.clone());
        }
        if self.live {
            let revision = self.tree.root().at(&["metadata", "resourceVersion"]).and_then(Value::text);
            return Location::live(Arc::clone(&self.file), revision.unwrap_or(""));
        }
        let text = self.tree.source();
        let start = floor(text, range.start);
        let end = floor(text, range.end).max(start);
        let lines_before = self.lines_before(start);
        let column =
            self.characters_before(start).saturating_sub(self.characters_before(self.line_start(start)));
        Location {
            file: Arc::clone(&self.file),
            document: self.index,
            line: self.first_line.saturating_add(count(lines_before)),
            column: count(column).saturating_add(1),
            start: self.offset.saturating_add(start),
            end: self.offset.saturating_add(end),
            revision: None,
        }
    }

    /// Whether it is an object of a live cluster, or of a saved one: there is no text to show around a place.
    pub fn is_live(&self) -> bool {
        self.shown(0..0).0.live
    }

    fn line_ends(&self) -> &[usize] {
        self.line_ends.get_or_init(|| memchr::memchr_iter(b'\n', self.tree.source().as_bytes()).collect())
    }

    fn lines_before(&self, at: usize) -> usize {
        self.line_ends().partition_point(|newline| *newline < at)
    }

    /// Where the line begins that holds a byte.
    fn line_start(&self, at: usize) -> usize {
        let newline = self.lines_before(at).checked_sub(1).and_then(|line| self.line_ends().get(line));
        newline.map_or(0, |newline| newline.saturating_add(1))
    }

    /// Where it ends: at its newline, or at the end of the text.
    fn line_end(&self, at: usize) -> usize {
        self.line_ends().get(self.lines_before(at)).copied().unwrap_or(self.tree.source().len())
    }

    /// Characters that begin before a byte.
    fn characters_before(&self, at: usize) -> usize {
        let bytes = self.tree.source().as_bytes();
        let counts = self.characters.get_or_init(|| {
            let mut all = 0_usize;
            let after = bytes.chunks(STEP).map(|chunk| {
                all = all.saturating_add(characters(chunk));
                all
            });
            (!bytes.is_ascii()).then(|| std::iter::once(0).chain(after).collect())
        });
        let Some(counts) = counts else { return at };
        let step = at / STEP;
        let rest = bytes.get(step.saturating_mul(STEP)..at).unwrap_or(&[]);
        counts.get(step).copied().unwrap_or(0).saturating_add(characters(rest))
    }

    /// The document and bytes to show for bytes of this one: its own, or those of the value it stands in.
    pub fn shown(&self, range: Range<usize>) -> (&Self, Range<usize>) {
        match &self.host {
            Some((host, range)) => host.shown(range.clone()),
            None => (self, range),
        }
    }

    /// Lines around bytes of the document's text.
    pub fn window(&self, range: Range<usize>) -> Window {
        let text = self.tree.source();
        let start = floor(text, range.start);
        let first_line_end = self.line_end(start);
        // A block that spans lines is pointed at by its first line.
        let end = floor(text, range.end).clamp(start, first_line_end.max(start));
        let (mut from, mut to) = (self.line_start(start), self.line_end(end));
        for _ in 0..CONTEXT {
            if from > 0 {
                let previous = self.line_start(from.saturating_sub(1));
                if from.saturating_sub(previous) <= MAX_LINE {
                    from = previous;
                }
            }
            if to < text.len() {
                let next = self.line_end(to.saturating_add(1));
                if next.saturating_sub(to) <= MAX_LINE {
                    to = next;
                }
            }
        }
        if to.saturating_sub(from) > MAX_LINE.saturating_mul(8) {
            from = ceil(text, start.saturating_sub(MAX_LINE / 2)).min(start).max(from);
            to = floor(text, end.saturating_add(MAX_LINE / 2)).max(end).min(to);
        }
        Window {
            first_line: self.first_line.saturating_add(count(self.lines_before(from))),
            lines: from..to,
            mark: start..end,
        }
    }
}

/// Turns bytes of a text that starts at `offset` and `first_line` of a file into a location.
pub(crate) fn place(
    file: &Arc<str>,
    index: u32,
    text: &str,
    offset: usize,
    first_line: u32,
    range: Range<usize>,
) -> Location {
    let start = floor(text, range.start);
    let end = floor(text, range.end).max(start);
    let before = text.get(..start).unwrap_or("");
    let line_text = text.get(line_start(text, start)..start).unwrap_or("");
    Location {
        file: Arc::clone(file),
        document: index,
        line: first_line.saturating_add(count(newlines(before))),
        column: count(line_text.chars().count()).saturating_add(1),
        start: offset.saturating_add(start),
        end: offset.saturating_add(end),
        revision: None,
    }
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(crate) fn newlines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while at < text.len() && !text.is_char_boundary(at) {
        at = at.saturating_add(1);
    }
    at.min(text.len())
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline.saturating_add(1))
}

/// Characters that begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_yaml;

    fn document(text: &str) -> Document {
        let tree = read_yaml(text).unwrap().unwrap();
        Document { live: false, ..Document::of_cluster("-".into(), tree) }
    }

    #[test]
    fn columns_are_characters_from_the_start_of_the_line_whatever_stands_before() {
        for piece in ["plain text", "grün 🦀 тест", "a"] {
            let line = piece.repeat(3 * STEP / piece.len());
            let text = format!("a: '{line}'\nb: '{line}'\n");
            let document = document(&text);
            let places = [0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, text.len() - 1, text.len()];
            for at in places.into_iter().chain((0..text.len()).step_by(97)) {
                let at = text.floor_char_boundary(at);
                let before = &text[..at];
                let line = before.rsplit('\n').next().unwrap();
                let location = document.location(at..at);
                assert_eq!(location.column as usize, line.chars().count() + 1, "{piece} {at}");
                assert_eq!(location.line as usize, before.matches('\n').count() + 1, "{piece} {at}");
            }
            // In ASCII the bytes are the count.
            assert_eq!(document.characters.get().unwrap().is_none(), piece.is_ascii());
        }
    }

    #[test]
    fn a_place_far_into_one_line_counts_one_step_at_most() {
        let text = format!("{{a: ü{}}}", "x".repeat(10 * STEP));
        let document = document(&text);
        document.location(text.len()..text.len());
        let counts = document.characters.get().unwrap().as_ref().unwrap();
        assert_eq!(counts.len(), text.len().div_ceil(STEP) + 1);
        assert_eq!(counts.last(), Some(&text.chars().count()));
    }

    #[test]
    fn a_window_ends_where_its_lines_do() {
        let text = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6";
        let document = document(text);
        let at = text.find("d:").unwrap();
        let window = document.window(at..at + 4);
        assert_eq!(&text[window.lines.clone()], "b: 2\nc: 3\nd: 4\ne: 5\nf: 6");
        assert_eq!((window.first_line, &text[window.mark]), (2, "d: 4"));
        assert_eq!(&text[document.window(0..4).lines], "a: 1\nb: 2\nc: 3");
        assert_eq!(&text[document.window(text.len() - 4..text.len()).lines], "d: 4\ne: 5\nf: 6");
    }
}
