//! Room `model`, format `onnx`: what closed messages say: operators, functions, tensors and the files they name.

mod listed;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use ringfence_finding::Verdict;

use super::Field;
use super::operators;
use super::schema::Message;
use crate::Limits;
use crate::inspect::Book;
use crate::keys;

/// Domains whose operators are in every runtime and touch nothing but tensors.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training"];
/// Options of the session that onnxruntime takes from a model's own words where `ORT_LOAD_CONFIG_FROM_MODEL` is 1.
const SESSION: &str = "ort_config";
/// Names that `ExternalDataInfo` of PyPI's onnx has; it sets whatever else is there as an attribute.
const KEYS: [&str; 5] = ["location", "offset", "length", "checksum", "basepath"];

/// What a name takes beside its bytes, once it is kept.
const KEPT: usize = 64;

/// A range of another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct External {
    /// Byte of the tensor in the model.
    pub(crate) at: u64,
    /// Path below the folder of the model.
    pub(crate) location: String,
    pub(crate) offset: u64,
    /// None where it goes on to the end of the file.
    pub(crate) len: Option<u64>,
}

/// Domain, name, overload: a function of another overload is another operator.
type Operator = (String, String, String);

/// What a model says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) odd: Vec<(u64, String)>,
    /// The file ends before what it announces.
    pub(crate) truncated: Option<u64>,
    pub(crate) budget: Option<(u64, &'static str)>,
    /// Bytes that no schema explains: where, how many, what.
    pub(crate) unknown: Vec<(u64, u64, String)>,
    /// What reaches out of the model: place, verdict, words.
    pub(crate) reaches: Vec<(u64, Verdict, String)>,
    pub(crate) externals: Vec<External>,
    pub(crate) explained: u64,
    unknown_bytes: u64,
    /// Bytes of names that are kept.
    names: usize,
    /// Operators of domains that are not known, with the first place of each.
    custom: BTreeMap<Operator, u64>,
    functions: BTreeSet<Operator>,
}

/// A message that is being walked.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) message: Message,
    at: u64,
    pub(super) end: u64,
    /// Name, domain and overload, or key and value.
    first: String,
    second: String,
    third: String,
    tensor: Tensor,
    /// What it says of itself, for who inspects: field and words.
    says: Vec<(u64, String)>,
}

/// Dimensions of a tensor that are listed.
const DIMENSIONS: usize = 64;

#[derive(Debug, Default)]
struct Tensor {
    sizes: Vec<u64>,
    /// Where the raw data stands.
    raw_at: Option<u64>,
    /// Product of the dimensions, where it fits; none before the first.
    items: Option<u64>,
    is_beyond: bool,
    kind: u64,
    raw: Option<u64>,
    location: u64,
    /// The last of each name that loaders read, as they take it.
    entries: BTreeMap<&'static str, String>,
    has_entries: bool,
}

impl Tensor {
    fn entry(&mut self, key: &str, value: String) {
        self.has_entries = true;
        if let Some(known) = KEYS.into_iter().find(|known| *known == key) {
            self.entries.insert(known, value);
        }
    }
}

impl Frame {
    pub(super) fn new(message: Message, at: u64, end: u64) -> Self {
        let (first, second, third) = (String::new(), String::new(), String::new());
        Self { message, at, end, first, second, third, tensor: Tensor::default(), says: Vec::new() }
    }

    /// Whether a text of this field is judged.
    pub(super) fn keeps(&self, number: u64) -> bool {
        matches!(
            (self.message, number),
            (Message::Node, 4 | 7 | 8)
                | (Message::Function, 1 | 10 | 13)
                | (Message::External, 1 | 2)
                | (Message::Entry, 1)
        )
    }

    pub(super) fn text(&mut self, number: u64, text: String) {
        match number {
            1 | 4 => self.first = text,
            8 | 13 => self.third = text,
            _ => self.second = text,
        }
    }

    fn operator(self) -> Operator {
        (self.second, self.first, self.third)
    }

    pub(super) fn dimension(&mut self, size: u64) {
        let product = self.tensor.items.unwrap_or(1).checked_mul(size);
        self.tensor.is_beyond |= product.is_none_or(|items| i64::try_from(items).is_err());
        self.tensor.items = Some(product.unwrap_or(u64::MAX));
        if self.tensor.sizes.len() < DIMENSIONS {
            self.tensor.sizes.push(size);
        }
    }

    pub(super) fn number(&mut self, field: &Field, start: u64) {
        match (self.message, field.number) {
            (Message::Tensor, 1) => self.dimension(field.value),
            (Message::Tensor, 2) => self.tensor.kind = field.value,
            (Message::Tensor, 9) => (self.tensor.raw, self.tensor.raw_at) = (Some(field.len), Some(start)),
            (Message::Model, 1 | 5) | (Message::Operators, 2) => {
                self.say(field.number, field.value.to_string());
            }
            (Message::Tensor, 14) => self.tensor.location = field.value,
            _ => {}
        }
    }
}

impl Facts {
    pub(super) fn odd(&mut self, at: u64, message: String) {
        if self.odd.len() < Limits::GAPS {
            self.odd.push((at, message));
        }
    }

    pub(super) fn unknown(&mut self, at: u64, bytes: u64, what: String) {
        self.unknown_bytes = self.unknown_bytes.saturating_add(bytes);
        if self.unknown.len() < Limits::GAPS {
            self.unknown.push((at, bytes, what));
        }
    }

    fn reach(&mut self, at: u64, verdict: Verdict, message: String) {
        if self.reaches.len() < Limits::GAPS || verdict == Verdict::Malicious {
            self.reaches.push((at, verdict, message));
            self.reaches.truncate(2 * Limits::GAPS);
        }
    }

    pub(super) fn close(&mut self, frame: Frame, parent: Option<&mut Frame>, book: Option<&mut Book>) {
        if let Some(book) = book {
            listed::list(&frame, parent.as_deref().map(|parent| parent.message), book);
        }
        match frame.message {
            Message::External => {
                self.entry(&frame);
                if let Some(parent) = parent {
                    parent.tensor.entry(&frame.first, frame.second);
                }
            }
            Message::Entry
                if frame.first == SESSION
                    && parent.as_ref().is_some_and(|parent| parent.message == Message::Model) =>
            {
                let message = format!("{SESSION} sets options of the session that loads it");
                self.reach(frame.at, Verdict::Review, message);
            }
            Message::Node => self.node(frame),
            Message::Function => {
                let at = frame.at;
                let key = frame.operator();
                if self.has_room(at, len(&key)) {
                    self.functions.insert(key);
                }
            }
            Message::Tensor => self.tensor(&frame),
            _ => {}
        }
    }

    /// Counts what is kept of a text; one too many ends what may be said of the model.
    fn has_room(&mut self, at: u64, bytes: usize) -> bool {
        self.names = self.names.saturating_add(bytes.saturating_add(KEPT));
        let has_room = self.names <= Limits::NAMES;
        if !has_room {
            self.budget.get_or_insert((at, "bytes of names"));
        }
        has_room
    }

    fn node(&mut self, node: Frame) {
        let act = operators::act(&node.first);
        if let Some((verdict, does)) = act {
            self.reach(node.at, verdict, format!("operator {} {does}", node.first));
        }
        let at = node.at;
        let key = node.operator();
        let (domain, operator, _) = &key;
        let is_known = DOMAINS.contains(&domain.as_str())
            || domain == operators::MICROSOFT && (act.is_some() || operators::touches_tensors(operator));
        if is_known || self.custom.contains_key(&key) {
            return;
        }
        // All of them: which are the model's own functions is known at the end.
        if self.has_room(at, len(&key)) {
            self.custom.insert(key, at);
        }
    }

    fn tensor(&mut self, frame: &Frame) {
        let tensor = &frame.tensor;
        if tensor.is_beyond {
            self.odd(frame.at, "a tensor beyond all measure".to_owned());
        }
        let bytes =
            bits(tensor.kind).and_then(|bits| Some(tensor.items.unwrap_or(1).checked_mul(bits)?.div_ceil(8)));
        if bits(tensor.kind).is_none() && !matches!(tensor.kind, 0 | 8) {
            self.odd(frame.at, format!("a tensor of type {}, which is not known", tensor.kind));
        }
        if let (Some(raw), Some(bytes)) = (tensor.raw.filter(|raw| *raw > 0), bytes)
            && raw != bytes
        {
            self.odd(frame.at, format!("a tensor of {bytes} bytes with {raw} bytes of data"));
        }
        if !tensor.has_entries {
            if tensor.location == 1 {
                self.odd(frame.at, "a tensor elsewhere, and nothing says where".to_owned());
            }
            return;
        }
        if tensor.location != 1 {
            self.odd(
                frame.at,
                "words about external data of a tensor that has none: some readers follow them".to_owned(),
            );
        }
        self.external(frame, bytes);
    }

    /// One word about external data, of however many: an earlier one of the same name is judged, too.
    fn entry(&mut self, frame: &Frame) {
        let value = frame.second.as_str();
        match frame.first.as_str() {
            "basepath" if value.is_empty() => {}
            key @ ("basepath" | "location") => {
                if let Some(what) = outside(value) {
                    let message = format!("takes data from {}, {what}", keys::shown(value));
                    self.reach(frame.at, Verdict::Malicious, message);
                } else if key == "basepath" {
                    let message = "moves the folder that its data is taken from".to_owned();
                    self.reach(frame.at, Verdict::Review, message);
                }
            }
            key if key.starts_with("__") => {
                let message = format!("sets the attribute {} of the loader", keys::shown(key));
                self.reach(frame.at, Verdict::Malicious, message);
            }
            key if !KEYS.contains(&key) => {
                let message = format!("hands the loader {}, which no writer does", keys::shown(key));
                self.reach(frame.at, Verdict::Review, message);
            }
            _ => {}
        }
    }

    fn external(&mut self, frame: &Frame, bytes: Option<u64>) {
        let last = |key: &str| frame.tensor.entries.get(key).map(String::as_str);
        let number = |key: &str| last(key).map(|value| value.parse::<u64>().ok());
        let (offset, len) =
            (number("offset").unwrap_or(Some(0)), number("length").map_or(Some(None), |len| len.map(Some)));
        let (Some(location), Some(offset), Some(len)) = (last("location"), offset, len) else {
            return self.odd(frame.at, "external data without a place, or one that is no number".to_owned());
        };
        if let (Some(len), Some(bytes)) = (len, bytes)
            && len != bytes
        {
            self.odd(frame.at, format!("a tensor of {bytes} bytes with {len} bytes of external data"));
        }
        if outside(location).is_none() {
            let external =
                External { at: frame.at, location: location.to_owned(), offset, len: len.or(bytes) };
            if self.has_room(frame.at, external.location.len()) {
                self.externals.push(external);
            }
        }
    }

    /// When everything is known: which operators are the model's own functions.
    pub(super) fn finish(&mut self) {
        self.explained = self.explained.saturating_sub(self.unknown_bytes);
        for (key, at) in std::mem::take(&mut self.custom) {
            if !self.functions.contains(&key) {
                let (domain, operator, _) = key;
                let what = if domain == operators::MICROSOFT {
                    "is none of those that are known to touch tensors alone"
                } else {
                    "is code of a library that the host has to load"
                };
                let (domain, operator) = (keys::shown(&domain), keys::shown(&operator));
                let message = format!("operator {operator} of {domain} {what}");
                self.reach(at, Verdict::Review, message);
            }
        }
    }
}

fn len((domain, name, overload): &Operator) -> usize {
    domain.len() + name.len() + overload.len()
}

/// Why a path is not one below the folder of the model.
pub(crate) fn outside(location: &str) -> Option<&'static str> {
    let parts = || location.split(['/', '\\']);
    if location.is_empty() || location.contains('\0') {
        Some("which is no name")
    } else if location.starts_with(['/', '\\', '~']) || location.get(1..2) == Some(":") {
        Some("a path from the root of the system")
    } else if location.contains("://") {
        Some("which is no file of the model")
    } else if location.contains('*') {
        // onnxruntime's own mark of a tensor in memory, `*/_ORT_MEM_ADDR_/*`, has it take the offset for an address.
        Some("which is no name of a file")
    } else if parts().any(|part| part == "..") {
        Some("outside of its folder")
    } else if parts().any(|part| part.eq_ignore_ascii_case(".git")) {
        Some("in a folder that no tool looks into")
    } else {
        None
    }
}

/// Bits of an item, by `TensorProto.DataType`.
fn bits(kind: u64) -> Option<u64> {
    Some(match kind {
        25 | 26 => 2,
        21..=23 => 4,
        27 | 28 => 6,
        2 | 3 | 9 | 17..=20 | 24 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_stays_in_the_folder() {
        for location in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "..\\x",
            "a\\..\\x",
            "C:\\x",
            "c:x",
            "\\\\host\\x",
            "file:///x",
            "a\0b",
            "~/x",
            "*/_ORT_MEM_ADDR_/*",
            "*/_ORT_NATIVE_ENDIAN_MEM_ADDR_/*",
            ".git/x",
            "a/.git/d",
            "a\\.GIT",
        ] {
            assert!(outside(location).is_some(), "{location:?}");
        }
        for location in ["model.onnx.data", "weights/a.bin", "a..b", "./x", "a.git/x"] {
            assert_eq!(outside(location), None, "{location}");
        }
    }
}
