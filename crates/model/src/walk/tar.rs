//! Room `model`: a tar archive -> each of its members as a file of its own, and what no header accounts for.

use std::collections::HashMap;
use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use super::Walk;
use crate::container::tar;
use crate::container::tar::Archive;
use crate::container::tar::Member;
use crate::container::zip;
use crate::format::torch_tar;
use crate::format::torch_tar::Part;
use crate::inspect;
use crate::threat;

impl Walk<'_> {
    pub(super) fn tar(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        depth: usize,
    ) -> Result<u64, ReadError> {
        let archive = tar::read(source.as_ref(), self.limits)?;
        self.blocks(path, &archive);
        if self.is_too_deep(path, source, depth) {
            return Ok(0);
        }
        for (start, end) in &archive.spans {
            self.span(*start, *end, SpanKind::Parsed, "headers");
        }
        for member in &archive.members {
            self.span(member.data, member.data.saturating_add(member.size), SpanKind::Member, &member.name);
        }
        for (start, end) in &archive.rest {
            self.span(*start, *end, SpanKind::Member, "bytes that no header accounts for");
        }
        let view = |start, len| -> Arc<dyn Source> { Arc::new(View::new(Arc::clone(source), start, len)) };
        let torch = self.torch_tar(path, &archive, &view, depth)?;
        for member in &archive.members {
            if torch && torch_tar::MEMBERS.contains(&plain_name(member)) {
                continue;
            }
            self.inside(&format!("{path}!/{}", member.name), &view(member.data, member.size), depth);
        }
        let mut explained: u64 = archive.spans.iter().map(|(start, end)| end - start).sum();
        for (start, end) in &archive.rest {
            self.inside(&format!("{path}!/between@0x{start:x}"), &view(*start, end - start), depth);
            explained += end - start;
        }
        Ok(explained)
    }

    /// The three members of an old torch file, if they are there; false where they are not, or not once each.
    fn torch_tar(
        &mut self,
        path: &str,
        archive: &Archive,
        view: &dyn Fn(u64, u64) -> Arc<dyn Source>,
        depth: usize,
    ) -> Result<bool, ReadError> {
        let named = torch_tar::MEMBERS.map(|name| {
            let mut found = archive.members.iter().filter(|member| plain_name(member) == name);
            found.next().filter(|_| found.next().is_none())
        });
        let [Some(storages), Some(tensors), Some(object)] = named else { return Ok(false) };
        if depth == 0 {
            self.formats.push("torch-tar");
        }
        let members = [storages, tensors, object];
        let views = members.map(|member| view(member.data, member.size));
        let parts = torch_tar::read(views.each_ref().map(AsRef::as_ref), self.limits)?;
        for ((member, part), source) in members.iter().zip(&parts).zip(&views) {
            let inner = format!("{path}!/{}", member.name);
            self.entered(&inner, source.len(), |walk| {
                walk.torch_part(&inner, part, source, depth);
                source.len()
            });
        }
        Ok(true)
    }

    fn torch_part(&mut self, path: &str, part: &Part, source: &Arc<dyn Source>, depth: usize) {
        let left = source.len() - part.end;
        if let Some(book) = &mut self.book {
            book.format("torch-tar");
            book.span(0, part.end, SpanKind::Parsed, "opcodes, counts and numbers");
            book.span(part.end, source.len(), SpanKind::Member, "behind");
            let read = inspect::objects(source.as_ref(), &part.facts, &HashMap::new(), book);
            self.unread(path, read);
        }
        self.tell(path, |judge| {
            judge.pickle(&part.facts, source.as_ref());
            for (at, message) in &part.odd {
                judge.found(threat::PERSISTENT, Verdict::Malicious, *at, None, message.clone());
            }
            if let Some(at) = part.truncated {
                let message = "the member ends before what it announces: fetch the file again".to_owned();
                judge.gap(GapReason::Truncated, at, Some(left), message);
            } else if left > 0 {
                let message = "bytes that the layout does not account for".to_owned();
                judge.found(threat::TRAILING, Verdict::Review, part.end, None, message);
            }
        });
        if left > 0 {
            let rest: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), part.end, left));
            self.inside(&format!("{path}!/behind@0x{:x}", part.end), &rest, depth);
        }
    }

    /// Whether every ZIP that a reader would find at the end of a tar is one of its members, where it is judged. An end record
    /// in a member may mean another directory to who counts from the first byte of the tar: then it is both.
    pub(super) fn zip_is_a_member(&self, source: &Arc<dyn Source>) -> Result<bool, ReadError> {
        let mut magic = [0; 4];
        let got = source.read_at(0, &mut magic)?;
        let ends = zip::ends(source.as_ref())?;
        // torch looks at the first four bytes and no further.
        if ends.is_empty() || magic.get(..got) == Some(b"PK\x03\x04") {
            return Ok(false);
        }
        let archive = tar::read(source.as_ref(), self.limits)?;
        for at in ends {
            let seen = zip::starts(source.as_ref(), at)?;
            let mut is_same = false;
            for member in &archive.members {
                let Some(inside) = at.checked_sub(member.data).filter(|inside| *inside < member.size) else {
                    continue;
                };
                let view = View::new(Arc::clone(source), member.data, member.size);
                let starts = zip::starts(&view, inside)?;
                let moved = |(start, shift): &(u64, u64)| (start + member.data, shift + member.data);
                is_same |= starts.iter().map(moved).eq(seen.iter().copied());
            }
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What readers disagree on, and what is not read.
    fn blocks(&mut self, path: &str, archive: &Archive) {
        self.tell(path, |judge| {
            super::odd(judge, &archive.odd);
            for (at, bytes, why) in &archive.unread {
                judge.gap(GapReason::Unsupported, *at, Some(*bytes), (*why).to_owned());
            }
            if let Some(at) = archive.truncated {
                let message = "the archive ends before it is complete: fetch it again".to_owned();
                judge.gap(GapReason::Truncated, at, None, message);
            }
            if let Some((at, what)) = archive.budget {
                let message = format!("more {what} than the limit: the rest was not looked at");
                judge.gap(GapReason::Budget, at, None, message);
            }
        });
    }
}

/// The name without the folder that some writers put before it.
fn plain_name(member: &Member) -> &str {
    member.name.trim_start_matches("./")
}
