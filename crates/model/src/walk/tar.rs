//! Room `model`: a tar archive -> each of its members as a file of its own, and what no header accounts for.

use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;

use super::Walk;
use crate::container::tar;
use crate::container::tar::Archive;
use crate::container::zip;

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
        let view = |start, len| -> Arc<dyn Source> { Arc::new(View::new(Arc::clone(source), start, len)) };
        for member in &archive.members {
            self.inside(&format!("{path}!/{}", member.name), &view(member.data, member.size), depth);
        }
        let mut explained: u64 = archive.spans.iter().map(|(start, end)| end - start).sum();
        for (start, end) in &archive.rest {
            self.inside(&format!("{path}!/between@0x{start:x}"), &view(*start, end - start), depth);
            explained += end - start;
        }
        Ok(explained)
    }

    /// Whether every ZIP that a reader would find at the end of a tar is inside of one of its members, where it is judged.
    pub(super) fn zip_is_a_member(&self, source: &dyn Source) -> Result<bool, ReadError> {
        let ends = zip::ends(source)?;
        let archive = tar::read(source, self.limits)?;
        let is_inside = |at: &u64| {
            archive.members.iter().any(|member| (member.data..member.data + member.size).contains(at))
        };
        Ok(ends.iter().all(is_inside))
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
