//! Room `finding`: the result of one `model inspect`: what a model file holds, and what its bytes are.

use serde::Serialize;

use crate::ModelScan;

/// What one file holds, with all that is packed in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInspection {
    /// The same judgement that `model scan` gives; one file.
    pub scan: ModelScan,
    /// The member that was asked for, as a way through containers; nothing outside of it is listed.
    pub member: Option<String>,
    /// The largest tensors, the largest first.
    pub tensors: Vec<ModelTensor>,
    /// All tensors by their type, the one with the most bytes first.
    pub totals: Vec<TensorTotal>,
    /// What the file says of itself, in its order.
    pub metadata: Vec<ModelEntry>,
    /// Entries that are not listed.
    pub more_metadata: u64,
    /// What bytes are, for each decoded stream; none where nobody asked.
    pub streams: Vec<ModelStream>,
    /// Streams that are not listed.
    pub more_streams: u64,
    /// Whether a limit ended the list of tensors before all of them were met.
    pub is_cut: bool,
    /// Whether the member that was asked for is there.
    pub is_met: bool,
}

/// A tensor, as the file describes it; its numbers are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModelTensor {
    /// Bytes that its items take.
    pub bytes: u64,
    /// Foreign text.
    pub name: String,
    /// In the words of the format.
    pub dtype: String,
    /// Sizes, outermost first.
    pub shape: Vec<u64>,
    /// Way to the stream that describes it.
    pub member: String,
    /// Byte of that stream at which its numbers begin, where they are in it.
    pub offset: Option<u64>,
    /// File beside the model that its numbers are in; foreign text.
    pub elsewhere: Option<String>,
}

/// Tensors of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TensorTotal {
    /// In the words of the format.
    pub dtype: String,
    /// How many.
    pub tensors: u64,
    /// Items of all of them.
    pub parameters: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Something that a file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelEntry {
    /// Way to the stream that says it.
    pub member: String,
    /// Foreign text.
    pub key: String,
    /// Foreign text, cut where it is long.
    pub value: String,
}

/// What the bytes of one decoded stream are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelStream {
    /// Way through containers.
    pub path: String,
    /// Length of the stream.
    pub bytes: u64,
    /// Bytes that something accounts for.
    pub explained: u64,
    /// By content.
    pub formats: Vec<&'static str>,
    /// From the first byte to the last without holes; what nobody accounts for is a span too.
    pub spans: Vec<ModelSpan>,
    /// Spans that are not listed: neighbours of the last one, joined.
    pub more_spans: u64,
}

/// A range of bytes and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelSpan {
    /// First byte.
    pub start: u64,
    /// Byte behind the last.
    pub end: u64,
    /// What it is.
    pub what: SpanKind,
    /// Which one, in words or by its name; foreign text.
    pub name: String,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Headers, tables, opcodes: read.
    Parsed,
    /// Numbers of a tensor: explained by what describes them, and not read.
    Tensor,
    /// A member, or bytes between members: a stream of its own, which was looked at.
    Member,
    /// Zeros and the like.
    Padding,
    /// Text: read.
    Text,
    /// Nobody accounts for it.
    #[default]
    Unexplained,
}

impl SpanKind {
    /// All kinds, in the order of legends.
    pub const ALL: [Self; 6] =
        [Self::Parsed, Self::Text, Self::Tensor, Self::Member, Self::Padding, Self::Unexplained];

    /// The word in screens and machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parsed => "parsed",
            Self::Tensor => "tensor",
            Self::Member => "member",
            Self::Padding => "padding",
            Self::Text => "text",
            Self::Unexplained => "unexplained",
        }
    }
}

impl ModelInspection {
    /// Tensors that were met, listed or not.
    pub fn tensor_count(&self) -> u64 {
        self.totals.iter().map(|total| total.tensors).sum()
    }
}
