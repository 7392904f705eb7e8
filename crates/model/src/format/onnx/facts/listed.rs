//! Room `model`, format `onnx`: what a model says of itself and of its tensors -> the book of who inspects.

use ringfence_finding::SpanKind;

use super::Facts;
use super::Frame;
use super::bits;
use crate::format::onnx::schema::Message;
use crate::inspect;
use crate::inspect::Book;

impl Facts {
    /// Tells the book what bytes are, beneath the tensors that it was told of.
    pub(in crate::format::onnx) fn told(&self, book: &mut Book) {
        book.span_below(0, self.explained, SpanKind::Parsed, "fields");
        for (at, bytes, what) in &self.unknown {
            book.span(*at, at + bytes, SpanKind::Unexplained, what);
        }
    }
}

impl Frame {
    /// Whether a text of this field is listed.
    pub(in crate::format::onnx) fn shows(&self, number: u64) -> bool {
        matches!(
            (self.message, number),
            (Message::Tensor, 8)
                | (Message::Model, 2 | 3 | 4 | 6)
                | (Message::Operators, 1)
                | (Message::Entry, 1 | 2)
        )
    }

    pub(in crate::format::onnx) fn say(&mut self, number: u64, words: String) {
        self.says.push((number, words));
    }

    fn said(&self, number: u64) -> &str {
        self.says.iter().find(|(each, _)| *each == number).map_or("", |(_, words)| words)
    }
}

/// Tells the book of what a closed message says.
pub(super) fn list(frame: &Frame, parent: Option<Message>, book: &mut Book) {
    match (frame.message, parent) {
        (Message::Model, _) => {
            let fields = [
                (1, "ir_version"),
                (2, "producer_name"),
                (3, "producer_version"),
                (4, "domain"),
                (5, "model_version"),
                (6, "doc_string"),
            ];
            for (number, key) in fields {
                let words = frame.said(number);
                if !words.is_empty() {
                    book.entry(key, words);
                }
            }
        }
        (Message::Operators, Some(Message::Model)) => {
            let domain = frame.said(1);
            let domain = if domain.is_empty() { "ai.onnx" } else { domain };
            book.entry(&format!("opset {domain}"), frame.said(2));
        }
        (Message::Entry, Some(Message::Model)) => book.entry(frame.said(1), frame.said(2)),
        (Message::Tensor, _) => {
            let tensor = &frame.tensor;
            let bytes = bits(tensor.kind)
                .and_then(|bits| Some(tensor.items.unwrap_or(1).checked_mul(bits)?.div_ceil(8)))
                .unwrap_or(0);
            let name = frame.said(8);
            if let (Some(at), Some(len)) = (tensor.raw_at, tensor.raw) {
                book.span(at, at.saturating_add(len), SpanKind::Tensor, name);
            }
            let mut found =
                inspect::tensor(name.to_owned(), type_name(tensor.kind), tensor.sizes.clone(), bytes);
            found.offset = tensor.raw_at;
            found.elsewhere = tensor.entries.get("location").cloned();
            book.tensor(found);
        }
        _ => {}
    }
}

/// Names of `TensorProto.DataType`.
fn type_name(kind: u64) -> String {
    let names = [
        "UNDEFINED",
        "FLOAT",
        "UINT8",
        "INT8",
        "UINT16",
        "INT16",
        "INT32",
        "INT64",
        "STRING",
        "BOOL",
        "FLOAT16",
        "DOUBLE",
        "UINT32",
        "UINT64",
        "COMPLEX64",
        "COMPLEX128",
        "BFLOAT16",
        "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ",
        "FLOAT8E5M2",
        "FLOAT8E5M2FNUZ",
        "UINT4",
        "INT4",
        "FLOAT4E2M1",
        "FLOAT8E8M0",
        "UINT2",
        "INT2",
        "FLOAT6E2M3",
        "FLOAT6E3M2",
    ];
    let name = usize::try_from(kind).ok().and_then(|kind| names.get(kind));
    name.map_or_else(|| format!("type {kind}"), |name| (*name).to_owned())
}
