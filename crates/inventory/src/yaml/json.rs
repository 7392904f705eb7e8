//! JSON text -> tree (RFC 8259), without recursion. YAML readers refuse tabs and `\/` that kubectl's JSON may hold.

use std::fmt::Write as _;

use super::builder::Builder;
use super::error::ParseError;
use super::tree::Kind;
use super::tree::Tree;

/// Reads one JSON value from the start of `text` and returns it with the bytes it took, so that values one after
/// another (a JSON stream) can be read in turn. None: nothing but blanks.
///
/// # Errors
/// With the byte offset in `text`.
pub fn read_json(text: &str) -> Result<Option<(Tree, usize)>, ParseError> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    if reader.at == text.len() {
        return Ok(None);
    }
    // The tree keeps only the text of its own value; how far that reaches is known at the end.
    let start = reader.at;
    let end = skip_value(text, start)?;
    let mut builder = Builder::new(text.get(..end).unwrap_or(text));
    reader.value(&mut builder)?;
    Ok(builder.finish().map(|tree| (tree, reader.at)))
}

/// End of the value at `start`: brackets balanced outside of strings, or the end of a scalar.
fn skip_value(text: &str, start: usize) -> Result<usize, ParseError> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, start);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = skip_string(bytes, at),
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
            }
            b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Ok(at),
            _ => {}
        }
        at = at.saturating_add(1);
        if depth == 0 && matches!(byte, b'}' | b']' | b'"') {
            return Ok(at.min(text.len()));
        }
    }
    if depth > 0 {
        return Err(ParseError::Syntax {
            at: text.len(),
            message: "the JSON text ends inside a value".to_owned(),
        });
    }
    Ok(text.len())
}

/// Index of the closing quote.
fn skip_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start.saturating_add(1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at = at.saturating_add(1),
            b'"' => return at,
            _ => {}
        }
        at = at.saturating_add(1);
    }
    at
}

struct Reader<'s> {
    text: &'s str,
    at: usize,
}

/// What may come next inside a collection.
#[derive(Clone, Copy, PartialEq)]
enum Await {
    /// First item or the closing bracket.
    FirstOrEnd,
    /// An item after a comma.
    Item,
    /// A comma or the closing bracket.
    CommaOrEnd,
}

impl Reader<'_> {
    fn value(&mut self, builder: &mut Builder) -> Result<(), ParseError> {
        let mut open: Vec<(bool, Await)> = Vec::new();
        loop {
            self.blanks();
            let Some(&(mapping, awaits)) = open.last() else {
                if self.scalar_or_open(builder, &mut open)? {
                    return Ok(());
                }
                continue;
            };
            let closing = if mapping { b'}' } else { b']' };
            match (awaits, self.peek()) {
                (Await::FirstOrEnd | Await::CommaOrEnd, Some(byte)) if byte == closing => {
                    self.at = self.at.saturating_add(1);
                    builder.close(Some(self.at))?;
                    open.pop();
                    if open.is_empty() {
                        return Ok(());
                    }
                    set_last(&mut open, Await::CommaOrEnd);
                }
                (Await::CommaOrEnd, Some(b',')) => {
                    self.at = self.at.saturating_add(1);
                    set_last(&mut open, Await::Item);
                }
                (Await::CommaOrEnd, _) => return Err(self.expected("a comma or the end of the collection")),
                _ => {
                    if mapping {
                        self.key(builder)?;
                    }
                    self.blanks();
                    set_last(&mut open, Await::CommaOrEnd);
                    self.scalar_or_open(builder, &mut open)?;
                }
            }
        }
    }

    fn key(&mut self, builder: &mut Builder) -> Result<(), ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        self.string(builder)?;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.expected("a colon after the key"));
        }
        self.at = self.at.saturating_add(1);
        Ok(())
    }

    /// Reads a scalar (true: the value is complete) or opens a collection (false).
    fn scalar_or_open(
        &mut self,
        builder: &mut Builder,
        open: &mut Vec<(bool, Await)>,
    ) -> Result<bool, ParseError> {
        match self.peek() {
            Some(byte @ (b'{' | b'[')) => {
                builder.open(byte == b'{', 0, self.at)?;
                open.push((byte == b'{', Await::FirstOrEnd));
                self.at = self.at.saturating_add(1);
                Ok(false)
            }
            Some(b'"') => self.string(builder).map(|()| true),
            Some(_) => self.literal(builder).map(|()| true),
            None => Err(self.expected("a value")),
        }
    }

    fn literal(&mut self, builder: &mut Builder) -> Result<(), ParseError> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let word = rest.get(..length).unwrap_or("");
        if !matches!(word, "true" | "false" | "null") && !is_json_number(word) {
            return Err(self.expected("a value"));
        }
        let start = self.at;
        self.at = self.at.saturating_add(length);
        builder.scalar(Kind::Plain, word, start..self.at, 0)
    }

    fn string(&mut self, builder: &mut Builder) -> Result<(), ParseError> {
        let start = self.at;
        let end = skip_string(self.text.as_bytes(), start);
        let Some(inner) = self.text.get(start.saturating_add(1)..end).filter(|_| end < self.text.len())
        else {
            return Err(self.expected("the closing quote"));
        };
        self.at = end.saturating_add(1);
        if inner.bytes().any(|byte| byte < 0x20) {
            self.at = start;
            return Err(self.expected("control characters to be escaped"));
        }
        if !inner.contains('\\') {
            return builder.scalar(Kind::Text, inner, start..self.at, 0);
        }
        let text = unescape(inner).ok_or(ParseError::Syntax {
            at: start,
            message: "an escape that JSON does not know".to_owned(),
        })?;
        builder.scalar(Kind::Text, &text, start..self.at, 0)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, what: &str) -> ParseError {
        ParseError::Syntax { at: self.at, message: format!("expected {what}") }
    }
}

fn set_last(open: &mut [(bool, Await)], awaits: Await) {
    if let Some(last) = open.last_mut() {
        last.1 = awaits;
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`
fn is_json_number(word: &str) -> bool {
    let body = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (body.get(..at).unwrap_or(""), body.get(at.saturating_add(1)..)),
        None => (body, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|part| digits(part.strip_prefix(['+', '-']).unwrap_or(part)))
}

fn unescape(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at)?);
        let escape = rest.as_bytes().get(at.checked_add(1)?)?;
        let mut used = at.checked_add(2)?;
        match escape {
            b'"' => out.push('"'),
            b'\\' => out.push('\\'),
            b'/' => out.push('/'),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let high = hex4(rest, used)?;
                used = used.checked_add(4)?;
                let low = (0xD800..0xDC00).contains(&high).then(|| {
                    let follows = rest.get(used..used.checked_add(2)?)? == "\\u";
                    follows
                        .then(|| hex4(rest, used.checked_add(2)?))?
                        .filter(|low| (0xDC00..0xE000).contains(low))
                });
                match low.flatten() {
                    Some(low) => {
                        used = used.checked_add(6)?;
                        out.push(char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?);
                    }
                    // A lone surrogate: Go's reader puts the replacement character.
                    None => out.push(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            _ => return None,
        }
        rest = rest.get(used..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// Appends `text` as a JSON string, in quotes.
pub fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn hex4(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..at.checked_add(4)?)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
