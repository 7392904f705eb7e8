//! Room `model`, pickle: what stands on the stack and in the memo. Sixteen bytes each, whatever it stands for.

/// A value as far as the machine follows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nobody knows: behind an error, or the result of a call that is not followed.
    Unknown,
    /// `None`.
    None,
    /// A number that fits; booleans too.
    Int(i64),
    /// Any other number.
    Number,
    /// Text: where its operand stands in the source and how it is written there.
    Text { at: u64, len: u32, coding: Coding },
    /// Bytes, passed over.
    Bytes,
    /// `bytearray`, or a list, dict or set that this stream has made; the index is that of its symbolic size.
    Fresh { kind: Container, size: u32 },
    /// A tuple, its items in the cells where there are few of them; the size counts what it refers to.
    Tuple { start: u32, len: u16, size: u32 },
    /// A name that was looked up.
    Global(u32),
    /// What a call or constructor of a name gave; `args` is the first cell of its arguments.
    Object { class: u32, args: u32, len: u16 },
    /// What a persistent id stands for; the index is that of the storage, where the id has the form of one.
    Persistent(Option<u32>),
}

/// A container that opcodes make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// `list`
    List,
    /// `dict`
    Dict,
    /// `set`
    Set,
    /// `frozenset`
    Frozen,
    /// `bytearray`
    Array,
}

/// How text is written in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Coding {
    /// BINUNICODE and its like: UTF-8, lone surrogates allowed.
    Utf8,
    /// UNICODE: raw-unicode-escape.
    Raw,
    /// BINSTRING: bytes that the loader decodes, as ASCII unless told otherwise.
    Plain,
    /// STRING: as BINSTRING, with backslash escapes.
    Escaped,
}

const _: () = assert!(size_of::<Value>() == 16, "half a memo of sixteen million");

/// Text as the loader reads it; none where the loader would fail.
pub(crate) fn decode(bytes: &[u8], coding: Coding) -> Option<String> {
    match coding {
        // A lone surrogate cannot be part of a name that exists: a replacement character says as much.
        Coding::Utf8 => is_loadable_utf8(bytes).then(|| String::from_utf8_lossy(bytes).into_owned()),
        Coding::Raw => raw_unicode_escape(bytes),
        Coding::Plain => Some(bytes.iter().copied().map(char::from).collect()),
        Coding::Escaped => escape_decode(bytes),
    }
}

/// UTF-8 with lone surrogates (error handler `surrogatepass`).
pub(crate) fn is_loadable_utf8(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Err(error) = std::str::from_utf8(rest) {
        let from = error.valid_up_to();
        let surrogate = rest.get(from..).and_then(|bytes| bytes.first_chunk::<3>()).is_some_and(
            |&[first, second, third]| {
                first == 0xed && (0xa0..=0xbf).contains(&second) && third & 0xc0 == 0x80
            },
        );
        if !surrogate {
            return false;
        }
        rest = rest.get(from + 3..).unwrap_or_default();
    }
    true
}

fn raw_unicode_escape(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let digits = match (first, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            // A backslash before anything else stands for itself, and so does what follows it.
            (b'\\', Some(&other)) => {
                text.push('\\');
                text.push(char::from(other));
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            _ => {
                text.push(char::from(first));
                rest = after;
                continue;
            }
        };
        let hex = after.get(1..=digits).and_then(|hex| std::str::from_utf8(hex).ok())?;
        let code = u32::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|digit| digit != b'+'))?;
        if code > 0x10_ffff {
            return None;
        }
        text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
        rest = after.get(1 + digits..).unwrap_or_default();
    }
    Some(text)
}

/// `codecs.escape_decode`, then Latin-1.
fn escape_decode(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            text.push(char::from(byte));
            continue;
        }
        match rest.next()? {
            b'\n' => {}
            b'a' => text.push('\x07'),
            b'b' => text.push('\x08'),
            b't' => text.push('\t'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b'f' => text.push('\x0c'),
            b'v' => text.push('\x0b'),
            b'x' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let code = digit()? * 16 + digit()?;
                text.push(char::from_u32(code)?);
            }
            first @ b'0'..=b'7' => {
                let mut code = u32::from(first - b'0');
                for _ in 0..2 {
                    match rest.peek() {
                        Some(next @ b'0'..=b'7') => code = code * 8 + u32::from(next - b'0'),
                        _ => break,
                    }
                    rest.next();
                }
                text.push(char::from_u32(code & 0xff)?);
            }
            quoted @ (b'\\' | b'\'' | b'"') => text.push(char::from(quoted)),
            // Unknown escapes stay as they are.
            other => {
                text.push('\\');
                text.push(char::from(other));
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_as_cpython_does() {
        let read = |bytes: &[u8], coding| decode(bytes, coding);
        assert_eq!(read(br"V\u0070osix", Coding::Raw).as_deref(), Some("Vposix"));
        assert_eq!(read(br"\U00000070", Coding::Raw).as_deref(), Some("p"));
        assert_eq!(read(br"a\n\\u0041", Coding::Raw).as_deref(), Some(r"a\n\\u0041"));
        assert_eq!(read(br"\u00", Coding::Raw), None);
        assert_eq!(read(br"\U00110000", Coding::Raw), None);
        assert_eq!(read(br"\x6f\163\n\q\'", Coding::Escaped).as_deref(), Some("os\n\\q'"));
        assert_eq!(read(br"\", Coding::Escaped), None);
        assert_eq!(read(br"\x4", Coding::Escaped), None);
        assert_eq!(read(b"\xff", Coding::Plain).as_deref(), Some("\u{ff}"));
        assert_eq!(read(b"a\xed\xa0\x80b", Coding::Utf8).map(|text| text.starts_with('a')), Some(true));
        assert_eq!(read(b"a\xff", Coding::Utf8), None);
        assert_eq!(read("日本".as_bytes(), Coding::Utf8).as_deref(), Some("日本"));
    }
}
