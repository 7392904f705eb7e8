//! Room `model`, pickle: a tensor as torch makes it of a storage -> whether it lies inside of that.

use super::facts::FaultKind;
use super::facts::Storage;
use super::machine::Machine;
use super::value::Value;
use crate::format::torch;

impl Machine<'_> {
    /// A tensor must lie inside of its storage: loaders before torch 2.10 do not all look. `_rebuild_tensor_v3` says of what
    /// type its items are, whatever those of the storage are.
    pub(super) fn view(
        &mut self,
        storage: Option<u32>,
        offset: i64,
        (size, stride): (Value, Value),
        dtype: Option<u32>,
    ) {
        let numbers = |value: Value| -> Option<Vec<i64>> {
            let Value::Tuple { start, len, .. } = value else { return None };
            let cells = self.cells_of(start, len);
            (cells.len() == usize::from(len)).then_some(())?;
            cells
                .iter()
                .map(|cell| if let Value::Int(number) = cell { Some(*number) } else { None })
                .collect()
        };
        let (Some(storage), Some(size), Some(stride)) =
            (self.storage(storage), numbers(size), numbers(stride))
        else {
            let at = self.at;
            self.facts.fault(FaultKind::View, at, || "a tensor whose view cannot be followed".to_owned());
            return;
        };
        let items = self.items_of(storage, dtype);
        if !fits(offset, &size, &stride, items) {
            let (key, at) = (storage.key.clone(), self.at);
            self.facts.fault(FaultKind::View, at, || {
                format!("a tensor of size {size:?} at item {offset} of storage {key}, which has {items}")
            });
        }
    }

    /// Items of a storage, counted as a type that is not its own. A type that nobody knows is told as a name.
    fn items_of(&self, storage: &Storage, dtype: Option<u32>) -> i64 {
        let sizes = || {
            let own = torch::item_size(self.imported(storage.class)?)?;
            Some((i64::try_from(own).ok()?, i64::try_from(torch::dtype_size(self.imported(dtype?)?)?).ok()?))
        };
        match sizes() {
            Some((own, other)) => storage.items.saturating_mul(own) / other,
            None => storage.items,
        }
    }
}

/// Whether a view lies inside of a storage of so many items.
pub(crate) fn fits(offset: i64, size: &[i64], stride: &[i64], items: i64) -> bool {
    let negative = |numbers: &[i64]| numbers.iter().any(|number| *number < 0);
    let wrong = offset < 0 || size.len() != stride.len() || negative(size) || negative(stride);
    let last = size.iter().zip(stride).try_fold(offset, |sum, (size, stride)| {
        sum.checked_add(size.saturating_sub(1).max(0).checked_mul(*stride)?)
    });
    let empty = size.contains(&0);
    !wrong && last.is_some_and(|last| last < items || (empty && offset <= items))
}
