//! Room `model`, pickle: state that BUILD puts into an array of NumPy -> whether it has an item for each place of its shape.
//! NumPy holds the length of bytes against the shape, and not that of a list: it takes both step by step and reads on behind
//! the end of a short one (2.4, `array_setstate` and `_setlist_pkl` in numpy/_core/src/multiarray/methods.c).
//!
//! `StringDType` writes out each item that is no text (`as_pystring` in stringdtype/dtype.c), by methods of what it is.

use super::effect::Effect;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;

impl Machine<'_> {
    /// Whether state is that of an array and has other items than its shape says: `(version, shape, dtype, order, items)`,
    /// without the version in old files, with a mask and what stands for masked items behind it.
    pub(super) fn is_odd_array(&self, state: Value) -> bool {
        let Value::Tuple { start, len, .. } = state else { return false };
        let (shape, dtype, items) = match *self.cells_of(start, len) {
            [_, shape, dtype, _, items, ..] if self.is_dtype(dtype) => (shape, dtype, items),
            [shape, dtype, _, items, ..] if self.is_dtype(dtype) => (shape, dtype, items),
            _ => return false,
        };
        // What stands for masked texts is written out as well.
        let fill = self.cells_of(start, len).get(6);
        if self.is_strings(dtype) && !fill.is_none_or(|fill| self.is_word(*fill)) {
            return true;
        }
        match items {
            Value::Fresh { kind: Container::List, size } => {
                self.count(shape) != self.list_len(size) || self.is_strings(dtype) && !self.holds_words(size)
            }
            // Protocols 0 to 2 write no bytes as a call. What else is called may give a list.
            Value::Object { class, .. } => self.module_of(class) != ("builtins", "bytes"),
            _ => false,
        }
    }

    fn is_dtype(&self, value: Value) -> bool {
        let is_plain = matches!(value, Value::Object { class, .. } if self.effect_of(class) == Effect::Dtype);
        is_plain || self.is_strings(value)
    }

    /// Whether a value is a `StringDType`.
    pub(super) fn is_strings(&self, value: Value) -> bool {
        matches!(value, Value::Object { class, .. } if self.effect_of(class) == Effect::Strings)
    }

    /// What a `StringDType` gives for an item: text, or what stands for a missing one.
    pub(super) fn is_word(&self, value: Value) -> bool {
        match value {
            Value::Text { .. } | Value::None | Value::Number => true,
            Value::Global(name) => self.module_of(name) == ("pandas", "NA"),
            _ => false,
        }
    }
}
