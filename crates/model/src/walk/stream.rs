//! Room `model`: a compressed stream -> what it holds, as a file of its own, and what stands behind and between its members.

use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;
use ringfence_finding::Verdict;

use super::Walk;
use crate::container::stream;
use crate::container::stream::Codec;
use crate::threat;

/// Ends of names that say how a file is packed; the rest is the name of what it holds.
const PACKED: [(&str, &str); 11] = [
    (".gz", ""),
    (".bz2", ""),
    (".xz", ""),
    (".lzma", ""),
    (".zst", ""),
    (".lz4", ""),
    (".z", ""),
    (".zlib", ""),
    (".tgz", ".tar"),
    (".tbz2", ".tar"),
    (".txz", ".tar"),
];

impl Walk<'_> {
    pub(super) fn stream(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        codec: Codec,
        depth: usize,
    ) -> Result<u64, ReadError> {
        if self.is_too_deep(path, source, depth) {
            return Ok(0);
        }
        let stream = stream::read(source, codec, &self.budget, self.windows);
        let explained = self.members(path, source.len(), &stream);
        for (start, end) in &stream.skipped {
            let frame: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), *start, end - start));
            if !is_index(frame.as_ref())? {
                self.inside(&format!("{path}!/skippable@0x{start:x}"), &frame, depth);
            }
        }
        self.windows -= stream.windows;
        self.inside(&format!("{path}!/{}", inner_name(path)), &stream.decoded, depth);
        self.windows += stream.windows;
        Ok(explained + self.behind(path, source, &stream, depth))
    }

    /// What the members say of themselves; the bytes that they explain.
    fn members(&mut self, path: &str, len: u64, stream: &stream::Stream) -> u64 {
        self.tell(path, |judge| {
            for (at, what) in &stream.wrong {
                judge.found(threat::CHECK_SUM, Verdict::Review, *at, None, (*what).to_owned());
            }
            match &stream.error {
                Some((at, ReadError::Decode { at: decoded, cause })) => {
                    let message =
                        format!("cannot be decoded: {cause}; {decoded} bytes were, and were looked at");
                    judge.gap(GapReason::Truncated, *at, Some(len - at), message);
                }
                Some((at, error)) => judge.read_error(*at, error),
                None => {}
            }
        });
        stream.error.as_ref().map_or(stream.end, |(at, _)| (*at).min(len))
    }

    /// Bytes behind the last member: some loaders read them as more of the same, most do not look.
    fn behind(&mut self, path: &str, source: &Arc<dyn Source>, stream: &stream::Stream, depth: usize) -> u64 {
        let left = source.len() - stream.end;
        if stream.error.is_some() || left == 0 {
            return 0;
        }
        let message = "bytes behind the end of the stream".to_owned();
        self.tell(path, |judge| judge.found(threat::TRAILING, Verdict::Review, stream.end, None, message));
        let rest: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), stream.end, left));
        self.inside(&format!("{path}!/behind@0x{:x}", stream.end), &rest, depth);
        left
    }
}

/// Whether a skippable frame is what parallel and seekable writers leave: a size, or a table of sizes (the seekable format
/// of zstd 0.1.0 ends with its own magic).
fn is_index(frame: &dyn Source) -> Result<bool, ReadError> {
    let mut end = [0; 4];
    let len = frame.len();
    frame.read_at(len.saturating_sub(4), &mut end)?;
    Ok(len <= 4 || len % 4 == 1 && end == [0xb1, 0xea, 0x92, 0x8f])
}

/// What a packed file's content is called.
fn inner_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lower = name.to_ascii_lowercase();
    let packed = PACKED.iter().find(|(end, _)| lower.len() > end.len() && lower.ends_with(end));
    match packed.and_then(|(end, instead)| Some((name.get(..name.len() - end.len())?, instead))) {
        Some((stem, instead)) => format!("{stem}{instead}"),
        None => "content".to_owned(),
    }
}
