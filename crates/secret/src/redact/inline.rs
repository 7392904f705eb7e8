//! Room `secret`: one line -> the values in it that stand under key-like names, in URLs and in headers.

use std::ops::Range;

use super::flow;
use super::is_key_like;
use super::trim;
use super::value;
use super::value::Quote;
use super::value::Until;
use super::value::skip_blanks;

/// Places to mask in `line`. In a document of `kind: Secret` everything under `data` is one.
pub(super) fn spans(line: &str, is_secret: bool) -> Vec<Range<usize>> {
    let mut scan = Scan {
        line,
        is_secret,
        head: head(line),
        in_string: false,
        no_at_before: 0,
        frames: vec![],
        spans: vec![],
    };
    scan.frames.push(Frame::default());
    let mut at = 0;
    while at < line.len() {
        at = scan.step(at);
    }
    while let Some(frame) = scan.frames.pop() {
        scan.close(frame);
    }
    scan.spans
}

/// Where the content of a line begins: behind indentation, comment signs, list dashes and an opening quote.
fn head(line: &str) -> usize {
    let text = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let is_dash = byte == b'-' && matches!(text.get(at + 1), Some(b' '));
        if !is_dash && !matches!(byte, b' ' | b'\t' | b'#') {
            break;
        }
        at += 1;
    }
    at + Quote::open(line, at).map_or(0, Quote::len)
}

pub(super) struct Scan<'l> {
    pub(super) line: &'l str,
    is_secret: bool,
    /// Where a name must begin to own the rest of the line.
    head: usize,
    /// Inside plain double quotes, where commas and braces mean nothing.
    in_string: bool,
    /// Up to here no URL names a user.
    pub(super) no_at_before: usize,
    /// Open brackets; the first is the line itself.
    frames: Vec<Frame>,
    spans: Vec<Range<usize>>,
}

/// One mapping: `{name: HF_TOKEN, value: abc}` in either order.
#[derive(Default)]
struct Frame {
    is_secret: bool,
    values: Vec<Range<usize>>,
}

/// What stands between a name and its value.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Separator {
    /// `=`, `:=`, `=>`
    Assign,
    /// Only blanks.
    Blank,
    /// `:`
    Colon,
    /// `", "`: the next of a list of strings.
    Comma,
}

impl Scan<'_> {
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.line.as_bytes().get(at).copied().unwrap_or_default()
    }

    fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.byte(before))
    }

    pub(super) fn text(&self, range: Range<usize>) -> &str {
        self.line.get(range).unwrap_or_default()
    }

    fn step(&mut self, at: usize) -> usize {
        match self.byte(at) {
            b'{' | b'[' => self.frames.push(Frame::default()),
            b'}' | b']' if self.frames.len() > 1 => {
                if let Some(frame) = self.frames.pop() {
                    self.close(frame);
                }
            }
            b'"' if self.before(at) != b'\\' => self.in_string = !self.in_string,
            b':' if self.text(at..at + 3) == "://" => return self.url(at + 3),
            byte if is_name(byte) => {
                let rest = self.line.as_bytes().get(at..).unwrap_or_default();
                let end = at + rest.iter().take_while(|&&byte| is_name(byte)).count();
                return self.word(at..end).max(end);
            }
            _ => {}
        }
        at + 1
    }

    fn close(&mut self, frame: Frame) {
        if frame.is_secret {
            self.push_all(frame.values);
        }
    }

    fn push_all(&mut self, ranges: Vec<Range<usize>>) {
        for range in ranges {
            self.push(range);
        }
    }

    /// Masks `range` if it holds anything to mask.
    pub(super) fn push(&mut self, range: Range<usize>) -> bool {
        let range = trim::behind_scheme(self.line, range);
        let hides = !value::is_visible(self.text(range.clone()));
        if hides {
            self.spans.push(range);
        }
        hides
    }

    /// Looks at a word and what follows it; returns where to go on.
    fn word(&mut self, word: Range<usize>) -> usize {
        let name = self.text(word.clone()).to_owned();
        match name.as_str() {
            "name" | "Name" | "key" | "Key" => self.note_name(word.end),
            "value" | "Value" => self.note_value(word.end),
            "Bearer" | "bearer" => return self.bearer(word.end),
            "-u" | "--user" | "--proxy-user" => return self.user_and_password(word.end),
            "data" if self.is_secret => return self.secret_data(word.end),
            "stringData" => return self.secret_data(word.end),
            // What follows owns the rest of the line as if it came first.
            "export" | "ENV" | "ARG" | "set" if word.start == self.head => {
                self.head = skip_blanks(self.line, word.end);
            }
            _ if is_key_like(&name) => return self.key_like(&name, word),
            _ => {}
        }
        word.end
    }

    fn note_name(&mut self, end: usize) {
        let Some((Separator::Colon, start)) = self.separator(end, "") else { return };
        // Names are short; looking further would make hostile lines quadratic.
        let near = self.line.get(..self.line.floor_char_boundary(start + 256)).unwrap_or(self.line);
        let inner = value::read(near, start, Until::Flow).inner;
        let is_secret = is_key_like(self.text(inner));
        if let Some(frame) = self.frames.last_mut() {
            frame.is_secret |= is_secret;
        }
    }

    fn note_value(&mut self, end: usize) {
        let Some((Separator::Colon, start)) = self.separator(end, "") else { return };
        let Some(frame) = self.frames.last_mut() else { return };
        // The word inside a value that is noted already is no second one.
        if frame.values.last().is_none_or(|last| last.end <= start) {
            frame.values.push(value::read(self.line, start, Until::Flow).inner);
        }
    }

    fn secret_data(&mut self, end: usize) -> usize {
        match self.separator(end, "") {
            Some((Separator::Colon, start)) if self.byte(start) == b'{' => {
                let (leaves, end) = flow::leaves(self.line, start, true);
                self.push_all(leaves);
                end
            }
            _ => end,
        }
    }

    fn key_like(&mut self, name: &str, word: Range<usize>) -> usize {
        let Some((separator, start)) = self.separator(word.end, name) else { return word.end };
        let is_glued = start == word.end + 1 && separator == Separator::Colon;
        // `image: org/auth:v1` is no name with a value.
        if is_glued && matches!(self.before(word.start), b'/' | b':' | b'.' | b'@') {
            return word.end;
        }
        if start >= self.line.len() || trim::is_block_indicator(self.line.get(start..).unwrap_or_default()) {
            return word.end;
        }
        if matches!(self.byte(start), b'{' | b'[') && self.byte(start + 1) != b'{' {
            let (leaves, end) = flow::leaves(self.line, start, false);
            if matches!(self.byte(end), 0 | b' ' | b'\t' | b'\r' | b',' | b'}' | b']' | b'"' | b'\'' | b'\\')
            {
                self.push_all(leaves);
                return end;
            }
        }
        let until = self.until(separator, &word, is_glued);
        let mut found = value::read(self.line, start, until);
        let is_bare = Quote::open(self.line, start).is_none();
        if until == Until::Line && is_bare {
            found = trim::without_comment_if_visible(self.line, found);
            if separator == Separator::Assign {
                found = trim::before_next_command(self.line, found);
            }
        }
        // `--token --port`: the flag has no value.
        if separator == Separator::Blank && self.byte(found.inner.start) == b'-' {
            return word.end;
        }
        if self.push(found.inner) { found.end } else { word.end }
    }

    fn until(&self, separator: Separator, word: &Range<usize>, is_glued: bool) -> Until {
        let is_quoted = matches!(self.before(word.start), b'"' | b'\'');
        let is_head = word.start == self.head && !is_quoted;
        match separator {
            Separator::Colon if is_glued && !is_quoted && !is_head => Until::Word(0),
            Separator::Colon if is_quoted => Until::Flow,
            Separator::Assign if is_quoted => Until::Sentence,
            Separator::Colon | Separator::Assign if is_head => Until::Line,
            Separator::Colon if self.frames.len() > 1 && !self.in_string => Until::Flow,
            Separator::Colon => Until::Sentence,
            Separator::Blank if is_head && self.byte(word.start) != b'-' => Until::Line,
            Separator::Assign => Until::Word(match self.before(word.start) {
                b'?' | b'&' => b'&',
                b';' => b';',
                _ => 0,
            }),
            Separator::Blank | Separator::Comma => Until::Word(0),
        }
    }

    /// The separator behind a name that ends at `end`, and where the value begins.
    fn separator(&self, end: usize, name: &str) -> Option<(Separator, usize)> {
        let quote = Quote::open(self.line, end).map_or(0, Quote::len);
        let mut at = end + quote;
        // `os.environ["HF_TOKEN"] = "abc"`
        at += usize::from(self.byte(at) == b']');
        let blanks = skip_blanks(self.line, at);
        let is_flag = name.starts_with('-');
        let next = |at| skip_blanks(self.line, at);
        match (self.byte(blanks), self.byte(blanks + 1)) {
            (b':', b'=') | (b'=', b'=' | b'>') => Some((Separator::Assign, next(blanks + 2))),
            (b':', b':') => None,
            (b':', b'/') if self.byte(blanks + 2) == b'/' => None,
            (b':', _) => Some((Separator::Colon, next(blanks + 1))),
            (b'=', _) => Some((Separator::Assign, next(blanks + 1))),
            (b',', _) if quote > 0 && (is_flag || is_variable(name)) => {
                let start = next(blanks + 1);
                Quote::open(self.line, start).map(|_| (Separator::Comma, start))
            }
            // `requirepass abc` of redis.conf, `ENV HF_TOKEN abc` of a Dockerfile.
            _ if blanks > at && quote == 0 && (is_flag || self.takes_blank(name, end)) => {
                Some((Separator::Blank, blanks))
            }
            _ => None,
        }
    }

    fn takes_blank(&self, name: &str, end: usize) -> bool {
        let start = end - name.len();
        let is_docker = ["ENV", "ARG"].iter().any(|word| self.text(0..start).trim() == *word);
        start == self.head && (is_docker || matches!(name, "requirepass" | "masterauth"))
    }
}

fn is_variable(name: &str) -> bool {
    name.contains('_') && !name.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}
