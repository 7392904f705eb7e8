//! What a plain scalar means: exactly what the API server's YAML layer (`sigs.k8s.io/yaml`, a go-yaml v2) makes of it.
//!
//! YAML 1.1 booleans, octal with a leading zero, underscores in numbers. A reader that takes `privileged: yes` for
//! text is blind. The table in `tests/scalar_judge.rs` compares this file with the real library.

/// A resolved scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'t> {
    /// `~`, `null`, nothing.
    Null,
    /// YAML 1.1: also yes, no, on, off, y, n.
    Bool(bool),
    /// Fits in 64 bits with sign.
    Int(i64),
    /// Fits in 64 bits only without sign.
    UInt(u64),
    /// Everything else that is a number.
    Float(f64),
    /// Text.
    Str(&'t str),
}

impl<'t> Scalar<'t> {
    /// Resolves the text of a plain scalar.
    pub(super) fn resolve(text: &'t str) -> Self {
        let Some(first) = text.bytes().next() else { return Self::Null };
        match first {
            b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
            b'.' => dotted(text),
            b'+' | b'-' | b'0'..=b'9' => number(text),
            _ => Self::Str(text),
        }
    }
}

fn word(text: &str) -> Scalar<'_> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Str(text),
    }
}

fn dotted(text: &str) -> Scalar<'_> {
    match text {
        ".inf" | ".Inf" | ".INF" => Scalar::Float(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        // Go's own float syntax: an underscore stands between two digits.
        _ if text.contains('_') => {
            let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            let separates = text.as_bytes().windows(3).filter(|three| three.get(1) == Some(&b'_'));
            let good = separates.filter(|three| digit(three.first()) && digit(three.last())).count();
            let number = (good == text.matches('_').count()).then(|| float(&text.replace('_', "")));
            number.flatten().map_or(Scalar::Str(text), Scalar::Float)
        }
        _ => float(text).map_or(Scalar::Str(text), Scalar::Float),
    }
}

fn number(text: &str) -> Scalar<'_> {
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let joined;
    let digits = if text.contains('_') {
        joined = text.replace('_', "");
        joined.as_str()
    } else {
        text
    };
    if let Some(value) = integer(digits) {
        return match (i64::try_from(value), u64::try_from(value)) {
            (Ok(signed), _) => Scalar::Int(signed),
            (_, Ok(unsigned)) => Scalar::UInt(unsigned),
            _ => float(digits).map_or(Scalar::Str(text), Scalar::Float),
        };
    }
    float(digits).map_or(Scalar::Str(text), Scalar::Float)
}

/// Go's `strconv.ParseInt(s, 0, 64)`: sign, then `0x`, `0o`, `0b`, or a leading zero for octal, else decimal.
fn integer(text: &str) -> Option<i128> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = body.get(..2).map(str::to_ascii_lowercase);
    let (digits, radix) = match lower.as_deref() {
        Some("0x") => (body.get(2..)?, 16),
        Some("0o") => (body.get(2..)?, 8),
        Some("0b") => (body.get(2..)?, 2),
        Some(_) if body.starts_with('0') => (body.get(1..)?, 8),
        _ => (body, 10),
    };
    // from_str_radix takes a sign of its own, which would let "--1" through.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the only floats of that layer; overflow is text there.
fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (body.get(..at)?, Some(body.get(at.saturating_add(1)..)?)),
        None => (body, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = match (whole, fraction) {
        ("", Some(fraction)) => !fraction.is_empty() && all_digits(fraction),
        ("", None) => false,
        (whole, fraction) => all_digits(whole) && fraction.is_none_or(all_digits),
    };
    let exponent_shaped = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !shaped || !exponent_shaped {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A float as a key: that layer writes it with 32 bits, as Go's `FormatFloat(value, 'g', -1, 32)`.
pub(super) fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the layer itself narrows keys to 32 bits")]
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

/// Standard base64 with padding (RFC 4648 section 4), blanks ignored: `!!binary` and the `data` of a Secret.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut padding) = (0_u32, 0_u8, 0_u8);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding = padding.saturating_add(1);
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).unwrap_or(0));
        }
    }
    // A full quantum leaves no bits, two digits leave four and two pads, three leave two and one pad.
    matches!((held, padding), (0, 0) | (4, 2) | (2, 1)).then_some(out)
}

/// Base64 with padding.
pub fn encode_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let missing = 3_usize.saturating_sub(group.len());
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * missing);
        for place in 0..4_usize {
            let digit = bits >> (18 - 6 * place) & 63;
            let letter = ALPHABET.get(digit as usize).copied().unwrap_or(b'=');
            text.push(char::from(if place <= group.len() { letter } else { b'=' }));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_takes_what_kubernetes_takes() {
        assert_eq!(decode_base64("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode_base64("aGVs\nbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode_base64(""), Some(Vec::new()));
        for bad in ["aGVsbG8", "aGVsbG8==", "aGVs!", "=", "a=b="] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }
}
