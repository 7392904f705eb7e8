//! Room `model`, pickle: arrays of NumPy that have no state yet, and views of bytes. `ndarray.__setstate__` frees the buffer that the
//! array has (array_setstate in methods.c) and asks nobody who looks at it: what a call made of it before, a view for
//! example, reads freed memory from then on. A writer puts the state into an array at once; only a part of that state may
//! hold the array itself.

use std::collections::HashMap;

use super::facts::Use;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;

/// Arrays without state, by the first cell of their arguments.
pub(super) type Waiting = HashMap<u32, Array>;

/// An array without state.
#[derive(Debug)]
pub(super) struct Array {
    /// Calls and states before it.
    acts: u64,
    /// It stands, or stood, somewhere else than where it was made.
    is_shared: bool,
}

impl Machine<'_> {
    /// A call of `callee` has made an object of a class that it was handed.
    pub(super) fn made_array(&mut self, callee: u32, made: Value) {
        let Value::Object { class, args, .. } = made else { return };
        let (module, _) = self.module_of(class);
        if class != callee && (module == "numpy" || module.starts_with("numpy.")) {
            let acts = self.arrays.acts;
            self.arrays.waiting.insert(args, Array { acts, is_shared: false });
        }
    }

    /// Whether the memo gives an object for a key, while arrays have no state.
    pub(super) fn may_share(&self, key: u64) -> bool {
        !self.arrays.waiting.is_empty() && matches!(self.memo.get(key), Some(Value::Object { .. }))
    }

    /// A value is pushed that stands elsewhere as well.
    #[inline]
    pub(super) fn shares(&mut self, value: Value) {
        if let Value::Object { args, .. } = value
            && let Some(array) = self.arrays.waiting.get_mut(&args)
        {
            array.is_shared = true;
        }
    }

    /// State comes into an object, before the act is counted.
    pub(super) fn gets_buffer(&mut self, class: u32, args: u32) {
        let Some(array) = self.arrays.waiting.remove(&args) else { return };
        if array.is_shared && array.acts != self.arrays.acts {
            self.used(class, Use::OddArguments);
        }
    }
}

/// What a writer hands to `_frombuffer`: bytes of the stream, or a buffer beside it. An array would lend its memory for as
/// long as it keeps it.
pub(super) fn is_buffer(value: Value) -> bool {
    matches!(value, Value::Bytes | Value::Unknown | Value::Fresh { kind: Container::Array, .. })
}
