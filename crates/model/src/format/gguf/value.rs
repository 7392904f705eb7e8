//! Room `model`, format `gguf`: keys and their values. Text goes to whoever looks for keys of providers; templates are read.

use super::Halt;
use super::Reader;
use super::Step;
use super::TEMPLATES;
use super::jinja;
use crate::keys;

/// Deepest arrays in arrays; llama.cpp refuses the second.
const DEPTH: usize = 8;
/// Most bytes that are read at once.
const PIECE: usize = 1 << 20;
/// Longest name of a key; the format's own limit.
const NAME: u64 = 65_535;
/// Beginning of the keys that hold templates: the main one, and `.NAME` for others.
const TEMPLATE: &str = "tokenizer.chat_template";
/// Their names, in an array.
const TEMPLATE_NAMES: &str = "tokenizer.chat_templates";

/// Numbers of value types.
pub(super) const U8: u32 = 0;
pub(super) const I8: u32 = 1;
pub(super) const U16: u32 = 2;
pub(super) const I16: u32 = 3;
pub(super) const U32: u32 = 4;
pub(super) const I32: u32 = 5;
pub(super) const F32: u32 = 6;
pub(super) const BOOL: u32 = 7;
pub(super) const STRING: u32 = 8;
pub(super) const ARRAY: u32 = 9;
pub(super) const U64: u32 = 10;
pub(super) const I64: u32 = 11;
pub(super) const F64: u32 = 12;

/// Bytes of a value of a type that has a fixed size.
pub(super) fn size(kind: u32) -> Option<u64> {
    Some(match kind {
        U8 | I8 | BOOL => 1,
        U16 | I16 => 2,
        U32 | I32 | F32 => 4,
        U64 | I64 | F64 => 8,
        _ => return None,
    })
}

impl Reader<'_, '_> {
    pub(super) fn keys(&mut self, count: u64) -> Step {
        let mut names = std::collections::HashSet::new();
        let mut split = (None, None);
        for _ in 0..count {
            let at = self.window.at();
            let name = self.name(NAME)?;
            self.keep(&name)?;
            let kind = self.u32()?;
            let value_at = self.window.at();
            match name.as_str() {
                "general.alignment" if kind == U32 => self.alignment(at)?,
                "general.alignment" => {
                    self.odd(at, "an alignment that is no u32: readers take different ones".to_owned());
                    self.value(kind, 0)?;
                }
                "split.no" if kind == U16 => split.0 = Some(self.u16()?),
                "split.count" if kind == U16 => split.1 = Some(self.u16()?),
                name if name.starts_with(TEMPLATE) && name != TEMPLATE_NAMES => {
                    if kind == STRING {
                        self.template()?;
                    } else {
                        self.odd(at, format!("{} is no text", keys::shown(name)));
                        self.value(kind, 0)?;
                    }
                }
                _ => self.value(kind, 0)?,
            }
            debug_assert!(self.window.at() >= value_at, "a value never moves back");
            self.show(&name, kind, value_at)?;
            if let Some(name) = names.replace(name) {
                self.odd(
                    at,
                    format!("key {} is there twice: readers pick different ones", keys::shown(&name)),
                );
            }
        }
        if let (Some(number), Some(count)) = split
            && count > 0
            && number >= count
        {
            self.odd(0, format!("part {number}, counted from 0, of {count} parts"));
        }
        Ok(())
    }

    fn alignment(&mut self, at: u64) -> Step {
        let alignment = u64::from(self.u32()?);
        if !alignment.is_power_of_two() || alignment > super::tensor::MOST {
            self.odd(at, format!("an alignment of {alignment}: readers refuse it or divide by it"));
        } else {
            self.alignment = alignment;
        }
        Ok(())
    }

    fn u16(&mut self) -> Step<u16> {
        let bytes = self.window.take::<2>()?.ok_or(Halt::Truncated)?;
        Ok(if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn value(&mut self, kind: u32, depth: usize) -> Step {
        match kind {
            BOOL => self.bools(1),
            STRING => self.text(),
            ARRAY => self.array(depth),
            kind => match size(kind) {
                Some(bytes) => self.skip(bytes),
                None => Err(Halt::Lost(format!("a value of type {kind}, which the format does not have"))),
            },
        }
    }

    fn array(&mut self, depth: usize) -> Step {
        let at = self.window.at();
        let (kind, count) = (self.u32()?, self.u64()?);
        // The least that an element takes: what cannot be there is not counted to.
        let least = match kind {
            STRING => 8,
            ARRAY => 12,
            kind => size(kind).unwrap_or(1),
        };
        if count.checked_mul(least).is_none_or(|bytes| bytes > self.window.left()) {
            return Err(Halt::Truncated);
        }
        match kind {
            ARRAY if depth >= DEPTH => Err(Halt::Budget("arrays in arrays")),
            ARRAY => {
                self.odd(at, "an array of arrays, which some readers refuse".to_owned());
                (0..count).try_for_each(|_| self.array(depth + 1))
            }
            STRING => (0..count).try_for_each(|_| self.text()),
            BOOL => self.bools(count),
            kind => match size(kind).and_then(|size| size.checked_mul(count)) {
                Some(bytes) => self.skip(bytes),
                None => Err(Halt::Lost(format!("an array of type {kind}, which the format does not have"))),
            },
        }
    }

    /// A byte that is neither 0 nor 1 is undefined behaviour in readers that load it as `bool`.
    fn bools(&mut self, count: u64) -> Step {
        let mut left = count;
        while left > 0 {
            let at = self.window.at();
            let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let bytes = self.window.peek(want)?;
            let bytes = bytes.get(..want.min(bytes.len())).unwrap_or_default();
            let (got, is_odd) = (bytes.len() as u64, bytes.iter().any(|byte| *byte > 1));
            if is_odd {
                self.odd(at, "a truth value that is neither 0 nor 1".to_owned());
            }
            if got == 0 {
                return Err(Halt::Truncated);
            }
            self.skip(got)?;
            left -= got;
        }
        Ok(())
    }

    fn text(&mut self) -> Step {
        let len = self.u64()?;
        if keys::pieces(&mut self.window, len, self.texts)? { Ok(()) } else { Err(Halt::Truncated) }
    }

    fn template(&mut self) -> Step {
        let start = self.window.at();
        let len = self.u64()?;
        self.window.seek(start);
        self.text()?;
        let at = start + 8;
        self.templates += 1;
        if self.templates > TEMPLATES {
            self.facts.budget.push((at, "templates"));
            return Ok(());
        }
        let bytes = self.window.bytes_at(at, usize::try_from(len).unwrap_or(PIECE).min(PIECE))?;
        if (bytes.len() as u64) < len {
            self.facts.budget.push((at, "bytes of a template"));
        } else if let Ok(text) = std::str::from_utf8(&bytes) {
            let read = jinja::read(text, &mut self.steps);
            let base = usize::try_from(at).unwrap_or(usize::MAX);
            self.facts.templates.extend(
                read.found
                    .into_iter()
                    .map(|found| jinja::Found { at: base.saturating_add(found.at), ..found }),
            );
            self.facts.budget.extend(read.budget.map(|what| (at, what)));
        } else {
            self.odd(at, "a template that is not UTF-8".to_owned());
        }
        Ok(())
    }

    /// A short text that is a name.
    pub(super) fn name(&mut self, most: u64) -> Step<String> {
        let at = self.window.at();
        let len = self.u64()?;
        if len > self.window.left() {
            return Err(Halt::Truncated);
        }
        if len > most {
            return Err(Halt::Lost(format!("a name of {len} bytes")));
        }
        let bytes = self.window.bytes_at(at + 8, usize::try_from(len).unwrap_or(0))?;
        self.skip(len)?;
        (self.texts)(at + 8, &bytes);
        if let Ok(name) = String::from_utf8(bytes) {
            if name.contains('\0') {
                self.odd(at, "a name with a NUL in it, where readers in C end".to_owned());
            }
            return Ok(name);
        }
        self.odd(at, "a name that is not UTF-8".to_owned());
        Ok(format!("\u{fffd}{at}"))
    }
}
