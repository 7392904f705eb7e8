//! Room `attest`: files and parts of files -> digests: which two streams a thread hashes at the same time.
//!
//! A thread keeps a few files open and always takes a piece of the two with the most bytes left: they end together, and
//! no lane idles while another file could fill it. Where so many large files fall to each thread that all at once cost less
//! than two and two, it takes a piece of each. Threads are filled before another one starts, since the aim is few
//! CPU-seconds: the machine may be serving at the same time.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

use ringfence_artifact::Listed;
use ringfence_artifact::OpenError;
use ringfence_artifact::OpenFile;
use ringfence_artifact::ReadError;
use ringfence_artifact::Rest;
use ringfence_artifact::Source as _;

use super::Lane;
use super::Sha256;
use super::lane::WIDTH;

/// Bytes read of a stream at a time: two buffers stay in the second-level cache, larger reads are slower.
pub(crate) const PIECE: usize = 64 << 10;
/// Files that one thread keeps open, so that the last ones end together.
const OPEN: usize = 4;
/// Below so many bytes in all, a second thread costs more than it gives.
const WORTH_A_THREAD: u64 = 8 << 20;
/// Bytes of a file from which on it counts among those that are worth taking all at once.
const LARGE: u64 = 4 << 20;
/// Files that all threads keep open: a process may often have 1,024.
const OPEN_IN_ALL: usize = 512;

/// What to hash: a file, or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) file: Listed,
    /// First byte and, unless it is the end of the file, the byte behind the last.
    pub(crate) range: (u64, Option<u64>),
    /// Bytes in it: the order of work.
    pub(crate) expected: u64,
}

/// What became of a job: length and digest.
pub(crate) type Hashed<D = Sha256> = Result<(u64, D), Unread>;

/// The bytes of a stream so far, on their way to a digest.
pub(crate) trait Hasher: Send + Sized {
    /// Of all bytes.
    type Digest: Send;

    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// Takes the next bytes of two streams.
    fn update_two(&mut self, bytes: &[u8], other: &mut Self, others: &[u8]) {
        self.update(bytes);
        other.update(others);
    }

    /// From how many streams on [`Hasher::update_many`] costs less; none where it never does.
    fn many(&self) -> Option<usize> {
        None
    }

    /// Takes the next bytes of up to [`WIDTH`] streams.
    fn update_many(pieces: &mut [(&mut Self, &[u8])]) {
        for (hasher, bytes) in pieces {
            hasher.update(bytes);
        }
    }

    /// The digest of what was taken.
    fn finish(self) -> Self::Digest;
}

impl Hasher for Lane {
    type Digest = Sha256;

    fn update(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn update_two(&mut self, bytes: &[u8], other: &mut Self, others: &[u8]) {
        self.update_two(bytes, other, others);
    }

    fn many(&self) -> Option<usize> {
        self.many()
    }

    fn update_many(pieces: &mut [(&mut Self, &[u8])]) {
        Self::update_many(pieces);
    }

    fn finish(self) -> Sha256 {
        self.finish()
    }
}

impl Hasher for blake2b_simd::State {
    type Digest = blake2b_simd::Hash;

    fn update(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn finish(self) -> Self::Digest {
        self.finalize()
    }
}

impl Hasher for blake3::Hasher {
    type Digest = blake3::Hash;

    fn update(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn finish(self) -> Self::Digest {
        self.finalize()
    }
}

/// A file whose bytes are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// The thread that had it ended before its time.
    #[error("internal error: a thread was lost; report it")]
    Lost,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Hashes all, each from `start` on; the results stand in the order of the jobs. `count` is told of bytes as they are done.
pub(crate) fn run<H: Hasher>(
    start: impl Fn() -> H + Sync,
    jobs: &[Job],
    threads: Option<NonZero<usize>>,
    count: &(dyn Fn(u64) + Sync),
) -> Vec<Hashed<H::Digest>> {
    let lengths: Vec<u64> = jobs.iter().map(|job| job.expected).collect();
    let begin = |index: usize| jobs.get(index).map(|job| Stream::open(index, job, start()));
    all(&lengths, threads, &begin, &|| start().many(), count)
}

/// Hashes what is left of files that were read in part; the results stand in their order. `count` is told of bytes as they
/// are done.
pub(super) fn complete(rests: Vec<Rest<Lane>>, count: &(dyn Fn(u64) + Sync)) -> Vec<Hashed> {
    let lengths: Vec<u64> = rests.iter().map(Rest::left).collect();
    let many = rests.first().map(|rest| rest.state.clone());
    let rests: Vec<_> = rests.into_iter().map(|rest| Mutex::new(Some(rest))).collect();
    let begin = |index: usize| {
        let rest = rests.get(index)?.lock().ok()?.take()?;
        Some(Ok(Stream::go_on(index, rest)))
    };
    all(&lengths, None, &begin, &|| many.as_ref()?.many(), count)
}

/// How a stream of work begins, by its number; none where there is no such.
type Begin<'b, H> = dyn Fn(usize) -> Option<Result<Stream<H>, OpenError>> + Sync + 'b;

/// `many`: as of [`Hasher::many`], asked where there are so many large files that the answer matters.
fn all<H: Hasher>(
    lengths: &[u64],
    threads: Option<NonZero<usize>>,
    begin: &Begin<'_, H>,
    many: &dyn Fn() -> Option<usize>,
    count: &(dyn Fn(u64) + Sync),
) -> Vec<Hashed<H::Digest>> {
    let mut order: Vec<(u64, usize)> = lengths.iter().copied().zip(0..).collect();
    order.sort_unstable(); // taken from the end: the largest first
    let total: u64 = lengths.iter().fold(0, |sum, length| sum.saturating_add(*length));
    let most = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let workers = if total < WORTH_A_THREAD { 1 } else { most.min(lengths.len() / 2).max(1) };
    let large = lengths.iter().filter(|length| **length >= LARGE).count();
    let packed = packed(large, workers, many);
    let (workers, open) = match packed {
        Some((workers, _)) => (workers, (large / workers).min(WIDTH)),
        None if workers == 1 => (1, OPEN),
        None => (workers, 2),
    };
    let many = packed.map(|(_, least)| least);
    let queue = Mutex::new(order);
    let next = || Some(queue.lock().ok()?.pop()?.1);
    let work = || Worker { begin, open, many, count, streams: Vec::new(), done: Vec::new() }.work(&next);
    let done: Vec<(usize, Hashed<H::Digest>)> = if workers == 1 {
        work()
    } else {
        thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
        })
    };
    let mut results: Vec<Hashed<H::Digest>> = lengths.iter().map(|_| Err(Unread::Lost)).collect();
    for (index, hashed) in done {
        results.get_mut(index).into_iter().zip([hashed]).for_each(|(slot, hashed)| *slot = hashed);
    }
    results
}

/// How many threads take the large files all at once, and from how many streams on each does so; none where two and two
/// are better. Half the threads are enough: each does more, and CPU-seconds count.
fn packed(large: usize, workers: usize, many: &dyn Fn() -> Option<usize>) -> Option<(usize, usize)> {
    let least = if large > 2 { many()? } else { return None };
    let enough = (large / least).min(workers).min(OPEN_IN_ALL / WIDTH);
    (enough > 0 && enough * 2 >= workers).then_some((enough, least))
}

/// A file, or a part of one, on its way.
struct Stream<H> {
    index: usize,
    file: OpenFile,
    hasher: H,
    start: u64,
    at: u64,
    end: u64,
    failed: Option<ReadError>,
}

impl Stream<Lane> {
    fn go_on(index: usize, rest: Rest<Lane>) -> Self {
        let end = rest.file.len();
        Self {
            index,
            hasher: rest.state,
            start: 0,
            at: rest.from.min(end),
            end,
            file: rest.file,
            failed: None,
        }
    }
}

impl<H: Hasher> Stream<H> {
    fn open(index: usize, job: &Job, hasher: H) -> Result<Self, OpenError> {
        let file = job.file.open()?;
        let (start, end) = (job.range.0, job.range.1.unwrap_or(u64::MAX).min(file.len()));
        let start = start.min(end);
        Ok(Self { index, file, hasher, start, at: start, end, failed: None })
    }

    fn left(&self) -> u64 {
        self.end - self.at
    }

    /// The next piece, in `buffer`; nothing where the system refuses.
    fn read<'b>(&mut self, buffer: &'b mut [u8]) -> &'b [u8] {
        let want = buffer.len().min(usize::try_from(self.left()).unwrap_or(usize::MAX));
        let piece = buffer.get_mut(..want).unwrap_or_default();
        match self.file.read_at(self.at, piece) {
            Ok(count) if count == want => self.at += want as u64,
            Ok(_) => self.failed = Some(ReadError::Changed),
            Err(error) => self.failed = Some(error),
        }
        piece
    }

    fn is_over(&self) -> bool {
        self.failed.is_some() || self.left() == 0
    }

    /// The digest counts only if the file is still the one that was opened.
    fn finish(self) -> Hashed<H::Digest> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        self.file.verify()?;
        Ok((self.end - self.start, self.hasher.finish()))
    }
}

struct Worker<'w, H: Hasher> {
    begin: &'w Begin<'w, H>,
    /// Files that are kept open.
    open: usize,
    /// From how many streams with a whole piece left on they are taken all at once; none: never.
    many: Option<usize>,
    count: &'w (dyn Fn(u64) + Sync),
    streams: Vec<Stream<H>>,
    done: Vec<(usize, Hashed<H::Digest>)>,
}

impl<H: Hasher> Worker<'_, H> {
    fn work(mut self, next: &dyn Fn() -> Option<usize>) -> Vec<(usize, Hashed<H::Digest>)> {
        let mut buffers = vec![vec![0; PIECE]; if self.many.is_some() { WIDTH } else { 2 }];
        loop {
            while self.streams.len() < self.open
                && let Some(index) = next()
            {
                self.start(index);
            }
            if self.streams.is_empty() {
                return self.done;
            }
            self.streams.sort_by_key(|stream| Reverse(stream.left()));
            let whole = self.streams.iter().take_while(|stream| stream.left() >= PIECE as u64).count();
            if self.many.is_some_and(|least| whole >= least) {
                self.step_many(whole, &mut buffers);
            } else {
                self.step(&mut buffers);
            }
            for stream in self.streams.extract_if(.., |stream| stream.is_over()) {
                self.done.push((stream.index, stream.finish()));
            }
        }
    }

    fn start(&mut self, index: usize) {
        match (self.begin)(index) {
            Some(Ok(stream)) => self.streams.push(stream),
            Some(Err(error)) => self.done.push((index, Err(error.into()))),
            None => {}
        }
    }

    /// One piece of the two streams with the most left.
    fn step(&mut self, buffers: &mut [Vec<u8>]) {
        let (Some((first, rest)), [buffer, other_buffer, ..]) = (self.streams.split_first_mut(), buffers)
        else {
            return;
        };
        let piece = first.read(buffer);
        let mut bytes = piece.len();
        match rest.first_mut() {
            Some(second) => {
                let other = second.read(other_buffer);
                bytes += other.len();
                first.hasher.update_two(piece, &mut second.hasher, other);
            }
            None => first.hasher.update(piece),
        }
        (self.count)(bytes as u64);
    }

    /// One piece of each of the `whole` first, which have one; the last of the others, which would wait for all of them, ends.
    fn step_many(&mut self, whole: usize, buffers: &mut [Vec<u8>]) {
        let (whole, short) = self.streams.split_at_mut(whole);
        if let (Some(last), [buffer, ..]) = (short.last_mut(), &mut *buffers) {
            let piece = last.read(buffer);
            last.hasher.update(piece);
            (self.count)(piece.len() as u64);
        }
        let mut pieces: Vec<(&mut H, &[u8])> = Vec::with_capacity(WIDTH);
        for (stream, buffer) in whole.iter_mut().zip(buffers) {
            let bytes = stream.read(buffer);
            pieces.push((&mut stream.hasher, bytes));
        }
        let bytes: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
        H::update_many(&mut pieces);
        (self.count)(bytes as u64);
    }
}
