//! Room `model`, container `stream`: gzip and zlib, deflate in a frame. The check sum is compared here, so that a false one
//! is told and the data is looked at all the same: loaders run what they have decoded before they come to the sum.

use std::io::Read as _;
use std::io::Result;

use super::engine::Closed;
use super::engine::Packed;
use super::engine::cut;
use super::feed::Feed;
use super::header;

/// RFC 1952: deflate between a header and eight bytes of check sum and length.
pub(super) struct Gzip {
    packed: Packed<flate2::Decompress>,
    crc: flate2::Crc,
}

impl Gzip {
    pub(super) fn open(mut feed: Feed) -> Result<Self> {
        header::gzip(&mut feed)?;
        Ok(Self { packed: Packed::new(flate2::Decompress::new(false), feed), crc: flate2::Crc::new() })
    }

    pub(super) fn at(&self) -> u64 {
        self.packed.feed.at()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let got = self.packed.read(buffer)?;
        self.crc.update(buffer.get(..got).unwrap_or_default());
        Ok(got)
    }

    /// Holds the data against what stands behind it.
    pub(super) fn close(mut self) -> Result<Closed> {
        let mut trailer = [0; 8];
        self.packed.feed.read_exact(&mut trailer).map_err(|_| cut())?;
        let [a, b, c, d, rest @ ..] = trailer;
        let wrong = if u32::from_le_bytes([a, b, c, d]) != self.crc.sum() {
            Some("a check sum that is not that of the data")
        } else if u32::from_le_bytes(rest) != self.crc.amount() {
            Some("a length that is not that of the data")
        } else {
            None
        };
        Ok(Closed { feed: self.packed.feed, wrong })
    }
}

/// RFC 1950: deflate between two bytes of header and a check sum.
pub(super) struct Zlib {
    packed: Packed<flate2::Decompress>,
    sum: Adler,
}

impl Zlib {
    pub(super) fn open(mut feed: Feed) -> Result<Self> {
        header::zlib(&mut feed)?;
        Ok(Self { packed: Packed::new(flate2::Decompress::new(false), feed), sum: Adler::default() })
    }

    pub(super) fn at(&self) -> u64 {
        self.packed.feed.at()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let got = self.packed.read(buffer)?;
        self.sum.update(buffer.get(..got).unwrap_or_default());
        Ok(got)
    }

    /// Holds the data against what stands behind it.
    pub(super) fn close(mut self) -> Result<Closed> {
        let mut trailer = [0; 4];
        self.packed.feed.read_exact(&mut trailer).map_err(|_| cut())?;
        let wrong = u32::from_be_bytes(trailer) != self.sum.sum();
        let wrong = wrong.then_some("a check sum that is not that of the data");
        Ok(Closed { feed: self.packed.feed, wrong })
    }
}

/// Adler-32, RFC 1950, section 8.2.
struct Adler {
    low: u32,
    high: u32,
}

impl Default for Adler {
    fn default() -> Self {
        Self { low: 1, high: 0 }
    }
}

impl Adler {
    const BASE: u32 = 65_521;
    /// Most bytes whose sums stay below 2^32.
    const PIECE: usize = 5552;

    fn update(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(Self::PIECE) {
            for byte in piece {
                self.low += u32::from(*byte);
                self.high += self.low;
            }
            self.low %= Self::BASE;
            self.high %= Self::BASE;
        }
    }

    fn sum(&self) -> u32 {
        self.high << 16 | self.low
    }
}
