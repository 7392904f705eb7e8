//! Room `model`: files enter in the order in which they are judged, and are told in the order of their numbers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use ringfence_finding::ModelFile;

/// Takes a file that is judged.
pub type Tell<'t> = dyn Fn(&ModelFile) + Sync + 't;

/// Files that are judged and wait for those before them.
pub(crate) struct Line<'t> {
    tell: &'t Tell<'t>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: usize,
    /// None where the file is told later.
    files: BTreeMap<usize, Option<ModelFile>>,
}

impl<'t> Line<'t> {
    pub(crate) fn new(tell: &'t Tell<'t>) -> Self {
        Self { tell, waiting: Mutex::default() }
    }

    /// File number `at`; none where it is told later.
    pub(crate) fn judged(&self, at: usize, file: Option<ModelFile>) {
        // A panic behind this lock could only come from `tell`, and what waits is whole all the same.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.files.insert(at, file);
        while let Some(file) = {
            let next = waiting.next;
            waiting.files.remove(&next)
        } {
            waiting.next += 1;
            file.iter().for_each(self.tell);
        }
    }
}
