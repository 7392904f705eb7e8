//! Room `model`, format `safetensors`: u64 length, a JSON header, tensors one behind another without holes.
//!
//! Nothing in it can run. What can be wrong: two keys of one name, tensors that overlap, leave holes or lie about their
//! size, bytes behind the last one. Tensors are explained by the header and not read.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_finding::ModelTensor;
use ringfence_finding::SpanKind;

use crate::inspect;
use crate::inspect::Book;
use crate::json;
use crate::json::Json;
use crate::json::Value;

/// What is wrong with the layout, and where.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) odd: Vec<(u64, String)>,
    /// The file ends before what the header announces.
    pub(crate) truncated: Option<u64>,
    pub(crate) explained: u64,
    /// Bytes of the header, as the file says.
    pub(crate) header: u64,
}

/// Reads the header; the book is told of every tensor.
pub(crate) fn read(source: &dyn Source, mut book: Option<&mut Book>) -> Result<Facts, ReadError> {
    let mut facts = Facts::default();
    let mut prefix = [0; 8];
    source.read_at(0, &mut prefix)?;
    let header_len = u64::from_le_bytes(prefix);
    facts.header = header_len;
    let Ok(len) = usize::try_from(header_len) else { return Ok(facts) };
    let mut header = vec![0; len];
    let got = source.read_at(8, &mut header)?;
    header.truncate(got);
    let start = 8 + header_len;
    let Ok(text) = std::str::from_utf8(&header) else {
        facts.odd.push((8, "a header that is not UTF-8".to_owned()));
        return Ok(facts);
    };
    let root = match json::read(text) {
        Ok((root, end)) if end == text.len() => root,
        Ok((_, end)) => {
            facts.odd.push((8 + end as u64, "bytes behind the header's object".to_owned()));
            return Ok(facts);
        }
        Err(error) => {
            facts.odd.push((8 + error.at as u64, format!("a header that is not JSON: {}", error.what)));
            return Ok(facts);
        }
    };
    if let Some(book) = &mut book {
        book.span(0, 8, SpanKind::Parsed, "length of the header");
        book.span(8, start, SpanKind::Parsed, "header");
    }
    facts.tensors(&root, start, source.len().saturating_sub(start), book);
    let data_end = facts.explained;
    facts.explained = start + data_end;
    if facts.explained < source.len() {
        facts.odd.push((facts.explained, "bytes behind the last tensor".to_owned()));
    }
    Ok(facts)
}

impl Facts {
    /// Of however many, the first say it.
    fn tell(&mut self, at: u64, what: impl FnOnce() -> String) {
        if self.odd.len() < crate::Limits::GAPS {
            self.odd.push((at, what()));
        }
    }

    fn tensors(&mut self, root: &Json, start: u64, room: u64, mut book: Option<&mut Book>) {
        let mut ranges: Vec<(u64, u64, u64)> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (name, tensor) in root.entries() {
            names.push(name);
            if name == "__metadata__" {
                self.metadata(tensor, book.as_deref_mut());
                continue;
            }
            let at = 8 + tensor.at as u64;
            match tensor_range(tensor) {
                Ok((begin, end)) => {
                    ranges.push((begin, end, at));
                    if let Some(book) = &mut book {
                        let (from, to) = (start.saturating_add(begin), start.saturating_add(end));
                        book.span(from, to, SpanKind::Tensor, name);
                        let mut found = self::tensor(name, tensor, end - begin);
                        found.offset = Some(from);
                        book.tensor(found);
                    }
                }
                Err(what) => self.tell(at, || format!("tensor {}: {what}", crate::keys::shown(name))),
            }
        }
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            let name = crate::keys::shown(name);
            self.odd.push((8, format!("{name} is there twice: readers pick different ones")));
        }
        ranges.sort_unstable();
        let mut last = 0;
        for (begin, end, at) in ranges {
            if begin != last {
                let what = if begin < last { "overlaps another" } else { "leaves a hole before it" };
                self.tell(at, || format!("a tensor that {what}"));
            }
            last = last.max(end);
            if last > room && self.truncated.is_none() {
                self.truncated = Some(at);
            }
        }
        self.explained = last.min(room);
        self.odd.truncate(crate::Limits::GAPS);
    }

    fn metadata(&mut self, metadata: &Json, mut book: Option<&mut Book>) {
        for (key, value) in metadata.entries() {
            if let (Some(book), Some(value)) = (&mut book, value.text()) {
                book.entry(key, value);
            }
            if value.text().is_none() {
                let key = crate::keys::shown(key);
                self.tell(8 + value.at as u64, || format!("metadata {key} is not text"));
            }
        }
        if !matches!(metadata.value, Value::Object(_)) {
            self.odd.push((8 + metadata.at as u64, "metadata that is no object".to_owned()));
        }
    }
}

/// What the header says of a tensor whose range fits.
fn tensor(name: &str, tensor: &Json, bytes: u64) -> ModelTensor {
    let dtype = tensor.get("dtype").and_then(Json::text).unwrap_or_default();
    let shape = tensor.get("shape").map(|shape| shape.items().iter().filter_map(Json::number).collect());
    inspect::tensor(name.to_owned(), dtype, shape.unwrap_or_default(), bytes)
}

/// `data_offsets`, if they are as long as `shape` and `dtype` say.
fn tensor_range(tensor: &Json) -> Result<(u64, u64), &'static str> {
    let dtype = tensor.get("dtype").and_then(Json::text).ok_or("no dtype")?;
    let bits = bits_of(dtype).ok_or("a dtype that is not known")?;
    let shape = tensor.get("shape").ok_or("no shape")?;
    let mut items: u64 = 1;
    for size in shape.items() {
        let size = size.number().ok_or("a shape that is no list of numbers")?;
        items = items.checked_mul(size).ok_or("a shape beyond all measure")?;
    }
    if !matches!(shape.value, Value::List(_)) {
        return Err("a shape that is no list");
    }
    let offsets = tensor.get("data_offsets").ok_or("no data_offsets")?;
    let [begin, end] = offsets.items() else { return Err("data_offsets that are no pair") };
    let (begin, end) = begin.number().zip(end.number()).ok_or("data_offsets that are no numbers")?;
    let bytes = items.checked_mul(bits).ok_or("a shape beyond all measure")?;
    if !bytes.is_multiple_of(8) || end.checked_sub(begin) != Some(bytes / 8) {
        return Err("a size that is not that of its shape");
    }
    Ok((begin, end))
}

fn bits_of(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Verdict;

    use crate::testing::judge;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![7; data]].concat()
    }

    const TWO: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}   "#;

    #[test]
    fn an_ordinary_file_is_clean() {
        let file = judge(&file(TWO, 32));
        assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{file:#?}");
        let empty = r#"{"x":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#;
        assert_eq!(judge(&self::file(empty, 8)).verdict, Verdict::Clean);
    }

    #[test]
    fn whatever_is_odd_is_review_and_whatever_is_missing_incomplete() {
        for (old, new, words) in [
            ("[24,32]", "[20,28]", "overlaps"),
            ("[24,32]", "[28,36]", "hole"),
            ("[24,32]", "[24,33]", "size"),
            ("\"b\"", "\"a\"", "twice"),
            ("BF16", "X16", "dtype"),
            ("\"pt\"", "7", "not text"),
            ("[4]", "[-4]", "numbers"),
            ("[2,3]", "[9223372036854775808,4]", "measure"),
            ("}}   ", "}}  x", "header"),
            ("}}   ", "}   ", "JSON"),
        ] {
            let text = TWO.replace(old, new);
            assert_ne!(text, TWO);
            let judged = judge(&file(&text, 36));
            assert_eq!(judged.verdict, Verdict::Review, "{text}");
            let all: Vec<&str> = judged.findings.iter().map(|finding| finding.message.as_str()).collect();
            assert!(all.iter().any(|message| message.contains(words)), "{words}: {all:?}");
        }
        assert_eq!(judge(&file(TWO, 33)).verdict, Verdict::Review, "a byte behind the last tensor");
        assert_eq!(judge(&file(TWO, 31)).verdict, Verdict::Incomplete);
        for end in 1..TWO.len() + 8 {
            assert_ne!(judge(&file(TWO, 32)[..end]).verdict, Verdict::Clean, "{end}");
        }
    }
}
