//! Room `model`, pickle: the memo. Small keys in a vector, huge ones in a map: index 2^31 allocates nothing.

use std::collections::HashMap;

use super::value::Coding;
use super::value::Container;
use super::value::Value;

/// Keys up to here are stored densely whatever they are.
const DENSE: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    dense: Vec<Word>,
    /// Values that no word holds. One that is overwritten by a word stays, and counts.
    wide: Vec<Value>,
    sparse: HashMap<u64, Value>,
    entries: u64,
}

/// A value in eight bytes, or the index of a wide one: a memo of a million words is touched once and hardly read, so that
/// its cost is that of its pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word(u64);

/// The low bits of a word say what it is; a word of no bits is no value.
const TAG: u32 = 3;
const TEXT: u64 = 1;
const INT: u64 = 2;
const FRESH: u64 = 3;
const GLOBAL: u64 = 4;
const PLAIN: u64 = 5;
const WIDE: u64 = 6;
/// Bits of a place in the source that a word holds, 16 TiB.
const PLACE: u32 = 43;

/// Words that there is room for at once: grown from nothing, a memo is moved five times before it holds as many.
const ROOM: usize = 128;

impl Memo {
    pub(crate) fn with_room() -> Self {
        Self { dense: Vec::with_capacity(ROOM), ..Self::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.dense.clear();
        self.wide.clear();
        self.sparse.clear();
        self.entries = 0;
    }

    /// Values that are kept, for the budget: a word is half of one.
    pub(crate) fn len(&self) -> usize {
        self.dense.len().div_ceil(2) + self.wide.len() + 4 * self.sparse.len()
    }

    #[inline]
    pub(crate) fn get(&self, key: u64) -> Option<Value> {
        match usize::try_from(key).ok().and_then(|key| self.dense.get(key)) {
            Some(word) => self.value(*word),
            None => self.sparse.get(&key).copied(),
        }
    }

    pub(crate) fn put(&mut self, key: u64, value: Value) {
        let dense = usize::try_from(key).unwrap_or(usize::MAX);
        if dense == self.dense.len() && self.sparse.is_empty() {
            let word = self.word(value);
            self.dense.push(word);
            self.entries += 1;
            return;
        }
        if dense < DENSE.max(self.dense.len()) {
            if dense >= self.dense.len() {
                self.dense.resize(dense + 1, Word::default());
            }
            let before = self.dense.get(dense).copied().unwrap_or_default();
            let mut word = self.word(value);
            if before.is_wide() && word.is_wide() {
                // The one before is gone: its place is taken again.
                let last = self.wide.pop();
                if let (Some(place), Some(last)) = (self.wide_at(before), last) {
                    *place = last;
                }
                word = before;
            }
            self.entries += u64::from(before == Word::default());
            if let Some(slot) = self.dense.get_mut(dense) {
                *slot = word;
            }
        } else if self.sparse.insert(key, value).is_none() {
            self.entries += 1;
        }
    }

    /// MEMOIZE: the key is the number of entries, which a PUT before may have taken already.
    #[inline]
    pub(crate) fn push(&mut self, value: Value) {
        if self.entries == self.dense.len() as u64 && self.sparse.is_empty() {
            let word = self.word(value);
            self.dense.push(word);
            self.entries += 1;
            return;
        }
        self.put(self.entries, value);
    }

    #[inline]
    fn word(&mut self, value: Value) -> Word {
        let bits = match value {
            Value::Text { at, len, coding } if at >> PLACE == 0 && len >> 16 == 0 => {
                at << (TAG + 18) | u64::from(len) << (TAG + 2) | (coding as u64) << TAG | TEXT
            }
            Value::Int(number) if number << TAG >> TAG == number => number.cast_unsigned() << TAG | INT,
            Value::Fresh { kind, size } => u64::from(size) << 32 | (kind as u64) << TAG | FRESH,
            Value::Global(name) => u64::from(name) << TAG | GLOBAL,
            Value::Unknown => PLAIN,
            Value::None => 1 << TAG | PLAIN,
            Value::Number => 2 << TAG | PLAIN,
            Value::Bytes => 3 << TAG | PLAIN,
            wide => {
                self.wide.push(wide);
                (self.wide.len() as u64 - 1) << TAG | WIDE
            }
        };
        Word(bits)
    }

    fn wide_at(&mut self, Word(bits): Word) -> Option<&mut Value> {
        usize::try_from(bits >> TAG).ok().and_then(|at| self.wide.get_mut(at))
    }

    #[inline]
    fn value(&self, Word(bits): Word) -> Option<Value> {
        let rest = bits >> TAG;
        #[expect(clippy::cast_possible_truncation, reason = "takes the bits that `word` has put there")]
        let value = match bits & ((1 << TAG) - 1) {
            TEXT => {
                Value::Text { at: rest >> 18, len: u32::from((rest >> 2) as u16), coding: coding(rest & 3) }
            }
            INT => Value::Int(bits.cast_signed() >> TAG),
            FRESH => Value::Fresh { kind: container(rest & 7), size: (bits >> 32) as u32 },
            GLOBAL => Value::Global(rest as u32),
            PLAIN => match rest {
                0 => Value::Unknown,
                1 => Value::None,
                2 => Value::Number,
                _ => Value::Bytes,
            },
            WIDE => return usize::try_from(rest).ok().and_then(|at| self.wide.get(at)).copied(),
            _ => return None,
        };
        Some(value)
    }
}

impl Word {
    fn is_wide(self) -> bool {
        self.0 & ((1 << TAG) - 1) == WIDE
    }
}

fn coding(number: u64) -> Coding {
    match number {
        0 => Coding::Utf8,
        1 => Coding::Raw,
        2 => Coding::Plain,
        _ => Coding::Escaped,
    }
}

fn container(number: u64) -> Container {
    match number {
        0 => Container::List,
        1 => Container::Dict,
        2 => Container::Set,
        3 => Container::Frozen,
        _ => Container::Array,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memoize_counts_entries_and_may_overwrite() {
        let mut memo = Memo::default();
        memo.put(1, Value::Int(1));
        memo.push(Value::Int(2));
        assert_eq!((memo.get(0), memo.get(1)), (None, Some(Value::Int(2))));
        memo.push(Value::Int(3));
        assert_eq!(memo.get(1), Some(Value::Int(3)), "still one entry");
    }

    #[test]
    fn every_value_comes_back_as_it_was() {
        let mut values =
            vec![Value::Unknown, Value::None, Value::Number, Value::Bytes, Value::Global(u32::MAX)];
        for coding in [Coding::Utf8, Coding::Raw, Coding::Plain, Coding::Escaped] {
            for (at, len) in [(0, 0), (1 << 40, 65_535), ((1 << PLACE) - 1, 7), (1 << PLACE, 7), (5, 65_536)]
            {
                values.push(Value::Text { at, len, coding });
            }
            values.push(Value::Text { at: u64::MAX, len: u32::MAX, coding });
        }
        for number in [0, -1, 1, i64::MAX, i64::MIN, (1 << 60) - 1, 1 << 60, -(1 << 60), -(1 << 60) - 1] {
            values.push(Value::Int(number));
        }
        for kind in [Container::List, Container::Dict, Container::Set, Container::Frozen, Container::Array] {
            values.extend([0, 1, u32::MAX].map(|size| Value::Fresh { kind, size }));
        }
        values.push(Value::Tuple { start: u32::MAX, len: u16::MAX, size: 3 });
        values.push(Value::Object { class: 1, args: u32::MAX, len: 2 });
        values.extend([Value::Persistent(None), Value::Persistent(Some(0))]);
        let mut memo = Memo::default();
        for value in &values {
            memo.push(*value);
        }
        for (key, value) in (0..).zip(&values) {
            assert_eq!(memo.get(key), Some(*value), "{key}");
        }
        assert_eq!(memo.get(values.len() as u64), None);
    }

    #[test]
    fn a_huge_key_costs_one_entry() {
        let mut memo = Memo::default();
        memo.put(1 << 31, Value::Int(1));
        memo.put(u64::MAX, Value::Int(2));
        assert_eq!((memo.get(1 << 31), memo.get(u64::MAX)), (Some(Value::Int(1)), Some(Value::Int(2))));
        assert!(memo.len() < 10);
        memo.push(Value::Int(3));
        assert_eq!(memo.get(2), Some(Value::Int(3)));
    }

    #[test]
    fn a_wide_value_counts_once_and_leaves_its_place_to_the_next() {
        let wide = |number| Value::Int(i64::MAX - number);
        let mut memo = Memo::default();
        for number in 0..1000 {
            memo.push(wide(number));
        }
        assert_eq!(memo.len(), 1500, "a word is half a value");
        for number in 0..1000 {
            memo.put(7, wide(number));
        }
        assert_eq!(memo.len(), 1500);
        assert_eq!((memo.get(6), memo.get(7), memo.get(8)), (Some(wide(6)), Some(wide(999)), Some(wide(8))));
    }
}
