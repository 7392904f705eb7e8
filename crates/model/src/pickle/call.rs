//! Room `model`, pickle: tuples and containers, calls, and state and items that are put into something.

use super::effect::Effect;
use super::end::Halt;
use super::end::Step;
use super::facts::FaultKind;
use super::facts::Use;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;
use super::waiting::is_buffer;

/// Longest tuple whose items are kept.
const KEPT: usize = 16;

/// Whether a class has an `__init__` that does nothing but fill it.
fn is_plain((module, name): (&str, &str)) -> bool {
    let names = ["object", "dict", "list", "tuple", "int", "float", "str", "set", "frozenset", "bytes"];
    module == "builtins" && names.contains(&name)
}

impl Machine<'_> {
    pub(super) fn cells_of(&self, start: u32, len: u16) -> &[Value] {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        self.cells.get(start..).and_then(|cells| cells.get(..usize::from(len))).unwrap_or_default()
    }

    /// Adds a symbolic size and gives its index.
    #[inline]
    pub(super) fn new_size(&mut self, size: u32) -> u32 {
        let index = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        self.sizes.push(size);
        index
    }

    pub(super) fn size_of(&self, value: Value) -> u32 {
        match value {
            Value::Tuple { size, .. } => size,
            Value::Fresh { size, .. } => {
                usize::try_from(size).ok().and_then(|at| self.sizes.get(at)).copied().unwrap_or(1)
            }
            _ => 1,
        }
    }

    fn size_above(&self, height: usize) -> u32 {
        self.stack.above(height).iter().fold(1_u32, |sum, value| sum.saturating_add(self.size_of(*value)))
    }

    pub(super) fn container(&mut self, kind: Container) {
        let size = self.new_size(1);
        self.stack.push(Value::Fresh { kind, size });
    }

    pub(super) fn container_from_mark(&mut self, kind: Container) -> Step {
        let height = self.end_mark();
        let size = self.size_above(height);
        if kind == Container::Dict && !self.stack.above(height).len().is_multiple_of(2) {
            self.odd_items();
        }
        let size = self.new_size(size);
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

    /// REDUCE.
    pub(super) fn reduce(&mut self, callee: Value, arguments: Value) {
        let result = match callee {
            Value::Global(index) => {
                self.used(index, Use::Call);
                match self.attribute(index, arguments) {
                    Some(attribute) => Value::Global(attribute),
                    None => self.effect(index, arguments),
                }
            }
            other => self.call_of_value(other),
        };
        self.stack.push(result);
    }

    fn call_of_value(&mut self, callee: Value) -> Value {
        let at = self.at;
        if let Value::Object { class, .. } = callee {
            self.used(class, Use::CallOfResult);
        }
        self.facts.fault(FaultKind::CallOfValue, at, || "a call of something that is not a name".to_owned());
        Value::Unknown
    }

    fn effect(&mut self, callee: u32, arguments: Value) -> Value {
        let Value::Tuple { start, len, .. } = arguments else {
            // The C unpickler demands a tuple, the pure-Python one takes anything that can be iterated.
            self.used(callee, Use::OddArguments);
            return self.made(callee, 0, 0);
        };
        self.see_arguments(callee, start, len);
        if !matches!(self.effect_of(callee), Effect::Dtype | Effect::Encode) {
            self.arrays.acts += 1;
        }
        let class = match (self.effect_of(callee), self.cells_of(start, len)) {
            (Effect::Reconstructs, &[Value::Global(class), Value::Global(base), ref state @ ..]) => {
                // `base.__new__` and `base.__init__` are handed the state, as `list(state)` is.
                let is_odd = state.first().is_some_and(|state| !self.is_value(*state));
                if is_odd && self.module_of(callee).0 == "copyreg" {
                    self.used(callee, Use::OddArguments);
                }
                self.used(class, Use::New);
                // `copyreg` calls `base.__init__` as well.
                let is_called = self.module_of(callee).0 == "copyreg" && !is_plain(self.module_of(base));
                self.used(base, if is_called { Use::Call } else { Use::New });
                class
            }
            (Effect::MakesFirst, &[Value::Global(class), ref rest @ ..]) => {
                let state =
                    rest.get(1).copied().filter(|_| self.module_of(callee).1.starts_with("__pyx_unpickle_"));
                self.used(class, Use::New);
                // `__pyx_unpickle_X(class, sum, state)` puts the state into it at once.
                if let Some(state) = state.filter(|state| *state != Value::None)
                    && self.see_state(class, state, false).is_err()
                {
                    self.used(callee, Use::OddArguments);
                }
                class
            }
            (Effect::CallsArguments, _) => {
                self.called(callee, arguments);
                callee
            }
            (Effect::Factory, &[Value::Global(factory), ..]) => {
                self.used(factory, Use::Call);
                self.see_values(callee, start + 1, len - 1);
                callee
            }
            (Effect::FromType, &[Value::Global(function), Value::Global(class), inner, ref state @ ..]) => {
                let state = state.first().copied().unwrap_or(Value::None);
                self.see_set(callee, state);
                self.used(function, Use::Call);
                self.used(class, Use::New);
                // No writer nests them; followed into each other they would take the stack of the scanner.
                if self.effect_of(function) == Effect::FromType {
                    self.used(callee, Use::OddArguments);
                } else {
                    self.effect(function, inner);
                }
                class
            }
            (Effect::Value | Effect::Mapping, _) => {
                self.see_values(callee, start, len);
                if self.module_of(callee).0.starts_with("pandas") {
                    self.see_zones(callee, start, len);
                }
                callee
            }
            (Effect::MakesIndex, &[Value::Global(class), ..]) => {
                self.used(class, Use::New);
                // Keywords go to `__new__`: of `numpy.ndarray` a buffer.
                if !self.module_of(class).0.starts_with("pandas") {
                    self.used(callee, Use::OddArguments);
                }
                self.see_zones(callee, start, len);
                class
            }
            (Effect::Block, &[_, placement, _]) if self.is_placement(placement) => callee,
            (Effect::Table, &[blocks, ..]) => {
                self.see_blocks(callee, blocks);
                callee
            }
            (Effect::SetsState, &[_, _, _, state]) => {
                self.see_set(callee, state);
                callee
            }
            (Effect::Encode, &[_, encoding]) => {
                let encoding = self.text_of(encoding).ok().flatten();
                if !matches!(encoding.as_deref(), Some("latin1" | "latin-1")) {
                    self.used(callee, Use::OddArguments);
                }
                return Value::Bytes;
            }
            (Effect::Views, &[buffer, ..]) if is_buffer(buffer) => callee,
            (Effect::Zone, &[key, Value::Int(0 | 1)]) => {
                self.see_key(callee, key);
                callee
            }
            (Effect::Type, &[_, _, _, ..]) => {
                let at = self.at;
                self.facts
                    .fault(FaultKind::MakesClass, at, || "a class that is made while loading".to_owned());
                callee
            }
            (Effect::Dtype, _) => {
                self.makes_dtype(callee, start, len);
                let made = self.made(callee, start, len);
                if let Value::Object { args, .. } = made {
                    self.made_dtype(args);
                }
                return made;
            }
            (Effect::Scalar, &[dtype, _]) => {
                if !self.is_scalar(dtype) {
                    self.used(callee, Use::OddArguments);
                }
                callee
            }
            (
                Effect::Items | Effect::Plain | Effect::Type | Effect::ArrayWrapper | Effect::FileWrapper,
                _,
            )
            | (Effect::Factory, &[] | &[Value::None, ..]) => callee,
            (
                Effect::Tensor,
                &[Value::Persistent(storage), Value::Int(offset), size, stride, ref rest @ ..],
            ) => {
                let dtype = if let Some(Value::Global(dtype)) = rest.get(2) { Some(*dtype) } else { None };
                self.view(storage, offset, (size, stride), dtype);
                callee
            }
            _ => {
                self.used(callee, Use::OddArguments);
                callee
            }
        };
        let made = self.made(class, start, len);
        self.made_array(callee, made);
        made
    }

    /// An object of its own: its arguments stand in cells that are no other's, and behind them whether it has got state.
    fn made(&mut self, class: u32, args: u32, len: u16) -> Value {
        let end = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        let (args, len) = match self.cells_of(args, len).len() {
            0 => (end, 0),
            _ if args.checked_add(len.into()) == Some(end) => (args, len),
            _ => {
                let own = self.cells_of(args, len).to_vec();
                self.cells.extend(own);
                (end, len)
            }
        };
        self.cells.push(Value::None);
        Value::Object { class, args, len }
    }

    /// An object gets state: whether it has had some already.
    fn gets_state(&mut self, args: u32, len: u16) -> bool {
        let at = usize::try_from(args).unwrap_or(usize::MAX).saturating_add(len.into());
        let Some(cell) = self.cells.get_mut(at) else { return true };
        std::mem::replace(cell, Value::Int(1)) != Value::None
    }

    pub(super) fn effect_of(&self, name: u32) -> Effect {
        let effect = usize::try_from(name).ok().and_then(|at| self.index.effects.get(at)).copied();
        effect.unwrap_or(Effect::Plain)
    }

    /// NEWOBJ, NEWOBJ_EX.
    pub(super) fn new_object(&mut self, class: Value, arguments: Value, keywords: Option<Value>) {
        let result = match class {
            Value::Global(index) => {
                self.used(index, Use::New);
                self.arrays.acts += 1;
                self.see_new(index, arguments, keywords);
                let (args, len) = match arguments {
                    Value::Tuple { start, len, .. } => (start, len),
                    _ => (0, 0),
                };
                self.made(index, args, len)
            }
            other => self.call_of_value(other),
        };
        self.stack.push(result);
    }

    /// OBJ: the class stands first behind the mark.
    pub(super) fn object(&mut self) {
        let height = self.end_mark();
        let Some(class) = self.stack.above(height).first().copied() else {
            let value = self.underflow();
            return self.stack.push(value);
        };
        self.instance_of(class, height, height + 1);
    }

    /// INST.
    pub(super) fn instance(&mut self, class: Value, height: usize) {
        self.instance_of(class, height, height);
    }

    fn instance_of(&mut self, class: Value, height: usize, arguments: usize) {
        let result = match class {
            Value::Global(index) if self.stack.above(arguments).is_empty() => {
                self.used(index, Use::Make);
                self.made(index, 0, 0)
            }
            Value::Global(index) => {
                self.used(index, Use::Call);
                let size = self.size_above(arguments);
                let items = self.stack.above(arguments);
                let start = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
                let tuple = if items.len() <= KEPT {
                    self.cells.extend_from_slice(items);
                    Value::Tuple { start, len: u16::try_from(items.len()).unwrap_or(u16::MAX), size }
                } else {
                    Value::Tuple { start: u32::MAX, len: u16::MAX, size }
                };
                self.effect(index, tuple)
            }
            other => self.call_of_value(other),
        };
        self.stack.cut(height);
        self.stack.push(result);
    }

    /// BUILD: `__setstate__` of the target, or its attributes.
    pub(super) fn build(&mut self, target: Value, state: Value) -> Step {
        let at = self.at;
        match target {
            Value::Object { class, args, len } => {
                self.used(class, Use::Build);
                self.gets_buffer(class, args);
                self.arrays.acts += u64::from(self.effect_of(class) != Effect::Dtype);
                let is_second = self.gets_state(args, len);
                self.see_state(class, state, is_second)?;
                return self.built(class, args, state, is_second);
            }
            Value::Global(index) => self.foreign(index),
            Value::Persistent(_) => {
                self.facts.fault(FaultKind::IntoStorage, at, || "state for a storage".to_owned());
            }
            Value::Unknown => {
                self.facts.fault(FaultKind::ForeignTarget, at, || "state for something unknown".to_owned());
            }
            _ if self.is_no_state(state) => {}
            _ => self.facts.fault(FaultKind::Broken, at, || "state for something that has none".to_owned()),
        }
        Ok(())
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
                if let Some(size) = usize::try_from(size).ok().and_then(|at| self.sizes.get_mut(at)) {
                    *size = size.saturating_add(added);
                    if *size > self.limits.expansion {
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

    /// What was not made here is changed: from here on no name means what it says.
    fn foreign(&mut self, index: u32) {
        self.used(index, Use::Foreign);
        self.tainted = true;
    }
}
