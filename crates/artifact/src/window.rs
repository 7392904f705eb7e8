//! Room `artifact`: a source enters, a reader that moves forward over it leaves: one buffer, refilled, never grown.

use crate::ReadError;
use crate::Source;

/// Most bytes that are kept of a source.
const CAPACITY: usize = 1 << 20;
/// First read, and the first behind a jump: whoever looks at the beginning of something may be done with it. Each next one
/// is four times as long, up to what stays in the second-level cache.
const FIRST: usize = 4 << 10;
const MOST: usize = 256 << 10;

/// A place in a source, with the bytes around it in memory.
pub struct Window<'s> {
    source: &'s dyn Source,
    buffer: Vec<u8>,
    /// Where in the source the buffer starts.
    base: u64,
    /// Place in the buffer; behind its end after a long skip.
    place: usize,
    len: u64,
    /// Bytes of the next read.
    next: usize,
}

impl<'s> Window<'s> {
    /// Starts at byte `at`.
    pub fn new(source: &'s dyn Source, at: u64) -> Self {
        Self { source, buffer: Vec::new(), base: at, place: 0, len: source.len(), next: FIRST }
    }

    /// The byte of the source that comes next.
    #[inline]
    pub fn at(&self) -> u64 {
        self.base + self.place as u64
    }

    /// Length of the source.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the source has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that are left.
    #[inline]
    pub fn left(&self) -> u64 {
        self.len.saturating_sub(self.at())
    }

    /// The next byte; none at the end.
    #[inline]
    pub fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        if let Some(&byte) = self.buffer.get(self.place) {
            self.place += 1;
            return Ok(Some(byte));
        }
        self.byte_of_next_read()
    }

    #[cold]
    fn byte_of_next_read(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = self.fill(1)?.first().copied();
        self.place += usize::from(byte.is_some());
        Ok(byte)
    }

    /// The next `N` bytes; none where fewer are left, and then the place does not move.
    #[inline]
    pub fn take<const N: usize>(&mut self) -> Result<Option<[u8; N]>, ReadError> {
        if self.buffer.len() < self.place.saturating_add(N) {
            self.fill(N)?;
        }
        let bytes = self.buffer.get(self.place..).and_then(|rest| rest.first_chunk::<N>()).copied();
        if bytes.is_some() {
            self.place += N;
        }
        Ok(bytes)
    }

    /// What is in memory of the rest, at least `want` bytes of it unless the source or the buffer ends before.
    pub fn peek(&mut self, want: usize) -> Result<&[u8], ReadError> {
        if self.buffer.len() < self.place.saturating_add(want) {
            return self.fill(want);
        }
        Ok(self.buffer.get(self.place..).unwrap_or_default())
    }

    /// What is in memory of the rest, read by whoever moved before: nothing where a read is due.
    #[inline]
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.place..).unwrap_or_default()
    }

    /// Moves on without reading; false, and no move, where fewer bytes are left.
    #[inline]
    pub fn skip(&mut self, count: u64) -> bool {
        if count > self.left() {
            return false;
        }
        self.seek(self.at() + count);
        true
    }

    /// Moves anywhere.
    #[inline]
    pub fn seek(&mut self, at: u64) {
        match at.checked_sub(self.base).and_then(|place| usize::try_from(place).ok()) {
            Some(place) if place <= self.buffer.len() => self.place = place,
            _ => {
                self.buffer.clear();
                self.base = at;
                self.place = 0;
                self.next = FIRST;
            }
        }
    }

    /// Bytes of any place, from memory where they are there; the place does not move. Fewer only at the end.
    pub fn bytes_at(&self, at: u64, count: usize) -> Result<Vec<u8>, ReadError> {
        let held = at.checked_sub(self.base).and_then(|place| usize::try_from(place).ok());
        let held = held.and_then(|place| self.buffer.get(place..place.checked_add(count)?));
        if let Some(held) = held {
            return Ok(held.to_vec());
        }
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(left).min(CAPACITY)];
        let got = self.source.read_at(at, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// The held bytes from `at` to the place, where they are still in memory.
    #[inline]
    pub fn held(&self, at: u64, count: usize) -> Option<&[u8]> {
        let place = usize::try_from(at.checked_sub(self.base)?).ok()?;
        self.buffer.get(place..place.checked_add(count)?)
    }

    /// Reads on so that `want` bytes from the place on are in memory, if the source and the buffer have room for them.
    #[cold]
    fn fill(&mut self, want: usize) -> Result<&[u8], ReadError> {
        let at = self.at();
        let kept = self.buffer.len().saturating_sub(self.place);
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let size = self.next.max(want).min(CAPACITY).min(left);
        if size > kept {
            self.next = self.next.saturating_mul(4).min(MOST);
            self.buffer.drain(..self.buffer.len() - kept);
            self.base = at;
            self.place = 0;
            self.buffer.resize(size, 0);
            let rest = self.buffer.get_mut(kept..).unwrap_or_default();
            let got = match self.source.read_at(at + kept as u64, rest) {
                Ok(got) => got,
                Err(error) => {
                    self.buffer.truncate(kept);
                    return Err(error);
                }
            };
            self.buffer.truncate(kept + got);
        }
        Ok(self.buffer.get(self.place..).unwrap_or_default())
    }
}

impl std::fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("at", &self.at()).field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slice;

    #[test]
    fn reads_in_order_across_its_own_edges() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let source = Slice::new(bytes.clone());
        let mut window = Window::new(&source, 0);
        let mut at = 0;
        while let Some(byte) = window.byte().unwrap() {
            assert_eq!(byte, bytes[at]);
            at += 1;
            if at % 7 == 0 {
                let Some(four) = window.take::<4>().unwrap() else { break };
                assert_eq!(four, bytes[at..at + 4]);
                at += 4;
            }
        }
        assert!(at + 4 > bytes.len(), "{at}");
    }

    #[test]
    fn skips_and_seeks_without_reading_what_is_between() {
        let source = Slice::new((0..200_000_u32).map(|number| (number % 251) as u8).collect::<Vec<_>>());
        let mut window = Window::new(&source, 5);
        assert_eq!(window.byte().unwrap(), Some(5));
        assert!(window.skip(100_000));
        assert_eq!((window.at(), window.byte().unwrap()), (100_006, Some((100_006 % 251) as u8)));
        assert!(!window.skip(100_000), "past the end");
        assert_eq!(window.at(), 100_007);
        window.seek(1);
        assert_eq!(window.peek(3).unwrap()[..3], [1, 2, 3]);
        assert_eq!(window.bytes_at(199_999, 10).unwrap(), [(199_999 % 251) as u8]);
        assert!(window.skip(window.left()));
        assert_eq!(window.byte().unwrap(), None);
        assert_eq!(window.take::<1>().unwrap(), None);
    }
}
