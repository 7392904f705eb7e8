//! Random bytes of the kernel, for names and keys.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::Error;
use crate::error::Result;

/// Lowercase base32 without the letters that are read as digits.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::at(source))?;
    Ok(bytes)
}

/// `count` random bytes as hex digits, at most eight of them.
pub(crate) fn hex(count: usize) -> Result<String> {
    Ok(in_hex(&bytes::<8>()?, count))
}

/// The first `count` bytes as lowercase hex digits.
pub(crate) fn in_hex(bytes: &[u8], count: usize) -> String {
    bytes.iter().take(count).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Six random characters that may stand in any name of Kubernetes.
pub(crate) fn suffix() -> Result<String> {
    Ok(bytes::<6>()?.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}
