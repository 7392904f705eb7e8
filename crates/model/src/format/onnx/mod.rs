//! Room `model`, format `onnx`: a protobuf message `ModelProto`, walked field by field and never built: graphs, nodes,
//! tensors, functions.
//!
//! What can act: data in other files, named by the model (CVE-2022-25882, CVE-2024-27318: outside of its folder;
//! CVE-2025-51480: keys that become attributes), operators that run Python, operators from libraries of the host. Raw data
//! is passed over. A field that the schema does not have is not explained.

mod facts;
mod operators;
mod schema;
#[cfg(test)]
mod tests;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::Window;

use crate::inspect::Book;
use crate::keys;
use crate::keys::Texts;
pub(crate) use facts::External;
pub(crate) use facts::Facts;
use facts::Frame;
pub(crate) use facts::outside;
use schema::Kind;
use schema::Message;

/// Deepest messages in messages; each nested graph takes three.
const DEPTH: usize = 100;
/// Most fields; the largest public models have three million, most of them nodes' names.
const FIELDS: u64 = 50_000_000;
/// Longest text that is kept to be judged; longer ones are looked at for keys only.
const TEXT: u64 = 64 << 10;
/// Fields that are passed over in search of the two that make a model.
const OF_MODEL: usize = 1_000_000;

/// A tag and what follows it.
struct Field {
    at: u64,
    number: u64,
    wire: u64,
    /// Of a field with a length; the size of the others.
    len: u64,
    value: u64,
}

/// Why a field cannot be read.
enum Halt {
    /// The bytes end within it.
    Cut,
    Odd(&'static str),
    Read(ReadError),
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Whether the fields of a `ModelProto` follow each other to the end, or to where the file is cut; a version of the format
/// and a graph among them, and whatever else that readers pass over. With more fields than anyone writes, it may be one.
pub(crate) fn is_model(source: &dyn Source) -> Result<bool, ReadError> {
    let mut window = Window::new(source, 0);
    let (mut has_version, mut has_graph) = (false, false);
    for _ in 0..OF_MODEL {
        if window.left() == 0 {
            return Ok(has_version && has_graph);
        }
        let field = match next(&mut window) {
            Ok(field) => field,
            Err(Halt::Cut) => return Ok(has_version && has_graph),
            Err(Halt::Odd(_)) => return Ok(false),
            Err(Halt::Read(error)) => return Err(error),
        };
        if Message::Model.field(field.number).is_some_and(|kind| fits(kind, field.wire)) {
            has_version |= field.number == 1 && (1..=255).contains(&field.value);
            has_graph |= field.number == 7;
        }
        if field.wire == 2 && !window.skip(field.len) {
            return Ok(has_version && has_graph);
        }
    }
    Ok(true)
}

/// Walks a model; `texts` is given each of its texts with its place, the book its tensors and what it says of itself.
pub(crate) fn read(
    source: &dyn Source,
    texts: &mut Texts<'_>,
    mut book: Option<&mut Book>,
) -> Result<Facts, ReadError> {
    let mut window = Window::new(source, 0);
    let mut facts = Facts::default();
    let mut frames = vec![Frame::new(Message::Model, 0, source.len())];
    let mut fields = 0;
    loop {
        let depth = frames.len();
        let Some(frame) = frames.last_mut() else { break };
        if window.at() >= frame.end {
            if let Some(done) = frames.pop() {
                facts.close(done, frames.last_mut(), book.as_deref_mut());
            }
            continue;
        }
        fields += 1;
        if fields > FIELDS {
            facts.budget = Some((window.at(), "fields"));
            break;
        }
        match step(&mut window, frame, &mut facts, texts, book.is_some()) {
            Ok(None) => {}
            Ok(Some(_)) if depth >= DEPTH => {
                facts.budget = Some((window.at(), "messages in messages"));
                break;
            }
            Ok(Some(inner)) => frames.push(inner),
            Err(Halt::Read(error)) => return Err(error),
            Err(Halt::Cut) => {
                facts.truncated.get_or_insert(window.at());
                break;
            }
            // The length of the message says where the next begins.
            Err(Halt::Odd(what)) => {
                let (at, end) = (window.at(), frame.end);
                facts.odd(at, what.to_owned());
                facts.unknown(at, end.saturating_sub(at), what.to_owned());
                window.seek(end);
            }
        }
    }
    // Where the walk ended early, what was begun counts all the same.
    while let Some(frame) = frames.pop() {
        let parent = frames.last_mut();
        facts.close(frame, parent, book.as_deref_mut());
    }
    facts.explained = window.at().min(source.len());
    if let Some(book) = book {
        facts.told(book);
    }
    facts.finish();
    Ok(facts)
}

/// One field; the frame of the message that it opens.
fn step(
    window: &mut Window<'_>,
    frame: &mut Frame,
    facts: &mut Facts,
    texts: &mut Texts<'_>,
    is_listed: bool,
) -> Result<Option<Frame>, Halt> {
    let field = next(window)?;
    let start = window.at();
    let end = start.saturating_add(if field.wire == 2 { field.len } else { 0 });
    if end > frame.end && frame.end < window.len() {
        return Err(Halt::Odd("a field that runs past the end of its message"));
    }
    let kind = frame.message.field(field.number).filter(|kind| fits(*kind, field.wire));
    if end > frame.end {
        // Where the file is cut, what is there of a message is read all the same.
        let Some(Kind::Inner(message)) = kind else { return Err(Halt::Cut) };
        facts.truncated.get_or_insert(field.at);
        return Ok(Some(Frame::new(message, field.at, frame.end)));
    }
    match kind {
        None => {
            let what =
                format!("field {} of {:?}, which the format does not have", field.number, frame.message);
            if field.wire == 2 {
                window.skip(field.len);
            }
            facts.unknown(field.at, window.at() - field.at, what);
        }
        Some(Kind::Inner(message)) => return Ok(Some(Frame::new(message, field.at, start + field.len))),
        Some(Kind::Text) => {
            if is_listed && field.len <= TEXT && frame.shows(field.number) {
                let bytes = window.bytes_at(start, usize::try_from(field.len).unwrap_or(0))?;
                frame.say(field.number, String::from_utf8_lossy(&bytes).into_owned());
            }
            if field.len <= TEXT && frame.keeps(field.number) {
                let bytes = window.bytes_at(start, usize::try_from(field.len).unwrap_or(0))?;
                frame.text(field.number, String::from_utf8_lossy(&bytes).into_owned());
            } else if frame.keeps(field.number) {
                facts.odd(field.at, "a name that is longer than any".to_owned());
                frame.text(field.number, "\u{fffd}".to_owned());
            }
            keys::pieces(window, field.len, texts)?;
        }
        Some(Kind::Ints) if field.wire == 2 && frame.message == Message::Tensor && field.number == 1 => {
            let end = start + field.len;
            while window.at() < end {
                let size = varint(window)?;
                frame.dimension(size);
            }
            if window.at() > end {
                return Err(Halt::Odd("numbers that run past the end of their field"));
            }
        }
        Some(kind) => {
            frame.number(&field, start);
            if field.wire == 2 && field.len > 0 {
                window.skip(field.len - 1);
                let last = window.byte()?.ok_or(Halt::Cut)?;
                let is_whole = match kind {
                    Kind::Ints => last < 0x80,
                    Kind::Fixed32s => field.len.is_multiple_of(4),
                    Kind::Fixed64s => field.len.is_multiple_of(8),
                    _ => true,
                };
                if !is_whole {
                    facts.odd(field.at, "numbers that run past the end of their field".to_owned());
                }
            }
        }
    }
    Ok(None)
}

/// A tag with the number behind it; what has a length is not passed over.
fn next(window: &mut Window<'_>) -> Result<Field, Halt> {
    let at = window.at();
    let tag = varint(window)?;
    let (number, wire) = (tag >> 3, tag & 7);
    if number == 0 || number > 0x1fff_ffff {
        return Err(Halt::Odd("a field without a number"));
    }
    let mut field = Field { at, number, wire, len: 0, value: 0 };
    match wire {
        0 => field.value = varint(window)?,
        1 => field.value = u64::from_le_bytes(window.take::<8>()?.ok_or(Halt::Cut)?),
        2 => field.len = varint(window)?,
        5 => field.value = u64::from(u32::from_le_bytes(window.take::<4>()?.ok_or(Halt::Cut)?)),
        _ => return Err(Halt::Odd("a field of a form that writers have given up")),
    }
    Ok(field)
}

fn varint(window: &mut Window<'_>) -> Result<u64, Halt> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = window.byte()?.ok_or(Halt::Cut)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Halt::Odd("a number of more than 64 bits"))
}

/// Whether a field of this kind is written in this form.
fn fits(kind: Kind, wire: u64) -> bool {
    match kind {
        Kind::Int => wire == 0,
        Kind::Ints => matches!(wire, 0 | 2),
        Kind::Fixed32 => wire == 5,
        Kind::Fixed32s => matches!(wire, 5 | 2),
        Kind::Fixed64s => matches!(wire, 1 | 2),
        Kind::Text | Kind::Bytes | Kind::Inner(_) => wire == 2,
    }
}
