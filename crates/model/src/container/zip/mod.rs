//! Room `model`, container `zip`: bytes -> the union of what different loaders would see, and where they disagree.
//!
//! Python's `zipfile` takes the last end record, PyTorch's miniz the central directory and no check sum, streaming readers
//! the local headers. A member that any of them would read is a member here.

mod inflate;
mod member;
mod record;

use std::collections::BTreeMap;

use memchr::memmem;
use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::odd;
use super::odd::Odd;
use super::odd::OddKind;
use super::odd::leaves_folder;
use crate::limits::Limits;
pub(crate) use inflate::Inflated;
pub(crate) use inflate::inflate;
pub(crate) use member::Member;
use record::Header;

/// End record and the longest comment.
const TAIL: u64 = 22 + 65_535;
/// Largest central directory that is read; 100,000 members with long names take less.
const DIRECTORY: u64 = 64 << 20;
/// End records that are followed.
const ENDS: usize = 64;
/// Bytes of the names of all members.
const NAMES: usize = 64 << 20;

/// What the archive holds.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    pub(crate) members: Vec<Member>,
    pub(crate) odd: Odd,
    /// Bytes that records and members account for, sorted and joined.
    pub(crate) spans: Vec<(u64, u64)>,
    /// A limit that was reached, with the place.
    pub(crate) budget: Option<(u64, &'static str)>,
}

/// Reads every record of the archive.
pub(crate) fn read(source: &dyn Source, limits: &Limits) -> Result<Archive, ReadError> {
    let mut union = Union {
        source,
        limits,
        archive: Archive::default(),
        by_data: BTreeMap::new(),
        read: BTreeMap::new(),
        names: 0,
    };
    union.directories()?;
    union.local_headers()?;
    union.gaps()?;
    Ok(union.close())
}

/// Where an end record may stand.
pub(crate) fn ends(source: &dyn Source) -> Result<Vec<u64>, ReadError> {
    let start = source.len().saturating_sub(TAIL);
    let tail = record::bytes(source, start, usize::try_from(TAIL).unwrap_or(0))?;
    Ok(memmem::find_iter(&tail, &record::END).map(|at| start + at as u64).collect())
}

/// Where the directories of the end record at `at` start, and how far the archive lies behind the first byte.
pub(crate) fn starts(source: &dyn Source, at: u64) -> Result<Vec<(u64, u64)>, ReadError> {
    let mut starts = Vec::new();
    for end in record::end(source, at)? {
        for shift in end.shifts() {
            let start = end.offset.saturating_add(shift);
            if record::bytes(source, start, 4)? == record::CENTRAL {
                starts.push((start, shift));
            }
        }
    }
    Ok(starts)
}

struct Union<'s> {
    source: &'s dyn Source,
    limits: &'s Limits,
    archive: Archive,
    /// Members by (data, method, packed), so that every view of the same bytes is one member.
    by_data: BTreeMap<(u64, u16, u64), Member>,
    /// Where directories start, and the byte up to which they were read.
    read: BTreeMap<u64, u64>,
    /// Bytes of the names that records give.
    names: usize,
}

impl Union<'_> {
    fn odd(&mut self, kind: OddKind, at: u64, words: impl Into<String>) {
        odd::note(&mut self.archive.odd, kind, at, words);
    }

    fn span(&mut self, start: u64, len: u64) {
        if len > 0 {
            self.archive.spans.push((start, start.saturating_add(len)));
        }
    }

    /// Every end record of the tail, the last first, as Python does.
    fn directories(&mut self) -> Result<(), ReadError> {
        let start = self.source.len().saturating_sub(TAIL);
        let places = ends(self.source)?;
        // No honest comment holds more than a few signatures.
        for at in places.into_iter().rev().take(ENDS) {
            // Inside of a member it is an archive in the archive, which is looked at as a member.
            let inside = self
                .by_data
                .values()
                .any(|member| (member.data..member.data.saturating_add(member.packed)).contains(&at));
            if !inside {
                for end in record::end(self.source, at)? {
                    self.directory(&end)?;
                }
            }
        }
        if self.read.is_empty() {
            self.odd(OddKind::Views, start, "no central directory");
        } else if self.read.len() > 1 {
            self.odd(
                OddKind::Views,
                start,
                format!("{} central directories: loaders pick different ones", self.read.len()),
            );
        }
        Ok(())
    }

    fn directory(&mut self, end: &record::End) -> Result<(), ReadError> {
        let mut found = false;
        for shift in end.shifts() {
            let start = end.offset.saturating_add(shift);
            let signature = record::bytes(self.source, start, 4)?;
            let is_empty = end.entries == 0 && end.size == 0 && shift == 0;
            if signature != record::CENTRAL && !is_empty {
                continue;
            }
            found = true;
            if shift != 0 {
                self.odd(
                    OddKind::Views,
                    0,
                    format!("{shift} bytes before the archive, which not every loader passes over"),
                );
            }
            // Many end records of one directory are read as one.
            if self.read.get(&start).is_none_or(|until| *until < end.at) {
                self.read.insert(start, end.at);
                self.records(start, shift, end)?;
            }
        }
        if found {
            self.span(end.plain, end.until - end.plain);
            if end.at != end.plain {
                // What stands between the records is none of them.
                self.span(end.at, record::END64_LEN);
                self.span(end.plain - record::LOCATOR_LEN, record::LOCATOR_LEN);
            }
            if end.until > self.source.len() {
                self.odd(OddKind::Views, end.plain, "a comment that runs past the end");
            }
        }
        Ok(())
    }

    /// Central records from `start` until their signatures stop, whatever the count says.
    fn records(&mut self, start: u64, shift: u64, end: &record::End) -> Result<(), ReadError> {
        let room = end.at.saturating_sub(start);
        if room > DIRECTORY {
            self.archive.budget = Some((start, "bytes of a central directory"));
        }
        let directory = record::bytes(self.source, start, usize::try_from(room.min(DIRECTORY)).unwrap_or(0))?;
        let (mut rest, mut count) = (directory.as_slice(), 0_usize);
        while let Some(header) = record::central(rest) {
            // Records may all be of one member.
            if self.by_data.len().max(count) >= self.limits.members {
                self.archive.budget = Some((start, "members"));
                break;
            }
            let at = start + (directory.len() - rest.len()) as u64;
            if header.len > rest.len() as u64 {
                let words = format!("the record of {} runs past its directory", text(&header.name));
                self.odd(OddKind::Views, at, words);
            }
            self.member_of(&header, at, header.local.saturating_add(shift))?;
            rest = usize::try_from(header.len).ok().and_then(|len| rest.get(len..)).unwrap_or_default();
            count += 1;
        }
        self.span(start, (directory.len() - rest.len()) as u64);
        if count as u64 != end.entries {
            let words = format!("the end record counts {} members, the directory holds {count}", end.entries);
            self.odd(OddKind::Views, end.at, words);
        }
        Ok(())
    }

    /// A member as its central header describes it, held against the local one.
    fn member_of(&mut self, central: &Header, at: u64, local_at: u64) -> Result<(), ReadError> {
        let Some(local) = record::local(self.source, local_at)? else {
            let name = text(&central.name);
            self.odd(OddKind::Views, at, format!("{name} has no local header: its data cannot be found"));
            return Ok(());
        };
        let name = text(&central.name);
        if local.name != central.name {
            let words = format!("{name} is called {} in its local header", text(&local.name));
            self.odd(OddKind::Views, local_at, words);
        }
        if local.method != central.method {
            self.odd(OddKind::Views, local_at, format!("{name} is packed in two ways at once"));
        }
        let sizes_differ = local.packed != central.packed && (local.flags & 0x8 == 0 || local.packed != 0);
        if sizes_differ {
            self.odd(OddKind::Views, local_at, format!("{name} has two sizes"));
        }
        let data = local_at + local.len;
        if data.saturating_add(central.packed) > self.source.len() {
            self.odd(OddKind::Views, local_at, format!("{name} runs past the end"));
        }
        let described = if central.flags & 0x8 == 0 {
            0
        } else {
            record::descriptor(self.source, data.saturating_add(central.packed), central.crc, central.packed)?
        };
        self.span(local_at, local.len.saturating_add(central.packed).saturating_add(described));
        self.add(central, &[&local], local_at, data, central.method, central.packed, central.size);
        if local.method != central.method || sizes_differ {
            let packed = if local.packed == 0 { central.packed } else { local.packed };
            self.add(&local, &[central], local_at, data, local.method, packed, local.size.max(central.size));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "fields of a record, in their order")]
    fn add(
        &mut self,
        header: &Header,
        others: &[&Header],
        at: u64,
        data: u64,
        method: u16,
        packed: u64,
        size: u64,
    ) {
        let mut names: Vec<String> = Vec::new();
        for header in std::iter::once(header).chain(others.iter().copied()) {
            for name in std::iter::once(&header.name).chain(&header.unicode) {
                let name = text(name);
                // Python cuts a name at its first NUL.
                let cut = name.split('\0').next().unwrap_or_default().to_owned();
                for name in [name, cut] {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
        }
        if names.len() > 1 {
            self.odd(OddKind::Views, at, format!("one member with {} names", names.len()));
        }
        if let Some(name) = names.iter().find(|name| leaves_folder(name)) {
            self.odd(OddKind::Path, at, format!("a member named {name}"));
        }
        let flags = others.iter().fold(header.flags, |flags, header| flags | header.flags);
        self.names += names.iter().map(String::len).sum::<usize>();
        if self.names > NAMES {
            self.archive.budget = Some((at, "bytes of names"));
            return;
        }
        let is_listed = !others.is_empty();
        let member = Member { names, at, data, packed, size, method, crc: header.crc, is_listed, flags };
        let known = self.by_data.entry((data, method, packed)).or_insert_with(|| member.clone());
        for name in member.names {
            if known.names.contains(&name) {
                continue;
            }
            if known.names.len() < Limits::GAPS {
                known.names.push(name);
            } else {
                self.archive.budget = Some((at, "names of one member"));
            }
        }
    }

    /// Local headers one behind another from the start, as streaming readers walk them.
    fn local_headers(&mut self) -> Result<(), ReadError> {
        let known: BTreeMap<u64, (u64, u64)> =
            self.by_data.values().map(|member| (member.at, (member.data, member.packed))).collect();
        let ends: BTreeMap<u64, u64> = self.archive.spans.iter().copied().collect();
        let mut at = 0;
        for _ in 0..self.limits.members {
            if let Some((data, packed)) = known.get(&at) {
                let behind = data.saturating_add(*packed);
                at = ends.get(&at).copied().unwrap_or(behind).max(behind);
                continue;
            }
            let Some(next) = self.hidden(at)? else { return Ok(()) };
            at = next;
        }
        Ok(())
    }

    /// A local header that no directory lists: its member, and where the next header would stand.
    fn hidden(&mut self, at: u64) -> Result<Option<u64>, ReadError> {
        let Some(local) = record::local(self.source, at)? else { return Ok(None) };
        let data = at + local.len;
        let name = text(&local.name);
        self.odd(OddKind::Views, at, format!("{name} is in no directory: only streaming readers see it"));
        let left = self.source.len().saturating_sub(data);
        // Without a size the data runs to wherever the decoder stops.
        let packed = if local.flags & 0x8 != 0 && local.packed == 0 { left } else { local.packed.min(left) };
        let size = if local.size == 0 { packed.saturating_mul(16) } else { local.size };
        self.add(&local, &[], at, data, local.method, packed, size);
        self.span(at, local.len);
        Ok(Some(data.saturating_add(packed)))
    }

    /// Bytes that no record accounts for may hold local headers of their own.
    fn gaps(&mut self) -> Result<(), ReadError> {
        odd::join(&mut self.archive.spans);
        let mut from = 0;
        let spans = self.archive.spans.clone();
        for (start, end) in spans.into_iter().chain([(self.source.len(), 0)]) {
            if start > from {
                self.search(from, start)?;
            }
            from = from.max(end);
        }
        odd::join(&mut self.archive.spans);
        Ok(())
    }

    fn search(&mut self, from: u64, to: u64) -> Result<(), ReadError> {
        let mut at = from;
        while at < to {
            let want = usize::try_from((to - at).min(1 << 20)).unwrap_or(0);
            let piece = record::bytes(self.source, at, want)?;
            if piece.is_empty() {
                return Ok(());
            }
            let places: Vec<usize> = memmem::find_iter(&piece, &record::LOCAL).collect();
            for place in places {
                if self.by_data.len() >= self.limits.members {
                    self.archive.budget = Some((at, "members"));
                }
                if self.archive.budget.is_some() {
                    return Ok(());
                }
                self.hidden(at + place as u64)?;
            }
            // A signature may stand across the end of a piece.
            let is_last = piece.len() < want || at + want as u64 >= to;
            at += if is_last { want } else { want - 3 } as u64;
        }
        Ok(())
    }

    fn close(mut self) -> Archive {
        let mut last_end = 0;
        let mut members: Vec<Member> = self.by_data.into_values().collect();
        members.sort_by_key(|member| member.at);
        // PyTorch finds members without regard to case (miniz), and so do file systems.
        let mut names: BTreeMap<String, &Member> = BTreeMap::new();
        for member in &members {
            if member.data < last_end && member.packed > 0 {
                odd::note(&mut self.archive.odd, OddKind::Views, member.at, "members that overlap");
            }
            last_end = last_end.max(member.data.saturating_add(member.packed));
            if let Some(first) = names.insert(member.name().to_ascii_lowercase(), member) {
                let (name, at) = (member.name(), first.at);
                let words = if first.name() == name {
                    format!("{name} is there twice, at 0x{at:x} too: loaders pick different ones")
                } else {
                    format!(
                        "{name} and {} at 0x{at:x} differ in case alone: loaders pick different ones",
                        first.name()
                    )
                };
                odd::note(&mut self.archive.odd, OddKind::Views, member.at, words);
            }
        }
        self.archive.members = members;
        self.archive
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod testing;
