//! Room `model`, containers: a deflate stream -> a source. Decoded forwards, the newest part kept; a look far back decodes
//! again from the start, as often as the budget allows.

use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

/// Decoded bytes that are kept.
const KEPT: usize = 4 << 20;
/// Bytes that are decoded at once.
const PIECE: usize = 256 << 10;

/// Makes a decoder that stands at the first byte.
type Start = Box<dyn Fn() -> Box<dyn Read + Send> + Send + Sync>;

/// A compressed stream, readable by position.
pub(crate) struct Inflated {
    start: Start,
    len: u64,
    /// Decoded bytes that may still be spent.
    budget: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    decoder: Option<Box<dyn Read + Send>>,
    /// Decoded bytes up to `at`.
    kept: Vec<u8>,
    at: u64,
    spent: u64,
}

impl Inflated {
    /// `len` is what the container says; the decoder may give less.
    pub(crate) fn new(start: Start, len: u64, budget: u64) -> Self {
        Self { start, len, budget, state: Mutex::default() }
    }
}

impl State {
    /// Decodes the next piece; false at the end.
    fn advance(&mut self, owner: &Inflated) -> Result<bool, ReadError> {
        if self.spent >= owner.budget {
            return Err(ReadError::Limit { limit: owner.budget });
        }
        let decoder = self.decoder.get_or_insert_with(|| (owner.start)());
        if self.kept.len() > KEPT {
            self.kept.drain(..self.kept.len() - KEPT / 2);
        }
        let from = self.kept.len();
        self.kept.resize(from + PIECE, 0);
        let mut got = 0;
        while let Some(room) = self.kept.get_mut(from + got..).filter(|room| !room.is_empty()) {
            match decoder.read(room) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.kept.truncate(from + got);
                    let at = self.at + got as u64;
                    self.at = at;
                    return Err(ReadError::Decode { at, cause: Arc::from(error.to_string()) });
                }
            }
        }
        self.kept.truncate(from + got);
        self.at += got as u64;
        self.spent += got as u64;
        Ok(got > 0)
    }
}

impl Source for Inflated {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        let want = buffer.len().min(usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX));
        while done < want {
            let place = at + done as u64;
            let first = state.at - state.kept.len() as u64;
            if place < first {
                // Behind what is kept: from the start again.
                let spent = state.spent;
                *state = State { spent, ..State::default() };
            } else if place < state.at {
                let from = usize::try_from(place - first).unwrap_or(usize::MAX);
                let held = state.kept.get(from..).unwrap_or_default();
                let count = held.len().min(want - done);
                if let (Some(to), Some(held)) = (buffer.get_mut(done..done + count), held.get(..count)) {
                    to.copy_from_slice(held);
                }
                done += count;
            } else if !state.advance(self)? {
                let cause = Arc::from("the stream is shorter than the container says");
                return Err(ReadError::Decode { at: state.at, cause });
            }
        }
        Ok(done)
    }
}

/// A source as a stream, for decoders.
pub(crate) struct Reader {
    source: Arc<dyn Source>,
    at: u64,
}

impl Reader {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, at: 0 }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.source.read_at(self.at, buffer).map_err(std::io::Error::other)?;
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ringfence_artifact::Slice;

    use super::*;

    fn inflated(bytes: &[u8], budget: u64) -> Inflated {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        let packed: Arc<dyn Source> = Arc::new(Slice::new(encoder.finish().unwrap()));
        let start: Start =
            Box::new(move || Box::new(flate2::read::DeflateDecoder::new(Reader::new(Arc::clone(&packed)))));
        Inflated::new(start, bytes.len() as u64, budget)
    }

    #[test]
    fn reads_forwards_and_back_and_stops_at_its_budget() {
        let bytes: Vec<u8> = (0..9_000_000_u32).map(|number| (number / 7 % 251) as u8).collect();
        let source = inflated(&bytes, 30_000_000);
        let read = |at: usize| {
            let mut buffer = [0; 1000];
            source.read_at(at as u64, &mut buffer).map(|got| buffer[..got].to_vec())
        };
        for at in [0, 8_000_000, 7_900_000, 100, 8_999_500] {
            assert_eq!(read(at).unwrap(), bytes[at..bytes.len().min(at + 1000)], "{at}");
        }
        read(0).unwrap();
        read(8_999_000).unwrap();
        let error = read(0).and_then(|_| read(8_999_000)).unwrap_err();
        assert!(matches!(error, ReadError::Limit { .. }), "{error}");
    }
}
