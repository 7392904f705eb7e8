//! Room `model`, container `stream`: a frame of zstd (RFC 8878). The library computes the check sum and compares nothing, and
//! holds back a whole window until the frame ends: where a frame breaks off, an empty last block of ours ends it.

use std::io::Error;
use std::io::Read as _;
use std::io::Result;

use ringfence_artifact::ReadError;
use ruzstd::decoding::BlockDecodingStrategy;
use ruzstd::decoding::FrameDecoder;

use super::engine::Closed;
use super::feed::Feed;
use super::header;

/// Largest window that is begun with, as `zstd` itself has it; how much of it may be used is the caller's matter.
const WINDOW: u64 = 128 << 20;
/// A raw block without content that is the last one, and room for a check sum.
const LAST: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

pub(super) struct Zstd {
    decoder: FrameDecoder,
    feed: Feed,
    announced: Option<u64>,
    given: u64,
    failed: Option<Error>,
}

impl Zstd {
    pub(super) fn open(mut feed: Feed) -> Result<Self> {
        let frame = header::zstd(&feed)?;
        if let Some(frame) = frame.filter(|frame| frame.window > WINDOW) {
            return Err(Error::other(ReadError::Window { bytes: frame.window, limit: WINDOW }));
        }
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        decoder.init(&mut feed).map_err(Error::other)?;
        let announced = frame.and_then(|frame| frame.content);
        Ok(Self { decoder, feed, announced, given: 0, failed: None })
    }

    pub(super) fn at(&self) -> u64 {
        self.feed.at()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.decoder.can_collect() == 0 {
            if let Some(error) = self.failed.take() {
                return Err(error);
            } else if self.decoder.is_finished() {
                return Ok(0);
            }
            let one = BlockDecodingStrategy::UptoBlocks(1);
            if let Err(error) = self.decoder.decode_blocks(&mut self.feed, one) {
                self.failed = Some(Error::other(error));
                let ended = self.decoder.decode_blocks(&LAST[..], BlockDecodingStrategy::UptoBlocks(1));
                ended.map_err(Error::other)?;
            }
        }
        let got = self.decoder.read(buffer)?;
        self.given += got as u64;
        Ok(got)
    }

    /// Holds the data against what the frame says of it.
    pub(super) fn close(self) -> Closed {
        let (stated, sum) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        let wrong = if stated.is_some() && stated != sum {
            Some("a check sum that is not that of the data")
        } else if self.announced.is_some_and(|bytes| bytes != self.given) {
            Some("a length that is not that of the data")
        } else {
            None
        };
        Closed { feed: self.feed, wrong }
    }
}
