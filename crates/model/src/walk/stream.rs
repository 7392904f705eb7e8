//! Room `model`: a compressed stream -> what it holds, as a file of its own, and what stands behind and between its members.

use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use super::Walk;
use crate::container::stream;
use crate::container::stream::Codec;
use crate::container::stream::Stream;
use crate::format::zfile;
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
        self.members(path, source, 0, &stream, depth)
    }

    /// The zlib stream of an old joblib file, behind a blank or not.
    pub(super) fn zfile(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        depth: usize,
    ) -> Result<u64, ReadError> {
        if self.is_too_deep(path, source, depth) {
            return Ok(0);
        }
        let mut head = [0; 22];
        let got = source.read_at(0, &mut head)?;
        let base = if head.last() == Some(&b' ') { 22 } else { 21_u64 };
        let stated = zfile::length(&head);
        let packed: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), base, source.len()));
        let mut stream = stream::read(&packed, Codec::Zlib, &self.budget, self.windows);
        if got == head.len() && stream.error.is_none() && stated != Some(stream.decoded.len()) {
            stream.wrong.push((0, "a length that is not that of the data"));
        }
        let explained = self.members(path, &packed, base, &stream, depth)?;
        Ok((base + explained).min(source.len()))
    }

    /// What members hold and what they say of themselves; the bytes of `source` that are explained. `base` is where it
    /// stands in the file.
    fn members(
        &mut self,
        path: &str,
        source: &Arc<dyn Source>,
        base: u64,
        stream: &Stream,
        depth: usize,
    ) -> Result<u64, ReadError> {
        self.headers(path, source.len(), base, stream);
        for (start, end) in &stream.skipped {
            let frame: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), *start, end - start));
            if !is_index(frame.as_ref())? {
                self.inside(&format!("{path}!/skippable@0x{:x}", base + start), &frame, depth);
            }
        }
        let end = stream.error.as_ref().map_or(stream.end, |(at, _)| *at).min(source.len());
        self.span(0, base, SpanKind::Parsed, "header");
        self.span(base, base + end, SpanKind::Member, &inner_name(path));
        for (start, end) in &stream.skipped {
            self.span(base + start, base + end, SpanKind::Member, "skippable frame");
        }
        self.windows -= stream.windows;
        self.inside(&format!("{path}!/{}", inner_name(path)), &stream.decoded, depth);
        self.windows += stream.windows;
        if let Some((at, _)) = &stream.error {
            return Ok((*at).min(source.len()));
        }
        self.behind(path, source, base, stream, depth);
        Ok(source.len())
    }

    fn headers(&mut self, path: &str, len: u64, base: u64, stream: &Stream) {
        self.tell(path, |judge| {
            for (at, what) in &stream.wrong {
                judge.found(threat::CHECK_SUM, Verdict::Review, base + at, None, (*what).to_owned());
            }
            match &stream.error {
                Some((at, ReadError::Decode { at: decoded, cause })) => {
                    let message =
                        format!("cannot be decoded: {cause}; {decoded} bytes were, and were looked at");
                    judge.gap(GapReason::Truncated, base + at, Some(len.saturating_sub(*at)), message);
                }
                Some((at, error)) => judge.read_error(base + at, error),
                None => {}
            }
            if let Some(at) = stream.unlisted {
                let message = "more skippable frames than the limit: the rest was not looked at".to_owned();
                judge.gap(GapReason::Budget, base + at, None, message);
            }
        });
    }

    /// Bytes behind the last member: some loaders read them as more of the same, most do not look.
    fn behind(&mut self, path: &str, source: &Arc<dyn Source>, base: u64, stream: &Stream, depth: usize) {
        let left = source.len() - stream.end;
        if left == 0 {
            return;
        }
        let at = base + stream.end;
        self.span(at, at + left, SpanKind::Member, "behind the end of the stream");
        let message = "bytes behind the end of the stream".to_owned();
        self.tell(path, |judge| judge.found(threat::TRAILING, Verdict::Review, at, None, message));
        let rest: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), stream.end, left));
        self.inside(&format!("{path}!/behind@0x{at:x}"), &rest, depth);
    }
}

/// Whether a skippable frame is what seekable writers leave: a table of sizes (the seekable format of zstd 0.1.0, section
/// "Seek Table"), two or three numbers of four bytes for each frame, and a footer that says how many.
fn is_index(frame: &dyn Source) -> Result<bool, ReadError> {
    let Some(at) = frame.len().checked_sub(9) else { return Ok(false) };
    let mut footer = [0; 9];
    let got = frame.read_at(at, &mut footer)?;
    let [a, b, c, d, descriptor, 0xb1, 0xea, 0x92, 0x8f] = footer else { return Ok(false) };
    let each = if descriptor & 0x80 == 0 { 8 } else { 12 };
    Ok(got == footer.len() && at == u64::from(u32::from_le_bytes([a, b, c, d])) * each)
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
