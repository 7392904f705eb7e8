//! Room `model`, inspection: what formats tell on the way -> the lists of an inspection, bounded.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;

use ringfence_finding::ModelEntry;
use ringfence_finding::ModelGap;
use ringfence_finding::ModelInspection;
use ringfence_finding::ModelSpan;
use ringfence_finding::ModelStream;
use ringfence_finding::ModelTensor;
use ringfence_finding::SpanKind;
use ringfence_finding::TensorTotal;
use ringfence_secret::Redactor;

use super::Wish;
use super::map;

/// Entries that are listed.
const ENTRIES: usize = 1000;
/// Letters of a value, and of a name.
const LETTERS: usize = 512;
/// Different types of tensors that are told apart.
const TYPES: usize = 256;
/// Streams that are listed.
const STREAMS: usize = 1000;
/// Spans of all streams that are kept while looking.
const SPANS: usize = 400_000;
/// Ranges of one stream. They may lie over each other: what is told later lies above.
type Told = Vec<ModelSpan>;

/// A list that grows while a file is walked.
#[derive(Debug)]
pub(crate) struct Book {
    limit: usize,
    wants_spans: bool,
    /// Way to the member that is asked for, with the file's name.
    member: Option<String>,
    /// The stream being read, and those around it.
    open: Vec<Open>,
    tensors: BinaryHeap<Reverse<ModelTensor>>,
    totals: BTreeMap<String, TensorTotal>,
    metadata: Vec<ModelEntry>,
    more_metadata: u64,
    streams: Vec<(ModelStream, Told)>,
    more_streams: u64,
    spans: usize,
    is_cut: bool,
    is_met: bool,
}

#[derive(Debug)]
struct Open {
    path: String,
    is_wanted: bool,
    bytes: u64,
    formats: Vec<&'static str>,
    spans: Told,
}

impl Book {
    pub(crate) fn new(wish: &Wish, name: &str) -> Self {
        Self {
            limit: wish.limit,
            wants_spans: wish.coverage,
            member: wish.member.as_ref().map(|member| format!("{name}!/{member}")),
            open: Vec::new(),
            tensors: BinaryHeap::new(),
            totals: BTreeMap::new(),
            metadata: Vec::new(),
            more_metadata: 0,
            streams: Vec::new(),
            more_streams: 0,
            spans: 0,
            is_cut: false,
            is_met: false,
        }
    }

    /// A stream is entered; what is told until its end is told of it.
    pub(crate) fn begin(&mut self, path: &str, bytes: u64) {
        let is_wanted = self.lists(path);
        self.is_met |= self.member.as_deref() == Some(path);
        self.open.push(Open { path: path.to_owned(), is_wanted, bytes, formats: vec![], spans: vec![] });
    }

    /// Whether a stream is the one that was asked for, or in it.
    pub(super) fn lists(&self, path: &str) -> bool {
        self.member.as_ref().is_none_or(|member| {
            let rest = path.strip_prefix(member.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("!/"))
        })
    }

    pub(crate) fn format(&mut self, format: &'static str) {
        if let Some(open) = self.open.last_mut()
            && !open.formats.contains(&format)
        {
            open.formats.push(format);
        }
    }

    pub(crate) fn end(&mut self, explained: u64) {
        let Some(open) = self.open.pop().filter(|open| open.is_wanted) else { return };
        if !self.wants_spans || self.streams.len() >= STREAMS {
            self.more_streams += u64::from(self.wants_spans);
            return;
        }
        let Open { path, bytes, formats, spans, .. } = open;
        let stream = ModelStream { path, bytes, explained, formats, ..ModelStream::default() };
        self.streams.push((stream, spans));
    }

    /// Whether anything that is told now is listed.
    pub(crate) fn is_open(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_wanted)
    }

    pub(crate) fn tensor(&mut self, mut tensor: ModelTensor) {
        let Some(open) = self.open.last().filter(|open| open.is_wanted) else { return };
        tensor.member.clone_from(&open.path);
        cut(&mut tensor.name);
        cut(&mut tensor.dtype);
        let is_known = self.totals.len() < TYPES || self.totals.contains_key(&tensor.dtype);
        let dtype = if is_known { tensor.dtype.clone() } else { "others".to_owned() };
        let total =
            self.totals.entry(dtype.clone()).or_insert(TensorTotal { dtype, ..TensorTotal::default() });
        let items = tensor.shape.iter().try_fold(1_u64, |items, size| items.checked_mul(*size));
        total.tensors += 1;
        total.parameters = total.parameters.saturating_add(items.unwrap_or(u64::MAX));
        total.bytes = total.bytes.saturating_add(tensor.bytes);
        if self.tensors.len() < self.limit {
            self.tensors.push(Reverse(tensor));
        } else if self.tensors.peek().is_some_and(|Reverse(least)| is_larger(&tensor, least)) {
            self.tensors.pop();
            self.tensors.push(Reverse(tensor));
        }
    }

    /// Something the stream says of itself.
    pub(crate) fn entry(&mut self, key: &str, value: &str) {
        let Some(open) = self.open.last().filter(|open| open.is_wanted) else { return };
        if self.is_full() {
            return self.more_entries(1);
        }
        let (mut key, mut value) = (key.to_owned(), value.to_owned());
        cut(&mut key);
        cut(&mut value);
        self.metadata.push(ModelEntry { member: open.path.clone(), key, value });
    }

    /// Whether what the stream says of itself is only counted from here on.
    pub(crate) fn is_full(&self) -> bool {
        self.metadata.len() >= ENTRIES
    }

    /// Entries that were met and not read.
    pub(crate) fn more_entries(&mut self, count: u64) {
        self.more_metadata += count;
    }

    /// What a range of the stream is.
    pub(crate) fn span(&mut self, start: u64, end: u64, what: SpanKind, name: &str) {
        if !self.wants_spans || end <= start || self.spans >= SPANS {
            return;
        }
        if let Some(open) = self.open.last_mut().filter(|open| open.is_wanted) {
            let mut name = name.to_owned();
            cut(&mut name);
            open.spans.push(ModelSpan { start, end, what, name });
            self.spans += 1;
        }
    }

    /// The same, beneath what was told before.
    pub(crate) fn span_below(&mut self, start: u64, end: u64, what: SpanKind, name: &str) {
        let before = self.open.last().map_or(0, |open| open.spans.len());
        self.span(start, end, what, name);
        if let Some(open) = self.open.last_mut().filter(|open| open.spans.len() > before) {
            open.spans.rotate_right(1);
        }
    }

    /// Not every tensor could be met.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }

    pub(super) fn close(self, gaps: &[ModelGap]) -> ModelInspection {
        let mut tensors: Vec<ModelTensor> = self.tensors.into_iter().map(|Reverse(tensor)| tensor).collect();
        tensors.sort_by(order);
        let mut totals: Vec<TensorTotal> = self.totals.into_values().collect();
        totals.sort_by(|one, other| (other.bytes, &one.dtype).cmp(&(one.bytes, &other.dtype)));
        let mut streams: Vec<ModelStream> = self
            .streams
            .into_iter()
            .map(|(stream, told)| map::stream(stream, told, gaps, self.limit))
            .collect();
        streams.sort_by(|one, other| one.path.cmp(&other.path));
        ModelInspection {
            member: self.member,
            tensors,
            totals,
            metadata: self.metadata,
            more_metadata: self.more_metadata,
            streams,
            more_streams: self.more_streams,
            is_cut: self.is_cut,
            is_met: self.is_met,
            ..ModelInspection::default()
        }
    }
}

/// The largest first, then by name.
fn order(one: &ModelTensor, other: &ModelTensor) -> std::cmp::Ordering {
    (other.bytes, &one.name, &one.member, one.offset).cmp(&(
        one.bytes,
        &other.name,
        &other.member,
        other.offset,
    ))
}

fn is_larger(tensor: &ModelTensor, least: &ModelTensor) -> bool {
    tensor.bytes > least.bytes
}

/// Masks keys, then cuts: the beginning of a key that is cut is no key to whoever masks.
fn cut(text: &mut String) {
    if let Cow::Owned(masked) = Redactor::shared().mask_text(text) {
        *text = masked;
    }
    if let Some((at, _)) = text.char_indices().nth(LETTERS) {
        text.truncate(at);
        text.push_str("...");
    }
}
