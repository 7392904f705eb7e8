//! Room `model`: what came of each file enters by the number in which the file was listed, and leaves in the order of names.
//!
//! Whoever has judged a file puts it in its place: to order ten thousand of them at the end would keep all cores but one
//! waiting.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

/// Results of type `R`.
pub(crate) struct Results<R> {
    /// Those that came before the order of all files was known.
    early: Mutex<Vec<(usize, R)>>,
    places: OnceLock<Places<R>>,
}

struct Places<R> {
    /// By the number in which a file was listed.
    ranks: Vec<usize>,
    /// By rank.
    results: Vec<Mutex<Option<R>>>,
}

impl<R> Default for Results<R> {
    fn default() -> Self {
        Self { early: Mutex::default(), places: OnceLock::new() }
    }
}

impl<R> Results<R> {
    /// The result of file number `at`.
    pub(crate) fn put(&self, at: usize, result: R) {
        match self.places.get() {
            Some(places) => places.put(at, result),
            None => lock(&self.early).push((at, result)),
        }
    }

    /// Takes the rank of each file by its number; only the first call counts.
    pub(crate) fn order(&self, ranks: Vec<usize>) {
        let results = ranks.iter().map(|_| Mutex::default()).collect();
        self.places.get_or_init(|| Places { ranks, results });
    }

    /// All results by rank.
    pub(crate) fn into_vec(self) -> Vec<R> {
        let Some(places) = self.places.into_inner() else { return Vec::new() };
        for (at, result) in self.early.into_inner().unwrap_or_else(PoisonError::into_inner) {
            places.put(at, result);
        }
        let results = places.results.into_iter();
        results.filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

impl<R> Places<R> {
    fn put(&self, at: usize, result: R) {
        let place = self.ranks.get(at).and_then(|rank| self.results.get(*rank));
        place.into_iter().zip([result]).for_each(|(place, result)| *lock(place) = Some(result));
    }
}

/// A panic behind these locks could only come from a lack of memory, and what they guard is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_leave_by_rank_whether_they_came_before_the_order_or_behind_it() {
        let results = Results::default();
        results.put(2, "c");
        results.put(0, "d");
        results.order(vec![3, 0, 2, 1]);
        results.put(3, "b");
        results.put(1, "a");
        assert_eq!(results.into_vec(), ["a", "b", "c", "d"]);
        assert_eq!(Results::<u8>::default().into_vec(), [0_u8; 0]);
    }
}
