//! Room `artifact`: what bytes come from. A source is read by position; nothing keeps a place in it.

use std::io;
use std::sync::Arc;

/// Bytes of a known length that can be read at any place, from several threads.
pub trait Source: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from byte `at` on and says how much; less than asked for only at the end.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError>;
}

/// Bytes that could not be read although the source says it has them.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not the one that was opened, or its length or times moved while it was read.
    #[error("the file changed while it was read")]
    Changed,
    /// What a decoder said about its input.
    #[error("cannot decode from byte {at} on: {cause}")]
    Decode {
        /// Byte of the decoded stream at which it stopped.
        at: u64,
        /// The decoder's words.
        cause: Arc<str>,
    },
    /// A budget of decoded bytes was used up.
    #[error("more than {limit} bytes to decode")]
    Limit {
        /// The budget, in bytes.
        limit: u64,
    },
    /// A decoder would have to keep more of what it has decoded than there is memory for.
    #[error("a window of {bytes} bytes to decode with, more than {limit}")]
    Window {
        /// What the stream demands, in bytes.
        bytes: u64,
        /// The budget, in bytes.
        limit: u64,
    },
    /// The operating system refused.
    #[error("cannot read byte {at}: {cause}")]
    Io {
        /// First byte asked for.
        at: u64,
        /// The system's words.
        cause: Arc<io::Error>,
    },
}

/// Bytes in memory.
#[derive(Clone, Debug)]
pub struct Slice(Arc<[u8]>);

impl Slice {
    /// Takes the bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }
}

impl Source for Slice {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// A range of another source.
#[derive(Clone)]
pub struct View {
    parent: Arc<dyn Source>,
    start: u64,
    len: u64,
}

impl View {
    /// `len` bytes of `parent` from `start` on, or as many of them as there are.
    pub fn new(parent: Arc<dyn Source>, start: u64, len: u64) -> Self {
        let len = len.min(parent.len().saturating_sub(start));
        Self { parent, start, len }
    }
}

impl Source for View {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let rest = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = rest.min(buffer.len());
        match buffer.get_mut(..count) {
            Some(buffer) if count > 0 => self.parent.read_at(self.start.saturating_add(at), buffer),
            _ => Ok(0),
        }
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_ends_where_it_says_and_where_its_parent_does() {
        let whole: Arc<dyn Source> = Arc::new(Slice::new(*b"0123456789"));
        let read = |view: &View, at, want: usize| {
            let mut buffer = vec![0; want];
            let count = view.read_at(at, &mut buffer).unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        let view = View::new(Arc::clone(&whole), 3, 4);
        assert_eq!((view.len(), read(&view, 0, 9).as_str(), read(&view, 3, 9).as_str()), (4, "3456", "6"));
        assert_eq!(read(&view, 4, 1), "");
        let past = View::new(Arc::clone(&whole), 8, u64::MAX);
        assert_eq!((past.len(), read(&past, 1, 9).as_str()), (2, "9"));
        assert_eq!(View::new(whole, u64::MAX, u64::MAX).len(), 0);
    }
}
