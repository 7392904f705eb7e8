//! Room `model`: a ZIP -> each of its members as a file of its own, with the storages of torch passed over.

use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use super::Walk;
use super::odd;
use crate::container::zip;
use crate::container::zip::Archive;
use crate::container::zip::Member;
use crate::format::torch;
use crate::pickle::Facts;
use crate::threat;

impl Walk<'_> {
    pub(super) fn zip(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        depth: usize,
    ) -> Result<u64, ReadError> {
        let archive = zip::read(source.as_ref(), self.limits)?;
        self.records(path, &archive, source.len());
        if self.is_too_deep(path, source, depth) {
            return Ok(0);
        }
        let root = torch::root(&archive).map(str::to_owned);
        let mut explained = vec![false; archive.members.len()];
        if let Some(root) = &root {
            if depth == 0 {
                self.formats.push("torch");
            }
            if let Some(book) = &mut self.book {
                book.format("torch");
            }
            self.torch(path, source, &archive, root, depth, &mut explained);
        }
        self.members_told(&archive, root.as_deref(), &explained);
        for (member, explained) in archive.members.iter().zip(explained) {
            if explained || member.is_folder() {
                continue;
            }
            let inner = format!("{path}!/{}", member.name());
            let Some(opened) = self.member(path, source, member, depth) else { continue };
            let description = root.as_deref().and_then(|root| member.name().strip_prefix(root));
            if description.is_some_and(torch::is_description) {
                let mut bytes = vec![0; 65];
                let got = opened.read_at(0, &mut bytes)?;
                let bytes = bytes.get(..got).unwrap_or_default();
                if torch::is_plain(bytes) {
                    if let Some(book) = &mut self.book {
                        let name = member.name().rsplit('/').next().unwrap_or_default();
                        book.entry(name, String::from_utf8_lossy(bytes).trim());
                    }
                    continue;
                }
            }
            self.inside(&inner, &opened, depth);
        }
        Ok(archive.spans.iter().map(|(start, end)| end.min(&source.len()).saturating_sub(*start)).sum())
    }

    /// Tells the book what the bytes of the archive are.
    fn members_told(&mut self, archive: &Archive, root: Option<&str>, explained: &[bool]) {
        if self.book.is_none() {
            return;
        }
        for (start, end) in &archive.spans {
            self.span(*start, *end, SpanKind::Parsed, "records");
        }
        for (member, explained) in archive.members.iter().zip(explained) {
            let is_data = root.is_some_and(|root| member.name().strip_prefix(root) != Some("data.pkl"));
            let what = if *explained && is_data { SpanKind::Tensor } else { SpanKind::Member };
            self.span(member.data, member.data.saturating_add(member.packed), what, member.name());
        }
    }

    /// What loaders disagree on, and what no record accounts for.
    fn records(&mut self, path: &str, archive: &Archive, len: u64) {
        self.tell(path, |judge| {
            odd(judge, &archive.odd);
            if let Some((at, what)) = archive.budget {
                let message = format!("more {what} than the limit: the rest was not looked at");
                judge.gap(GapReason::Budget, at, None, message);
            }
            let mut from = 0;
            for (start, end) in archive.spans.iter().copied().chain([(len, len)]) {
                if start > from {
                    let message = "bytes that no record of the archive accounts for".to_owned();
                    judge.gap(GapReason::Unexplained, from, Some(start - from), message);
                }
                from = from.max(end);
            }
        });
    }

    /// The decoded bytes of a member, held against its check sum; none where nobody can look.
    fn member(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        member: &Member,
        depth: usize,
    ) -> Option<Arc<dyn Source>> {
        let inner = format!("{path}!/{}", member.name());
        // A stored one is read for its check sum before it is entered.
        if member.is_stored() && !self.may_look(&inner, member.packed) {
            return None;
        }
        let mut member = member.clone();
        let sum = if member.is_deflated() {
            let end = zip::inflate(&member.packed(source), member.size, &self.budget);
            if member.is_listed && !member.claims_encryption() {
                self.behind_member(&inner, source, &member, &end, depth);
            }
            // What can be decoded is looked at, whatever the record says; the rest is a gap.
            member.size = end.given;
            end.crc
        } else {
            member.open(source, &self.budget).map_or(Ok(0), |opened| sum(opened.as_ref(), member.size))
        };
        let Some(opened) = member.open(source, &self.budget) else {
            let message = format!("packed by method {}, which is not read by this build", member.method);
            self.gap(&inner, GapReason::Unsupported, member.packed, message);
            return None;
        };
        match sum {
            Ok(sum) if sum == member.crc => {
                if member.claims_encryption() {
                    let message = "marked as encrypted, and its data is plain".to_owned();
                    self.tell(&inner, |judge| {
                        judge.found(threat::CHECK_SUM, Verdict::Review, 0, None, message);
                    });
                }
            }
            _ if member.claims_encryption() => {
                let message = "encrypted: nobody without the key can look".to_owned();
                self.gap(&inner, GapReason::Encrypted, member.packed, message);
                return None;
            }
            Ok(_) => {
                let message = "a check sum that is not that of the data: some loaders do not look".to_owned();
                self.tell(&inner, |judge| judge.found(threat::CHECK_SUM, Verdict::Review, 0, None, message));
            }
            Err(error) => self.tell(&inner, |judge| judge.read_error(0, &error)),
        }
        Some(opened)
    }

    /// A deflate stream that does not end where its records say: who reads by the stream sees other bytes.
    fn behind_member(
        &mut self,
        inner: &str,
        source: &Arc<dyn Source>,
        member: &Member,
        end: &zip::Inflated,
        depth: usize,
    ) {
        if end.given > member.size {
            let message = format!("{} bytes where the records say {}", end.given, member.size);
            self.tell(inner, |judge| judge.found(threat::VIEWS, Verdict::Review, 0, None, message));
        }
        let left = member.packed.saturating_sub(end.taken);
        if end.crc.is_ok() && left > 0 {
            let at = member.data.saturating_add(end.taken);
            let message = "bytes behind the end of the packed data".to_owned();
            self.tell(inner, |judge| judge.found(threat::VIEWS, Verdict::Review, 0, None, message));
            let rest: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), at, left));
            self.inside(&format!("{inner}!/behind"), &rest, depth);
        }
    }

    fn torch(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        archive: &Archive,
        root: &str,
        depth: usize,
        explained: &mut [bool],
    ) {
        let name = format!("{root}data.pkl");
        for (index, member) in archive.members.iter().enumerate().filter(|(_, member)| member.name() == name)
        {
            let inner = format!("{path}!/{name}");
            let Some(opened) = self.member(path, source, member, depth) else { continue };
            let mut facts = Facts::default();
            self.entered(&inner, opened.len(), |walk| {
                if let Some(book) = &mut walk.book {
                    book.format("pickle");
                }
                facts = walk.pickle(&inner, &opened);
                facts.explained
            });
            let storages = torch::storages(archive, root, &facts);
            self.tell(&inner, |judge| {
                for message in storages.odd {
                    judge.found(threat::PERSISTENT, Verdict::Malicious, 0, None, message);
                }
            });
            for index in storages.explained.into_iter().chain([index]) {
                if let Some(slot) = explained.get_mut(index) {
                    *slot = true;
                }
            }
        }
    }
}

/// CRC-32 of a member.
fn sum(source: &dyn Source, size: u64) -> Result<u32, ReadError> {
    let mut crc = flate2::Crc::new();
    let mut buffer = vec![0; usize::try_from(size.min(256 << 10)).unwrap_or(0)];
    let mut at = 0;
    while at < size {
        let got = source.read_at(at, &mut buffer)?;
        if got == 0 {
            break;
        }
        crc.update(buffer.get(..got).unwrap_or_default());
        at += got as u64;
    }
    Ok(crc.sum())
}
