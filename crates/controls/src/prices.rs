//! What a GPU costs: rows with source and date, embedded from `data/`, replaced by the user's file.

use ringfence_inventory::yaml::Scalar;
use ringfence_inventory::yaml::Value;
use ringfence_inventory::yaml::read_yaml;

/// Prices by accelerator.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceTable {
    /// Date of the table as a whole, `YYYY-MM-DD`.
    pub date: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    accelerator: String,
    matches: Vec<String>,
    per_gpu_hour: f64,
}

/// A price table that cannot be used, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct PricesError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What was expected.
    pub message: String,
}

impl PriceTable {
    /// The table of this build.
    pub fn embedded() -> Self {
        Self::parse(include_str!("../../../data/prices.yaml"))
            .unwrap_or(Self { date: String::new(), rows: Vec::new() })
    }

    /// Reads a table: `date` and `table` rows with `accelerator`, `perGpuHour` and perhaps `match`, at the top or
    /// under `prices`.
    ///
    /// # Errors
    /// With line and column, when it is no YAML or a row says no usable price.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        let tree = read_yaml(text)
            .map_err(|error| at(text, error.at(), error.to_string()))?
            .ok_or_else(|| at(text, 0, "an empty price table".to_owned()))?;
        let root = tree.root().get("prices").unwrap_or(tree.root());
        let missing =
            |value: Value<'_>, what: &str| at(text, value.range().start, format!("expected {what}"));
        let table = root.get("table").ok_or_else(|| missing(root, "a list under `table`"))?;
        let mut rows = Vec::new();
        for row in table.items() {
            let accelerator = row
                .str_at("accelerator")
                .ok_or_else(|| missing(row, "`accelerator`, such as nvidia-h100"))?;
            let price = row.get("perGpuHour").ok_or_else(|| missing(row, "`perGpuHour` in dollars"))?;
            let per_gpu_hour = match price.scalar() {
                #[expect(clippy::cast_precision_loss, reason = "dollars per hour are small")]
                Some(Scalar::Int(dollars)) => dollars as f64,
                Some(Scalar::Float(dollars)) => dollars,
                _ => return Err(missing(price, "a number of dollars per GPU-hour")),
            };
            if !per_gpu_hour.is_finite() || per_gpu_hour < 0.0 {
                return Err(missing(price, "a price that is not negative"));
            }
            let own = accelerator.to_ascii_lowercase();
            let listed = row.get("match").into_iter().flat_map(Value::items).filter_map(Value::text);
            let mut matches: Vec<String> = listed.map(str::to_ascii_lowercase).collect();
            if matches.is_empty() {
                matches.push(own.rsplit('-').next().unwrap_or(&own).to_owned());
            }
            rows.push(Row { accelerator: accelerator.to_owned(), matches, per_gpu_hour });
        }
        if rows.is_empty() {
            return Err(missing(table, "at least one row"));
        }
        let date = root.get("date").and_then(Value::text).unwrap_or("an unknown date").to_owned();
        Ok(Self { date, rows })
    }

    /// Name and price for a model as the node label says it; the first row that matches counts.
    pub fn price(&self, model: &str) -> Option<(&str, f64)> {
        let model = model.to_ascii_lowercase();
        let row =
            self.rows.iter().find(|row| row.matches.iter().any(|part| model.contains(part.as_str())))?;
        Some((&row.accelerator, row.per_gpu_hour))
    }
}

fn at(text: &str, offset: usize, message: String) -> PricesError {
    let before = text.get(..offset.min(text.len())).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    PricesError {
        line: before.matches('\n').count().saturating_add(1),
        column: before.get(line_start..).map_or(0, |line| line.chars().count()).saturating_add(1),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_prices_an_h100_at_its_documented_row() {
        let table = PriceTable::embedded();
        assert_eq!(table.price("NVIDIA-H100-80GB-HBM3"), Some(("nvidia-h100", 4.0)));
        assert_eq!(table.price("Tesla-K80"), None);
        assert_eq!(table.date.len(), "2026-05-31".len());
    }

    #[test]
    fn a_bad_table_is_refused_with_its_place() {
        for (text, line, column) in [
            ("table:\n  - accelerator: x\n    perGpuHour: cheap\n", 3, 17),
            ("table:\n  - accelerator: x\n    perGpuHour: -1\n", 3, 17),
            ("table: []\n", 1, 8),
            ("a: [\n", 1, 4),
            ("", 1, 1),
        ] {
            let error = PriceTable::parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text} {error}");
        }
    }
}
