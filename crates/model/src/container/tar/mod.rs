//! Room `model`, container `tar`: header blocks one behind another -> members, what readers disagree on, what is left over.
//!
//! Python's `tarfile` ends at the first block of zeros and at the first false check sum, GNU tar at two blocks of zeros,
//! others go on; where a size is stated twice, each reader believes another one. What any of them would read is read.

mod header;
mod pax;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::odd;
use super::odd::Odd;
use super::odd::OddKind;
use crate::limits::Limits;
use header::BLOCK;
use header::Header;
use pax::Pax;

/// Longest name or set of pax records that is read.
const EXTENSION: u64 = 1 << 20;
/// Longest name that is kept, that of Linux; and bytes of the names of all members.
const NAME: usize = 4096;
const NAMES: usize = 64 << 20;
/// Largest size that eleven octal digits hold: what is larger stands in pax records alone.
const OCTAL: u64 = 1 << 33;

/// What the archive holds.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    pub(crate) members: Vec<Member>,
    pub(crate) odd: Odd,
    /// Members that are not read: place, length, why.
    pub(crate) unread: Vec<(u64, u64, &'static str)>,
    /// Bytes that belong to no header and no member, and are more than padding.
    pub(crate) rest: Vec<(u64, u64)>,
    /// Where something ends before it is complete.
    pub(crate) truncated: Option<u64>,
    /// A limit that was reached, with the place.
    pub(crate) budget: Option<(u64, &'static str)>,
    /// Bytes that headers, padding and members account for, sorted and joined.
    pub(crate) spans: Vec<(u64, u64)>,
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where its header stands.
    pub(crate) at: u64,
    pub(crate) data: u64,
    pub(crate) size: u64,
}

/// Whether the bytes begin with a header block.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(..512).is_some_and(header::is_header)
}

/// Reads every header of the archive.
pub(crate) fn read(source: &dyn Source, limits: &Limits) -> Result<Archive, ReadError> {
    let archive = Archive::default();
    let mut walk = Walk {
        source,
        limits,
        archive,
        seen: BTreeSet::new(),
        scanned: BTreeMap::new(),
        later: vec![0],
        added: BTreeSet::new(),
        names: 0,
        links: BTreeSet::new(),
        ended: false,
    };
    while let Some(at) = walk.later.pop() {
        walk.run(at)?;
    }
    Ok(walk.close())
}

struct Walk<'s> {
    source: &'s dyn Source,
    limits: &'s Limits,
    archive: Archive,
    /// Blocks that were taken for a header.
    seen: BTreeSet<u64>,
    /// Blocks that are no headers, from the first one to the byte behind the last.
    scanned: BTreeMap<u64, u64>,
    /// Where other readers would find the next header.
    later: Vec<u64>,
    /// Data that is a member.
    added: BTreeSet<(u64, u64)>,
    /// Bytes of the names of members.
    names: usize,
    /// Names of symbolic links.
    links: BTreeSet<String>,
    /// Whether the blocks that end an archive are there.
    ended: bool,
}

/// What headers before a member say about it.
#[derive(Debug, Default)]
struct Before {
    long_name: Option<String>,
    long_link: Option<String>,
    pax: Pax,
}

impl Walk<'_> {
    /// Header by header, from `at` to the end of the source.
    fn run(&mut self, mut at: u64) -> Result<(), ReadError> {
        let mut global = Pax::default();
        let mut before = Before::default();
        while at < self.source.len() {
            if !self.seen.insert(at) {
                return Ok(()); // from here on both readings are one
            }
            if self.seen.len() > self.limits.members.saturating_mul(4) {
                self.archive.budget = Some((at, "headers"));
                return Ok(());
            }
            let block = self.bytes(at, BLOCK)?;
            let header = if header::is_header(&block) { header::read(&block) } else { None };
            let Some(header) = header else {
                let Some(next) = self.no_header(at, &block)? else { return Ok(()) };
                (at, before) = (next, Before::default());
                continue;
            };
            self.span(at, BLOCK);
            let data = at + BLOCK;
            at = match header.kind {
                b'L' | b'K' | b'x' | b'X' | b'g' => {
                    self.extension(&header, data, &mut before, &mut global)?
                }
                _ => {
                    let mut told = std::mem::take(&mut before);
                    told.pax = global.clone().with(told.pax);
                    self.member(&header, at, &told)?
                }
            };
        }
        Ok(())
    }

    fn odd(&mut self, kind: OddKind, at: u64, words: impl Into<String>) {
        odd::note(&mut self.archive.odd, kind, at, words);
    }

    fn span(&mut self, at: u64, len: u64) {
        if len > 0 {
            self.archive.spans.push((at, at.saturating_add(len)));
        }
    }

    fn bytes(&self, at: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        let len = len.min(self.source.len().saturating_sub(at)).min(EXTENSION);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let got = self.source.read_at(at, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// A block that is no header: the end, or something in between. Where the next header stands.
    fn no_header(&mut self, at: u64, block: &[u8]) -> Result<Option<u64>, ReadError> {
        // Another reading has scanned from before here to the next header, and goes on there.
        if self.scanned.range(..=at).next_back().is_some_and(|(_, until)| at < *until) {
            return Ok(None);
        }
        let ends = block.iter().all(|byte| *byte == 0);
        let (mut next, mut zeros) = (if ends { at } else { at + block.len() as u64 }, ends);
        let mut header = None;
        while header.is_none() && next < self.source.len() {
            for block in self.bytes(next, EXTENSION)?.chunks(512) {
                if let Some(until) = self.scanned.get(&next).copied() {
                    if zeros {
                        self.ended(at, next);
                    }
                    (zeros, next) = (false, until);
                    header = Some(until).filter(|until| *until < self.source.len());
                    break;
                }
                if zeros && block.iter().any(|byte| *byte != 0) {
                    zeros = false;
                    self.ended(at, next);
                    if !header::is_header(block) {
                        self.odd(OddKind::Views, next, "bytes behind the end of the archive");
                    }
                }
                if header::is_header(block) {
                    header = Some(next);
                    break;
                }
                next += block.len() as u64;
            }
        }
        let until = header.unwrap_or(self.source.len());
        self.scanned.insert(at, until);
        if zeros {
            self.ended(at, until);
        } else if !ends {
            self.odd(
                OddKind::Views,
                at,
                "a header whose check sum or numbers are false: some readers end there",
            );
        }
        if header.is_some() && ends {
            let words = "members behind the end of the archive, which only some readers see";
            self.odd(OddKind::Views, until, words);
        }
        Ok(header)
    }

    /// Zeros from `at` to `until`; one block alone is no end.
    fn ended(&mut self, at: u64, until: u64) {
        self.span(at, until - at);
        self.ended |= until - at >= 2 * BLOCK;
    }

    /// A long name or pax records for the next header; where that stands.
    fn extension(
        &mut self,
        header: &Header,
        data: u64,
        before: &mut Before,
        global: &mut Pax,
    ) -> Result<u64, ReadError> {
        let next = self.padded(data, header.size)?;
        if header.size > EXTENSION {
            self.archive.budget = Some((data, "bytes of a name"));
            return Ok(next);
        }
        self.span(data, header.size.min(self.source.len().saturating_sub(data)));
        let bytes = self.bytes(data, header.size)?;
        match header.kind {
            b'L' => before.long_name = self.long(data, &bytes),
            b'K' => before.long_link = self.long(data, &bytes),
            kind => match header::records(&bytes) {
                Some(records) => {
                    let pax = if kind == b'g' { global } else { &mut before.pax };
                    if !pax.take(&records) {
                        self.archive.budget = Some((data, "bytes of a name"));
                    }
                }
                None => self.odd(OddKind::Views, data, "pax records that are not written as such"),
            },
        }
        Ok(next)
    }

    fn long(&mut self, data: u64, bytes: &[u8]) -> Option<String> {
        let name = header::text(bytes);
        if name.len() > NAME {
            self.archive.budget = Some((data, "bytes of a name"));
            return None;
        }
        Some(name)
    }

    /// A file, folder, link or device; where the next header stands.
    fn member(&mut self, header: &Header, at: u64, before: &Before) -> Result<u64, ReadError> {
        let pax = |key: &str| before.pax.get(key);
        let long = [pax("GNU.sparse.name"), pax("path"), before.long_name.as_deref()];
        let mut names: Vec<String> = long.into_iter().flatten().map(str::to_owned).collect();
        if names.is_empty() {
            names.clone_from(&header.names);
        }
        names.dedup();
        let name = names.first().cloned().unwrap_or_default();
        if names.len() > 1 && pax("GNU.sparse.name").is_none() {
            let (first, second) = (&name, names.get(1).map_or("", String::as_str));
            self.odd(OddKind::Views, at, format!("one member with two names, {first} and {second}"));
        }
        for name in names.iter().filter(|name| odd::leaves_folder(name)) {
            self.odd(OddKind::Path, at, format!("a member named {name}"));
        }
        let link = pax("linkpath").or(before.long_link.as_deref()).unwrap_or(&header.link);
        // Python decides by the name in the block, others by the one that counts in the end.
        let is_folder = header.kind == b'5' || header.is_folder || header.kind == 0 && name.ends_with('/');
        match header.kind {
            b'1' | b'2' => self.link(header.kind, at, &name, link),
            b'3' | b'4' | b'6' => {
                self.odd(OddKind::Path, at, format!("{name} is a device or pipe: unpacking makes one"));
            }
            _ => {}
        }
        let data = self.past_sparse_map(header, at + BLOCK)?;
        let size = self.size(header, data, &name, pax("size"))?;
        let is_file = !is_folder && !matches!(header.kind, b'1'..=b'6');
        if !is_file {
            // Python reads no data behind these, others do.
            if size > 0 {
                self.odd(OddKind::Views, at, format!("{name} is no file and has a size"));
                self.later.push(data);
                self.add(&name, at, data, size);
                return self.padded(data, size);
            }
            return Ok(data);
        }
        if header.kind == b'S' || before.pax.is_sparse {
            self.archive.unread.push((data, size, "a sparse file, which is not read by this build"));
            self.span(data, size.min(self.source.len().saturating_sub(data)));
        } else {
            self.add(&name, at, data, size);
        }
        self.padded(data, size)
    }

    /// Stated in the header and, where it does not fit there, in pax records. A size in both is two readings.
    fn size(&mut self, header: &Header, data: u64, name: &str, pax: Option<&str>) -> Result<u64, ReadError> {
        let Some(stated) = pax else { return Ok(header.size) };
        let Ok(stated) = stated.parse::<u64>() else {
            self.odd(OddKind::Views, data, format!("{name} has a size that is no number"));
            return Ok(header.size);
        };
        // What the header has no room for is left out or cut to the largest number it holds.
        let has_no_room = stated >= OCTAL && (header.size == 0 || header.size == OCTAL - 1);
        if stated != header.size && !has_no_room {
            self.odd(OddKind::Views, data, format!("{name} has two sizes, {} and {stated}", header.size));
            self.add(name, data - BLOCK, data, header.size);
            let next = self.padded(data, header.size)?;
            self.later.push(next);
        }
        Ok(stated)
    }

    fn link(&mut self, kind: u8, at: u64, name: &str, target: &str) {
        // A hard link names a member from the top, a symbolic one a path from its own folder.
        let leaves = if kind == b'1' { odd::leaves_folder(target) } else { odd::target_leaves(name, target) };
        if kind == b'2' {
            self.links.insert(name.trim_start_matches("./").to_owned());
        }
        let words = format!("{name} is a link to {target}");
        self.odd(if leaves { OddKind::Path } else { OddKind::Link }, at, words);
    }

    /// GNU's old sparse form: blocks with more of the map follow the header.
    fn past_sparse_map(&mut self, header: &Header, mut at: u64) -> Result<u64, ReadError> {
        let mut goes_on = header.goes_on;
        while goes_on && at < self.source.len() {
            let block = self.bytes(at, BLOCK)?;
            goes_on = block.get(504).is_some_and(|flag| *flag != 0);
            self.span(at, BLOCK);
            at += BLOCK;
        }
        Ok(at)
    }

    fn add(&mut self, name: &str, at: u64, data: u64, size: u64) {
        if self.archive.members.len() >= self.limits.members {
            self.archive.budget = Some((at, "members"));
            return;
        }
        if !self.added.insert((data, size)) {
            return;
        }
        self.names += name.len();
        if self.names > NAMES {
            self.archive.budget = Some((at, "bytes of names"));
            return;
        }
        let left = self.source.len().saturating_sub(data);
        if size > left && self.archive.truncated.is_none() {
            self.archive.truncated = Some(at);
        }
        self.span(data, size.min(left));
        self.archive.members.push(Member { name: name.to_owned(), at, data, size: size.min(left) });
    }

    /// Where the next header stands; what pads to it is zeros, or it is left over.
    fn padded(&mut self, data: u64, size: u64) -> Result<u64, ReadError> {
        let end = data.saturating_add(size);
        let pad = (BLOCK - end % BLOCK) % BLOCK;
        let bytes = self.bytes(end, pad)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.span(end, zeros as u64);
        Ok(end.saturating_add(pad))
    }

    fn close(mut self) -> Archive {
        let len = self.source.len();
        self.archive.spans.iter_mut().for_each(|(_, end)| *end = len.min(*end));
        odd::join(&mut self.archive.spans);
        self.archive.members.sort_by_key(|member| (member.data, member.at));
        let (mut names, mut last_end) = (BTreeMap::new(), 0);
        for member in &self.archive.members {
            let (list, at, full) = (&mut self.archive.odd, member.at, &member.name);
            let name = full.trim_start_matches("./");
            if let Some(first) = names.insert(name, at) {
                let words = format!("{full} is there twice, at 0x{first:x} too: readers pick different ones");
                odd::note(list, OddKind::Views, at, words);
            }
            let mut folders = name.match_indices('/').filter_map(|(end, _)| name.get(..end));
            if let Some(link) = folders.find(|folder| self.links.contains(*folder)) {
                odd::note(list, OddKind::Path, at, format!("{full} is unpacked through the link {link}"));
            }
            if member.data < last_end && member.size > 0 {
                odd::note(list, OddKind::Views, at, "members that overlap");
            }
            last_end = last_end.max(member.data + member.size);
        }
        if !self.ended && self.archive.truncated.is_none() {
            self.archive.truncated = Some(len);
        }
        let mut from = 0;
        for (start, end) in self.archive.spans.iter().copied().chain([(len, len)]) {
            if start > from {
                self.archive.rest.push((from, start));
            }
            from = from.max(end);
        }
        self.archive
    }
}
