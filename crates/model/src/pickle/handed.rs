//! Room `model`, pickle: what calls are handed -> whether a writer hands it. Values that are made of objects run methods of
//! these; pandas reads zones by name, and believes where a block stands.

use super::effect::Effect;
use super::facts::Use;
use super::machine::Machine;
use super::value::Container;
use super::value::Value;
use crate::policy::Policy;

/// What a text begins a zone in a file with: `datetime64[ns, dateutil//etc/x]`.
const ZONES: [&str; 3] = ["dateutil", ", /", "tzfile"];

/// Whether a key is written as IANA writes zones, `America/Argentina/La_Rioja`. Others lead to no other file: CPython
/// refuses absolute keys and those with `..` before it opens one (3.11, Lib/zoneinfo/_tzpath.py, `_validate_tzfile_path`,
/// which the C class calls by `find_tzfile` as well); but no writer has them.
fn is_zone(key: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|char| char.is_ascii_alphanumeric() || "_-+".contains(char))
    };
    key.split('/').all(is_part)
}

impl Machine<'_> {
    /// Names among the arguments are called; other arguments are texts, and what calls of this kind gave.
    pub(super) fn called(&mut self, callee: u32, arguments: Value) {
        let Value::Tuple { start, len, .. } = arguments else { return };
        let mut odd = self.cells_of(start, len).len() != usize::from(len);
        for at in 0..usize::from(len) {
            match self.cells_of(start, len).get(at).copied() {
                Some(Value::Global(name)) => self.used(name, Use::Call),
                Some(Value::Text { .. }) => {}
                Some(Value::Object { class, .. }) if self.effect_of(class) == Effect::CallsArguments => {}
                _ => odd = true,
            }
        }
        if odd {
            self.used(callee, Use::OddArguments);
        }
    }

    /// `ZoneInfo._unpickle(key, from_cache)`.
    pub(super) fn see_key(&mut self, callee: u32, key: Value) {
        let key = self.text_of(key).ok().flatten();
        if !key.is_some_and(|key| is_zone(&key)) {
            self.used(callee, Use::OddArguments);
        }
    }

    /// `set(items)`: iterated, hashed, compared or written out, by methods of what it is.
    pub(super) fn see_values(&mut self, callee: u32, start: u32, len: u16) {
        let handed = self.cells_of(start, len);
        if handed.len() != usize::from(len) || handed.iter().any(|value| !self.is_value(*value)) {
            self.used(callee, Use::OddArguments);
        }
    }

    /// What has no methods but those of Python, NumPy and pandas.
    pub(super) fn is_value(&self, value: Value) -> bool {
        match value {
            Value::Object { class, .. } => {
                let (module, _) = self.module_of(class);
                matches!(self.effect_of(class), Effect::Scalar | Effect::Value | Effect::Zone)
                    || matches!(module, "datetime" | "pandas._libs.tslibs.offsets")
            }
            Value::Global(_) | Value::Persistent(_) | Value::Unknown => false,
            _ => true,
        }
    }

    /// `__new__` with arguments or keywords: a buffer of `numpy.ndarray`, or whatever the class does with them. Writers hand
    /// none to classes of the built-in lists.
    pub(super) fn see_new(&mut self, class: u32, arguments: Value, keywords: Option<Value>) {
        let has_keywords = keywords.is_some_and(|keywords| {
            !matches!(keywords, Value::Fresh { kind: Container::Dict, .. }) || self.size_of(keywords) > 1
        });
        if !has_keywords && matches!(arguments, Value::Tuple { len: 0, .. }) {
            return;
        }
        match (self.effect_of(class), arguments) {
            (Effect::Value | Effect::Mapping, Value::Tuple { start, len, .. }) if !has_keywords => {
                self.see_values(class, start, len);
            }
            (Effect::Items, Value::Tuple { .. }) if !has_keywords => {}
            _ => {
                let (module, name) = self.module_of(class);
                if Policy::is_built_in(module, name) {
                    self.used(class, Use::OddArguments);
                }
            }
        }
    }

    /// What functions of pandas are handed: texts among it may name a zone, whose file is read while loading.
    pub(super) fn see_zones(&mut self, callee: u32, start: u32, len: u16) {
        let mut open = self.cells_of(start, len).to_vec();
        let mut is_odd = false;
        for value in open.clone() {
            match self.entries(value) {
                Some(entries) => {
                    // What a call makes a text of stands nowhere.
                    is_odd |= entries.iter().any(|(_, value)| self.is_made_text(*value));
                    is_odd |= entries.iter().any(|(_, value)| self.is_strings(*value));
                    open.extend(entries.into_iter().map(|(_, value)| value));
                }
                None => is_odd |= matches!(value, Value::Fresh { kind: Container::Dict, .. }),
            }
        }
        for value in open {
            let text = self.text_of(value).ok().flatten();
            is_odd |= text.is_some_and(|text| ZONES.iter().any(|zone| text.contains(zone)));
        }
        if is_odd {
            self.used(callee, Use::OddArguments);
        }
    }

    fn is_made_text(&self, value: Value) -> bool {
        matches!(value, Value::Object { class, .. } if self.module_of(class) == ("builtins", "str"))
    }

    /// `_unpickle_block(values, placement, ndim)`: a slice of numbers, or an array.
    pub(super) fn is_placement(&self, placement: Value) -> bool {
        self.slice(placement).is_some() || placement != Value::Bytes && self.is_array(placement)
    }

    /// Items of a `slice` of numbers, and the last place that it reaches.
    fn slice(&self, value: Value) -> Option<(i64, i64)> {
        let Value::Object { class, args, len } = value else { return None };
        if self.module_of(class) != ("builtins", "slice") {
            return None;
        }
        match *self.cells_of(args, len) {
            [Value::Int(start @ 0..), Value::Int(stop), Value::Int(step @ 1..)] if stop > start => {
                let count = (stop - start - 1) / step + 1;
                Some((count, start.checked_add((count - 1).checked_mul(step)?)?))
            }
            [Value::Int(start @ 0..), Value::Int(stop), Value::Int(1..)] if stop == start => Some((0, 0)),
            // Columns in reverse.
            [Value::Int(start @ 0..), stop @ (Value::None | Value::Int(0..)), Value::Int(step)]
                if step < 0 =>
            {
                let stop = if let Value::Int(stop) = stop { stop } else { -1 };
                let count = start.checked_sub(stop)?.checked_sub(1)? / step.checked_neg()? + 1;
                Some((count.max(0), start))
            }
            _ => None,
        }
    }

    /// `BlockManager(blocks, axes)`: pandas holds the number of places against the axes, and where they are against nothing.
    pub(super) fn see_blocks(&mut self, callee: u32, blocks: Value) {
        let Value::Tuple { start, len, .. } = blocks else { return self.used(callee, Use::OddArguments) };
        let (mut places, mut last) = (0_i64, -1);
        for block in self.cells_of(start, len) {
            let placement = match *block {
                Value::Object { args, len, .. } => self.cells_of(args, len).get(1).copied(),
                _ => None,
            };
            match placement.and_then(|placement| self.slice(placement)) {
                Some((0, _)) => {}
                Some((count, reach)) => (places, last) = (places.saturating_add(count), reach.max(last)),
                // What an array holds is not followed.
                None => return,
            }
        }
        if last >= places {
            self.used(callee, Use::OddArguments);
        }
    }
}
