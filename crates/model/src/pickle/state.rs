//! Room `model`, pickle: what BUILD puts into an object. Nearly always a dict of attributes; what is none, or has attributes
//! that CPython or the class itself would call, is told.

use std::collections::HashMap;
use std::collections::HashSet;

use super::end::Step;
use super::facts::FaultKind;
use super::facts::Name;
use super::facts::Use;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;
use crate::policy::Policy;

/// Modules of scikit-learn whose classes are compiled, and take their state apart themselves.
const COMPILED: [&str; 5] = [
    "sklearn._loss._loss",
    "sklearn.metrics._dist_metrics",
    "sklearn.neighbors._ball_tree",
    "sklearn.neighbors._kd_tree",
    "sklearn.tree._tree",
];
/// Packages whose classes do, too, or have slots: states of these are tuples, and objects.
const OWN: [&str; 5] = ["numpy", "pandas", "scipy.interpolate", "scipy.spatial", "torch"];
/// Items that are kept of dicts where attributes are looked at: more than two for each attribute of an estimator.
pub(super) const ATTRIBUTES: usize = 512;
/// `__x__`.
const SHORTEST: u32 = 5;
/// Attributes that nobody calls: `typing` leaves the first, pydantic the others.
const HARMLESS: [&str; 4] =
    ["__orig_class__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__"];

/// Keys of dicts that are not plain words.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Texts that may be dunders, by their place.
    texts: HashSet<u64>,
    /// Dicts with such keys, by the index of their size.
    dicts: HashMap<u32, Odd>,
}

/// The worst key of a dict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Odd {
    /// It is made while loading: any text.
    Computed,
    /// A dunder, for data.
    Dunder,
    /// A dunder, for something that may be called.
    Method,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.dicts.clear();
    }

    /// Values that are kept, for the budget.
    pub(super) fn len(&self) -> usize {
        self.texts.len() + self.dicts.len()
    }
}

/// Whether something may be called: what a call made, or a name.
fn is_computed(value: Value) -> bool {
    matches!(value, Value::Object { .. } | Value::Persistent(_) | Value::Unknown)
}

fn is_in(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Machine<'_> {
    /// A text that begins as dunders do, or with what may stand for that.
    #[cold]
    pub(super) fn may_be_dunder(&mut self, at: u64) {
        self.keys.texts.insert(at);
    }

    /// Keys from `height` up, with their values, come into a dict.
    #[inline]
    pub(super) fn see_keys(&mut self, size: u32, height: usize) -> Step {
        if self.facts.names.is_empty() && self.keys.texts.is_empty() {
            return Ok(()); // there is nothing to be called, and no state
        }
        let worst = self.worst_key(height)?;
        if let Some(worst) = worst {
            let known = self.keys.dicts.entry(size).or_insert(worst);
            *known = worst.max(*known);
        }
        Ok(())
    }

    /// Items of an object: `__getattr__` of some gives them as attributes, `__setstate__` among them.
    pub(super) fn see_items(&mut self, class: u32, height: usize) -> Step {
        match self.worst_key(height)? {
            Some(Odd::Method) => self.method(),
            Some(Odd::Dunder) => self.used(class, Use::OddArguments),
            Some(Odd::Computed) | None => {}
        }
        Ok(())
    }

    /// What is called with a dict may take it for attributes: `SimpleNamespace` does, from Python 3.13 on, and its writer hands
    /// it nothing.
    pub(super) fn see_arguments(&mut self, callee: u32, start: u32, len: u16) {
        if !self.keys.dicts.is_empty() {
            let is_method = |cell: &Value| self.odd_key(*cell) == Some(Odd::Method);
            if self.cells_of(start, len).iter().any(is_method) {
                self.method();
            }
        }
        // No writer hands a `StringDType` to a call: what it is made of there, items of any class, would be written out.
        let hands_strings =
            self.is_watching() && self.cells_of(start, len).iter().any(|cell| self.is_strings(*cell));
        if hands_strings || len > 0 && self.module_of(callee) == ("types", "SimpleNamespace") {
            self.used(callee, Use::OddArguments);
        }
    }

    fn worst_key(&mut self, height: usize) -> Step<Option<Odd>> {
        let any = self.stack.above(height).as_chunks::<2>().0.iter().any(|[key, _]| match key {
            Value::Text { at, .. } => !self.keys.texts.is_empty() && self.keys.texts.contains(at),
            key => is_computed(*key),
        });
        if !any {
            return Ok(None);
        }
        let pairs = self.stack.above(height).as_chunks::<2>().0.to_vec();
        let mut worst = None;
        for [key, value] in pairs {
            let odd = if is_computed(key) {
                Some(Odd::Computed)
            } else if !self.is_dunder(key)? {
                None
            } else if is_computed(value) || matches!(value, Value::Global(_)) {
                Some(Odd::Method)
            } else {
                Some(Odd::Dunder)
            };
            worst = worst.max(odd);
        }
        Ok(worst)
    }

    fn is_dunder(&mut self, key: Value) -> Step<bool> {
        let Value::Text { at, len, .. } = key else { return Ok(false) };
        if len < SHORTEST || !self.keys.texts.contains(&at) {
            return Ok(false);
        }
        let text = self.text_of(key)?.unwrap_or_default();
        Ok(text.starts_with("__") && text.ends_with("__") && !HARMLESS.contains(&text.as_str()))
    }

    #[cold]
    fn method(&mut self) {
        let at = self.at;
        let words = || "an attribute that the interpreter calls, in the state of an object".to_owned();
        self.facts.fault(FaultKind::Method, at, words);
    }

    fn odd_key(&self, dict: Value) -> Option<Odd> {
        let Value::Fresh { size, .. } = dict else { return None };
        self.keys.dicts.get(&size).copied()
    }

    /// State for an object, the first or another one.
    pub(super) fn see_state(&mut self, class: u32, state: Value, is_second: bool) -> Step {
        let worst = match state {
            // Parts behind the first go by `setattr`: `__class__` and `__dict__` are set, whatever stands there.
            Value::Tuple { start, len, .. } => {
                let parts = self.cells_of(start, len).iter().map(|part| self.odd_key(*part)).enumerate();
                let parts = parts.map(|(at, odd)| match odd {
                    Some(Odd::Dunder) if at > 0 => Some(Odd::Method),
                    odd => odd,
                });
                parts.max().flatten()
            }
            state => self.odd_key(state),
        };
        match worst {
            Some(Odd::Method) => self.method(),
            Some(Odd::Dunder | Odd::Computed) => self.used(class, Use::OddArguments),
            None => {}
        }
        let is_odd = self.is_odd_array(state)
            || self.is_odd_scorer(class, state)?
            || self.takes_attributes(class) && self.is_odd_state(state)
            || self.is_sklearn(class) && self.is_refused(class, state)?;
        if is_second || is_odd {
            self.used(class, Use::OddArguments);
        } else if self.is_unseen(class, state) {
            let at = self.at;
            let words = || "state for an object, by something whose keys no opcode shows".to_owned();
            self.facts.fault(FaultKind::State, at, words);
        }
        self.place_scorers(class, state)
    }

    /// Attributes that are set one by one (`_set_obj_state` in torch/_utils.py), so that no dunder is data: a dict, or two.
    pub(super) fn see_set(&mut self, callee: u32, state: Value) {
        let parts = match state {
            Value::Tuple { start, len: 2, .. } => self.cells_of(start, 2).to_vec(),
            state => vec![state],
        };
        for part in parts {
            match (part, self.odd_key(part)) {
                (_, Some(Odd::Dunder | Odd::Method)) => self.method(),
                (Value::None | Value::Fresh { kind: Container::Dict, .. }, None) => {}
                _ => self.used(callee, Use::OddArguments),
            }
        }
    }

    /// State, or a part of one, that becomes attributes and whose keys no opcode shows, so that `__class__` may be among them.
    /// BUILD asks no more than `items()`, which tables and sparse matrices have as well as `dict(pairs)`; `dict.update` takes
    /// whatever has `keys`, and pairs.
    fn is_unseen(&self, class: u32, state: Value) -> bool {
        let (module, name) = self.module_of(class);
        match state {
            Value::Fresh { kind: Container::Dict, .. } | Value::None => false,
            Value::Object { .. } | Value::Persistent(_) | Value::Global(_) | Value::Unknown => true,
            // What a class does that no built-in list has is for those to say who allow it.
            state if !Policy::is_built_in(module, name) => {
                let Value::Tuple { start, len, .. } = state else { return false };
                self.cells_of(start, len).iter().any(|part| self.is_mapping(*part))
            }
            Value::Tuple { start, len, .. } => {
                let parts = self.cells_of(start, len);
                // The longest are those of trees of neighbours, with twelve parts.
                parts.len() != usize::from(len) || self.is_unseen_part(class, parts)
            }
            state => !self.shows_keys(state),
        }
    }

    /// Whether parts of a tuple become attributes without their keys. CPython itself takes pairs apart; those that do more with
    /// them are `Rotation` (an array, and a truth value) and generators (a dict, and their seed). Cython puts attributes last.
    fn is_unseen_part(&self, class: u32, parts: &[Value]) -> bool {
        let is_seed = |value| {
            matches!(value, Value::Object { class, .. }
                if self.module_of(class) == ("numpy.random.bit_generator", "SeedSequence"))
        };
        match *parts {
            [] => false,
            // `NDArrayBacked.__setstate__` takes a type and an array in either order, and makes attributes of a third part alone.
            [dtype, array] | [array, dtype]
                if matches!(self.module_of(class), ("pandas.arrays", _) | ("pandas", "Categorical"))
                    && self.is_dtype_of_pandas(dtype)
                    && self.is_array(array) =>
            {
                false
            }
            [state, slots] => {
                !(self.shows_keys(state) || self.is_array(state))
                    || !(self.shows_keys(slots) || is_seed(slots))
            }
            [attributes] => !self.shows_keys(attributes),
            _ if self.takes_attributes(class) => true,
            [.., attributes] if self.module_of(class).0.starts_with("pandas") => {
                !self.shows_keys(attributes) || parts.iter().any(|part| self.is_mapping(*part))
            }
            _ => parts.iter().any(|part| !self.is_part(*part)),
        }
    }

    fn is_dtype_of_pandas(&self, value: Value) -> bool {
        let Value::Object { class, .. } = value else { return false };
        let (module, name) = self.module_of(class);
        (module, name) == ("numpy", "dtype") || is_in(module, "pandas") && name.ends_with("Dtype")
    }

    /// Keys that were looked at, or no keys and no pairs at all.
    fn shows_keys(&self, value: Value) -> bool {
        match value {
            Value::None
            | Value::Int(_)
            | Value::Number
            | Value::Text { .. }
            | Value::Bytes
            | Value::Fresh { kind: Container::Dict, .. } => true,
            Value::Fresh { .. } | Value::Tuple { .. } => self.size_of(value) == 1,
            Value::Object { .. } | Value::Persistent(_) | Value::Global(_) | Value::Unknown => false,
        }
    }

    fn is_mapping(&self, value: Value) -> bool {
        matches!(value, Value::Object { class, .. } if self.effect_of(class).makes_mapping())
    }

    /// Of the objects that stand in states of compiled classes none has keys.
    fn is_part(&self, value: Value) -> bool {
        let Value::Object { class, .. } = value else { return true };
        let (module, _) = self.module_of(class);
        is_in(module, "numpy") || COMPILED.contains(&module) || self.is_value(value)
    }

    /// State that BUILD puts nowhere, so that anything may stand there: None for the C unpickler, for the pure-Python one
    /// everything that is false, each alone or twice in a tuple.
    pub(super) fn is_no_state(&self, state: Value) -> bool {
        let is_false = |value| match value {
            Value::Unknown
            | Value::None
            | Value::Int(0)
            | Value::Number
            | Value::Bytes
            | Value::Object { .. }
            | Value::Persistent(_)
            | Value::Fresh { kind: Container::Array, .. } => true,
            Value::Text { len, .. } => len == 0,
            Value::Fresh { .. } | Value::Tuple { .. } => self.size_of(value) == 1,
            Value::Int(_) | Value::Global(_) => false,
        };
        match state {
            Value::Tuple { start, len: 2, .. } => self.cells_of(start, 2).iter().all(|part| is_false(*part)),
            state => is_false(state),
        }
    }

    /// State whose methods are called (`state.pop`, `state.items`), or a second part, which runs setters.
    fn is_odd_state(&self, state: Value) -> bool {
        let odd = |value| matches!(value, Value::Object { .. } | Value::Global(_) | Value::Unknown);
        let Value::Tuple { start, len: 2, .. } = state else { return odd(state) };
        !matches!(self.cells_of(start, 2), &[first, Value::None] if !odd(first))
    }

    pub(super) fn module_of(&self, class: u32) -> (&str, &str) {
        let name = usize::try_from(class).ok().and_then(|at| self.facts.names.get(at));
        name.map_or(("", ""), Name::imported)
    }

    /// Whether a class is one of those that take a dict of attributes: all that are not known to take anything else.
    fn takes_attributes(&self, class: u32) -> bool {
        let (module, _) = self.module_of(class);
        !OWN.iter().any(|package| is_in(module, package)) && !COMPILED.contains(&module)
    }

    fn is_sklearn(&self, class: u32) -> bool {
        let (module, _) = self.module_of(class);
        module.starts_with("sklearn.") && !COMPILED.contains(&module)
    }

    /// A name was looked up: attributes of scikit-learn's classes and of indexes are looked at.
    pub(super) fn expect_attributes(&mut self, module: &str) {
        if module.starts_with("sklearn.") || module.starts_with("pandas.core.indexes.") {
            self.keep_at_least(ATTRIBUTES);
        }
    }

    /// Attributes that `__setstate__` of a class of scikit-learn would call, or call something of (1.9.1: `base.py` compares
    /// and prints the version; `isotonic.py` calls `self._build_f` with two arrays; `predictor.py` calls `self.nodes.astype`).
    fn is_refused(&mut self, class: u32, state: Value) -> Step<bool> {
        let state = match state {
            Value::Tuple { start, len: 2, .. } => self.cells_of(start, 2).first().copied(),
            state => Some(state),
        };
        let Some(state @ Value::Fresh { kind: Container::Dict, .. }) = state else { return Ok(false) };
        let Some(entries) = self.entries(state) else { return Ok(true) };
        let (_, class) = self.module_of(class);
        let arrays: &[&str] = match class {
            "IsotonicRegression" => &["X_thresholds_", "y_thresholds_"],
            "TreePredictor" => &["nodes"],
            _ => &[],
        };
        for (key, value) in entries {
            let Some(key) = self.text_of(key)? else { return Ok(true) };
            let is_text = matches!(value, Value::Text { .. });
            if key == "_sklearn_version" && !is_text
                || key == "_build_f"
                || arrays.contains(&key.as_str()) && !self.is_array(value)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
