//! Room `model`, format `gguf`: the table of tensors, and whether data lies where it says, one behind another.

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_finding::SpanKind;

use super::Facts;
use super::Reader;
use super::Step;
use crate::inspect;
use crate::inspect::Book;

/// Where no key says another.
pub(super) const ALIGNMENT: u64 = 32;
/// Largest alignment that is taken for one; padding is read.
pub(super) const MOST: u64 = 64 << 10;
/// Longest name; llama.cpp reads 63 bytes, stable-diffusion.cpp 127.
const NAME: u64 = 127;
/// Most dimensions (`GGML_MAX_DIMS`).
const DIMENSIONS: u32 = 4;

/// Items and bytes of a block, by number of the type. Numbers that are missing were given up.
const BLOCKS: [(u32, u64, u64); 34] = [
    (0, 1, 4),
    (1, 1, 2),
    (2, 32, 18),
    (3, 32, 20),
    (6, 32, 22),
    (7, 32, 24),
    (8, 32, 34),
    (9, 32, 40),
    (10, 256, 84),
    (11, 256, 110),
    (12, 256, 144),
    (13, 256, 176),
    (14, 256, 210),
    (15, 256, 292),
    (16, 256, 66),
    (17, 256, 74),
    (18, 256, 98),
    (19, 256, 50),
    (20, 32, 18),
    (21, 256, 110),
    (22, 256, 82),
    (23, 256, 136),
    (24, 1, 1),
    (25, 1, 2),
    (26, 1, 4),
    (27, 1, 8),
    (28, 1, 8),
    (29, 256, 56),
    (30, 1, 2),
    (34, 256, 54),
    (35, 256, 66),
    (39, 32, 17),
    (40, 64, 36),
    (41, 128, 18),
];

/// Where a tensor says that its data is, from the start of all data.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// Kept for who inspects; empty otherwise.
    pub(super) name: String,
    sizes: [u64; DIMENSIONS as usize],
    dimensions: usize,
    kind: u32,

    /// Byte of its row in the table.
    at: u64,
    offset: u64,
    bytes: u64,
}

impl Reader<'_, '_> {
    /// Its name, and its place where the row can be made sense of.
    pub(super) fn tensor(&mut self) -> Step<(String, Option<Tensor>)> {
        let at = self.window.at();
        let name = self.name(NAME)?;
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS {
            return Err(super::Halt::Lost(format!("a tensor of {dimensions} dimensions")));
        }
        let mut sizes = [1_u64; DIMENSIONS as usize];
        for size in sizes.iter_mut().take(dimensions as usize) {
            *size = self.u64()?;
        }
        let (kind, offset) = (self.u32()?, self.u64()?);
        let Some((_, items, bytes)) = BLOCKS.iter().find(|(number, ..)| *number == kind) else {
            self.odd(at, format!("a tensor of type {kind}, which is not known"));
            return Ok((name, None));
        };
        let [first, ..] = sizes;
        let count = sizes.iter().try_fold(1_u64, |count, size| count.checked_mul(*size));
        // Readers count in signed numbers.
        let count = count.filter(|count| i64::try_from(*count).is_ok());
        match count.and_then(|count| (count / items).checked_mul(*bytes)) {
            Some(bytes) if first.is_multiple_of(*items) => {
                let dimensions = dimensions as usize;
                Ok((name, Some(Tensor { name: String::new(), sizes, dimensions, kind, at, offset, bytes })))
            }
            Some(_) => {
                self.odd(at, format!("a tensor whose rows are no multiple of {items} items"));
                Ok((name, None))
            }
            None => {
                self.odd(at, "a tensor beyond all measure".to_owned());
                Ok((name, None))
            }
        }
    }
}

/// Tells the book of tensors; `start` is where all data begins.
pub(super) fn told(book: &mut Book, tensors: Vec<Tensor>, start: u64) {
    for tensor in tensors {
        let from = start.saturating_add(tensor.offset);
        book.span(from, from.saturating_add(tensor.bytes), SpanKind::Tensor, &tensor.name);
        // The innermost dimension stands first in the file.
        let shape = tensor.sizes.iter().take(tensor.dimensions).rev().copied().collect();
        let mut found = inspect::tensor(tensor.name, type_name(tensor.kind), shape, tensor.bytes);
        found.offset = Some(from);
        book.tensor(found);
    }
}

/// Names of types (`GGMLQuantizationType` of PyPI's gguf, which a test compares).
fn type_name(kind: u32) -> &'static str {
    match kind {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        8 => "Q8_0",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        14 => "Q6_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        30 => "BF16",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        40 => "NVFP4",
        41 => "Q1_0",
        _ => "unknown",
    }
}

/// Holds the table against the file: `end` is where the table ends.
pub(super) fn layout(
    source: &dyn Source,
    facts: &mut Facts,
    tensors: &[Tensor],
    end: u64,
    alignment: u64,
) -> Result<(), ReadError> {
    let len = source.len();
    facts.explained = end;
    let Some(start) = end.checked_next_multiple_of(alignment) else { return Ok(()) };
    let mut sorted: Vec<&Tensor> = tensors.iter().collect();
    sorted.sort_unstable_by_key(|tensor| (tensor.offset, tensor.bytes));
    // Without tensors nothing is padded, though writers may.
    let mut last = end;
    let mut expected = start;
    for tensor in sorted.iter().copied() {
        if facts.odd.len() >= crate::Limits::GAPS {
            break;
        }
        let place = start.checked_add(tensor.offset);
        let Some((from, to)) = place.and_then(|from| Some((from, from.checked_add(tensor.bytes)?))) else {
            facts.odd.push((tensor.at, "a tensor beyond all measure".to_owned()));
            continue;
        };
        if !tensor.offset.is_multiple_of(alignment) {
            facts.odd.push((tensor.at, format!("a tensor that is not aligned to {alignment} bytes")));
        } else if from < last {
            facts.odd.push((tensor.at, "a tensor that overlaps another".to_owned()));
        } else if from > expected {
            facts.odd.push((tensor.at, "a tensor that leaves a hole before it".to_owned()));
        }
        if to > len {
            facts.truncated.get_or_insert(tensor.at);
        }
        padding(source, facts, last, from)?;
        last = last.max(to);
        expected = last.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
    }
    padding(source, facts, last, len.min(expected))?;
    facts.explained = if sorted.is_empty() { start } else { expected }.min(len).max(end.min(len));
    if facts.explained < len {
        facts.odd.push((facts.explained, "bytes behind the last tensor".to_owned()));
    }
    Ok(())
}

/// Padding holds nothing.
fn padding(source: &dyn Source, facts: &mut Facts, from: u64, to: u64) -> Result<(), ReadError> {
    let count = to.min(source.len()).saturating_sub(from);
    if count == 0 || count >= MOST {
        return Ok(()); // none, or a hole, which is told
    }
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
    let got = source.read_at(from, &mut bytes)?;
    if bytes.iter().take(got).any(|byte| *byte != 0) && facts.odd.len() < crate::Limits::GAPS {
        facts.odd.push((from, "padding that is not empty".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
pub(super) fn blocks() -> Vec<(u32, u64, u64)> {
    BLOCKS.to_vec()
}
