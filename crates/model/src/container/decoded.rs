//! Room `model`, containers: a compressed stream -> a source. Decoded forwards, the newest part kept; a look back decodes
//! again from the start, as often as the budget allows.
//!
//! Two decoders run over one stream: whoever reads members looks at the end of each before its middle, and one decoder
//! alone would begin anew for each of them.

use std::io::Read;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

/// Decoded bytes that each decoder keeps.
const KEPT: usize = 2 << 20;
/// Bytes that are decoded at once.
const PIECE: usize = 256 << 10;
/// Bytes of the beginning and of the end that are kept for good.
const HEAD: usize = 2 << 20;
const TAIL: usize = 1 << 20;

/// Makes a decoder that stands at the first byte.
pub(crate) type Start = Box<dyn Fn() -> Box<dyn Read + Send> + Send + Sync>;

/// Decoded bytes that may still be spent on one file, its members included.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left: Arc<AtomicU64>,
    limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(limit)), limit }
    }

    /// Bytes that were decoded so far.
    pub(crate) fn spent(&self) -> u64 {
        self.limit.saturating_sub(self.left.load(Ordering::Relaxed))
    }

    /// Takes what was decoded; an error where more was decoded than was left.
    pub(crate) fn charge(&self, bytes: u64) -> Result<(), ReadError> {
        if self.spend(bytes) { Ok(()) } else { Err(ReadError::Limit { limit: self.limit }) }
    }

    fn spend(&self, bytes: u64) -> bool {
        let take = |left: u64| Some(left.saturating_sub(bytes));
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok_and(|left| left >= bytes)
    }
}

/// A compressed stream, readable by position.
pub(crate) struct Decoded {
    start: Start,
    len: u64,
    /// Decoded bytes that may be spent on this stream.
    limit: u64,
    budget: Budget,
    head: Vec<u8>,
    /// The last bytes, where the whole was decoded once.
    tail: Vec<u8>,
    state: Mutex<State>,
}

struct State {
    cursors: Vec<Cursor>,
    spent: u64,
}

/// A decoder, and what it gave last.
#[derive(Default)]
struct Cursor {
    decoder: Option<Box<dyn Read + Send>>,
    /// Decoded bytes up to `at`.
    kept: Vec<u8>,
    at: u64,
    /// What ended it; it is told to whoever asks for what comes behind `at`.
    failed: Option<ReadError>,
}

impl Decoded {
    /// A stream whose container says that it is `len` bytes long; the decoder may give less.
    pub(crate) fn new(start: Start, len: u64, limit: u64, budget: Budget) -> Self {
        Self { start, len, limit, budget, head: vec![], tail: vec![], state: Mutex::new(State::new(2)) }
    }

    /// A stream that says nothing of its length: `decoder` is run to its end, or to its first error, which is told.
    /// `cursors` is how many decoders of its kind memory has room for.
    pub(crate) fn measured(
        start: Start,
        decoder: &mut dyn Read,
        limit: u64,
        budget: Budget,
        cursors: usize,
    ) -> (Self, Option<ReadError>) {
        let mut whole = Self::new(start, 0, limit, budget);
        whole.state = Mutex::new(State::new(cursors.max(1)));
        let mut piece = vec![0; PIECE];
        let error = loop {
            let (got, error) = fill(decoder, &mut piece);
            let bytes = piece.get(..got).unwrap_or_default();
            let room = HEAD - whole.head.len();
            whole.head.extend_from_slice(bytes.get(..room.min(got)).unwrap_or_default());
            if whole.tail.len() + got > 2 * TAIL {
                whole.tail.drain(..whole.tail.len().saturating_sub(TAIL));
            }
            whole.tail.extend_from_slice(bytes);
            whole.len += got as u64;
            let within = whole.budget.spend(got as u64) && whole.len <= limit;
            if let Some(error) = error {
                break Some(read_error(&error, whole.len));
            } else if !within {
                break Some(ReadError::Limit { limit: limit.min(whole.budget.limit) });
            } else if got < PIECE {
                break None;
            }
        };
        // What comes after this is random access: as much again, and a few times more for small streams.
        whole.limit = limit.min(whole.len.saturating_mul(8).max(1 << 30));
        (whole, error)
    }

    /// What is kept for good of the bytes from `place` on.
    fn at_hand(&self, place: u64) -> Option<&[u8]> {
        let tail_at = self.len.saturating_sub(self.tail.len() as u64);
        let in_head = usize::try_from(place).ok().and_then(|at| self.head.get(at..));
        let in_tail = || usize::try_from(place.checked_sub(tail_at)?).ok().and_then(|at| self.tail.get(at..));
        in_head.filter(|bytes| !bytes.is_empty()).or_else(|| in_tail().filter(|bytes| !bytes.is_empty()))
    }
}

impl State {
    fn new(cursors: usize) -> Self {
        Self { cursors: (0..cursors).map(|_| Cursor::default()).collect(), spent: 0 }
    }

    /// The decoder to ask for `place`: the nearest before it; for a far jump another one, so that the nearest stays where
    /// its reader will go on.
    fn pick(&self, place: u64) -> usize {
        let reach = self.cursors.iter().enumerate().filter(|(_, cursor)| cursor.first() <= place);
        let nearest = reach.clone().max_by_key(|(_, cursor)| cursor.at);
        let furthest = reach.min_by_key(|(_, cursor)| cursor.at);
        match (nearest, furthest) {
            (Some((_, near)), Some((far, _))) if place.saturating_sub(near.at) > KEPT as u64 => far,
            (Some((near, _)), _) => near,
            // All are past it: the one that has decoded least begins anew.
            _ => self.cursors.iter().enumerate().min_by_key(|(_, cursor)| cursor.at).map_or(0, |(at, _)| at),
        }
    }
}

impl Cursor {
    fn first(&self) -> u64 {
        self.at - self.kept.len() as u64
    }

    /// Decodes the next piece and says how much it was; nothing at the end. What came before an error counts.
    fn advance(&mut self, start: &Start) -> Result<usize, ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let decoder = self.decoder.get_or_insert_with(start);
        if self.kept.len() > KEPT {
            self.kept.drain(..self.kept.len() - KEPT / 2);
        }
        let from = self.kept.len();
        self.kept.resize(from + PIECE, 0);
        let (got, error) = fill(decoder.as_mut(), self.kept.get_mut(from..).unwrap_or_default());
        self.kept.truncate(from + got);
        self.at += got as u64;
        self.failed = error.map(|error| read_error(&error, self.at));
        match &self.failed {
            Some(error) if got == 0 => Err(error.clone()),
            _ => Ok(got),
        }
    }
}

/// Reads until the buffer is full, the stream ends or fails.
fn fill(decoder: &mut dyn Read, buffer: &mut [u8]) -> (usize, Option<std::io::Error>) {
    let mut got = 0;
    while let Some(room) = buffer.get_mut(got..).filter(|room| !room.is_empty()) {
        match decoder.read(room) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return (got, Some(error)),
        }
    }
    (got, None)
}

/// What a decoder says at decoded byte `at`; an error of the source below it stays what it is.
fn read_error(error: &std::io::Error, at: u64) -> ReadError {
    let below = error.get_ref().and_then(|inner| inner.downcast_ref::<ReadError>());
    below.cloned().unwrap_or_else(|| ReadError::Decode { at, cause: Arc::from(error.to_string()) })
}

impl Source for Decoded {
    fn len(&self) -> u64 {
        self.len
    }

    /// An error is told where it stands: what was given before it is handed out first.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let want = buffer.len().min(usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX));
        let mut done = 0;
        let mut state = None;
        let mut chosen = None;
        while done < want {
            let place = at + done as u64;
            let room = buffer.get_mut(done..want).unwrap_or_default();
            if let Some(held) = self.at_hand(place) {
                done += copy(held, room);
                continue;
            }
            let state =
                state.get_or_insert_with(|| self.state.lock().unwrap_or_else(PoisonError::into_inner));
            let index = *chosen.get_or_insert_with(|| state.pick(place));
            match self.step(state, index, place, room) {
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

impl Decoded {
    /// Copies what a cursor holds from `place` on, or brings it nearer to that.
    fn step(&self, state: &mut State, index: usize, place: u64, room: &mut [u8]) -> Result<usize, ReadError> {
        let State { cursors, spent } = state;
        let Some(cursor) = cursors.get_mut(index) else { return Err(ReadError::Limit { limit: self.limit }) };
        if place < cursor.first() {
            *cursor = Cursor::default();
        } else if place < cursor.at {
            let from = usize::try_from(place - cursor.first()).unwrap_or(usize::MAX);
            return Ok(copy(cursor.kept.get(from..).unwrap_or_default(), room));
        } else {
            if *spent >= self.limit {
                return Err(ReadError::Limit { limit: self.limit });
            }
            let got = cursor.advance(&self.start)?;
            *spent += got as u64;
            self.budget.charge(got as u64)?;
            if got == 0 {
                let cause = Arc::from("the stream is shorter than the container says");
                return Err(ReadError::Decode { at: cursor.at, cause });
            }
        }
        Ok(0)
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
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

    fn bytes() -> Vec<u8> {
        (0..30_000_000_u32).map(|number| (number / 7 % 251) as u8).collect()
    }

    fn start(bytes: &[u8]) -> Start {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        let packed: Arc<dyn Source> = Arc::new(Slice::new(encoder.finish().unwrap()));
        Box::new(move || Box::new(flate2::read::DeflateDecoder::new(Reader::new(Arc::clone(&packed)))))
    }

    fn read(source: &Decoded, at: usize) -> Result<Vec<u8>, ReadError> {
        let mut buffer = [0; 1000];
        source.read_at(at as u64, &mut buffer).map(|got| buffer[..got].to_vec())
    }

    fn spent(source: &Decoded) -> u64 {
        source.state.lock().unwrap().spent
    }

    #[test]
    fn reads_forwards_and_back_and_stops_at_its_budget() {
        let bytes = bytes();
        let budget = Budget::new(400_000_000);
        let source = Decoded::new(start(&bytes), bytes.len() as u64, 150_000_000, budget.clone());
        for at in [0, 28_000_000, 27_900_000, 100, 29_999_500] {
            assert_eq!(read(&source, at).unwrap(), bytes[at..bytes.len().min(at + 1000)], "{at}");
        }
        // Two places at once cost nothing, three do.
        let around = |source| {
            let far = [0, 10_000_000, 20_000_000];
            (0..40).find_map(|_| far.iter().find_map(|at| read(source, *at).err()))
        };
        let error = around(&source);
        assert!(matches!(error, Some(ReadError::Limit { limit: 150_000_000 })), "{error:?}");
        let other = Decoded::new(start(&bytes), bytes.len() as u64, 1 << 40, budget);
        let error = around(&other);
        assert!(
            matches!(error, Some(ReadError::Limit { limit: 400_000_000 })),
            "one budget for all: {error:?}"
        );
    }

    #[test]
    fn what_was_given_before_an_error_is_handed_out() {
        let bytes = bytes();
        let more = bytes.len() as u64 + 500;
        let source = Decoded::new(start(&bytes), more, 1 << 40, Budget::new(1 << 40));
        let at = bytes.len() - 700;
        assert_eq!(read(&source, at).unwrap(), bytes[at..]);
        assert!(matches!(read(&source, bytes.len()), Err(ReadError::Decode { .. })));
    }

    #[test]
    fn members_one_behind_another_cost_two_runs_and_their_ends_are_at_hand() {
        let bytes = bytes();
        let start = start(&bytes);
        let mut decoder = start();
        let (source, error) = Decoded::measured(start, decoder.as_mut(), 1 << 40, Budget::new(1 << 40), 2);
        assert!(error.is_none() && source.len() == bytes.len() as u64);
        read(&source, 0).unwrap();
        read(&source, bytes.len() - 1000).unwrap();
        assert_eq!(spent(&source), 0, "both ends are kept");
        for member in 0..5 {
            // Its first bytes, its last ones, then all of it, as sniffing and reading do.
            let first = member * 6_000_000;
            for at in [first, first + 5_999_000, first, first + 3_000_000, first + 5_000_000] {
                assert_eq!(read(&source, at).unwrap(), bytes[at..at + 1000], "{at}");
            }
        }
        assert!(spent(&source) <= 61_000_000, "{}", spent(&source));
    }
}
