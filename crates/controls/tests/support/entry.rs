//! What the fuzz target does with its bytes, shared by `fuzz/` and the replay of the corpus on stable: it ends with a panic
//! when something that holds for every input does not.

use ringfence_controls::PriceTable;

/// A table that is read has prices that can be added up; one that is not is refused at a place in the text.
pub(crate) fn prices(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match PriceTable::parse(text) {
        Ok(table) => {
            for model in ["NVIDIA-H100-80GB-HBM3", "x", ""] {
                assert!(
                    table.price(model).is_none_or(|(_, price)| price.is_finite() && price >= 0.0),
                    "{text}"
                );
            }
        }
        Err(error) => {
            let line = text.split('\n').nth(error.line - 1);
            assert!(line.is_some_and(|line| error.column <= line.chars().count() + 1), "{error}: {text}");
            assert!(!error.message.is_empty());
        }
    }
}
