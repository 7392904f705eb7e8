//! Room `model`: a file of pickles -> by its layout: legacy torch, or a pickle and what stands behind it.

use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use super::Walk;
use crate::format::torch_legacy;
use crate::format::torch_legacy::Legacy;
use crate::inspect;
use crate::threat;

impl Walk<'_> {
    pub(super) fn pickles(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        depth: usize,
    ) -> Result<u64, ReadError> {
        if torch_legacy::is_legacy(source.as_ref())?
            && let Some(legacy) = torch_legacy::read(source.as_ref(), self.limits)?
        {
            return Ok(self.torch_legacy(path, source, &legacy, depth));
        }
        let facts = self.pickle(path, source);
        if facts.has_arrays {
            if depth == 0 {
                self.formats.push("joblib");
            }
            if let Some(book) = &mut self.book {
                book.format("joblib");
            }
        }
        Ok(facts.explained)
    }

    fn torch_legacy(&mut self, path: &str, source: &Arc<dyn Source>, legacy: &Legacy, depth: usize) -> u64 {
        if depth == 0 {
            self.formats.push("torch-legacy");
        }
        let left = source.len() - legacy.end;
        if let Some(book) = &mut self.book {
            book.format("torch-legacy");
            book.span(0, legacy.end, SpanKind::Parsed, "opcodes and counts");
            for (key, start, end) in &legacy.storages {
                book.span(*start, *end, SpanKind::Tensor, &format!("storage {key}"));
            }
            let places = legacy.storages.iter().map(|(key, start, _)| (key.clone(), *start)).collect();
            let read = inspect::objects(source.as_ref(), &legacy.facts, &places, book);
            self.unread(path, read);
        }
        self.tell(path, |judge| {
            judge.pickle(&legacy.facts, source.as_ref());
            for (at, message) in &legacy.odd {
                judge.found(threat::PERSISTENT, Verdict::Malicious, *at, None, message.clone());
            }
            if let Some(at) = legacy.truncated {
                let message = "the file ends before what it announces: fetch it again".to_owned();
                judge.gap(GapReason::Truncated, at, Some(left), message);
            } else if left > 0 {
                let message = "bytes behind the last storage".to_owned();
                judge.found(threat::TRAILING, Verdict::Review, legacy.end, None, message);
            }
        });
        if left == 0 {
            return legacy.end;
        }
        // What no storage accounts for is looked at as a file of its own.
        self.span(legacy.end, source.len(), SpanKind::Member, "behind the last storage");
        let rest: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), legacy.end, left));
        self.inside(&format!("{path}!/behind@0x{:x}", legacy.end), &rest, depth);
        source.len()
    }
}
