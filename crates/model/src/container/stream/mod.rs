//! Room `model`, container `stream`: gzip, zlib, bzip2, xz, lzma, zstd, lz4 -> the decoded bytes as a source.
//!
//! All members are decoded, one behind another, as loaders do. What is behind the last one is left to the caller; so is
//! what a skippable frame holds.

mod checked;
mod engine;
mod feed;
mod header;
#[cfg(test)]
pub(crate) mod tests;
mod zstd;

use std::io::Read;
use std::sync::Arc;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;

use super::decoded::Budget;
use super::decoded::Decoded;
use crate::limits::Limits;
use engine::Engine;
use feed::Feed;

/// What a decoder needs beside its window.
const OVERHEAD: u64 = 1 << 20;

/// Bytes of a skippable frame that hold a size and no code.
const SIZE: u64 = 4;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Bzip2,
    Gzip,
    Lz4,
    Lzma,
    Xz,
    Zlib,
    Zstd,
}

/// A compressed stream, decoded once from its beginning to its end.
pub(crate) struct Stream {
    pub(crate) decoded: Arc<dyn Source>,
    /// Byte behind the last member.
    pub(crate) end: u64,
    /// Members whose check sum or length is false, with the place of the member.
    pub(crate) wrong: Vec<(u64, &'static str)>,
    /// Contents of skippable frames that hold more than a size, and the first of those that are not listed any more.
    pub(crate) skipped: Vec<(u64, u64)>,
    pub(crate) unlisted: Option<u64>,
    /// Why it was not decoded to its end, and the compressed byte where it stopped.
    pub(crate) error: Option<(u64, ReadError)>,
    /// Memory that its decoders may take.
    pub(crate) windows: u64,
}

/// Decodes the whole of `source`; `windows` is the memory that its decoders may take.
pub(crate) fn read(source: &Arc<dyn Source>, codec: Codec, budget: &Budget, windows: u64) -> Stream {
    let mut unpacker = Unpacker::new(codec, Arc::clone(source), windows);
    // One decoder is enough where there is no room for two.
    let wanted = unpacker.window().min(windows);
    let cursors = if wanted.saturating_mul(4) > windows { 1 } else { 2 };
    let limit = source.len().saturating_mul(Limits::RATIO).max(1 << 30);
    let input = Arc::clone(source);
    let start =
        move || -> Box<dyn Read + Send> { Box::new(Unpacker::new(codec, Arc::clone(&input), windows)) };
    let (decoded, error) = Decoded::measured(Box::new(start), &mut unpacker, limit, budget.clone(), cursors);
    // A window is never larger than what was decoded.
    let taken = wanted.min(decoded.len()).saturating_mul(cursors as u64).min(windows);
    Stream {
        decoded: Arc::new(decoded),
        end: unpacker.end,
        error: error.map(|error| (unpacker.at, error)),
        wrong: unpacker.wrong,
        skipped: unpacker.skipped,
        unlisted: unpacker.unlisted,
        windows: taken,
    }
}

/// Members of a stream, one behind another, as one reader.
struct Unpacker {
    codec: Codec,
    state: State,
    /// Largest window that may be used.
    windows: u64,
    /// Bytes that the member in hand gave, and the window it announces.
    given: u64,
    wants: u64,
    members: u64,
    at: u64,
    end: u64,
    wrong: Vec<(u64, &'static str)>,
    skipped: Vec<(u64, u64)>,
    unlisted: Option<u64>,
}

enum State {
    Before(Feed),
    Inside(Engine),
    Done,
}

impl Unpacker {
    fn new(codec: Codec, source: Arc<dyn Source>, windows: u64) -> Self {
        Self {
            codec,
            state: State::Before(Feed::new(source)),
            windows,
            given: 0,
            wants: 0,
            members: 0,
            at: 0,
            end: 0,
            wrong: Vec::new(),
            skipped: Vec::new(),
            unlisted: None,
        }
    }

    /// The window of the first member.
    fn window(&self) -> u64 {
        match &self.state {
            State::Before(feed) => header::window(self.codec, feed).ok().flatten().unwrap_or(self.windows),
            _ => self.wants,
        }
    }

    /// The next member, or none behind the last one.
    fn next(&mut self, mut feed: Feed) -> std::io::Result<Option<Engine>> {
        while let Some(len) = header::skippable(self.codec, &feed)? {
            let (start, until) = (feed.at() + 8, feed.at() + len);
            if until > feed.len() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            // Parallel writers put one with a size of four bytes before each of their frames.
            if until - start > SIZE {
                if self.skipped.len() < Limits::GAPS {
                    self.skipped.push((start, until));
                } else {
                    self.unlisted.get_or_insert(start);
                }
            }
            feed.seek(until);
            self.end = until;
        }
        if self.members > 0 {
            if matches!(self.codec, Codec::Gzip | Codec::Xz) {
                feed.skip_zeros()?;
                self.end = feed.at();
            }
            let (bytes, got) = feed.peek::<6>()?;
            if got == 0 || !header::begins(self.codec, bytes) {
                return Ok(None);
            }
        } else if feed.at() == feed.len() && feed.at() > 0 {
            return Ok(None); // skippable frames and nothing else
        }
        self.members += 1;
        self.at = feed.at();
        self.given = 0;
        self.wants = header::window(self.codec, &feed)?.unwrap_or(self.windows);
        feed.ran_dry = false;
        Engine::open(self.codec, feed, self.wants.max(self.windows).saturating_add(OVERHEAD)).map(Some)
    }

    /// A decoder keeps no more than it gave: a large window is no matter until so much was decoded.
    fn is_too_wide(&self) -> bool {
        self.wants.min(self.given) > self.windows
    }

    fn step(&mut self, buffer: &mut [u8]) -> std::io::Result<Option<usize>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Done => Ok(Some(0)),
            State::Before(feed) => match self.next(feed)? {
                Some(engine) => {
                    self.state = State::Inside(engine);
                    Ok(None)
                }
                None => Ok(Some(0)),
            },
            State::Inside(mut engine) => {
                let start = self.at;
                let got = engine.read(buffer).inspect_err(|_| self.at = engine.at())?;
                self.given += got as u64;
                if self.is_too_wide() {
                    self.at = engine.at();
                    let error = ReadError::Window { bytes: self.wants, limit: self.windows };
                    return Err(std::io::Error::other(error));
                }
                if got > 0 {
                    self.state = State::Inside(engine);
                    return Ok(Some(got));
                }
                let at = engine.at();
                let closed = engine.close().inspect_err(|_| self.at = at)?;
                self.end = closed.feed.at();
                if let Some(what) = closed.wrong.filter(|_| self.wrong.len() < Limits::GAPS) {
                    self.wrong.push((start, what));
                }
                self.state = State::Before(closed.feed);
                Ok(None)
            }
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(got) = self.step(buffer)? {
                return Ok(got);
            }
        }
    }
}
