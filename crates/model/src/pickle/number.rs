//! Room `model`, pickle: lines that hold numbers, as CPython 3.11 reads them: what either unpickler takes is no error here.
//!
//! The C unpickler hands a line to functions of C, for which NUL ends it (Modules/_pickle.c: `load_int` by `strtol`, which
//! knows octal numbers, then all by `PyLong_FromString`; `load_float` by `PyOS_string_to_double`); the pure-Python one to
//! `int` and `float`, which strip.

use super::value::Value;

/// The operand of INT.
pub(super) fn int(line: &[u8]) -> Option<Value> {
    let text = until_nul(line);
    if text.is_empty() && !line.is_empty() {
        return Some(Value::Int(0)); // strtol finds nothing, and the end of the text
    }
    octal(text).or_else(|| python(text, 0))
}

/// The operand of LONG.
pub(super) fn long(line: &[u8]) -> Option<Value> {
    python(until_nul(line.strip_suffix(b"L").unwrap_or(line)), 0)
}

/// Whether it is the operand of FLOAT.
pub(super) fn is_float(line: &[u8]) -> bool {
    let text = trim(until_nul(line));
    let is_digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    let joins =
        |at: usize| is_digit(at.checked_sub(1).and_then(|at| text.get(at))) && is_digit(text.get(at + 1));
    let is_joined = text.iter().enumerate().all(|(at, byte)| *byte != b'_' || joins(at));
    let bare: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'_').collect();
    is_joined && std::str::from_utf8(&bare).is_ok_and(|text| text.parse::<f64>().is_ok())
}

/// The operand of GET and PUT.
pub(super) fn key(line: &[u8]) -> Option<u64> {
    match python(until_nul(line), 10) {
        Some(Value::Int(key)) => u64::try_from(key).ok(),
        _ => None,
    }
}

fn until_nul(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// `Py_ISSPACE` and `isspace` of C: the vertical tab too.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().take_while(|byte| is_space(**byte)).count();
    let text = text.get(start..).unwrap_or_default();
    let end = text.iter().rev().take_while(|byte| is_space(**byte)).count();
    text.get(..text.len() - end).unwrap_or_default()
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

/// `strtol(text, &end, 0)` where it takes all of the text for octal; other numbers are the same for `int`.
fn octal(text: &[u8]) -> Option<Value> {
    let start = text.iter().take_while(|byte| is_space(**byte)).count();
    let (negative, digits) = signed(text.get(start..)?);
    let [b'0', digits @ ..] = digits else { return None };
    let sum = digits.iter().try_fold(0_i64, |sum, byte| {
        let digit = char::from(*byte).to_digit(8)?;
        sum.checked_mul(8)?.checked_add(digit.into())
    })?;
    Some(Value::Int(if negative { -sum } else { sum }))
}

/// `int(text, base)` of Python, base 0 or 10; numbers beyond 64 bits are numbers all the same.
fn python(text: &[u8], base: u8) -> Option<Value> {
    let (negative, digits) = signed(trim(text));
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if base == 0 => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] if base == 0 => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] if base == 0 => (2, rest),
        digits => (10, digits),
    };
    // Octal numbers of Python 2 are an error, zero aside.
    let is_old_octal = base == 0 && radix == 10 && digits.first() == Some(&b'0');
    let digits = if radix == 10 { digits } else { digits.strip_prefix(b"_").unwrap_or(digits) };
    let mut sum: Option<i64> = Some(0);
    let mut last = b'_';
    for &byte in digits {
        if byte != b'_' {
            let digit = char::from(byte).to_digit(radix)?;
            sum = sum.and_then(|sum| sum.checked_mul(radix.into())?.checked_add(digit.into()));
        } else if last == b'_' {
            return None;
        }
        last = byte;
    }
    if last == b'_' || is_old_octal && sum != Some(0) {
        return None;
    }
    Some(match sum {
        Some(sum) => Value::Int(if negative { -sum } else { sum }),
        None => Value::Number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::python;

    /// A line and what INT, LONG and GET make of it.
    type Case = (&'static [u8], Option<i64>, Option<i64>, Option<u64>);

    const LINES: &[Case] = &[
        (b"12", Some(12), Some(12), Some(12)),
        (b" +1_000 ", Some(1000), Some(1000), Some(1000)),
        (b"-0x1F", Some(-31), Some(-31), None),
        (b"0b101", Some(5), Some(5), None),
        (b"0x_1", Some(1), Some(1), None),
        (b"01", Some(1), None, Some(1)),
        (b"010", Some(8), None, Some(10)),
        (b"\x0b-010", Some(-8), None, None),
        (b"010 ", None, None, Some(10)),
        (b"09", None, None, Some(9)),
        (b"0_0", Some(0), Some(0), Some(0)),
        (b"\x0b3", Some(3), Some(3), Some(3)),
        (b"3\x0b", Some(3), Some(3), Some(3)),
        (b"5\0x", Some(5), Some(5), Some(5)),
        (b"5 \0x", Some(5), Some(5), Some(5)),
        (b"\0x", Some(0), None, None),
        (b"7L", None, Some(7), None),
        (b"7L\0L", None, None, None),
        (b"1__0", None, None, None),
        (b"1_", None, None, None),
        (b"- 5", None, None, None),
        (b" ", None, None, None),
        (b"", None, None, None),
        (b"x", None, None, None),
    ];

    const FLOATS: &[(&[u8], bool)] = &[
        (b"1.5", true),
        (b" 1", true),
        (b"1 ", true),
        (b"\x0b1\x0c", true),
        (b"1\0zz", true),
        (b"1_0.5e-1_0", true),
        (b"-inf", true),
        (b"NaN", true),
        (b"1_", false),
        (b"1__0", false),
        (b"1_.5", false),
        (b"", false),
        (b" ", false),
        (b"\0", false),
        (b"0x1", false),
        (b"1e", false),
    ];

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        let number = |value: Option<Value>| match value {
            Some(Value::Int(number)) => Some(number),
            None => None,
            Some(other) => panic!("{other:?}"),
        };
        for &(line, as_int, as_long, as_key) in LINES {
            let shown = String::from_utf8_lossy(line);
            assert_eq!((number(int(line)), number(long(line))), (as_int, as_long), "{shown:?}");
            assert_eq!(key(line), as_key, "{shown:?}");
        }
        for (line, is_one) in FLOATS {
            assert_eq!(is_float(line), *is_one, "{:?}", String::from_utf8_lossy(line));
        }
        assert_eq!(int(b"99999999999999999999999"), Some(Value::Number));
        assert_eq!(int(b"0777777777777777777777777"), None);
    }

    #[test]
    #[ignore = "needs python3: reads the same lines with both unpicklers"]
    fn both_unpicklers_of_cpython_agree() {
        let script = r"
import io, pickle, struct, sys
while head := sys.stdin.buffer.read(4):
    data, seen = sys.stdin.buffer.read(struct.unpack('<I', head)[0]), []
    for load in (lambda data: pickle.Unpickler(io.BytesIO(data)).load(), lambda data: pickle._Unpickler(io.BytesIO(data)).load()):
        try: value = load(data)
        except Exception: continue
        seen.append('float' if type(value) is float else str(int(value)))
    assert len(set(seen)) < 2, (data, seen)
    print(seen[0] if seen else '-')
";
        let mut streams = vec![];
        let mut ours = vec![];
        let told = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        for (line, as_int, as_long, as_key) in LINES {
            streams.push([b"I", *line, b"\n."].concat());
            ours.push(told(as_int.map(|number| number.to_string())));
            streams.push([b"L", *line, b"\n."].concat());
            ours.push(told(as_long.map(|number| number.to_string())));
            let Some(key) = as_key else {
                streams.push([b"K\x07p", *line, b"\n."].concat());
                ours.push("-".to_owned());
                continue;
            };
            let get = u32::try_from(*key).unwrap().to_le_bytes();
            streams.push([b"K\x07p", *line, b"\n0j", &get, b"0g", line, b"\n."].concat());
            ours.push("7".to_owned());
        }
        for (line, is_one) in FLOATS {
            streams.push([b"F", *line, b"\n."].concat());
            ours.push(if *is_one { "float" } else { "-" }.to_owned());
        }
        let printed = python::run(script, &python::frames(streams.iter().map(Vec::as_slice)));
        assert_eq!(printed.lines().collect::<Vec<_>>(), ours);
    }
}
