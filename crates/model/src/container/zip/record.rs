//! Room `model`, zip: the records of the format (APPNOTE 6.3.10), as bytes say them, without belief in any of them.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
pub(super) const CENTRAL: [u8; 4] = *b"PK\x01\x02";
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
pub(super) const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// Lengths of the two records of ZIP64.
pub(super) const END64_LEN: u64 = 56;
pub(super) const LOCATOR_LEN: u64 = 20;

/// Sizes that stand in the ZIP64 extra field instead.
const IN_EXTRA: u64 = 0xffff_ffff;

/// What a local or central header says of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) name: Vec<u8>,
    /// The name in the Info-ZIP Unicode path field, which some readers take instead.
    pub(super) unicode: Option<Vec<u8>>,
    /// Where the local header stands, as the central one says.
    pub(super) local: u64,
    /// Length of the record with name, extra field and comment.
    pub(super) len: u64,
}

/// One reading of an end record: its own fields, or those of a ZIP64 record before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Byte behind the directory: the first one of the record that the fields are of.
    pub(super) at: u64,
    /// The end record itself, which is not the ZIP64 one.
    pub(super) plain: u64,
    /// Byte behind the comment.
    pub(super) until: u64,
    pub(super) entries: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

impl End {
    /// How far the archive may lie behind the first byte: not at all, or as far as its directory is from where it should be.
    pub(super) fn shifts(&self) -> impl Iterator<Item = u64> + use<> {
        let shifted = self.at.checked_sub(self.size).and_then(|start| start.checked_sub(self.offset));
        std::iter::once(0).chain(shifted.filter(|shift| *shift != 0))
    }
}

/// Little-endian fields from a place on; zero where there are none, which no caller takes for true.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        self.0.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&self, at: usize) -> u32 {
        self.0.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&self, at: usize) -> u64 {
        self.0.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// Up to `count` bytes from `at` on.
pub(super) fn bytes(source: &dyn Source, at: u64, count: usize) -> Result<Vec<u8>, ReadError> {
    let left = usize::try_from(source.len().saturating_sub(at)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; count.min(left)];
    let got = source.read_at(at, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// The local header at `at`; none where there is no whole one.
pub(super) fn local(source: &dyn Source, at: u64) -> Result<Option<Header>, ReadError> {
    let fixed = bytes(source, at, 30)?;
    if fixed.len() < 30 || !fixed.starts_with(&LOCAL) {
        return Ok(None);
    }
    let fields = Fields(&fixed);
    let (name, extra) = (usize::from(fields.u16(26)), usize::from(fields.u16(28)));
    let rest = bytes(source, at + 30, name + extra)?;
    if rest.len() < name + extra {
        return Ok(None);
    }
    let mut header = Header {
        flags: fields.u16(6),
        method: fields.u16(8),
        crc: fields.u32(14),
        packed: fields.u32(18).into(),
        size: fields.u32(22).into(),
        name: rest.get(..name).unwrap_or_default().to_vec(),
        len: (30 + name + extra) as u64,
        ..Header::default()
    };
    header.read_extra(rest.get(name..).unwrap_or_default());
    Ok(Some(header))
}

/// The central header that `directory` begins with. Python takes as much as there is of a name, an extra field and a comment
/// that run past the directory: the last record lists a member all the same.
pub(super) fn central(directory: &[u8]) -> Option<Header> {
    if directory.len() < 46 || !directory.starts_with(&CENTRAL) {
        return None;
    }
    let fields = Fields(directory);
    let (name, extra) = (usize::from(fields.u16(28)), usize::from(fields.u16(30)));
    let comment = usize::from(fields.u16(32));
    let part = |from: usize, len: usize| {
        let rest = directory.get(from..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest)
    };
    let mut header = Header {
        flags: fields.u16(8),
        method: fields.u16(10),
        crc: fields.u32(16),
        packed: fields.u32(20).into(),
        size: fields.u32(24).into(),
        name: part(46, name).to_vec(),
        local: fields.u32(42).into(),
        len: (46 + name + extra + comment) as u64,
        ..Header::default()
    };
    header.read_extra(part(46 + name, extra));
    Some(header)
}

impl Header {
    /// Fields of the extra part: ZIP64 sizes in their order, only those that are announced; the Unicode path.
    fn read_extra(&mut self, extra: &[u8]) {
        let mut rest = extra;
        while rest.len() >= 4 {
            let fields = Fields(rest);
            let (id, len) = (fields.u16(0), usize::from(fields.u16(2)));
            let Some(body) = rest.get(4..4 + len) else { return };
            if id == 0x0001 {
                let mut at = 0;
                for size in [&mut self.size, &mut self.packed, &mut self.local] {
                    if *size == IN_EXTRA && body.len() >= at + 8 {
                        *size = Fields(body).u64(at);
                        at += 8;
                    }
                }
            } else if id == 0x7075 {
                self.unicode = body.get(5..).map(<[u8]>::to_vec);
            }
            rest = rest.get(4 + len..).unwrap_or_default();
        }
    }
}

/// Every reading of the end record at `at`: with a locator before it, miniz takes the ZIP64 record at the stated place,
/// Python the one right before the locator, and whoever finds none there takes the fields of the record itself.
pub(super) fn end(source: &dyn Source, at: u64) -> Result<Vec<End>, ReadError> {
    let fixed = bytes(source, at, 22)?;
    if fixed.len() < 22 || !fixed.starts_with(&END) {
        return Ok(vec![]);
    }
    let fields = Fields(&fixed);
    let plain = End {
        at,
        plain: at,
        until: at + 22 + u64::from(fields.u16(20)),
        entries: fields.u16(10).into(),
        size: fields.u32(12).into(),
        offset: fields.u32(16).into(),
    };
    let mut all = vec![plain.clone()];
    let locator =
        at.checked_sub(LOCATOR_LEN).map(|at| bytes(source, at, 20)).transpose()?.unwrap_or_default();
    if locator.starts_with(&LOCATOR) {
        let (stated, before) = (Fields(&locator).u64(8), at.saturating_sub(LOCATOR_LEN + END64_LEN));
        for place in [Some(before), Some(stated).filter(|stated| *stated != before)].into_iter().flatten() {
            let record = bytes(source, place, 56)?;
            if record.len() == 56 && record.starts_with(&END64) {
                let fields = Fields(&record);
                let (entries, size, offset) = (fields.u64(32), fields.u64(40), fields.u64(48));
                all.push(End { at: place, entries, size, offset, ..plain.clone() });
            }
        }
    }
    // A count that does not fit is no count.
    if let [plain, other, ..] = all.as_mut_slice()
        && plain.entries == 0xffff
    {
        plain.entries = other.entries;
    }
    // Where the record of ZIP64 stands right behind the directory and says the same, as torch always writes it, nobody takes
    // this for an archive behind as many bytes as the two records of ZIP64 have: Python counts these out, and Go
    // (archive/zip) believes the stated place of the directory before it believes in bytes before the archive.
    if let [plain, other, ..] = all.as_slice()
        && other.at + END64_LEN + LOCATOR_LEN == at
        && other.offset.checked_add(other.size) == Some(other.at)
        && (other.entries, other.size, other.offset) == (plain.entries, plain.size, plain.offset)
    {
        all.remove(0);
    }
    Ok(all)
}

/// Length of the data descriptor at `at`, with or without signature, 32 or 64 bits; 0 where none fits.
pub(super) fn descriptor(source: &dyn Source, at: u64, crc: u32, packed: u64) -> Result<u64, ReadError> {
    let record = bytes(source, at, 24)?;
    let signature = if record.starts_with(&DESCRIPTOR) { 4 } else { 0 };
    let fields = Fields(record.get(signature..).unwrap_or_default());
    if fields.u32(0) == crc || signature > 0 {
        if fields.u64(4) == packed && record.len() >= signature + 20 && packed > 0 {
            return Ok(signature as u64 + 20);
        }
        if u64::from(fields.u32(4)) == packed & IN_EXTRA {
            return Ok(signature as u64 + 12);
        }
    }
    Ok(0)
}
