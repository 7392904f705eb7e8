//! Room `model`, container `tar`: one header block of 512 bytes (POSIX ustar, GNU, V7), and the records of pax.

/// Length of a block.
pub(super) const BLOCK: u64 = 512;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Every name that a reader may make of the block, the one with its prefix first.
    pub(super) names: Vec<String>,
    pub(super) link: String,
    pub(super) size: u64,
    pub(super) kind: u8,
    /// Whether its own name makes an old header that of a folder.
    pub(super) is_folder: bool,
    /// Whether GNU's old sparse form goes on in the next block.
    pub(super) goes_on: bool,
}

/// Whether the block is a header at all: its check sum is that of its bytes, signed or unsigned.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(stated) = block.get(148..156).and_then(signed_number) else { return false };
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in block.iter().enumerate().take(512) {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    block.len() >= 512 && (stated == unsigned || stated == signed)
}

/// Reads a block that [`is_header`]; none where a number in it is none.
pub(super) fn read(block: &[u8]) -> Option<Header> {
    let kind = *block.get(156)?;
    let size = number(block.get(124..136)?)?;
    let name = text(block.get(..100)?);
    let prefix = text(block.get(345..500)?);
    let is_folder = kind == 0 && name.ends_with('/');
    let mut names = vec![name.clone()];
    // GNU's own kinds hold other things in place of the prefix; Python takes it for one in all others.
    if !prefix.is_empty() && block.get(257..262) == Some(b"ustar") && !matches!(kind, b'L' | b'K' | b'S') {
        names.insert(0, format!("{prefix}/{name}"));
        if block.get(257..265) == Some(b"ustar\x0000") {
            names.truncate(1);
        }
    }
    let is_sparse = kind == b'S';
    let goes_on = is_sparse && block.get(482) != Some(&0);
    Some(Header { names, link: text(block.get(157..257)?), size, kind, is_folder, goes_on })
}

/// Bytes up to the first NUL.
pub(super) fn text(field: &[u8]) -> String {
    let field = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(field).into_owned()
}

/// A check sum of signed bytes may be negative, and Python compares it so.
fn signed_number(field: &[u8]) -> Option<i64> {
    if let Some(bytes) = field.first_chunk::<8>().filter(|bytes| bytes.starts_with(b"\xff")) {
        return Some(i64::from_be_bytes(*bytes));
    }
    let negative = field.trim_ascii_start().strip_prefix(b"-");
    let size = i64::try_from(number(negative.unwrap_or(field))?).ok()?;
    Some(if negative.is_some() { -size } else { size })
}

/// Base 256 where the first byte says so, or what Python's `int(.., 8)` takes: blanks around it, a sign, `0o`, single
/// underscores between digits. Negative numbers are none.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((0x80, rest)) = field.split_first() {
        return rest
            .iter()
            .try_fold(0_u64, |sum, byte| (sum >> 56 == 0).then(|| sum << 8 | u64::from(*byte)));
    }
    let digits = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let bare = digits.strip_prefix(b"0o").or_else(|| digits.strip_prefix(b"0O"));
    let digits = bare.map_or(digits, |bare| bare.strip_prefix(b"_").unwrap_or(bare));
    let mut sum = (!digits.is_empty() || bare.is_none()).then_some(0_u64)?;
    let mut was_digit = false;
    for byte in digits {
        match byte {
            b'0'..=b'7' => sum = sum.checked_mul(8)? + u64::from(byte - b'0'),
            b'_' if was_digit => {}
            _ => return None,
        }
        was_digit = *byte != b'_';
    }
    (was_digit || digits.is_empty()).then_some(sum)
}

/// Records of a pax header, `LENGTH KEY=VALUE\n` each; none where they are not written so.
pub(super) fn records(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().take(20).position(|byte| *byte == b' ')?;
        let len: usize = std::str::from_utf8(bytes.get(..blank)?).ok()?.parse().ok()?;
        let record = bytes.get(blank + 1..len)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = record.split_at(equals);
        records.push((key, value.get(1..).unwrap_or_default()));
        bytes = bytes.get(len..)?;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   12 \0 ", Some(0o12)),
            (b"\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\x02", Some(0x102)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(0x102)),
            (b"0o17\0", Some(0o17)),
            (b"0O_1_7 ", Some(0o17)),
            (b"+7\0", Some(7)),
            (b"1_0\0", Some(8)),
            (b"1__0\0", None),
            (b"1_\0", None),
            (b"_1\0", None),
            (b"0o\0", None),
            (b"00009\0", None),
            (b"-1\0", None),
            (b"7777777777777777777777777", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn a_check_sum_of_signed_bytes_may_be_negative() {
        let mut block = [0xff; 512];
        let sum = 8 * 32 - (512 - 8);
        for field in [i64::from(sum).to_be_bytes(), *b"-0000370"] {
            block[148..156].copy_from_slice(&field);
            assert!(is_header(&block), "{field:?}");
            block[148 + 7] ^= 1;
            assert!(!is_header(&block), "{field:?}");
        }
    }

    #[test]
    fn records_of_pax_hold_line_feeds_and_equals_signs() {
        let read = |text: &'static str| records(text.as_bytes());
        assert_eq!(read("12 path=a/b\n7 x=1\n=\n"), None, "a length that is not that of the record");
        assert_eq!(read("12 path=a/b\n8 x=1\n=\n"), Some(vec![(&b"path"[..], &b"a/b"[..]), (b"x", b"1\n=")]));
        for wrong in ["12 path=a/b", "99 path=a\n", "x path=a\n", "0 \n", "5 ab\n", " 5 a=\n", "-1 a=b\n"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
