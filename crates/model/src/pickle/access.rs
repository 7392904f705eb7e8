//! Room `model`, pickle: stack and memo as opcodes reach them. What is not there is a fault and an unknown value.

use super::facts::FaultKind;
use super::facts::Storage;
use super::machine::Machine;
use super::value::Value;

impl Machine<'_> {
    #[inline]
    pub(super) fn pop(&mut self) -> Value {
        match self.stack.pop() {
            Some(value) => value,
            None => self.underflow(),
        }
    }

    #[inline]
    pub(super) fn top(&mut self) -> Value {
        if let Some(value) = self.stack.top() {
            return value;
        }
        let value = self.underflow();
        self.stack.push(value);
        value
    }

    #[cold]
    pub(super) fn underflow(&mut self) -> Value {
        let at = self.at;
        self.facts.fault(FaultKind::Broken, at, || "the stack is too short for this opcode".to_owned());
        Value::Unknown
    }

    #[inline]
    pub(super) fn end_mark(&mut self) -> usize {
        if let Some(height) = self.stack.end_mark() {
            return height;
        }
        let at = self.at;
        self.facts.fault(FaultKind::Broken, at, || "no mark for this opcode".to_owned());
        self.stack.height()
    }

    pub(super) fn get(&mut self, key: Option<u64>) {
        let value = key.and_then(|key| self.memo.get(key));
        let value = value.unwrap_or_else(|| {
            let at = self.at;
            self.facts.fault(FaultKind::Memo, at, || "a key that is not in the memo".to_owned());
            Value::Unknown
        });
        self.shares(value);
        self.push_again(value);
    }

    /// Pushes a value that stands elsewhere as well.
    #[inline]
    pub(super) fn push_again(&mut self, value: Value) {
        match value {
            Value::Global(index) => self.passes(index),
            Value::Object { class, .. } => self.refers_to(class),
            _ => {}
        }
        self.stack.push(value);
    }

    pub(super) fn put(&mut self, key: Option<u64>) {
        let top = self.top();
        if let Some(key) = key {
            return self.memo.put(key, top);
        }
        let at = self.at;
        self.facts.fault(FaultKind::Memo, at, || "a key of the memo that is no index".to_owned());
    }

    /// The storage behind a persistent id.
    /// Name of an import, without its module.
    pub(super) fn imported(&self, index: u32) -> Option<&str> {
        self.facts.names.get(usize::try_from(index).ok()?).map(|name| name.imported().1)
    }

    pub(super) fn storage(&self, index: Option<u32>) -> Option<&Storage> {
        self.facts.storages.get(usize::try_from(index?).ok()?)
    }
}
