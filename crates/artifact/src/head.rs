//! Room `artifact`: a source enters, the same source leaves with its first bytes in memory: whoever recognises formats asks
//! for them a dozen times, and each question to the system costs more than the answer.

use std::sync::OnceLock;

use crate::ReadError;
use crate::Source;

/// Bytes that are kept: most files of a repository beside its weights are smaller.
const KEPT: usize = 32 << 10;

/// A source that is asked for its first 32 KiB once.
#[derive(Debug)]
pub struct Head<S> {
    source: S,
    /// None where they could not be read: then each question goes to the source, and gets its error.
    head: OnceLock<Option<Box<[u8]>>>,
}

impl<S: Source> Head<S> {
    /// Reads nothing yet.
    pub fn new(source: S) -> Self {
        Self { source, head: OnceLock::new() }
    }

    /// The source, without what was kept.
    pub fn into_source(self) -> S {
        self.source
    }

    fn head(&self) -> &[u8] {
        let read = || {
            let mut bytes = vec![0; KEPT.min(usize::try_from(self.source.len()).unwrap_or(KEPT))];
            let got = self.source.read_at(0, &mut bytes).ok()?;
            bytes.truncate(got);
            Some(bytes.into_boxed_slice())
        };
        self.head.get_or_init(read).as_deref().unwrap_or_default()
    }
}

impl<S: Source> Source for Head<S> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let left = usize::try_from(self.source.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let place = usize::try_from(at).ok().filter(|at| at.checked_add(want).is_some_and(|end| end <= KEPT));
        let held = place.and_then(|at| self.head().get(at..at + want));
        match (held, buffer.get_mut(..want)) {
            (Some(held), Some(room)) => {
                room.copy_from_slice(held);
                Ok(want)
            }
            _ => self.source.read_at(at, buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::Slice;

    /// Counts questions, and fails from the second on where it is told to.
    struct Asked {
        source: Slice,
        times: AtomicUsize,
        fails: bool,
    }

    impl Source for Asked {
        fn len(&self) -> u64 {
            self.source.len()
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
            self.times.fetch_add(1, Ordering::Relaxed);
            if self.fails { Err(ReadError::Changed) } else { self.source.read_at(at, buffer) }
        }
    }

    fn asked(bytes: Vec<u8>, fails: bool) -> Head<Asked> {
        Head::new(Asked { source: Slice::new(bytes), times: AtomicUsize::new(0), fails })
    }

    fn read(head: &Head<Asked>, at: u64, want: usize) -> Result<Vec<u8>, ReadError> {
        let mut buffer = vec![0; want];
        let got = head.read_at(at, &mut buffer)?;
        buffer.truncate(got);
        Ok(buffer)
    }

    #[test]
    fn the_first_bytes_are_asked_for_once_and_all_are_the_same() {
        let bytes: Vec<u8> = (0..251).cycle().take(KEPT + 1000).collect();
        let head = asked(bytes.clone(), false);
        for (at, want) in [(0, 40), (512, 8), (0, KEPT), (KEPT - 7, 7), (KEPT, 0)] {
            assert_eq!(read(&head, at as u64, want).unwrap(), bytes[at..at + want], "{at} {want}");
        }
        assert_eq!(head.source.times.load(Ordering::Relaxed), 1);
        for (at, want) in [(KEPT - 7, 8), (KEPT + 1, 100), (KEPT + 990, 100)] {
            let end = bytes.len().min(at + want);
            assert_eq!(read(&head, at as u64, want).unwrap(), bytes[at..end], "{at} {want}");
        }
        let small = asked(bytes[..100].to_vec(), false);
        assert_eq!(read(&small, 90, 4096).unwrap(), bytes[90..100]);
        assert_eq!(read(&small, 100, 1).unwrap(), []);
        assert_eq!(small.source.times.load(Ordering::Relaxed), 1);
        assert_eq!(read(&small, u64::MAX, 1).unwrap(), []);
    }

    #[test]
    fn an_error_is_that_of_the_source_each_time() {
        let head = asked(vec![1; 10], true);
        assert!(matches!(read(&head, 0, 4), Err(ReadError::Changed)));
        assert!(matches!(read(&head, 4, 4), Err(ReadError::Changed)));
    }
}
