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
        let line_ends = OnceLock::new();
        Self { file: path, index: 0, offset: 0, first_line: 1, tree, host: None, live: true, line_ends }
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
        let line_start = match lines_before.checked_sub(1).and_then(|line| self.line_ends().get(line)) {
            Some(newline) => newline.saturating_add(1),
            None => 0,
        };
        Location {
            file: Arc::clone(&self.file),
            document: self.index,
            line: self.first_line.saturating_add(count(lines_before)),
            column: count(text.get(line_start..start).unwrap_or("").chars().count()).saturating_add(1),
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
        let first_line_end = line_end(text, start);
        // A block that spans lines is pointed at by its first line.
        let end = floor(text, range.end).clamp(start, first_line_end.max(start));
        let (mut from, mut to) = (line_start(text, start), line_end(text, end));
        for _ in 0..CONTEXT {
            if from > 0 {
                let previous = line_start(text, from.saturating_sub(1));
                if from.saturating_sub(previous) <= MAX_LINE {
                    from = previous;
                }
            }
            if to < text.len() {
                let next = line_end(text, to.saturating_add(1));
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

fn line_end(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at.saturating_add(newline))
}
