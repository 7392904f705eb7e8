//! Room `model`, pickle: tuples and containers, and items that are put into something.

use super::end::Halt;
use super::end::Step;
use super::facts::FaultKind;
use super::facts::Use;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;

/// Longest tuple whose items are kept.
pub(super) const KEPT: usize = 16;

/// How much a container holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// What it refers to when everything is written out, and itself.
    refs: u32,
    /// Items of a list.
    items: u32,
}

impl Machine<'_> {
    pub(super) fn cells_of(&self, start: u32, len: u16) -> &[Value] {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        self.cells.get(start..).and_then(|cells| cells.get(..usize::from(len))).unwrap_or_default()
    }

    /// Adds a symbolic size and gives its index.
    #[inline]
    pub(super) fn new_size(&mut self, refs: u32, items: usize) -> u32 {
        let index = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        self.sizes.push(Size { refs, items: u32::try_from(items).unwrap_or(u32::MAX) });
        index
    }

    fn size(&self, index: u32) -> Option<Size> {
        self.sizes.get(usize::try_from(index).ok()?).copied()
    }

    /// Items of a list that this stream has made.
    pub(super) fn list_len(&self, list: u32) -> Option<u64> {
        self.size(list).map(|size| size.items.into())
    }

    pub(super) fn size_of(&self, value: Value) -> u32 {
        match value {
            Value::Tuple { size, .. } => size,
            Value::Fresh { size, .. } => self.size(size).map_or(1, |size| size.refs),
            _ => 1,
        }
    }

    pub(super) fn size_above(&self, height: usize) -> u32 {
        self.stack.above(height).iter().fold(1_u32, |sum, value| sum.saturating_add(self.size_of(*value)))
    }

    pub(super) fn container(&mut self, kind: Container) {
        let size = self.new_size(1, 0);
        self.stack.push(Value::Fresh { kind, size });
    }

    pub(super) fn container_from_mark(&mut self, kind: Container) -> Step {
        let height = self.end_mark();
        let (refs, items) = (self.size_above(height), self.stack.above(height).len());
        if kind == Container::Dict && !items.is_multiple_of(2) {
            self.odd_items();
        }
        let size = self.new_size(refs, items);
        self.keep(size, height);
        if kind == Container::Dict {
            self.see_keys(size, height)?;
        }
        self.stack.cut(height);
        self.stack.push(Value::Fresh { kind, size });
        Ok(())
    }

    pub(super) fn short_tuple(&mut self, count: usize) -> Step {
        let height = self.stack.height().checked_sub(count);
        let Some(height) = height.filter(|height| self.stack.below(height + 1).is_some()) else {
            let value = self.underflow();
            self.stack.push(value);
            return Ok(());
        };
        self.tuple(height)
    }

    /// Makes a tuple of what stands from `height` up.
    pub(super) fn tuple(&mut self, height: usize) -> Step {
        let size = self.size_above(height);
        if size > self.limits.expansion {
            return Err(Halt::Budget("objects when written out"));
        }
        let items = self.stack.above(height);
        let (start, len) = if items.len() <= KEPT {
            let start = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
            self.cells.extend_from_slice(items);
            (start, u16::try_from(items.len()).unwrap_or(u16::MAX))
        } else {
            (u32::MAX, u16::MAX)
        };
        self.stack.cut(height);
        self.stack.push(Value::Tuple { start, len, size });
        Ok(())
    }

    fn odd_items(&mut self) {
        let at = self.at;
        self.facts.fault(FaultKind::Broken, at, || "a key without its value".to_owned());
    }

    /// SETITEM(S), APPEND(S), ADDITEMS: items from `height` up into what stands below.
    #[inline]
    pub(super) fn fill(&mut self, height: usize, pairs: bool) -> Step {
        let Some(target) = self.stack.below(height) else {
            self.underflow();
            return Ok(());
        };
        let items = self.stack.above(height).len();
        if items == 0 {
            return Ok(()); // as CPython: nothing to do, whatever the target is
        }
        if pairs && !items.is_multiple_of(2) {
            self.odd_items();
        }
        match target {
            Value::Fresh { kind: Container::Frozen, .. } => {
                let at = self.at;
                self.facts.fault(FaultKind::Broken, at, || "items for a frozenset".to_owned());
            }
            Value::Fresh { size, .. } => {
                self.keep(size, height);
                if pairs {
                    self.see_keys(size, height)?;
                }
                let added = self.size_above(height);
                // Pairs are put over items of a list that it has.
                let items = if pairs { 0 } else { u32::try_from(items).unwrap_or(u32::MAX) };
                if let Some(size) = usize::try_from(size).ok().and_then(|at| self.sizes.get_mut(at)) {
                    size.refs = size.refs.saturating_add(added);
                    size.items = size.items.saturating_add(items);
                    if size.refs > self.limits.expansion {
                        return Err(Halt::Budget("objects when written out"));
                    }
                }
            }
            Value::Object { class, .. } => {
                self.used(class, Use::Mutate);
                if pairs {
                    self.see_items(class, height)?;
                } else if self.effect_of(class).makes_mapping() {
                    // `extend` and `append` of a dict may be items of it, which are called.
                    self.used(class, Use::OddArguments);
                }
            }
            other => self.fill_other(other),
        }
        self.stack.cut(height);
        Ok(())
    }

    fn fill_other(&mut self, target: Value) {
        let at = self.at;
        match target {
            Value::Global(index) => self.foreign(index),
            Value::Persistent(_) => {
                self.facts.fault(FaultKind::IntoStorage, at, || "items for a storage".to_owned());
            }
            Value::Unknown => {
                self.facts.fault(FaultKind::ForeignTarget, at, || "items for something unknown".to_owned());
            }
            _ => self.facts.fault(FaultKind::Broken, at, || "items for something that takes none".to_owned()),
        }
    }
}
