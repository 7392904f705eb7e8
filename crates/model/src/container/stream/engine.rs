//! Room `model`, container `stream`: one member of a compressed stream -> its bytes, and the input behind it.
//!
//! Libraries decode; what they do not look at is looked at here and beside: ends that are missing, sizes and check sums
//! that members announce.

use std::io::BufRead as _;
use std::io::Error;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Result;

use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use lzma_rust2::Action;
use lzma_rust2::LzmaReader;
use lzma_rust2::Status;
use lzma_rust2::XzStream;

use super::Codec;
use super::checked::Gzip;
use super::checked::Zlib;
use super::feed::Feed;
use super::zstd::Zstd;

/// A decoder inside of one member.
pub(super) enum Engine {
    Bzip2(Packed<bzip2::Decompress>),
    Gzip(Gzip),
    Lz4(Box<Lz4Decoder<Feed>>),
    Lzma(Box<LzmaReader<Feed>>),
    Xz(Box<Packed<XzStream>>),
    Zlib(Zlib),
    Zstd(Box<Zstd>),
}

/// What a member turned out to be when it ended.
pub(super) struct Closed {
    /// Stands behind the member.
    pub(super) feed: Feed,
    /// Something that is not as the member says, although all of it was decoded.
    pub(super) wrong: Option<&'static str>,
}

impl Engine {
    /// Reads the header of a member that begins where `feed` stands. `memory` is for later windows of the same member.
    pub(super) fn open(codec: Codec, feed: Feed, memory: u64) -> Result<Self> {
        Ok(match codec {
            Codec::Bzip2 => Self::Bzip2(Packed::new(bzip2::Decompress::new(false), feed)),
            Codec::Gzip => Self::Gzip(Gzip::open(feed)?),
            Codec::Lz4 => Self::Lz4(Box::new(Lz4Decoder::new(feed))),
            Codec::Lzma => {
                let mut decoder = LzmaReader::new_mem_limit(feed, u32::MAX, None)?;
                // What was decoded before an error counts.
                decoder.set_defer_errors(true);
                Self::Lzma(Box::new(decoder))
            }
            Codec::Xz => {
                let limit = u32::try_from(memory >> 10).unwrap_or(u32::MAX);
                Self::Xz(Box::new(Packed::new(XzStream::new_mem_limit(false, limit), feed)))
            }
            Codec::Zlib => Self::Zlib(Zlib::open(feed)?),
            Codec::Zstd => Self::Zstd(Box::new(Zstd::open(feed)?)),
        })
    }

    /// Where in the source the decoder is.
    pub(super) fn at(&self) -> u64 {
        match self {
            Self::Bzip2(packed) => packed.feed.at(),
            Self::Gzip(gzip) => gzip.at(),
            Self::Lz4(decoder) => decoder.get_ref().at(),
            Self::Lzma(decoder) => decoder.inner().at(),
            Self::Xz(packed) => packed.feed.at(),
            Self::Zlib(zlib) => zlib.at(),
            Self::Zstd(zstd) => zstd.at(),
        }
    }

    /// Ends the member behind which nothing more was decoded.
    pub(super) fn close(self) -> Result<Closed> {
        let whole = |feed| Ok(Closed { feed, wrong: None });
        match self {
            Self::Bzip2(packed) => whole(packed.feed),
            Self::Gzip(gzip) => gzip.close(),
            Self::Lz4(decoder) => {
                let feed = decoder.into_inner();
                // The library takes the end of the input for the end of the frame.
                if feed.ran_dry { Err(cut()) } else { whole(feed) }
            }
            Self::Lzma(decoder) => {
                let (mut feed, unused) = decoder.into_parts();
                feed.seek(feed.at() - unused.len() as u64);
                whole(feed)
            }
            Self::Xz(packed) => whole(packed.feed),
            Self::Zlib(zlib) => zlib.close(),
            Self::Zstd(zstd) => Ok(zstd.close()),
        }
    }
}

impl Read for Engine {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Bzip2(packed) => packed.read(buffer),
            Self::Gzip(gzip) => gzip.read(buffer),
            Self::Lz4(decoder) => decoder.read(buffer),
            Self::Lzma(decoder) => decoder.read(buffer),
            Self::Xz(packed) => packed.read(buffer),
            Self::Zlib(zlib) => zlib.read(buffer),
            Self::Zstd(zstd) => zstd.read(buffer),
        }
    }
}

pub(super) fn cut() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the stream ends before it is complete")
}

/// Takes bytes and gives bytes.
pub(super) trait Step {
    /// Bytes taken, bytes given, and whether the end was met; what was given before an error counts.
    fn step(&mut self, input: &[u8], output: &mut [u8], is_last: bool) -> (usize, usize, Result<bool>);
}

impl Step for flate2::Decompress {
    fn step(&mut self, input: &[u8], output: &mut [u8], _is_last: bool) -> (usize, usize, Result<bool>) {
        let (taken, given) = (self.total_in(), self.total_out());
        let status = self.decompress(input, output, flate2::FlushDecompress::None);
        let ended = status.map(|status| status == flate2::Status::StreamEnd).map_err(Error::from);
        (count(self.total_in() - taken), count(self.total_out() - given), ended)
    }
}

impl Step for bzip2::Decompress {
    fn step(&mut self, input: &[u8], output: &mut [u8], _is_last: bool) -> (usize, usize, Result<bool>) {
        let (taken, given) = (self.total_in(), self.total_out());
        let status = self.decompress(input, output);
        let ended = status.map(|status| status == bzip2::Status::StreamEnd).map_err(Error::from);
        (count(self.total_in() - taken), count(self.total_out() - given), ended)
    }
}

impl Step for XzStream {
    fn step(&mut self, input: &[u8], output: &mut [u8], is_last: bool) -> (usize, usize, Result<bool>) {
        let (taken, given) = (self.total_in(), self.total_out());
        let action = if is_last { Action::Finish } else { Action::Run };
        let ended = self.process(input, output, action).map(|result| result.status == Status::StreamEnd);
        (count(self.total_in() - taken), count(self.total_out() - given), ended)
    }
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Steps in a row that take and give nothing, before a stream counts as one that ends here.
const IDLE: usize = 8;

/// A decoder with its input. It knows its end, so that a stream that is cut is not taken for one that ended.
pub(super) struct Packed<D> {
    decoder: D,
    pub(super) feed: Feed,
    ended: bool,
    failed: Option<Error>,
}

impl<D: Step> Packed<D> {
    pub(super) fn new(decoder: D, feed: Feed) -> Self {
        Self { decoder, feed, ended: false, failed: None }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut idle = 0;
        while !self.ended && !buffer.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let input = self.feed.fill_buf()?;
            let is_last = input.is_empty();
            let (taken, given, ended) = self.decoder.step(input, buffer, is_last);
            self.feed.consume(taken);
            match ended {
                Ok(ended) => self.ended = ended,
                Err(error) => self.failed = Some(error),
            }
            if given > 0 {
                return Ok(given);
            } else if is_last && !self.ended {
                return Err(self.failed.take().unwrap_or_else(cut));
            }
            // No codec takes nothing and gives nothing for long; one that does must not hold a scan up.
            idle = if taken > 0 { 0 } else { idle + 1 };
            if idle > IDLE && self.failed.is_none() && !self.ended {
                return Err(cut());
            }
        }
        Ok(0)
    }
}
