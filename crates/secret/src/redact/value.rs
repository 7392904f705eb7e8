//! Room `secret`: a line and a place in it -> the value that stands there, and whether it may be shown.

use std::ops::Range;

use super::MASK;
use crate::hit::ELLIPSIS;
use crate::hit::HEAD;
use crate::hit::TAIL;

/// A value in a line.
#[derive(Debug)]
pub(super) struct Value {
    /// Without its quotes.
    pub(super) inner: Range<usize>,
    /// Behind its closing quote.
    pub(super) end: usize,
    /// It ends in this line for sure: a closed quote.
    pub(super) is_closed: bool,
}

/// What ends a value that has no quotes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Until {
    /// `,`, `}` or `]` of a flow collection.
    Flow,
    /// The same, or the colon behind a key.
    FlowKey,
    /// The end of the line.
    Line,
    /// A closing quote of the text around it, or the end of the line.
    Sentence,
    /// A blank, a closing quote of the text around it, or this byte.
    Word(u8),
}

/// The value at `start`.
pub(super) fn read(line: &str, start: usize, until: Until) -> Value {
    let Some(quote) = Quote::open(line, start) else { return read_bare(line, start, until) };
    let inner = start + quote.len();
    match quote.close(line, inner) {
        // A shell joins what follows a quote without a blank; it belongs to the value.
        Some(close) if is_border(line, close + quote.len()) => {
            Value { inner: inner..close, end: close + quote.len(), is_closed: true }
        }
        Some(close) => {
            let end = read_bare(line, close + quote.len(), Until::Word(0)).end;
            Value { inner: start..end, end, is_closed: true }
        }
        None => Value { inner: inner..line.trim_end().len().max(inner), end: line.len(), is_closed: false },
    }
}

fn read_bare(line: &str, start: usize, until: Until) -> Value {
    let text = line.as_bytes();
    let mut at = start;
    // One failed search for a closing quote is enough: a second would make hostile lines quadratic.
    let mut has_open_quote = false;
    while let Some(&byte) = text.get(at) {
        let is_end = match until {
            Until::Flow => ends_flow_scalar(line, at, byte),
            Until::FlowKey => {
                ends_flow_scalar(line, at, byte) || (byte == b':' && is_blank_or_end(text, at + 1))
            }
            Until::Line => false,
            Until::Sentence => closes_quote(line, at),
            Until::Word(stop) => {
                byte.is_ascii_whitespace()
                    || (byte == stop && is_next_pair(text, at))
                    || closes_quote(line, at)
            }
        };
        if is_end {
            break;
        }
        at = match until {
            Until::Line => text.len(),
            Until::Sentence => at + 1,
            Until::Word(_) if !has_open_quote && Quote::open(line, at).is_some() => {
                let close = Quote::open(line, at).and_then(|quote| quote.close(line, at + quote.len()));
                has_open_quote = close.is_none();
                close.unwrap_or(at) + 1
            }
            // A shell joins words at an escaped blank.
            Until::Word(_) if text.get(at..at + 2) == Some(b"\\ ") => at + 2,
            Until::Flow | Until::FlowKey | Until::Word(_) => past_template(line, at),
        };
    }
    let at = at.min(text.len());
    let end = line.get(start..at).map_or(at, |value| start + value.trim_end().len());
    Value { inner: start..end, end: at, is_closed: false }
}

/// `&page=2` of a query, `;User ID=sa` of a connection string: a bare `&` or `;` can be part of a password.
fn is_next_pair(text: &[u8], border: usize) -> bool {
    let next = text.get(border + 1..).unwrap_or_default();
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ');
    let name = next.iter().take(64).take_while(is_name).count();
    name > 0 && next.get(name) == Some(&b'=')
}

fn ends_flow_scalar(line: &str, at: usize, byte: u8) -> bool {
    matches!(byte, b'}' | b']')
        || (byte == b',' && is_flow_comma(line.as_bytes(), at))
        || closes_quote(line, at)
}

fn is_blank_or_end(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(u8::is_ascii_whitespace)
}

/// In a flow collection every comma ends a plain scalar, but a log line looks the same and a password may
/// hold one: only a comma that something new follows counts.
fn is_flow_comma(text: &[u8], comma: usize) -> bool {
    let next = text.get(comma + 1..).unwrap_or_default();
    let name =
        next.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count();
    match next.first() {
        None | Some(b' ' | b'\t' | b'"' | b'\'' | b'{' | b'[' | b'\\') => true,
        _ => name > 0 && matches!(next.get(name), Some(b':' | b'=')),
    }
}

/// Skips what holds blanks and brackets but is one thing: a template or the shown form of a key.
fn past_template(line: &str, at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    for (open, close) in [("$(", ")"), ("${", "}"), ("{{", "}}")] {
        if rest.starts_with(open) {
            let near = rest.get(..rest.floor_char_boundary(LONGEST_TEMPLATE)).unwrap_or(rest);
            return at + near.find(close).map_or(1, |found| found + close.len());
        }
    }
    let shown = rest.strip_prefix(ELLIPSIS).and_then(shown_tail);
    at + shown.map_or(1, |behind| rest.len() - behind.len())
}

const LONGEST_TEMPLATE: usize = 256;

/// A quote mark with the backslashes before it: JSON inside JSON writes `\"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    backslashes: usize,
    mark: u8,
}

impl Quote {
    pub(super) fn open(line: &str, at: usize) -> Option<Self> {
        let rest = line.as_bytes().get(at..)?;
        let backslashes = rest.iter().take(DEEPEST_QUOTE).take_while(|&&byte| byte == b'\\').count();
        let mark = *rest.get(backslashes)?;
        matches!(mark, b'"' | b'\'').then_some(Self { backslashes, mark })
    }

    pub(super) fn len(self) -> usize {
        self.backslashes + 1
    }

    /// Where the closing mark, with its backslashes, begins.
    pub(super) fn close(self, line: &str, from: usize) -> Option<usize> {
        let text = line.as_bytes();
        let mut at = from;
        let mut backslashes = 0;
        while let Some(&byte) = text.get(at) {
            if byte == self.mark {
                if self.backslashes == 0 && self.mark == b'\'' {
                    // YAML doubles a single quote and knows no other escape in it.
                    if text.get(at + 1) != Some(&b'\'') {
                        return Some(at);
                    }
                    at += 1;
                } else if backslashes % (2 * self.len()) == self.backslashes {
                    return Some(at - self.backslashes);
                }
            }
            backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
            at += 1;
        }
        None
    }
}

/// Backslashes before a quote: six levels of JSON inside JSON.
const DEEPEST_QUOTE: usize = 64;

/// True where a quote mark stands that ends something begun before.
pub(super) fn closes_quote(line: &str, at: usize) -> bool {
    Quote::open(line, at).is_some_and(|quote| {
        let next = line.as_bytes().get(at + quote.len());
        next.is_none_or(|&next| {
            next.is_ascii_whitespace() || matches!(next, b',' | b'}' | b']' | b')' | b';' | b'\\')
        })
    })
}

/// True where a value cannot go on.
fn is_border(line: &str, at: usize) -> bool {
    line.as_bytes().get(at).is_none_or(|&next| {
        next.is_ascii_whitespace()
            || matches!(next, b',' | b';' | b':' | b'}' | b']' | b')' | b'&' | b'|' | b'>' | b'\\')
    }) || closes_quote(line, at)
        || line.get(at..at + 2) == Some("/>")
}

/// True for values that tell nothing: a reference, a boolean, nothing at all, or a value masked before.
///
/// Numbers are not among them: a PIN is a number.
pub fn tells_nothing(value: &str) -> bool {
    is_visible(value)
}

/// The same, inside the redactor.
pub(super) fn is_visible(value: &str) -> bool {
    let value = value.trim();
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    let within = |open: &str, close: &str| value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    value.is_empty()
        || value == MASK
        || is_shown_key(value)
        || SAYS_NOTHING.iter().any(|word| value.eq_ignore_ascii_case(word))
        // With a default (`${X:-hunter2}`, `{{ x | default "hunter2" }}`) it is a value.
        || [("$(", ")"), ("${", "}")].into_iter().any(|(open, close)| within(open, close).is_some_and(is_name))
        || within("{{", "}}").is_some_and(|body| !body.contains(['"', '\'', '`', '{', '}']))
        || value.strip_prefix('$').is_some_and(|name| name.len() > 2 && is_variable(name))
        || value.starts_with("op://")
        || value.starts_with("arn:aws:secretsmanager:")
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

const SAYS_NOTHING: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "none", "~", "{}", "[]"];

/// The whole of `value` is the shown form of one key.
fn is_shown_key(value: &str) -> bool {
    let Some((head, tail)) = value.split_once(ELLIPSIS) else { return false };
    head.chars().count() == HEAD && !head.contains(char::is_whitespace) && shown_tail(tail) == Some("")
}

/// What follows `9Q (164 chars)`.
fn shown_tail(tail: &str) -> Option<&str> {
    // No further than the shown form is long: a line of nothing but ellipses would be quadratic.
    let end = tail.char_indices().nth(TAIL)?.0;
    let (last, rest) = tail.split_at_checked(end)?;
    let rest = rest.strip_prefix(" (").filter(|_| !last.contains(" ("))?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let rest = rest.get(digits..)?.strip_prefix(" chars)")?;
    (1..=6).contains(&digits).then_some(rest)
}

pub(super) fn skip_blanks(line: &str, from: usize) -> usize {
    let rest = line.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(line: &str, until: Until) -> &str {
        &line[read(line, 0, until).inner]
    }

    #[test]
    fn a_quoted_value_ends_at_its_own_quote() {
        assert_eq!(inner(r#""a b" c"#, Until::Line), "a b");
        assert_eq!(inner(r#""a\"b", c"#, Until::Flow), r#"a\"b"#);
        assert_eq!(inner(r#""a\\", c"#, Until::Flow), r"a\\");
        assert_eq!(inner("'it''s' c", Until::Line), "it''s");
        assert_eq!(inner(r#"\"a\\\"b\",\"c\""#, Until::Flow), r#"a\\\"b"#);
        assert_eq!(inner(r#""open end"#, Until::Word(0)), "open end");
        assert_eq!(inner(r#""ab"cd'e f' g"#, Until::Word(0)), r#""ab"cd'e f'"#);
    }

    #[test]
    fn a_bare_value_ends_where_its_place_says() {
        assert_eq!(inner("a b # c", Until::Line), "a b # c");
        assert_eq!(inner("a b\"}", Until::Sentence), "a b");
        assert_eq!(inner("a,b, c: d}", Until::Flow), "a,b");
        assert_eq!(inner("a,b: d}", Until::Flow), "a");
        assert_eq!(inner("a&b c", Until::Word(0)), "a&b");
        assert_eq!(inner("a&b&c=d", Until::Word(b'&')), "a&b");
        assert_eq!(inner("$(cat x y) z", Until::Word(0)), "$(cat x y)");
        assert_eq!(inner("abcd…yz (164 chars) z", Until::Word(0)), "abcd…yz (164 chars)");
    }

    #[test]
    fn tells_references_from_values() {
        for value in
            ["$(HF_TOKEN)", "${HF_TOKEN}", "$HF_TOKEN", "{{ .Values.token }}", "true", "null", " ", MASK]
        {
            assert!(is_visible(value), "{value}");
        }
        for value in
            ["hunter2", "1234", "${X:-hunter2}", "$ecret", "{{ x | default \"y\" }}", "‹masked›x", "a…b"]
        {
            assert!(!is_visible(value), "{value}");
        }
    }
}
