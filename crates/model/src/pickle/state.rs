//! Room `model`, pickle: state that a class of attributes would call, in place of taking it apart.

use super::machine::Machine;
use super::value::Container;
use super::value::Value;

/// Modules of scikit-learn whose classes are compiled, and take their state apart themselves.
const COMPILED: [&str; 5] = [
    "sklearn._loss._loss",
    "sklearn.metrics._dist_metrics",
    "sklearn.neighbors._ball_tree",
    "sklearn.neighbors._kd_tree",
    "sklearn.tree._tree",
];

impl Machine<'_> {
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

    /// State whose methods are called (`state.pop`, `state.items`), or a second state, which runs setters.
    pub(super) fn is_odd_state(&self, state: Value) -> bool {
        let odd = |value| matches!(value, Value::Object { .. } | Value::Global(_) | Value::Unknown);
        let Value::Tuple { start, len: 2, .. } = state else { return odd(state) };
        !matches!(self.cells_of(start, 2), &[first, Value::None] if !odd(first))
    }

    /// Whether a class is one of scikit-learn's that take a dict of attributes.
    pub(super) fn takes_attributes(&self, class: u32) -> bool {
        let name = usize::try_from(class).ok().and_then(|at| self.facts.names.get(at));
        let module = name.map_or("", |name| name.imported().0);
        module.starts_with("sklearn.") && !COMPILED.contains(&module)
    }
}
