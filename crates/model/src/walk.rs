//! Room `model`: a source -> its formats, and through its members. What is found is told with the way that leads there.

mod book;
mod pickles;
mod stream;
mod tar;
mod text;
mod zip;

use std::collections::HashMap;
use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::View;
use ringfence_finding::GapReason;
use ringfence_finding::ModelFinding;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelLookup;
use ringfence_finding::SpanKind;
use ringfence_finding::Verdict;

use crate::container::decoded::Budget;
use crate::container::odd::Odd;
use crate::container::odd::OddKind;
use crate::container::stream::Codec;
use crate::format::gguf;
use crate::format::npy;
use crate::format::onnx;
use crate::format::onnx::External;
use crate::format::safetensors;
use crate::inspect;
use crate::inspect::Book;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::pickle;
use crate::pickle::Facts;
use crate::policy::Policy;
use crate::policy::judge::Judge;
use crate::policy::told;
use crate::policy::told::Told;
use crate::sniff;
use crate::sniff::Format;
use crate::threat;

/// The findings of one file, from all of its members.
pub(crate) struct Walk<'p> {
    policy: &'p Policy,
    limits: &'p Limits,
    pub(crate) findings: Vec<ModelFinding>,
    pub(crate) gaps: Vec<ModelGap>,
    pub(crate) lookups: Vec<ModelLookup>,
    /// Data of the outermost source that is in other files.
    pub(crate) externals: Vec<External>,
    /// Formats of the outermost source.
    pub(crate) formats: Vec<&'static str>,
    budget: Budget,
    /// Bytes that may still be looked at, beside those that are decoded for it.
    looks: Looks,
    /// Memory that the decoders above may still take for their windows.
    windows: u64,
    /// Findings that may still be explained opcode by opcode: a file may have millions.
    explains: usize,
    /// Opcodes that may still be gone through again for that.
    opcodes: u64,
    /// Findings and names that there is still room for.
    told: Told,
    /// Where what is met is written down, for who inspects.
    pub(crate) book: Option<&'p mut Book>,
}

impl<'p> Walk<'p> {
    pub(crate) fn new(policy: &'p Policy, limits: &'p Limits) -> Self {
        Self {
            policy,
            limits,
            findings: vec![],
            gaps: vec![],
            lookups: vec![],
            externals: vec![],
            formats: vec![],
            budget: Budget::new(limits.decoded),
            looks: Looks::default(),
            windows: Limits::WINDOWS,
            explains: EXPLAINS,
            opcodes: pickle::OPCODES,
            told: Told::default(),
            book: None,
        }
    }

    /// Reads a source as everything that it is, and says how many of its bytes are explained.
    pub(crate) fn source(&mut self, path: &str, source: &Arc<dyn Source>, depth: usize) -> u64 {
        self.entered(path, source.len(), |walk| walk.read(path, source, depth))
    }

    fn read(&mut self, path: &str, source: &Arc<dyn Source>, depth: usize) -> u64 {
        let formats = match self.formats_of(source) {
            Ok(formats) => formats,
            Err(error) => {
                self.tell(path, |judge| judge.read_error(0, &error));
                return 0;
            }
        };
        if depth == 0 {
            self.looks.outer = source.len();
            self.formats.extend(formats.iter().map(|format| format.as_str()));
        }
        if let Some(book) = &mut self.book {
            for format in &formats {
                book.format(format.as_str());
            }
        }
        if let Some(promised) = sniff::promised(path)
            && let Some(format) = formats.iter().find(|format| !promised.contains(format))
        {
            let message = format!("is {} by its content, and its name says otherwise", format.as_str());
            self.tell(path, |judge| {
                judge.found(threat::OTHER_CONTENT, Verdict::Review, 0, None, message);
            });
        }
        if formats.len() > 1 {
            let names: Vec<_> = formats.iter().map(|format| format.as_str()).collect();
            let message = format!("{} at once: loaders take it for different things", names.join(" and "));
            self.tell(path, |judge| {
                judge.found(threat::OTHER_CONTENT, Verdict::Review, 0, None, message);
            });
        }
        self.other_readers(path, source.as_ref(), &formats);
        let explained = formats.iter().map(|format| self.format(path, source, *format, depth)).max();
        if formats.is_empty() {
            return self.text(path, source, depth).unwrap_or_else(|error| {
                self.tell(path, |judge| judge.read_error(0, &error));
                0
            });
        }
        explained.unwrap_or(0)
    }

    fn formats_of(&self, source: &Arc<dyn Source>) -> Result<Vec<Format>, ReadError> {
        let mut formats = sniff::formats(source.as_ref())?;
        let is_both = formats.contains(&Format::Tar) && formats.contains(&Format::Zip);
        if is_both && self.zip_is_a_member(source)? {
            formats.retain(|format| *format != Format::Zip);
        }
        Ok(formats)
    }

    fn format(&mut self, path: &str, source: &Arc<dyn Source>, format: Format, depth: usize) -> u64 {
        let read = match format {
            Format::Empty => Ok(0),
            Format::Pickle => self.pickles(path, source, depth),
            Format::Gguf => self.gguf(path, source),
            Format::Npy => self.npy(path, source),
            Format::Onnx => self.onnx(path, source, depth),
            Format::Safetensors => self.safetensors(path, source),
            Format::Tar => self.tar(path, source, depth),
            Format::Zip => self.zip(path, source, depth),
            Format::Bzip2 => self.stream(path, source, Codec::Bzip2, depth),
            Format::Gzip => self.stream(path, source, Codec::Gzip, depth),
            Format::Lz4 => self.stream(path, source, Codec::Lz4, depth),
            Format::Lzma => self.stream(path, source, Codec::Lzma, depth),
            Format::Xz => self.stream(path, source, Codec::Xz, depth),
            Format::ZFile => self.zfile(path, source, depth),
            Format::Zlib => self.stream(path, source, Codec::Zlib, depth),
            Format::Zstd => self.stream(path, source, Codec::Zstd, depth),
            other => {
                let message = format!("{} is not read by this build", other.as_str());
                self.gap(path, GapReason::Unsupported, source.len(), message);
                Ok(0)
            }
        };
        read.unwrap_or_else(|error| {
            self.tell(path, |judge| judge.read_error(0, &error));
            0
        })
    }

    fn tell(&mut self, path: &str, words: impl FnOnce(&mut Judge<'_>)) {
        let mut judge = Judge::new(self.policy, told::path(path));
        (judge.explains, judge.opcodes) = (self.explains, self.opcodes);
        let was_full = self.told.is_full;
        judge.told = std::mem::take(&mut self.told);
        words(&mut judge);
        if judge.told.is_full && !was_full {
            let message = "there are more findings and names than are told".to_owned();
            judge.gap(GapReason::Budget, 0, None, message);
        }
        (self.explains, self.opcodes) = (judge.explains, judge.opcodes);
        self.told = judge.told;
        self.findings.append(&mut judge.findings);
        self.gaps.append(&mut judge.gaps);
        self.lookups.append(&mut judge.lookups);
    }

    fn gap(&mut self, path: &str, reason: GapReason, bytes: u64, message: String) {
        self.tell(path, |judge| judge.gap(reason, 0, Some(bytes), message));
    }

    fn pickle(&mut self, path: &str, source: &Arc<dyn Source>) -> Facts {
        let facts = pickle::read(source.as_ref(), self.limits);
        self.tell(path, |judge| judge.pickle(&facts, source.as_ref()));
        if let Some(book) = &mut self.book {
            for (start, end) in &facts.spans {
                book.span(*start, *end, SpanKind::Parsed, "opcodes");
            }
            for (start, end) in &facts.arrays {
                book.span(*start, *end, SpanKind::Tensor, "array of joblib");
            }
            if !facts.spans.is_empty() {
                let read = inspect::objects(source.as_ref(), &facts, &HashMap::new(), book);
                self.unread(path, read);
            }
        }
        facts
    }

    fn npy(&mut self, path: &str, source: &Arc<dyn Source>) -> Result<u64, ReadError> {
        let facts = npy::read(source.as_ref())?;
        self.layout(path, &facts.odd, facts.truncated);
        if let (Some(book), Some(array)) = (&mut self.book, &facts.array) {
            book.span(0, array.start, SpanKind::Parsed, "header");
            book.span(array.start, facts.explained, SpanKind::Tensor, "array");
            // An array of objects is listed by its pickle, which has the same shape again.
            if facts.pickle.is_none() {
                let mut found =
                    inspect::tensor("array".to_owned(), &*array.dtype, array.shape.clone(), array.bytes);
                found.offset = Some(array.start);
                book.tensor(found);
            }
        }
        let Some(at) = facts.pickle else { return Ok(facts.explained) };
        self.span(at, source.len(), SpanKind::Member, "objects");
        let objects: Arc<dyn Source> = Arc::new(View::new(Arc::clone(source), at, source.len() - at));
        let inner = format!("{path}!/objects");
        let inside = self.entered(&inner, objects.len(), |walk| {
            if let Some(book) = &mut walk.book {
                book.format("pickle");
            }
            walk.pickle(&inner, &objects).explained
        });
        Ok(facts.explained + inside)
    }

    fn safetensors(&mut self, path: &str, source: &Arc<dyn Source>) -> Result<u64, ReadError> {
        let facts = safetensors::read(source.as_ref(), self.book.as_deref_mut())?;
        self.layout(path, &facts.odd, facts.truncated);
        let header = facts.header.min(source.len().saturating_sub(8));
        let keys = Keys::range(source.as_ref(), 8, header)?;
        self.tell(path, |judge| judge.keys(&keys));
        Ok(facts.explained)
    }

    fn gguf(&mut self, path: &str, source: &Arc<dyn Source>) -> Result<u64, ReadError> {
        let mut keys = Keys::default();
        let book = self.book.as_deref_mut();
        let facts = gguf::read(source.as_ref(), &mut |at, text| keys.look(at, text), book)?;
        self.layout(path, &facts.odd, facts.truncated);
        self.tell(path, |judge| {
            judge.keys(&keys);
            judge.template(0, facts.templates);
            for (at, what) in facts.budget {
                judge.budget(at, what);
            }
            if let Some(version) = facts.version {
                let message = format!("version {version} of GGUF, which is not read by this build");
                judge.gap(GapReason::Unsupported, 4, None, message);
            }
            if let Some(at) = facts.unexplained {
                let message = "nobody knows what stands behind a value that is not known".to_owned();
                judge.gap(GapReason::Unexplained, at, Some(source.len().saturating_sub(at)), message);
            }
        });
        Ok(facts.explained)
    }

    fn onnx(&mut self, path: &str, source: &Arc<dyn Source>, depth: usize) -> Result<u64, ReadError> {
        let mut keys = Keys::default();
        let book = self.book.as_deref_mut();
        let facts = onnx::read(source.as_ref(), &mut |at, text| keys.look(at, text), book)?;
        self.layout(path, &facts.odd, facts.truncated);
        self.tell(path, |judge| {
            judge.keys(&keys);
            for (at, verdict, message) in facts.reaches {
                judge.found(threat::REACHES_OUT, verdict, at, None, message);
            }
            for (at, bytes, message) in facts.unknown {
                judge.gap(GapReason::Unexplained, at, Some(bytes), message);
            }
            if let Some((at, what)) = facts.budget {
                judge.budget(at, what);
            }
            // What an archive is unpacked beside is not known.
            for external in facts.externals.iter().filter(|_| depth > 0).take(1) {
                let message = format!("its data is in {}, which was not looked at", external.location);
                judge.gap(GapReason::OutOfBand, external.at, None, message);
            }
        });
        if depth == 0 {
            self.externals = facts.externals;
        }
        Ok(facts.explained)
    }

    /// What is wrong with the layout of a format that holds no code.
    fn layout(&mut self, path: &str, odd: &[(u64, String)], truncated: Option<u64>) {
        self.tell(path, |judge| {
            for (at, message) in odd {
                judge.found(threat::LAYOUT, Verdict::Review, *at, None, message.clone());
            }
            if let Some(at) = truncated {
                let message = "the file ends before what it announces: fetch it again".to_owned();
                judge.gap(GapReason::Truncated, at, None, message);
            }
        });
    }

    /// Whether a container lies too deep in others to be opened; that is told.
    fn is_too_deep(&mut self, path: &str, source: &Arc<dyn Source>, depth: usize) -> bool {
        let is_too_deep = depth >= self.limits.depth;
        if is_too_deep {
            self.gap(path, GapReason::Budget, source.len(), "containers nested too deep".to_owned());
        }
        is_too_deep
    }

    /// Whether as many bytes more may be looked at. Members that overlap can be entered in more ways than there are seconds;
    /// honest ones are looked at a few times for each container that they are in.
    fn may_look(&mut self, path: &str, bytes: u64) -> bool {
        let times = 2 * (self.limits.depth as u64 + 2);
        let most = self.looks.outer.saturating_add(self.budget.spent()).saturating_mul(times).max(LOOKS);
        // What is told of a member, with its way, takes room too.
        self.looks.taken = self.looks.taken.saturating_add(bytes).saturating_add(path.len() as u64);
        if self.looks.taken > most && !self.looks.ended {
            self.looks.ended = true;
            let message = "members that overlap: the rest of them was not looked at".to_owned();
            self.gap(path, GapReason::Budget, bytes, message);
        }
        !self.looks.ended
    }

    /// Something in a container at `depth`, as a file of its own: all of it is explained, or a gap says why not.
    fn inside(&mut self, path: &str, source: &Arc<dyn Source>, depth: usize) {
        if self.is_too_deep(path, source, depth) || !self.may_look(path, source.len()) {
            return;
        }
        let before = self.gaps.len();
        let covered = self.source(path, source, depth + 1);
        if covered < source.len() && self.gaps.len() == before {
            let message = "bytes that its format does not account for".to_owned();
            self.gap(path, GapReason::Unexplained, source.len() - covered, message);
        }
    }
}

/// Findings of one file that are explained opcode by opcode.
const EXPLAINS: usize = 1024;

/// Bytes that are looked at in any file.
const LOOKS: u64 = 1 << 20;

/// What was looked at in one file, its members included.
#[derive(Default)]
struct Looks {
    /// Bytes of the outermost source.
    outer: u64,
    taken: u64,
    ended: bool,
}

/// What readers of an archive disagree on, and names that leave the folder.
fn odd(judge: &mut Judge<'_>, odd: &Odd) {
    for (kind, at, message) in odd {
        let (threat, verdict) = match kind {
            OddKind::Link => (threat::PATH, Verdict::Review),
            OddKind::Path => (threat::PATH, Verdict::Malicious),
            OddKind::Views => (threat::VIEWS, Verdict::Review),
        };
        judge.found(threat, verdict, *at, None, message.clone());
    }
}
