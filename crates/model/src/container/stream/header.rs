//! Room `model`, container `stream`: headers of members: how large a window they want, what may follow a member.

use std::io::BufRead as _;
use std::io::Error;
use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Result;

use super::Codec;
use super::feed::Feed;

/// Longest text or field of a gzip header that is passed over.
const FIELD: u64 = 1 << 20;

/// What a zstd frame announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZstdFrame {
    pub(super) window: u64,
    pub(super) content: Option<u64>,
}

/// Bytes of what was decoded last that a decoder of this member has to keep; none where the header does not say.
pub(super) fn window(codec: Codec, feed: &Feed) -> Result<Option<u64>> {
    Ok(match codec {
        Codec::Gzip | Codec::Zlib => Some(32 << 10),
        // Two tables for blocks of at most 900,000 bytes.
        Codec::Bzip2 => Some(8 << 20),
        // Blocks of at most 4 MiB, two of them and a window of 64 KiB.
        Codec::Lz4 => Some(12 << 20),
        Codec::Lzma => {
            let ([_, a, b, c, d], got) = feed.peek::<5>()?;
            (got == 5).then(|| u32::from_le_bytes([a, b, c, d]).into())
        }
        Codec::Xz => xz(feed)?,
        Codec::Zstd => zstd(feed)?.map(|frame| frame.window),
    })
}

/// Whether another member of the same stream begins with these bytes.
pub(super) fn begins(codec: Codec, bytes: [u8; 6]) -> bool {
    match codec {
        Codec::Bzip2 => bytes.starts_with(b"BZh"),
        Codec::Gzip => bytes.starts_with(b"\x1f\x8b"),
        Codec::Lz4 => bytes.starts_with(b"\x04\x22\x4d\x18"),
        Codec::Lzma => bytes.starts_with(b"\x5d\0"),
        Codec::Xz => bytes == *b"\xfd7zXZ\0",
        // Nothing that reads zlib goes on behind its end.
        Codec::Zlib => false,
        Codec::Zstd => bytes.starts_with(b"\x28\xb5\x2f\xfd"),
    }
}

/// Length of the skippable frame of zstd and lz4 that begins here, its header included.
pub(super) fn skippable(codec: Codec, feed: &Feed) -> Result<Option<u64>> {
    let ([kind, rest @ .., a, b, c, d], got) = feed.peek::<8>()?;
    let is_one = matches!(codec, Codec::Lz4 | Codec::Zstd) && got == 8;
    let is_one = is_one && kind & 0xf0 == 0x50 && rest == [0x2a, 0x4d, 0x18];
    Ok(is_one.then(|| 8 + u64::from(u32::from_le_bytes([a, b, c, d]))))
}

/// RFC 1952, section 2.3: passes over the header of a member.
pub(super) fn gzip(feed: &mut Feed) -> Result<()> {
    let mut fixed = [0; 10];
    feed.read_exact(&mut fixed)?;
    let [0x1f, 0x8b, method, flags, ..] = fixed else { return Err(bad("no header of gzip")) };
    if method != 8 || flags & 0xe0 != 0 {
        return Err(bad("a method or flag of gzip that nobody has defined"));
    }
    if flags & 4 != 0 {
        let mut len = [0; 2];
        feed.read_exact(&mut len)?;
        let mut field = vec![0; u16::from_le_bytes(len).into()];
        feed.read_exact(&mut field)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let mut name = Vec::new();
            feed.by_ref().take(FIELD).read_until(0, &mut name)?;
            if name.last() != Some(&0) {
                return Err(bad("a name or comment without an end"));
            }
        }
    }
    if flags & 2 != 0 {
        feed.read_exact(&mut [0; 2])?;
    }
    Ok(())
}

/// RFC 1950, section 2.2: passes over the header. A dictionary is known to nobody but writer and loader.
pub(super) fn zlib(feed: &mut Feed) -> Result<()> {
    let mut header = [0; 2];
    feed.read_exact(&mut header)?;
    let [_, flags] = header;
    if flags & 0x20 != 0 {
        return Err(bad("a dictionary that is not in the file"));
    }
    Ok(())
}

fn bad(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// RFC 8878, section 3.1.1.1.
pub(super) fn zstd(feed: &Feed) -> Result<Option<ZstdFrame>> {
    let (bytes, got) = feed.peek::<18>()?;
    let bytes = bytes.get(..got).unwrap_or_default();
    let read = || {
        let descriptor = *bytes.get(4)?;
        let is_single = descriptor & 0x20 != 0;
        let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied()?;
        let at = 5 + usize::from(!is_single) + dictionary;
        let number = |len: usize| {
            let field = bytes.get(at..at + len)?;
            Some(field.iter().rev().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)))
        };
        let content = match (descriptor >> 6, is_single) {
            (0, true) => Some(number(1)?),
            (0, false) => None,
            (1, _) => Some(number(2)? + 256),
            (2, _) => Some(number(4)?),
            _ => Some(number(8)?),
        };
        let window = if is_single {
            content?
        } else {
            let byte = u64::from(*bytes.get(5)?);
            let base = 1 << (10 + (byte >> 3));
            base + base / 8 * (byte & 7)
        };
        Some(ZstdFrame { window, content })
    };
    Ok(read())
}

/// The xz format 1.2.1, section 3.1: the dictionary of the first block.
fn xz(feed: &Feed) -> Result<Option<u64>> {
    let (bytes, got) = feed.peek::<64>()?;
    let mut rest = bytes.get(..got).unwrap_or_default().iter().copied().skip(12);
    let mut read = || {
        let (_size, flags) = (rest.next()?, rest.next()?);
        let sizes = u8::from(flags & 0x40 != 0) + u8::from(flags & 0x80 != 0);
        for _ in 0..sizes {
            while rest.next()? & 0x80 != 0 {}
        }
        for _ in 0..=flags & 3 {
            let (id, len) = (rest.next()?, rest.next()?);
            if id == 0x21 {
                let bits = u32::from(rest.next()? & 0x3f);
                // Section 5.3.1: 2 or 3 times a power of two.
                return Some((2 | u64::from(bits & 1)) << (bits / 2 + 11));
            }
            (0..len).try_for_each(|_| rest.next().map(|_| ()))?;
        }
        None
    };
    Ok(read())
}
