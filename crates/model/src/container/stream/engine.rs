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
use lzma_rust2::LzmaReader;
use lzma_rust2::XzReader;

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
    Xz(Box<XzReader<Feed>>),
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
    /// Reads the header of a member that begins where `feed` stands.
    pub(super) fn open(codec: Codec, feed: Feed) -> Result<Self> {
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
            Codec::Xz => Self::Xz(Box::new(XzReader::new(feed, false))),
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
            Self::Xz(decoder) => decoder.inner().at(),
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
            Self::Xz(decoder) => whole(decoder.into_inner()),
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
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Zlib(zlib) => zlib.read(buffer),
            Self::Zstd(zstd) => zstd.read(buffer),
        }
    }
}

pub(super) fn cut() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the stream ends before it is complete")
}

/// Takes bytes and gives bytes; `flate2` and `bzip2` are alike.
pub(super) trait Step {
    /// Bytes taken, bytes given, and whether the end was met.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize, bool)>;
}

impl Step for flate2::Decompress {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize, bool)> {
        let (taken, given) = (self.total_in(), self.total_out());
        let status = self.decompress(input, output, flate2::FlushDecompress::None);
        let (taken, given) = (count(self.total_in() - taken), count(self.total_out() - given));
        match status {
            // What was decoded before the error counts; the error comes again.
            Err(_) if given > 0 => Ok((taken, given, false)),
            status => Ok((taken, given, status? == flate2::Status::StreamEnd)),
        }
    }
}

impl Step for bzip2::Decompress {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize, bool)> {
        let (taken, given) = (self.total_in(), self.total_out());
        let status = self.decompress(input, output);
        let (taken, given) = (count(self.total_in() - taken), count(self.total_out() - given));
        match status {
            Err(_) if given > 0 => Ok((taken, given, false)),
            status => Ok((taken, given, status? == bzip2::Status::StreamEnd)),
        }
    }
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A decoder with its input. It knows its end, so that a stream that is cut is not taken for one that ended.
pub(super) struct Packed<D> {
    decoder: D,
    pub(super) feed: Feed,
    ended: bool,
}

impl<D: Step> Packed<D> {
    pub(super) fn new(decoder: D, feed: Feed) -> Self {
        Self { decoder, feed, ended: false }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let input = self.feed.fill_buf()?;
            let is_last = input.is_empty();
            let (taken, given, ended) = self.decoder.step(input, buffer)?;
            self.feed.consume(taken);
            self.ended = ended;
            if given > 0 {
                return Ok(given);
            } else if is_last && !ended {
                return Err(cut());
            }
        }
        Ok(0)
    }
}
