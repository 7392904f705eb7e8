//! Room `model`, pickle: types of NumPy's items. `numpy.dtype(text)` and the state that BUILD puts into it -> bytes of one item,
//! and whether objects stand in it. NumPy believes the state (`arraydescr_setstate` in descriptor.c): where it lies, numbers are
//! taken for objects, or items read outside of their array. So each state is held against the text, and told where it differs.

use super::effect::Effect;
use super::end::Step;
use super::facts::Use;
use super::machine::Machine;
use super::state::ATTRIBUTES;
use super::value::Value;
use crate::format::npy;

/// What a dtype's text may begin with.
const BYTE_ORDERS: [char; 4] = ['|', '<', '>', '='];
/// NPY_ITEM_REFCOUNT, NPY_LIST_PICKLE, NPY_ITEM_IS_POINTER; numpy/ndarraytypes.h.
const OF_OBJECTS: i64 = 7;
/// NPY_FROM_FIELDS: flags that a structure has of a field of objects.
const FROM_FIELDS: i64 = 27;

/// A field of a structure: where it begins, its bytes, the first cell of its dtype.
type Field = (u64, u64, u32);

impl Machine<'_> {
    /// `numpy.dtype(text, False, True)`. A dtype in place of the text is given back as it is, and would have two names here.
    pub(super) fn makes_dtype(&mut self, callee: u32, start: u32, len: u16) {
        let first = self.cells_of(start, len).first().copied();
        match first {
            Some(text @ Value::Text { .. }) => {
                let text = self.text_of(text).ok().flatten();
                match text.as_deref().map(|text| text.trim_start_matches(BYTE_ORDERS).as_bytes()) {
                    Some([b'V', ..]) => self.keep_at_least(ATTRIBUTES),
                    // A `StringDType`, which its writer makes by a function of its own.
                    Some([b'T', ..]) => self.used(callee, Use::OddArguments),
                    _ => {}
                }
            }
            Some(Value::Global(class)) if self.is_record(class) => self.keep_at_least(ATTRIBUTES),
            _ => self.used(callee, Use::OddArguments),
        }
    }

    fn is_record(&self, class: u32) -> bool {
        self.module_of(class) == ("numpy", "record")
    }

    /// `scalar(dtype, bytes)`: of objects it gives back what it is handed, under another name.
    pub(super) fn is_scalar(&mut self, dtype: Value) -> bool {
        matches!(self.item(Some(dtype)), Ok(Some((_, false))))
    }

    /// State is put into a dtype.
    pub(super) fn built_dtype(&mut self, class: u32, args: u32, state: Value, is_second: bool) -> Step {
        let told = if is_second { None } else { self.told(args, state)? };
        // What was made of it before would have items of another kind.
        let is_late = self.arrays.made.get(&args).is_some_and(|acts| *acts != self.arrays.acts);
        let told = told.filter(|_| !is_late);
        if told.is_none() {
            self.used(class, Use::OddArguments);
        }
        self.arrays.objects.insert(args, told);
        Ok(())
    }

    /// A dtype was made: state comes next, before anything is done with it.
    pub(super) fn made_dtype(&mut self, args: u32) {
        let acts = self.arrays.acts;
        self.arrays.made.insert(args, acts);
    }

    /// Whether a dtype holds objects, by its state; none where that is not as NumPy writes it, or has items of another size
    /// than its text says.
    fn told(&mut self, args: u32, state: Value) -> Step<Option<bool>> {
        let Value::Tuple { start, len: len @ 8..=9, .. } = state else { return Ok(None) };
        let &[_, _, base, names, fields, Value::Int(size), Value::Int(align), Value::Int(flags), ..] =
            self.cells_of(start, len)
        else {
            return Ok(None);
        };
        let first = self.cells_of(args, 1).first().copied().unwrap_or(Value::Unknown);
        let text = match first {
            Value::Global(class) if self.is_record(class) => format!("V{size}"),
            text => self.text_of(text)?.unwrap_or_default(),
        };
        let Some((said, is_object)) = npy::item_of(&text) else { return Ok(None) };
        let is_fixed = !text.trim_start_matches(BYTE_ORDERS).starts_with(['S', 'U', 'V', 'a']);
        let is_said = u64::try_from(size) == Ok(said) || is_fixed && size == -1;
        if !is_said || align < -1 || align == 0 {
            return Ok(None);
        }
        if is_structure(&text) {
            let inside = self.inside((base, names, fields), said)?;
            return Ok(inside.filter(|inside| {
                if *inside { flags & FROM_FIELDS == FROM_FIELDS } else { flags & OF_OBJECTS == 0 }
            }));
        }
        let is_plain = [base, names, fields] == [Value::None; 3];
        let agrees = flags & OF_OBJECTS == if is_object { OF_OBJECTS } else { 0 };
        Ok((is_plain && agrees).then_some(is_object))
    }

    /// Whether the fields or the base of a structure hold objects; none where they cannot be followed, or do not fit.
    fn inside(&mut self, (base, names, fields): (Value, Value, Value), size: u64) -> Step<Option<bool>> {
        match (base, names, fields) {
            (Value::None, Value::None, Value::None) => Ok(Some(false)),
            (Value::Tuple { start, len: 2, .. }, Value::None, Value::None) => {
                let &[dtype, shape] = self.cells_of(start, 2) else { return Ok(None) };
                let Some((item, objects)) = self.item(Some(dtype))? else { return Ok(None) };
                let count = self.count(shape);
                let is_whole = count.and_then(|count| count.checked_mul(item)) == Some(size);
                Ok(is_whole.then_some(objects))
            }
            (Value::None, names, fields) => self.fields(names, fields, size),
            _ => Ok(None),
        }
    }

    fn fields(&mut self, names: Value, fields: Value, size: u64) -> Step<Option<bool>> {
        let (Value::Tuple { start, len, .. }, Some(entries)) = (names, self.entries(fields)) else {
            return Ok(None);
        };
        let (mut places, mut keys, mut any): (Vec<Field>, Vec<String>, bool) =
            (Vec::new(), Vec::new(), false);
        for (key, field) in entries {
            let Value::Tuple { start, len: len @ 2..=3, .. } = field else { return Ok(None) };
            let (Some(key), &[dtype @ Value::Object { args, .. }, Value::Int(offset), ..]) =
                (self.text_of(key)?, self.cells_of(start, len))
            else {
                return Ok(None);
            };
            let Some((item, objects)) = self.item(Some(dtype))? else { return Ok(None) };
            let Ok(offset) = u64::try_from(offset) else { return Ok(None) };
            if offset.checked_add(item).is_none_or(|end| end > size) {
                return Ok(None);
            }
            places.push((offset, item, args));
            keys.push(key);
            any |= objects;
        }
        for name in self.cells_of(start, len).to_vec() {
            let name = self.text_of(name)?;
            if !name.is_some_and(|name| keys.contains(&name)) {
                return Ok(None);
            }
        }
        Ok((!any || are_apart(places)).then_some(any))
    }

    /// Bytes of one item, and whether it is or holds an object.
    pub(super) fn item(&mut self, dtype: Option<Value>) -> Step<Option<(u64, bool)>> {
        let Some(Value::Object { class, args, len }) = dtype else { return Ok(None) };
        let Some(&text) = self.cells_of(args, len).first() else { return Ok(None) };
        let is_dtype = self.effect_of(class) == Effect::Dtype;
        let Some(text) = self.text_of(text)?.filter(|_| is_dtype) else { return Ok(None) };
        let objects = self.holds_objects(&text, args);
        Ok(npy::item_of(&text).zip(objects).map(|((size, _), objects)| (size, objects)))
    }

    fn holds_objects(&self, text: &str, args: u32) -> Option<bool> {
        let told = self.arrays.objects.get(&args).copied();
        match text.trim_start_matches(BYTE_ORDERS).as_bytes().first() {
            Some(b'O') => told.unwrap_or(Some(true)),
            Some(b'V') => told?,
            _ => told.unwrap_or(Some(false)),
        }
    }

    /// Items of a shape; none where NumPy would count others, because the number does not fit.
    pub(super) fn count(&self, shape: Value) -> Option<u64> {
        let Value::Tuple { start, len, .. } = shape else { return None };
        let sizes = self.cells_of(start, len);
        (sizes.len() == usize::from(len)).then_some(())?;
        let count = sizes.iter().try_fold(1_i64, |count, size| match size {
            Value::Int(size @ 0..) => count.checked_mul(*size),
            _ => None,
        });
        u64::try_from(count?).ok()
    }

    /// An array of NumPy, by pickle or by joblib.
    pub(super) fn is_array(&self, value: Value) -> bool {
        match value {
            Value::Bytes => true,
            Value::Object { class, .. } => matches!(
                self.module_of(class),
                ("numpy", "ndarray") | ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer")
            ),
            _ => false,
        }
    }
}

fn is_structure(text: &str) -> bool {
    text.trim_start_matches(BYTE_ORDERS).starts_with('V')
}

/// Whether no field lies over another: a number over an object would be a pointer. A title is its field once more.
fn are_apart(mut places: Vec<Field>) -> bool {
    places.sort_unstable();
    places.dedup();
    places.windows(2).all(|pair| match pair {
        [(offset, size, _), (next, ..)] => offset.saturating_add(*size) <= *next,
        _ => true,
    })
}
