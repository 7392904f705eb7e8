//! Room `model`, pickle: tuples and containers, calls, and state that is put into something.

use super::container::KEPT;
use super::effect::Effect;
use super::end::Step;
use super::facts::FaultKind;
use super::facts::Use;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;
use super::waiting::is_buffer;

/// Whether a class has an `__init__` that does nothing but fill it.
fn is_plain((module, name): (&str, &str)) -> bool {
    let names = ["object", "dict", "list", "tuple", "int", "float", "str", "set", "frozenset", "bytes"];
    module == "builtins" && names.contains(&name)
}

impl Machine<'_> {
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
            (Effect::MakesIndex, &[Value::Global(class), keywords, ..]) => {
                self.used(class, Use::New);
                // They go to `__new__`: of `numpy.ndarray` a buffer. What is no dict may hide the name of a zone.
                let is_dict = matches!(keywords, Value::Fresh { kind: Container::Dict, .. });
                if !is_dict || !self.module_of(class).0.starts_with("pandas") {
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
            (Effect::Strings, &[Value::Int(0 | 1), ref missing @ ..])
                if missing.len() < 2 && missing.iter().all(|missing| self.is_word(*missing)) =>
            {
                self.watch();
                callee
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
        self.refers_to(class);
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

    /// What was not made here is changed: from here on no name means what it says.
    pub(super) fn foreign(&mut self, index: u32) {
        self.used(index, Use::Foreign);
        self.tainted = true;
    }
}
