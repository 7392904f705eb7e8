//! Room `model`, pickle: the stack with its marks. As in CPython no opcode but those that end a mark reaches below it.

use super::value::Value;

#[derive(Debug, Default)]
pub(crate) struct Stack {
    values: Vec<Value>,
    marks: Vec<usize>,
    /// Height of the newest mark.
    fence: usize,
}

/// Values that there is room for at once: grown from nothing, a stack is moved four times before it holds as many.
const ROOM: usize = 64;

impl Stack {
    pub(crate) fn with_room() -> Self {
        Self { values: Vec::with_capacity(ROOM), ..Self::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.marks.clear();
        self.fence = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.marks.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    pub(crate) fn mark(&mut self) {
        self.fence = self.values.len();
        self.marks.push(self.fence);
    }

    /// The value on top; none where the stack is empty down to the newest mark.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Value> {
        if self.values.len() > self.fence { self.values.pop() } else { None }
    }

    #[inline]
    pub(crate) fn top(&self) -> Option<Value> {
        if self.values.len() > self.fence { self.values.last().copied() } else { None }
    }

    /// POP: takes the mark where nothing stands above it.
    pub(crate) fn pop_or_mark(&mut self) -> bool {
        if self.marks.last() == Some(&self.values.len()) {
            self.drop_mark();
            return true;
        }
        self.pop().is_some()
    }

    /// Ends the newest mark: the height of the stack below it. None where there is no mark.
    #[inline]
    pub(crate) fn end_mark(&mut self) -> Option<usize> {
        let height = self.marks.last().copied()?;
        self.drop_mark();
        Some(height)
    }

    fn drop_mark(&mut self) {
        self.marks.pop();
        self.fence = self.marks.last().copied().unwrap_or(0);
    }

    /// What stands from `height` up.
    #[inline]
    pub(crate) fn above(&self, height: usize) -> &[Value] {
        self.values.get(height..).unwrap_or_default()
    }

    /// Cuts the stack down to `height`.
    #[inline]
    pub(crate) fn cut(&mut self, height: usize) {
        self.values.truncate(height);
    }

    /// The value below `height`, if no mark is in between.
    #[inline]
    pub(crate) fn below(&self, height: usize) -> Option<Value> {
        let at = height.checked_sub(1).filter(|at| *at >= self.fence)?;
        self.values.get(at).copied()
    }

    pub(crate) fn height(&self) -> usize {
        self.values.len()
    }
}
