//! Room `model`, pickle: the memo. Small keys in a vector, huge ones in a map: index 2^31 allocates nothing.

use std::collections::HashMap;

use super::value::Value;

/// Keys up to here are stored densely whatever they are.
const DENSE: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    dense: Vec<Option<Value>>,
    sparse: HashMap<u64, Value>,
    entries: u64,
}

impl Memo {
    pub(crate) fn clear(&mut self) {
        self.dense.clear();
        self.sparse.clear();
        self.entries = 0;
    }

    /// Values that are kept, for the budget.
    pub(crate) fn len(&self) -> usize {
        self.dense.len() + 4 * self.sparse.len()
    }

    #[inline]
    pub(crate) fn get(&self, key: u64) -> Option<Value> {
        match usize::try_from(key).ok().and_then(|key| self.dense.get(key)) {
            Some(value) => *value,
            None => self.sparse.get(&key).copied(),
        }
    }

    pub(crate) fn put(&mut self, key: u64, value: Value) {
        let dense = usize::try_from(key).unwrap_or(usize::MAX);
        if dense == self.dense.len() && self.sparse.is_empty() {
            self.dense.push(Some(value));
            self.entries += 1;
            return;
        }
        if dense < DENSE.max(self.dense.len()) {
            if dense >= self.dense.len() {
                self.dense.resize(dense + 1, None);
            }
            if let Some(slot) = self.dense.get_mut(dense) {
                self.entries += u64::from(slot.is_none());
                *slot = Some(value);
            }
        } else if self.sparse.insert(key, value).is_none() {
            self.entries += 1;
        }
    }

    /// MEMOIZE: the key is the number of entries, which a PUT before may have taken already.
    #[inline]
    pub(crate) fn push(&mut self, value: Value) {
        self.put(self.entries, value);
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
    fn a_huge_key_costs_one_entry() {
        let mut memo = Memo::default();
        memo.put(1 << 31, Value::Int(1));
        memo.put(u64::MAX, Value::Int(2));
        assert_eq!((memo.get(1 << 31), memo.get(u64::MAX)), (Some(Value::Int(1)), Some(Value::Int(2))));
        assert!(memo.len() < 10);
        memo.push(Value::Int(3));
        assert_eq!(memo.get(2), Some(Value::Int(3)));
    }
}
