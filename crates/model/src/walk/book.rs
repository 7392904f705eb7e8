//! Room `model`: what a walk writes down for who inspects; nothing of it where nobody does.

use ringfence_artifact::ReadError;
use ringfence_finding::SpanKind;

use super::Walk;

impl Walk<'_> {
    /// Does `read` with a page of the book of its own.
    pub(super) fn entered(&mut self, path: &str, bytes: u64, read: impl FnOnce(&mut Self) -> u64) -> u64 {
        if let Some(book) = &mut self.book {
            book.begin(path, bytes);
        }
        let explained = read(self);
        if let Some(book) = &mut self.book {
            book.end(explained);
        }
        explained
    }

    /// Writes down what a range of the source being read is.
    pub(super) fn span(&mut self, start: u64, end: u64, what: SpanKind, name: &str) {
        if let Some(book) = &mut self.book {
            book.span(start, end, what, name);
        }
    }

    /// A source that cannot be read while its objects are listed.
    pub(super) fn unread(&mut self, path: &str, read: Result<(), ReadError>) {
        if let Err(error) = read {
            self.tell(path, |judge| judge.read_error(0, &error));
        }
    }
}
