//! Room `model`, format `zfile`: joblib before 0.10: `ZF`, the length of what follows in 19 characters of hex, and zlib.

/// Characters of the length.
const DIGITS: std::ops::Range<usize> = 2..21;

/// Whether the bytes begin with the mark and a length.
pub(crate) fn is_zfile(head: &[u8]) -> bool {
    head.starts_with(b"ZF") && length(head).is_some()
}

/// The length, read as joblib does by `int(.., 16)`: blanks around it, `0x` or not.
pub(crate) fn length(head: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(head.get(DIGITS)?).ok()?.trim();
    let digits = digits.strip_prefix('+').unwrap_or(digits).to_ascii_lowercase();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits).replace('_', "");
    u64::from_str_radix(&digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_what_python_takes_for_one() {
        for (text, value) in [
            ("ZF0x1a               ", Some(0x1a)),
            ("ZF1A                 ", Some(0x1a)),
            ("ZF              +0X_f", Some(0xf)),
            ("ZF-1                 ", None),
            ("ZF                   ", None),
            ("ZF0x1a", None),
        ] {
            assert_eq!(length(text.as_bytes()), value, "{text}");
        }
    }
}
