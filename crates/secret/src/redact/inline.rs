//! Room `secret`: one line -> the values in it that stand under key-like names, in URLs and in headers.

use std::ops::Range;

use super::flow;
use super::is_key_like;
use super::separator::Separator;
use super::trim;
use super::value;
use super::value::Quote;
use super::value::Until;
use super::value::Value;
use super::value::skip_blanks;

/// Places to mask in `line`. In a document of `kind: Secret` everything under `data` is one.
pub(super) fn spans(line: &str, is_secret: bool) -> Vec<Range<usize>> {
    let mut scan = Scan {
        line,
        is_secret,
        head: head(line),
        in_string: false,
        no_at_before: 0,
        no_end_before: 0,
        looked_at: 0,
        frames: vec![],
        spans: vec![],
    };
    scan.frames.push(Frame::default());
    let mut at = 0;
    let most = line.len().saturating_mul(LOOKS).saturating_add(FREE_LOOKS);
    while at < line.len() {
        if scan.looked_at > most {
            scan.spans.push(at..line.len());
            break;
        }
        at = scan.step(at);
    }
    while let Some(frame) = scan.frames.pop() {
        scan.close(frame);
    }
    scan.spans
}

/// How often each byte of a line may be looked at as part of a value, on average, and how many looks are free. Of a line
/// whose values lie in one another the rest is masked as a whole: who can make that time is short of nothing else.
const LOOKS: usize = 64;
const FREE_LOOKS: usize = 64 << 10;

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
    pub(super) head: usize,
    /// Inside plain double quotes, where commas and braces mean nothing.
    in_string: bool,
    /// Up to here no URL names a user.
    pub(super) no_at_before: usize,
    /// Up to here no URL ends.
    pub(super) no_end_before: usize,
    /// Bytes that were read as values, those in one another for each.
    looked_at: usize,
    /// Open brackets; the first is the line itself.
    frames: Vec<Frame>,
    spans: Vec<Range<usize>>,
}

/// One mapping: `{name: HF_TOKEN, value: abc}` in either order.
#[derive(Default)]
struct Frame {
    is_secret: bool,
    values: Vec<Range<usize>>,
    has_access_key: bool,
    secret_keys: Vec<Range<usize>>,
}

impl<'l> Scan<'l> {
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.line.as_bytes().get(at).copied().unwrap_or_default()
    }

    fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |before| self.byte(before))
    }

    pub(super) fn text(&self, range: Range<usize>) -> &'l str {
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
        if frame.has_access_key {
            self.push_all(frame.secret_keys);
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

    /// The value at `start`.
    pub(super) fn read(&mut self, start: usize, until: Until) -> Value {
        let found = value::read(self.line, start, until);
        self.looked_at = self.looked_at.saturating_add(found.end.saturating_sub(start));
        found
    }

    /// The scalars of the collection at `start`, and where it ends.
    fn leaves(&mut self, start: usize, all: bool) -> (Vec<Range<usize>>, usize) {
        let (leaves, end) = flow::leaves(self.line, start, all);
        self.looked_at = self.looked_at.saturating_add(end.saturating_sub(start));
        (leaves, end)
    }

    /// Looks at a word and what follows it; returns where to go on.
    fn word(&mut self, word: Range<usize>) -> usize {
        let name = self.text(word.clone());
        match name {
            "name" | "Name" | "key" | "Key" => self.note_name(word.end),
            "value" | "Value" => self.note_value(word.end),
            "secretKey" => self.note_secret_key(word.end),
            "Bearer" | "bearer" => return self.bearer(word.end),
            "-u" | "--user" | "--proxy-user" => return self.user_and_password(word.end),
            "data" if self.is_secret => return self.secret_data(word.end),
            "stringData" => return self.secret_data(word.end),
            // What follows owns the rest of the line as if it came first.
            "export" | "ENV" | "ARG" | "set" if word.start == self.head => {
                self.head = skip_blanks(self.line, word.end);
            }
            _ => return self.named(name, word),
        }
        word.end
    }

    fn note_name(&mut self, end: usize) {
        let Some((Separator::Assign | Separator::Colon, start)) = self.separator(end, "") else { return };
        // Names are short; looking further would make hostile lines quadratic.
        let near = self.line.get(..self.line.floor_char_boundary(start + 256)).unwrap_or(self.line);
        let inner = value::read(near, start, Until::Flow).inner;
        let is_secret = is_key_like(self.text(inner));
        if let Some(frame) = self.frames.last_mut() {
            frame.is_secret |= is_secret;
        }
    }

    fn note_value(&mut self, end: usize) {
        let Some((Separator::Assign | Separator::Colon, start)) = self.separator(end, "") else { return };
        // The word inside a value that is noted already is no second one.
        let is_new = |frame: &Frame| frame.values.last().is_none_or(|last| last.end <= start);
        if !self.frames.last().is_some_and(is_new) {
            return;
        }
        let value = self.read(start, Until::Flow).inner;
        if let Some(frame) = self.frames.last_mut() {
            frame.values.push(value);
        }
    }

    /// Beside an access key it is the other half of the pair, else the name of a key in a Secret.
    fn note_secret_key(&mut self, end: usize) {
        let Some((Separator::Colon, start)) = self.separator(end, "") else { return };
        let is_new = |frame: &Frame| frame.secret_keys.last().is_none_or(|last| last.end <= start);
        if !self.frames.last().is_some_and(is_new) {
            return;
        }
        let value = self.read(start, Until::Flow).inner;
        if let Some(frame) = self.frames.last_mut() {
            frame.secret_keys.push(value);
        }
    }

    fn secret_data(&mut self, end: usize) -> usize {
        match self.separator(end, "") {
            Some((Separator::Colon, start)) if self.byte(start) == b'{' => {
                let (leaves, end) = self.leaves(start, true);
                self.push_all(leaves);
                end
            }
            _ => end,
        }
    }

    /// Looks at the name last: most words of a text have no value behind them.
    fn named(&mut self, name: &str, word: Range<usize>) -> usize {
        if self.before(word.start) == b'<' && self.byte(word.end) == b'>' {
            return if is_key_like(name) { self.element(word.end + 1) } else { word.end };
        }
        match self.separator(word.end, name) {
            Some((separator, start)) if is_key_like(name) => self.key_like(name, word, separator, start),
            _ => word.end,
        }
    }

    fn key_like(&mut self, name: &str, word: Range<usize>, separator: Separator, start: usize) -> usize {
        if let Some(frame) = self.frames.last_mut() {
            frame.has_access_key |= is_access_key(name);
        }
        let is_glued = start == word.end + 1 && separator == Separator::Colon;
        // `image: org/auth:v1` is no name with a value.
        if is_glued && matches!(self.before(word.start), b'/' | b':' | b'.' | b'@') {
            return word.end;
        }
        if start >= self.line.len() || trim::is_block_indicator(self.line.get(start..).unwrap_or_default()) {
            return word.end;
        }
        if matches!(self.byte(start), b'{' | b'[') && self.byte(start + 1) != b'{' {
            let (leaves, end) = self.leaves(start, false);
            if matches!(self.byte(end), 0 | b' ' | b'\t' | b'\r' | b',' | b'}' | b']' | b'"' | b'\'' | b'\\')
            {
                self.push_all(leaves);
                return end;
            }
        }
        let until = self.until(separator, &word, is_glued);
        let mut found = self.read(start, until);
        let is_bare = Quote::open(self.line, start).is_none();
        if until == Until::Line && is_bare {
            found = trim::without_comment_if_visible(self.line, found);
            if separator == Separator::Assign {
                found = trim::before_next_command(self.line, found);
            }
        }
        // In `"name":"HF_TOKEN","value":"abc"` the next string is a key.
        let is_key = separator == Separator::Comma && self.byte(skip_blanks(self.line, found.end)) == b':';
        // `--token --port`: the flag has no value.
        let is_bare_flag = matches!(separator, Separator::Blank | Separator::Comma);
        if is_key || (is_bare_flag && self.byte(found.inner.start) == b'-') {
            return word.end;
        }
        if self.push(found.inner) { found.end } else { word.end }
    }

    /// `<password>abc</password>` from behind the first tag.
    fn element(&mut self, start: usize) -> usize {
        let text = self.text(start..self.line.len());
        let end = start + text.find('<').unwrap_or(text.len());
        if self.push(start..end) { end } else { start }
    }

    fn until(&self, separator: Separator, word: &Range<usize>, is_glued: bool) -> Until {
        let is_quoted = matches!(self.before(word.start), b'"' | b'\'');
        let is_head = word.start == self.head && !is_quoted;
        match separator {
            Separator::Colon if is_glued && !is_quoted && !is_head => Until::Word(0),
            Separator::Colon if is_quoted => Until::Flow,
            Separator::Assign if is_quoted => Until::Sentence,
            Separator::Colon | Separator::Assign if is_head => Until::Line,
            Separator::Assign | Separator::Colon | Separator::Comma if self.is_in_flow() => Until::Flow,
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

    /// Inside brackets, and not only a string that looks so.
    pub(super) fn is_in_flow(&self) -> bool {
        self.frames.len() > 1 && !self.in_string
    }
}

/// Names of the half that says who, in whose company `secretKey` holds the other half.
pub(super) fn is_access_key(name: &str) -> bool {
    ["accessKey", "accessKeyId", "accessKeyID"].contains(&name)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}
