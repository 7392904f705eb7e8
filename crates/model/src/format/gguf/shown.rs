//! Room `model`, format `gguf`: a value of the metadata -> words for who inspects.

use super::Reader;
use super::Step;
use super::value;

/// Bytes of a text that are read; the book cuts what it lists, once keys are masked.
const TEXT: u64 = 4096;
/// Elements of an array.
const ELEMENTS: u64 = 8;

impl Reader<'_, '_> {
    /// Tells the book of a value that stands at `at` and was read already.
    pub(super) fn show(&mut self, key: &str, kind: u32, at: u64) -> Step {
        if self.book.is_none() {
            return Ok(());
        }
        let words = match kind {
            value::ARRAY => self.array_shown(at)?,
            kind => self.one_shown(kind, at)?.0,
        };
        if let Some(book) = &mut self.book {
            book.entry(key, &words);
        }
        Ok(())
    }

    fn array_shown(&self, at: u64) -> Step<String> {
        let (kind, count) = (self.number(at, 4)?, self.number(at + 4, 8)?);
        let kind = u32::try_from(kind).unwrap_or(u32::MAX);
        if kind == value::ARRAY {
            return Ok(format!("{count} arrays"));
        }
        let mut from = at + 12;
        let mut words = Vec::new();
        for _ in 0..count.min(ELEMENTS) {
            let (word, end) = self.one_shown(kind, from)?;
            words.push(word);
            from = end;
        }
        let more = if count > ELEMENTS { format!(", ... ({count})") } else { String::new() };
        Ok(format!("[{}{more}]", words.join(", ")))
    }

    /// The words, and the byte behind the value.
    fn one_shown(&self, kind: u32, at: u64) -> Step<(String, u64)> {
        if kind == value::STRING {
            let len = self.number(at, 8)?;
            let bytes = self.window.bytes_at(at + 8, usize::try_from(len.min(TEXT)).unwrap_or(0))?;
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            if len > TEXT {
                text.push_str("...");
            }
            return Ok((text, at.saturating_add(8).saturating_add(len)));
        }
        let Some(size) = value::size(kind) else { return Ok(("?".to_owned(), at)) };
        let bits = self.number(at, size)?;
        let [a, b, c, d, ..] = bits.to_le_bytes();
        let words = match kind {
            value::BOOL => (bits != 0).to_string(),
            value::I8 => i8::from_le_bytes([a]).to_string(),
            value::I16 => i16::from_le_bytes([a, b]).to_string(),
            value::I32 => i32::from_le_bytes([a, b, c, d]).to_string(),
            value::I64 => bits.cast_signed().to_string(),
            value::F32 => f32::from_le_bytes([a, b, c, d]).to_string(),
            value::F64 => f64::from_bits(bits).to_string(),
            _ => bits.to_string(),
        };
        Ok((words, at + size))
    }

    /// A number of so many bytes in the order of the file.
    fn number(&self, at: u64, size: u64) -> Step<u64> {
        let mut bytes = self.window.bytes_at(at, usize::try_from(size).unwrap_or(0))?;
        if !self.is_big {
            bytes.reverse();
        }
        Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}
