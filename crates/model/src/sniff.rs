//! Room `model`: bytes -> formats, by content alone. What a file is called is a fact about the file, not its format.
//!
//! Every matcher runs: a file that is two formats at once is read as both.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use crate::container::tar;
use crate::format::onnx;
use crate::format::zfile;
use crate::pickle;

/// A format that is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Bytecode,
    Bzip2,
    Empty,
    ExecuTorch,
    Executable,
    Gguf,
    Ggml,
    Gzip,
    Hdf5,
    Lz4,
    Lzma,
    Npy,
    Onnx,
    Pickle,
    Safetensors,
    SevenZip,
    Tar,
    TfLite,
    Xz,
    ZFile,
    Zip,
    Zlib,
    Zstd,
}

impl Format {
    /// The word in reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bytecode => "python-bytecode",
            Self::Bzip2 => "bzip2",
            Self::Empty => "empty",
            Self::ExecuTorch => "executorch",
            Self::Executable => "executable",
            Self::Gguf => "gguf",
            Self::Ggml => "ggml",
            Self::Gzip => "gzip",
            Self::Hdf5 => "hdf5",
            Self::Lz4 => "lz4",
            Self::Lzma => "lzma",
            Self::Npy => "npy",
            Self::Onnx => "onnx",
            Self::Pickle => "pickle",
            Self::Safetensors => "safetensors",
            Self::SevenZip => "7z",
            Self::Tar => "tar",
            Self::TfLite => "tflite",
            Self::Xz => "xz",
            Self::ZFile => "joblib-zfile",
            Self::Zip => "zip",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }
}

impl Format {
    /// Whether a loader of models takes it for one. Compressed streams alone do not say so: git keeps all it has in them.
    pub(crate) fn is_loadable(self) -> bool {
        match self {
            Self::ExecuTorch
            | Self::Gguf
            | Self::Ggml
            | Self::Hdf5
            | Self::Npy
            | Self::Onnx
            | Self::Pickle
            | Self::Safetensors
            | Self::Tar
            | Self::TfLite
            | Self::ZFile
            | Self::Zip => true,
            Self::Bytecode
            | Self::Bzip2
            | Self::Empty
            | Self::Executable
            | Self::Gzip
            | Self::Lz4
            | Self::Lzma
            | Self::SevenZip
            | Self::Xz
            | Self::Zlib
            | Self::Zstd => false,
        }
    }
}

impl Format {
    /// Whether it is a compressed stream, which joblib loads whatever the file is called.
    pub(crate) fn is_packed(self) -> bool {
        matches!(self, Self::Bzip2 | Self::Gzip | Self::Lz4 | Self::Lzma | Self::Xz | Self::Zlib | Self::Zstd)
    }
}

/// Formats that a name stands for; none where it stands for several, as `.bin`, `.pt` and `.model` do, or for none. What has
/// another content passes gates that go by names (CVE-2025-1889).
pub(crate) fn promised(path: &str) -> Option<&'static [Format]> {
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "gguf" => &[Format::Gguf],
        // Formats that no bytes give away, and those whose bytes do.
        "caffemodel" | "engine" | "mlmodel" | "plan" => &[Format::Empty],
        "h5" | "hdf5" => &[Format::Hdf5],
        "keras" => &[Format::Hdf5, Format::Zip],
        "pte" => &[Format::ExecuTorch],
        "tflite" => &[Format::TfLite],
        "npy" => &[Format::Npy],
        // The first bytes of an empty archive, or of one of arrays.
        "npz" => &[Format::Zip],
        "onnx" | "pb" => &[Format::Onnx],
        "safetensors" => &[Format::Safetensors],
        "csv" | "jinja" | "json" | "jsonl" | "md" | "rst" | "toml" | "txt" | "yaml" | "yml" => {
            &[Format::Empty]
        }
        _ => return None,
    })
}

/// Signature of the superblock of HDF5.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Bytes at the beginning that give a format away.
const MAGIC: &[(usize, &[u8], Format)] = &[
    (0, b"GGUF", Format::Gguf),
    (0, b"lmgg", Format::Ggml),
    (0, b"fmgg", Format::Ggml),
    (0, b"tjgg", Format::Ggml),
    (0, b"algg", Format::Ggml),
    (0, b"\x93NUMPY", Format::Npy),
    (0, HDF5, Format::Hdf5),
    (4, b"TFL3", Format::TfLite),
    (4, b"ET12", Format::ExecuTorch),
    (0, b"\x1f\x8b", Format::Gzip),
    (0, b"BZh", Format::Bzip2),
    (0, b"\xfd7zXZ\0", Format::Xz),
    (0, b"\x28\xb5\x2f\xfd", Format::Zstd),
    (0, b"\x04\x22\x4d\x18", Format::Lz4),
    (0, b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
    (257, b"ustar", Format::Tar),
    (0, b"\x7fELF", Format::Executable),
    (0, b"MZ", Format::Executable),
    (0, b"#!", Format::Executable),
    (0, b"\xcf\xfa\xed\xfe", Format::Executable),
    (0, b"\xce\xfa\xed\xfe", Format::Executable),
    (0, b"\xca\xfe\xba\xbe", Format::Executable),
];

/// Bytes that are read to recognise a format.
const HEAD: usize = 4096;
/// End of a ZIP: its record and the longest comment.
const TAIL: usize = 22 + 65_535;
/// Longest header of safetensors.
const HEADER: u64 = 100_000_000;

/// Every format that the content allows.
pub(crate) fn formats(source: &dyn Source) -> Result<Vec<Format>, ReadError> {
    if source.is_empty() {
        return Ok(vec![Format::Empty]);
    }
    let mut head = [0; HEAD];
    let got = source.read_at(0, &mut head)?;
    let head = head.get(..got).unwrap_or_default();
    let starts = |&&(at, magic, _): &&(usize, &[u8], Format)| {
        head.get(at..).is_some_and(|bytes| bytes.starts_with(magic))
    };
    let mut formats: Vec<Format> = MAGIC.iter().filter(starts).map(|(.., format)| *format).collect();
    formats.dedup();
    if tar::is_tar(head) && !formats.contains(&Format::Tar) {
        formats.push(Format::Tar);
    }
    if is_hdf5_inside(source)? {
        formats.push(Format::Hdf5);
    }
    if zfile::is_zfile(head) {
        formats.push(Format::ZFile);
    }
    if is_lzma(head) {
        formats.push(Format::Lzma);
    }
    if is_bytecode(head) {
        formats.push(Format::Bytecode);
    }
    if is_skippable(head) {
        formats.push(Format::Zstd);
    }
    if is_safetensors(head, source.len()) {
        formats.push(Format::Safetensors);
    }
    if is_zlib(head) {
        formats.push(Format::Zlib);
    }
    if is_zip(source, head)? {
        formats.push(Format::Zip);
    }
    if onnx::is_model(source)? {
        formats.push(Format::Onnx);
    }
    if pickle::is_pickle(source) {
        formats.push(Format::Pickle);
    }
    Ok(formats)
}

/// Python 3.3 and later: a magic number above 3200 before `\r\n` (CPython's `importlib`), then flags, of which two are known.
fn is_bytecode(head: &[u8]) -> bool {
    matches!(head, [_, 0x0c..=0x0f, b'\r', b'\n', 0..=3, 0, 0, 0, ..])
}

fn is_safetensors(head: &[u8], len: u64) -> bool {
    let Some((header, rest)) = head.split_first_chunk::<8>() else { return false };
    let header = u64::from_le_bytes(*header);
    (2..=HEADER).contains(&header) && header <= len.saturating_sub(8) && rest.first() == Some(&b'{')
}

/// A superblock behind a block for the user: at 512 bytes and at every double of that, to the end of the file (HDF5 File
/// Format Specification 3.0, II.A).
fn is_hdf5_inside(source: &dyn Source) -> Result<bool, ReadError> {
    let mut at = 512_u64;
    while at < source.len() {
        let mut bytes = [0; 8];
        let got = source.read_at(at, &mut bytes)?;
        if bytes.get(..got) == Some(HDF5) {
            return Ok(true);
        }
        at = at.saturating_mul(2);
    }
    Ok(false)
}

/// A skippable frame in front (RFC 8878, section 3.1.2), and a frame of zstd behind it or further frames to pass over.
fn is_skippable(head: &[u8]) -> bool {
    let mut rest = head;
    while let Some([first, 0x2a, 0x4d, 0x18, a, b, c, d]) = rest.first_chunk::<8>() {
        if first & 0xf0 != 0x50 {
            return false;
        }
        let len = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        rest = match rest.get(8..).and_then(|rest| rest.get(len..)) {
            Some(rest) => rest,
            None => return true,
        };
    }
    rest.len() < head.len() && rest.starts_with(b"\x28\xb5\x2f\xfd")
}

/// RFC 1950: deflate, a window of at most 32 KiB, a check sum over both bytes; no dictionary, as writers of models. And the
/// first block may be one (RFC 1951, 3.2.3 and 3.2.4): the length of a safetensors header can begin with the same two bytes.
fn is_zlib(head: &[u8]) -> bool {
    let [0x78, flags @ (0x01 | 0x5e | 0x9c | 0xda), block @ ..] = head else { return false };
    let is_block = match block {
        [first, a, b, c, d, ..] if first & 0b110 == 0 => [*a, *b] == [!c, !d],
        [first, ..] => first & 0b110 != 0b110,
        [] => true,
    };
    (0x7800 + u16::from(*flags)) % 31 == 0 && is_block
}

/// The header of LZMA alone: what writers of models begin with, and whatever else liblzma takes when it is asked to find out
/// (`alone_decoder.c`): properties, a dictionary of 2^n or 2^n + 2^(n-1) bytes, no length or one below 256 GiB. Of length 0,
/// which so many zeros are too, nothing comes.
fn is_lzma(head: &[u8]) -> bool {
    if head.starts_with(b"\x5d\0") {
        return true;
    }
    let [properties @ ..=224, a, b, c, d, len @ ..] = head else { return false };
    let (literals, positions) = (properties % 9, properties / 9 % 5);
    let dictionary = u32::from_le_bytes([*a, *b, *c, *d]);
    let is_size =
        matches!(dictionary, 0 | u32::MAX) || matches!(dictionary >> dictionary.trailing_zeros(), 1 | 3);
    let len = len.first_chunk().map(|len| u64::from_le_bytes(*len));
    let is_len = matches!(len, Some(1..0x40_0000_0000 | u64::MAX));
    literals + positions <= 4 && is_size && is_len
}

/// A local header in front, or an end record anywhere in the tail.
fn is_zip(source: &dyn Source, head: &[u8]) -> Result<bool, ReadError> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(true);
    }
    let ends = |tail: &[u8]| memchr::memmem::find(tail, b"PK\x05\x06").is_some();
    if source.len() == head.len() as u64 {
        return Ok(ends(head));
    }
    let start = source.len().saturating_sub(TAIL as u64);
    let mut tail = vec![0; usize::try_from(source.len() - start).unwrap_or(TAIL)];
    let got = source.read_at(start, &mut tail)?;
    Ok(ends(tail.get(..got).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;

    use super::*;

    fn sniff(bytes: &[u8]) -> Vec<&'static str> {
        formats(&Slice::new(bytes)).unwrap().into_iter().map(Format::as_str).collect()
    }

    #[test]
    fn a_superblock_of_hdf5_is_found_wherever_its_readers_look() {
        for (at, is_one) in [(512, true), (4096, true), (1 << 20, true), (1536, false), (4097, false)] {
            let mut bytes = vec![1; (1 << 20) + 8];
            bytes[at..at + 8].copy_from_slice(HDF5);
            assert_eq!(sniff(&bytes) == ["hdf5"], is_one, "{at}");
        }
    }

    #[test]
    fn no_format_is_told_twice() {
        let block = tar::tests::archive(&[tar::tests::member("MZ", b"x")]);
        assert_eq!(sniff(&block), ["tar", "executable"]);
    }

    #[test]
    fn content_decides_and_a_polyglot_is_both() {
        for (bytes, names) in [
            (&b""[..], &["empty"][..]),
            (b"\x80\x04N.", &["pickle"]),
            (b"(dp0\n.", &["pickle"]),
            (b"GGUF\x03\0\0\0", &["gguf"]),
            (b"\x08\0\0\0\0\0\0\0{}      ", &["safetensors"]),
            (b"\x78\x9cxx", &["zlib"]),
            (b"\x78\x01\x01\x01\0\xfe\xffN", &["zlib"]),
            (b"\x78\x01\0\0\0\0\0\0{}", &[]),
            (&[b"\x78\x01\0\0\0\0\0\0{", &[b' '; 0x177][..]].concat()[..], &["safetensors"]),
            (b"\xcb\r\r\n\0\0\0\0code", &["python-bytecode"]),
            (b"\x80\x04N.PK\x05\x06", &["zip", "pickle"]),
            // `P` is PERSID, whose line has to be ASCII: an .npz whose first array is of objects is no pickle.
            (b"PK\x03\x04\n\x80\x04N.", &["zip", "pickle"]),
            (b"PK\x03\x04\x93NUMPY\n\x80\x04N.", &["zip"]),
            (b"ZF0x1a               \x78", &["joblib-zfile"]),
            (b"ZF1a                 \x78", &["joblib-zfile"]),
            (b"ZF, this is text and nothing more", &[]),
            (b"\x5d\0\x10\0\0", &["lzma"]),
            (b"\x12\0\0\x60\0\xff\xff\xff\xff\xff\xff\xff\xff\0", &["lzma"]),
            (b"\x12\0\0\x70\0\xff\xff\xff\xff\xff\xff\xff\xff\0", &[]),
            (b"\x12\0\x10\0\0\0\0\0\0\x40\0\0\0\0", &[]),
            (&[0; 64], &[]),
            (b"Hello, this is text.", &[]),
            (b"N.B. this is text as well", &[]),
            (b"\x01\x02\x03", &[]),
        ] {
            assert_eq!(sniff(bytes), names, "{bytes:?}");
        }
    }
}
