//! Room `model`, format `gguf`: `GGUF`, u32 version, u64 tensors, u64 keys; keys with typed values; tensors with name,
//! dimensions, type and offset; padding to the alignment; data.
//!
//! Nothing in it runs but chat templates, which are judged as such. What can be wrong is the layout: readers in C have
//! trusted counts, lengths and offsets (CVE-2024-21802, -21825, -21836, -23496, -23605, all in llama.cpp). Tensors are
//! explained by the table and not read. The sentences of the format: docs/gguf.md of ggml-org/ggml; block sizes:
//! `GGML_QUANT_SIZES` of PyPI's gguf, which a test compares.

mod shown;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::Window;
use ringfence_finding::SpanKind;

use super::jinja;
use crate::inspect::Book;
use crate::keys::Texts;
use tensor::Tensor;

/// Most keys, and most tensors; the largest public models have 100 and 20,000.
const KEYS: u64 = 100_000;
const TENSORS: u64 = 200_000;
/// Templates of one file that are read.
const TEMPLATES: usize = 64;

/// What is said and held in a file.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) odd: Vec<(u64, String)>,
    /// The file ends before what it announces.
    pub(crate) truncated: Option<u64>,
    /// Nobody knows what stands from here on.
    pub(crate) unexplained: Option<u64>,
    /// A limit was reached.
    pub(crate) budget: Vec<(u64, &'static str)>,
    /// A version that is not read.
    pub(crate) version: Option<u32>,
    /// What templates reach, with the place in the file.
    pub(crate) templates: Vec<jinja::Found>,
    pub(crate) explained: u64,
}

/// Why reading the head ended.
enum Halt {
    Truncated,
    /// What follows cannot be told from the rest.
    Lost(String),
    Budget(&'static str),
    Version(u32),
    Read(ReadError),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

type Step<T = ()> = Result<T, Halt>;

/// A file being read.
struct Reader<'s, 't> {
    window: Window<'s>,
    is_big: bool,
    facts: Facts,
    alignment: u64,
    templates: usize,
    /// Steps that are left for them.
    steps: jinja::Steps,
    /// Bytes of names that are kept.
    names: usize,
    /// Takes every text with its place.
    texts: &'t mut Texts<'t>,
    book: Option<&'t mut Book>,
}

/// Reads the head; `texts` is given each string of the metadata with its place, the book keys and tensors.
pub(crate) fn read<'t>(
    source: &dyn Source,
    texts: &'t mut Texts<'t>,
    book: Option<&'t mut Book>,
) -> Result<Facts, ReadError> {
    let window = Window::new(source, 0);
    let facts = Facts::default();
    let mut reader = Reader {
        window,
        is_big: false,
        facts,
        alignment: tensor::ALIGNMENT,
        templates: 0,
        steps: jinja::Steps::default(),
        names: 0,
        texts,
        book,
    };
    let mut tensors = Vec::new();
    let head = reader.head(&mut tensors);
    let at = reader.window.at();
    let mut facts = match head {
        Ok(()) => {
            let mut facts = reader.facts;
            tensor::layout(source, &mut facts, &tensors, at, reader.alignment)?;
            if let Some(book) = &mut reader.book {
                book.span(at, facts.explained, SpanKind::Padding, "");
                book.span(0, at, SpanKind::Parsed, "keys and table of tensors");
                tensor::told(book, tensors, at.next_multiple_of(reader.alignment));
            }
            facts
        }
        Err(halt) => {
            let mut facts = reader.facts;
            facts.explained = at;
            if let Some(book) = &mut reader.book {
                book.span(0, at, SpanKind::Parsed, "keys and table of tensors");
            }
            match halt {
                Halt::Truncated => facts.truncated = Some(at),
                Halt::Budget(what) => facts.budget.push((at, what)),
                Halt::Version(version) => facts.version = Some(version),
                Halt::Read(error) => return Err(error),
                Halt::Lost(message) => {
                    facts.odd.push((at, message));
                    facts.unexplained = Some(at);
                }
            }
            facts
        }
    };
    facts.odd.truncate(crate::Limits::GAPS);
    Ok(facts)
}

impl Reader<'_, '_> {
    fn head(&mut self, tensors: &mut Vec<Tensor>) -> Step {
        self.window.seek(4);
        let version = self.window.take::<4>()?.ok_or(Halt::Truncated)?;
        // No version has its low bytes empty: such a number is written the other way round.
        self.is_big = version.starts_with(&[0, 0]);
        let version = if self.is_big { u32::from_be_bytes(version) } else { u32::from_le_bytes(version) };
        if !matches!(version, 2 | 3) {
            return Err(Halt::Version(version));
        }
        let (count_of_tensors, count_of_keys) = (self.u64()?, self.u64()?);
        if count_of_keys > KEYS {
            return Err(Halt::Budget("keys"));
        }
        if count_of_tensors > TENSORS {
            return Err(Halt::Budget("tensors"));
        }
        self.keys(count_of_keys)?;
        let mut names = std::collections::HashSet::new();
        for _ in 0..count_of_tensors {
            let at = self.window.at();
            let (name, mut tensor) = self.tensor()?;
            self.keep(&name)?;
            if let (Some(tensor), true) = (&mut tensor, self.book.is_some()) {
                tensor.name.clone_from(&name);
            }
            if let Some(name) = names.replace(name) {
                self.odd(
                    at,
                    format!(
                        "tensor {} is there twice: readers pick different ones",
                        crate::keys::shown(&name)
                    ),
                );
            }
            tensors.extend(tensor);
        }
        Ok(())
    }

    /// Counts a name that is kept, to see whether it is there twice.
    fn keep(&mut self, name: &str) -> Step {
        self.names = self.names.saturating_add(name.len());
        if self.names > crate::Limits::NAMES { Err(Halt::Budget("bytes of names")) } else { Ok(()) }
    }

    fn odd(&mut self, at: u64, message: String) {
        if self.facts.odd.len() < crate::Limits::GAPS {
            self.facts.odd.push((at, message));
        }
    }

    fn u32(&mut self) -> Step<u32> {
        let bytes = self.window.take::<4>()?.ok_or(Halt::Truncated)?;
        Ok(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&mut self) -> Step<u64> {
        let bytes = self.window.take::<8>()?.ok_or(Halt::Truncated)?;
        Ok(if self.is_big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    fn skip(&mut self, bytes: u64) -> Step {
        if self.window.skip(bytes) { Ok(()) } else { Err(Halt::Truncated) }
    }
}
