//! Room `domain`: an amount of Kubernetes (`500m`, `64Gi`, `1e3`), by value.

use std::str::FromStr;

/// An amount, in thousandths. Finer ones round up, as the API server does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Quantity(i128);

/// It is no amount, or one beyond what fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoQuantity;

impl Quantity {
    /// Nothing.
    pub(crate) const ZERO: Self = Self(0);
    /// One.
    pub(crate) const ONE: Self = Self(1000);

    /// The sum.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many of it.
    pub(crate) fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count.into()))
    }

    /// How many of `each` fit in.
    pub(crate) fn holds(self, each: Self) -> u32 {
        if each.0 <= 0 {
            return u32::MAX;
        }
        u32::try_from((self.0 / each.0).max(0)).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Display for Quantity {
    /// Whole, or in thousandths: `2`, `3250m`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 % 1000 == 0 { write!(out, "{}", self.0 / 1000) } else { write!(out, "{}m", self.0) }
    }
}

impl FromStr for Quantity {
    type Err = NoQuantity;

    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        let end = text.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (digits, decimals) = decimal(number)?;
        // digits * 10^-decimals * factor * 1000, in an order that loses nothing.
        let (mul, div) = factor(suffix)?;
        let scaled = digits.checked_mul(mul).and_then(|it| it.checked_mul(1000)).ok_or(NoQuantity)?;
        let div = 10_i128.checked_pow(decimals).and_then(|it| it.checked_mul(div)).ok_or(NoQuantity)?;
        let up = i128::from(scaled.rem_euclid(div) != 0);
        Ok(Self(scaled.div_euclid(div) + up))
    }
}

/// Digits without the point, and how many stood behind it.
fn decimal(number: &str) -> Result<(i128, u32), NoQuantity> {
    let (whole, behind) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.trim_start_matches(['+', '-']);
    if digits.len() + behind.len() == 0 || number.len() > 30 || !behind.bytes().all(|it| it.is_ascii_digit())
    {
        return Err(NoQuantity);
    }
    let joined = format!("{whole}{behind}").parse().map_err(|_| NoQuantity)?;
    Ok((joined, u32::try_from(behind.len()).map_err(|_| NoQuantity)?))
}

/// What a suffix multiplies and divides by.
fn factor(suffix: &str) -> Result<(i128, i128), NoQuantity> {
    let binary = |power: u32| Ok((1024_i128.pow(power), 1));
    let decimal = |power: u32| Ok((1000_i128.pow(power), 1));
    match suffix {
        "" => Ok((1, 1)),
        "n" => Ok((1, 1_000_000_000)),
        "u" => Ok((1, 1_000_000)),
        "m" => Ok((1, 1000)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power = exponent.strip_prefix(['e', 'E']).ok_or(NoQuantity)?;
            let power: i32 = power.parse().map_err(|_| NoQuantity)?;
            let size = 10_i128.checked_pow(power.unsigned_abs()).ok_or(NoQuantity)?;
            Ok(if power < 0 { (1, size) } else { (size, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn equal_amounts_are_equal() {
        for (one, other) in [
            ("1Gi", "1024Mi"),
            ("0.5", "500m"),
            ("1e3", "1k"),
            ("1500m", "1.5"),
            ("0", "0Ki"),
            ("1E", "1000P"),
            ("2E3", "2000"),
        ] {
            assert_eq!(of(one), of(other), "{one} {other}");
        }
        assert!(of("1G") < of("1Gi"));
        assert_eq!(of("0.0001"), of("1m"), "finer than a thousandth rounds up");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "Gi", "1gi", "1 Gi", "1.2.3", "--1", "1e", "1e99", "nan", "1Zi"] {
            assert_eq!(text.parse::<Quantity>(), Err(NoQuantity), "{text}");
        }
    }
}
