//! Room `model`, pickle: operands. Text is passed over and remembered by place; lines may be of any length.

use memchr::memchr;

use super::end::Halt;
use super::end::Step;
use super::facts::FaultKind;
use super::machine::Machine;
use super::number;
use super::value::Coding;
use super::value::Container;
use super::value::Value;
use super::value::is_loadable_utf8;
use crate::keys::SHORTEST;

/// Longest line that is read as a number: the longest of 64 bits has twenty digits, and any number of zeros before them.
const NUMBER: u64 = 1 << 20;
/// Bytes that a line may need to be searched through in one piece.
const PIECE: usize = 64 << 10;
/// Text is checked in pieces of this length.
const CHECKED: u64 = 1 << 19;

/// Where a line stands, without its line feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) len: u64,
    /// Whether a line feed ends it.
    pub(super) whole: bool,
}

impl Machine<'_> {
    #[inline]
    pub(super) fn text(&mut self, count: u64, coding: Coding) -> Step {
        let at = self.pass(count)?;
        if coding == Coding::Utf8 {
            self.check_text(at, count)?;
        }
        if count >= SHORTEST {
            self.look(at, count)?;
        }
        if count > 1 && self.letters(at)? == *b"__" {
            self.may_be_dunder(at);
        }
        let len = u32::try_from(count).unwrap_or(u32::MAX);
        self.stack.push(Value::Text { at, len, coding });
        Ok(())
    }

    /// Keys of providers in a text.
    fn look(&mut self, at: u64, count: u64) -> Step {
        let held = usize::try_from(count).ok().and_then(|count| self.window.held(at, count));
        if let Some(bytes) = held {
            self.facts.keys.look(at, bytes);
            return Ok(());
        }
        let end = at + count;
        let mut from = at;
        while from < end {
            let want = usize::try_from((end - from).min(CHECKED)).unwrap_or(0);
            let bytes = self.window.bytes_at(from, want)?;
            self.facts.keys.look(from, &bytes);
            let next = from + bytes.len() as u64;
            // The longest key fits what is looked at twice.
            from =
                if next < end && bytes.len() > PIECE { next - PIECE as u64 / 16 } else { next.max(from + 1) };
        }
        Ok(())
    }

    /// The loader stops at text that is not UTF-8.
    #[inline]
    fn check_text(&mut self, at: u64, count: u64) -> Step {
        let held = usize::try_from(count).ok().and_then(|count| self.window.held(at, count));
        match held {
            Some(bytes) if bytes.is_ascii() || is_loadable_utf8(bytes) => Ok(()),
            Some(_) => {
                self.bad_text();
                Ok(())
            }
            None => self.check_long_text(at, count),
        }
    }

    #[cold]
    fn check_long_text(&mut self, at: u64, count: u64) -> Step {
        let (mut from, end) = (at, at + count);
        while from < end {
            let want = usize::try_from((end - from).min(CHECKED)).unwrap_or(0);
            let bytes = self.window.bytes_at(from, want)?;
            // A character may be cut by the end of a piece, but not by the end of the text.
            let is_last = from + bytes.len() as u64 >= end;
            let whole = if is_last { bytes.len() } else { bytes.len().saturating_sub(3) };
            let cut = (whole..=bytes.len()).find(|&cut| bytes.get(..cut).is_some_and(is_loadable_utf8));
            match cut {
                Some(cut) if cut > 0 => from += cut as u64,
                _ => {
                    self.bad_text();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn bad_text(&mut self) {
        let at = self.at;
        self.facts.fault(FaultKind::Broken, at, || "text that is not UTF-8".to_owned());
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: u64, value: Value) -> Step {
        self.pass_on(count)?;
        let value = match value {
            Value::Fresh { kind: Container::Array, .. } => {
                Value::Fresh { kind: Container::Array, size: self.new_size(1, 0) }
            }
            value => value,
        };
        self.stack.push(value);
        Ok(())
    }

    /// Four bytes, signed in CPython: a negative length is an error that ends the stream there.
    pub(super) fn signed_count(&mut self) -> Step<u64> {
        u64::try_from(i32::from_le_bytes(self.take()?)).map_err(|_| Halt::Truncated)
    }

    pub(super) fn long(&mut self, count: u64) -> Step {
        let at = self.pass(count)?;
        let bytes = match usize::try_from(count) {
            Ok(count @ 0..=8) => self.window.bytes_at(at, count)?,
            _ => Vec::new(),
        };
        let mut wide = match bytes.last() {
            Some(last) if last & 0x80 != 0 => [0xff; 8],
            _ => [0; 8],
        };
        wide.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
        let value = if count <= 8 { Value::Int(i64::from_le_bytes(wide)) } else { Value::Number };
        self.stack.push(value);
        Ok(())
    }

    /// Passes over a line, whatever its length. Without a line feed the loader stops.
    pub(super) fn line(&mut self) -> Step<Line> {
        let line = self.line_or_rest()?;
        if line.whole { Ok(line) } else { Err(Halt::Truncated) }
    }

    /// A line, or what is left where no line feed follows.
    pub(super) fn line_or_rest(&mut self) -> Step<Line> {
        if let Some(end) = self.block_end() {
            let left = usize::try_from(end.saturating_sub(self.window.at())).unwrap_or(PIECE).min(PIECE);
            let here = self.window.peek(left)?;
            if memchr(b'\n', here.get(..left).unwrap_or(here)).is_none() {
                self.cross(u64::MAX);
            }
        }
        let at = self.window.at();
        loop {
            let here = self.window.peek(PIECE)?;
            if here.is_empty() {
                return Ok(Line { at, len: self.window.at() - at, whole: false });
            }
            let (found, count) = (memchr(b'\n', here), here.len());
            match found {
                Some(place) => {
                    let len = self.window.at() + place as u64 - at;
                    self.window.skip(place as u64 + 1);
                    return Ok(Line { at, len, whole: true });
                }
                None => self.window.skip(count as u64),
            };
        }
    }

    pub(super) fn line_bytes(&self, line: Line, limit: u64) -> Step<Vec<u8>> {
        Ok(self.window.bytes_at(line.at, usize::try_from(line.len.min(limit)).unwrap_or(0))?)
    }

    pub(super) fn int_line(&mut self) -> Step {
        self.number_line(number::int)
    }

    pub(super) fn long_line(&mut self) -> Step {
        self.number_line(number::long)
    }

    pub(super) fn float_line(&mut self) -> Step {
        self.number_line(|line| number::is_float(line).then_some(Value::Number))
    }

    fn number_line(&mut self, read: impl Fn(&[u8]) -> Option<Value>) -> Step {
        let line = self.line()?;
        let value = read(&self.line_bytes(line, NUMBER)?);
        let at = self.at;
        if value.is_none() {
            self.facts.fault(FaultKind::Broken, at, || "an operand that is no number".to_owned());
        } else if line.len > NUMBER {
            self.long_number();
        }
        let value = value.filter(|_| line.len <= NUMBER);
        self.stack.push(value.unwrap_or(Value::Unknown));
        Ok(())
    }

    #[cold]
    fn long_number(&mut self) {
        let at = self.at;
        self.facts.fault(FaultKind::LongName, at, || format!("a number of more than {NUMBER} bytes"));
    }

    pub(super) fn memo_key(&mut self) -> Step<Option<u64>> {
        let line = self.line()?;
        if line.len > NUMBER {
            self.long_number();
            return Ok(None);
        }
        Ok(number::key(&self.line_bytes(line, NUMBER)?))
    }

    pub(super) fn unicode_line(&mut self) -> Step {
        let line = self.line()?;
        self.look(line.at, line.len)?;
        self.escaped(line.at)?;
        let len = u32::try_from(line.len).unwrap_or(u32::MAX);
        self.stack.push(Value::Text { at: line.at, len, coding: Coding::Raw });
        Ok(())
    }

    /// A text in which letters may be escaped.
    fn escaped(&mut self, at: u64) -> Step {
        if matches!(self.letters(at)?, [b'_' | b'\\', _]) {
            self.may_be_dunder(at);
        }
        Ok(())
    }

    /// The first two bytes of a text; zeros behind the end of the source.
    #[inline]
    fn letters(&self, at: u64) -> Step<[u8; 2]> {
        if let Some(&[first, second]) = self.window.held(at, 2) {
            return Ok([first, second]);
        }
        let mut bytes = self.window.bytes_at(at, 2)?.into_iter();
        Ok([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)])
    }

    pub(super) fn string_line(&mut self) -> Step {
        let line = self.line()?;
        let first = self.window.bytes_at(line.at, 1)?;
        let last = self.window.bytes_at((line.at + line.len).saturating_sub(1), 1)?;
        let is_quoted = line.len >= 2 && first == last && matches!(first.as_slice(), b"'" | b"\"");
        self.look(line.at, line.len)?;
        if is_quoted {
            self.escaped(line.at + 1)?;
            let len = u32::try_from(line.len - 2).unwrap_or(u32::MAX);
            self.stack.push(Value::Text { at: line.at + 1, len, coding: Coding::Escaped });
        } else {
            let at = self.at;
            self.facts.fault(FaultKind::Broken, at, || "a STRING without its quotes".to_owned());
            self.stack.push(Value::Unknown);
        }
        Ok(())
    }
}
