//! Room `model`: files of a folder enter as they are listed, and leave one by one to whoever is free to look at them.
//!
//! A folder is looked at while it is still being listed: alone, listing would keep all cores but one waiting.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use ringfence_artifact::Entry;

/// Files that are handed over at a time; each of them is taken by itself, for one may be a thousand times as long as another.
const PIECE: usize = 64;

/// Files by the number in which they were listed.
#[derive(Default)]
pub(crate) struct Queue {
    next: AtomicUsize,
    listed: Mutex<Listed>,
    changed: Condvar,
}

#[derive(Default)]
struct Listed {
    /// All but the last are full.
    pieces: Vec<Arc<[Entry]>>,
    is_whole: bool,
}

/// Whoever lists: when it is dropped, no more files come.
pub(crate) struct Lister<'q> {
    queue: &'q Queue,
    piece: Vec<Entry>,
}

impl Queue {
    /// To be asked for once.
    pub(crate) fn lister(&self) -> Lister<'_> {
        Lister { queue: self, piece: Vec::with_capacity(PIECE) }
    }

    /// Looks at files that nobody else looks at, until there are no more; waits for those that are still to be listed.
    pub(crate) fn each(&self, mut look: impl FnMut(usize, &Entry)) {
        let mut held: Option<(usize, Arc<[Entry]>)> = None;
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let number = at / PIECE;
            if held.as_ref().is_none_or(|(held, _)| *held != number) {
                held = self.piece(number).map(|piece| (number, piece));
            }
            let Some(entry) = held.as_ref().and_then(|(_, piece)| piece.get(at % PIECE)) else { return };
            look(at, entry);
        }
    }

    fn piece(&self, number: usize) -> Option<Arc<[Entry]>> {
        let mut listed = self.lock();
        loop {
            match listed.pieces.get(number) {
                Some(piece) => return Some(Arc::clone(piece)),
                None if listed.is_whole => return None,
                None => listed = self.changed.wait(listed).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// For each file that was listed, its place in the order of all of them.
    pub(crate) fn ranks(&self) -> Vec<usize> {
        let pieces = self.lock().pieces.clone();
        let entries = pieces.iter().flat_map(|piece| piece.iter());
        let mut order: Vec<(&Entry, usize)> = entries.enumerate().map(|(at, entry)| (entry, at)).collect();
        order.sort_unstable();
        let mut ranks = vec![0; order.len()];
        for (rank, (_, at)) in order.into_iter().enumerate() {
            ranks.get_mut(at).into_iter().for_each(|place| *place = rank);
        }
        ranks
    }

    /// A panic behind this lock could only come from a lack of memory, and what it guards is whole all the same.
    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lister<'_> {
    pub(crate) fn add(&mut self, entry: Entry) {
        self.piece.push(entry);
        if self.piece.len() == PIECE {
            self.hand_over(false);
        }
    }

    fn hand_over(&mut self, is_whole: bool) {
        let mut listed = self.queue.lock();
        if !self.piece.is_empty() {
            listed.pieces.push(self.piece.drain(..).collect());
        }
        listed.is_whole |= is_whole;
        drop(listed);
        self.queue.changed.notify_all();
    }
}

impl Drop for Lister<'_> {
    fn drop(&mut self) {
        // Whatever ended the listing: nobody waits for what does not come.
        self.hand_over(true);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn files_are_taken_once_and_before_all_are_listed() {
        let entries = entries("taken", 3 * PIECE + 1);
        let queue = Queue::default();
        let (send, taken) = mpsc::channel();
        let mut seen = thread::scope(|scope| {
            for _ in 0..8 {
                let (queue, send) = (&queue, send.clone());
                scope.spawn(move || queue.each(|at, entry| send.send((at, entry.name.clone())).unwrap()));
            }
            let mut lister = queue.lister();
            let (first, rest) = entries.split_at(PIECE);
            first.iter().cloned().for_each(|entry| lister.add(entry));
            // The lister goes on when the takers have what it has listed: none of them waits for the end.
            let mut seen: Vec<_> = taken.iter().take(PIECE).collect();
            rest.iter().cloned().for_each(|entry| lister.add(entry));
            drop(lister);
            drop(send);
            seen.extend(taken.iter());
            seen
        });
        seen.sort();
        let all: Vec<_> = entries.iter().map(|entry| entry.name.clone()).enumerate().collect();
        assert_eq!(seen, all);

        let ranks = queue.ranks();
        let mut names = vec![""; entries.len()];
        for (at, entry) in entries.iter().enumerate() {
            names[ranks[at]] = &entry.name;
        }
        assert!(names.is_sorted() && names[0] == "0", "{names:?}");
    }

    #[test]
    fn nobody_waits_for_a_listing_that_failed() {
        let queue = Queue::default();
        thread::scope(|scope| {
            let taker = scope.spawn(|| queue.each(|at, _| panic!("file {at} of none")));
            drop(queue.lister());
            taker.join().unwrap();
        });
        assert_eq!(queue.ranks(), [0_usize; 0]);
    }

    fn entries(name: &str, count: usize) -> Vec<Entry> {
        let folder =
            std::env::temp_dir().join(format!("ringfence-model-queue-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..count {
            fs::write(folder.join(number.to_string()), b"").unwrap();
        }
        let mut entries = Vec::new();
        ringfence_artifact::list(&folder, &mut |entry| entries.push(entry)).unwrap();
        fs::remove_dir_all(folder).unwrap();
        entries
    }
}
