//! Room `model`, container `stream`: a source as compressed input: one buffer, and the place of the next byte.

use std::io::BufRead;
use std::io::Read;
use std::io::Result;
use std::sync::Arc;

use ringfence_artifact::Source;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Compressed input. Decoders take it by value and hand it back behind the last byte of what they decoded.
pub(super) struct Feed {
    source: Arc<dyn Source>,
    buffer: Vec<u8>,
    place: usize,
    /// Where in the source the buffer ends.
    end: u64,
    /// Whether somebody asked for more than there is.
    pub(super) ran_dry: bool,
}

impl Feed {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, buffer: Vec::new(), place: 0, end: 0, ran_dry: false }
    }

    /// The byte of the source that comes next.
    pub(super) fn at(&self) -> u64 {
        self.end - (self.buffer.len() - self.place) as u64
    }

    /// Length of the source.
    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    /// The next bytes, without taking them; fewer at the end.
    pub(super) fn peek<const N: usize>(&self) -> Result<([u8; N], usize)> {
        let mut bytes = [0; N];
        let got = self.source.read_at(self.at(), &mut bytes).map_err(std::io::Error::other)?;
        Ok((bytes, got))
    }

    /// Goes on at `at`.
    pub(super) fn seek(&mut self, at: u64) {
        self.buffer.clear();
        self.place = 0;
        self.end = at;
    }

    /// Passes over zeros and says how many there were.
    pub(super) fn skip_zeros(&mut self) -> Result<u64> {
        let from = self.at();
        loop {
            let here = self.fill_buf()?;
            let zeros = here.iter().take_while(|byte| **byte == 0).count();
            let all = zeros == here.len();
            if zeros == 0 {
                self.ran_dry = false;
                return Ok(self.at() - from);
            }
            self.consume(zeros);
            if !all {
                return Ok(self.at() - from);
            }
        }
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let here = self.fill_buf()?;
        let count = here.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), here.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.place >= self.buffer.len() {
            self.buffer.resize(PIECE, 0);
            self.place = 0;
            let got = self.source.read_at(self.end, &mut self.buffer).map_err(std::io::Error::other);
            self.buffer.truncate(*got.as_ref().unwrap_or(&0));
            self.end += got? as u64;
            self.ran_dry |= self.buffer.is_empty();
        }
        Ok(self.buffer.get(self.place..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.place = (self.place + count).min(self.buffer.len());
    }
}
