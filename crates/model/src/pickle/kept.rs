//! Room `model`, pickle: what lists and dicts hold, where somebody asks for it. Most of them are only counted.

use std::collections::HashMap;
use std::collections::HashSet;

use super::machine::Machine;
use super::value::Container;
use super::value::Value;

/// Items of containers, by the index of the container's size.
#[derive(Debug, Default)]
pub(super) struct Kept {
    items: HashMap<u32, Vec<Value>>,
    /// Containers whose items were kept once, and are not any more.
    dropped: HashSet<u32>,
    total: usize,
    /// Containers before this one were filled when less was kept.
    since: u32,
    /// Most items that are kept of one container; nothing is kept at 0.
    most: usize,
    /// What names that were looked up ask for: they are known in all later streams.
    asked: usize,
    /// From this container on it is known which hold more than words.
    watched: Option<u32>,
    /// Those that do.
    others: HashSet<u32>,
}

/// Containers whose items are kept at once: whoever asks, asks soon.
const CONTAINERS: usize = 1024;

impl Kept {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.dropped.clear();
        self.others.clear();
        (self.total, self.since, self.watched) = (0, 0, None);
    }

    /// For the next stream, of which somebody looks at so many items.
    pub(super) fn begin(&mut self, most: usize) {
        self.most = most.max(self.asked);
    }

    fn drop_all(&mut self) {
        self.dropped.extend(self.items.drain().map(|(size, _)| size));
        self.total = 0;
    }

    /// Values that are kept, for the budget.
    pub(super) fn len(&self) -> usize {
        self.total + self.dropped.len() / 2 + self.others.len() / 2
    }

    /// Keys and values of a dict, or items of a list, in order; none where they were not all kept.
    pub(super) fn of(&self, container: Value) -> Option<&[Value]> {
        let Value::Fresh { size, .. } = container else { return None };
        let items = self.items.get(&size).map_or(&[][..], Vec::as_slice);
        let is_whole =
            self.most > 0 && items.len() <= self.most && size >= self.since && !self.dropped.contains(&size);
        is_whole.then_some(items)
    }
}

impl Machine<'_> {
    /// From here on so many items of each container are kept.
    pub(super) fn keep_at_least(&mut self, most: usize) {
        self.kept.asked = self.kept.asked.max(most);
        if self.kept.most < most {
            self.kept.most = most;
            self.kept.since = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        }
    }

    /// From here on it is known of each list whether it holds words alone.
    pub(super) fn watch(&mut self) {
        self.keep_at_least(1);
        let next = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        self.kept.watched.get_or_insert(next);
    }

    pub(super) fn is_watching(&self) -> bool {
        self.kept.watched.is_some()
    }

    /// Whether a list was made since then, and holds words alone.
    pub(super) fn holds_words(&self, list: u32) -> bool {
        self.kept.watched.is_some_and(|since| list >= since) && !self.kept.others.contains(&list)
    }

    /// Keeps what stands from `height` up as items of the container.
    #[inline]
    pub(super) fn keep(&mut self, size: u32, height: usize) {
        if self.kept.most > 0 {
            self.keep_items(size, height);
        }
    }

    #[cold]
    fn keep_items(&mut self, size: u32, height: usize) {
        if self.is_watching() && !self.stack.above(height).iter().all(|item| self.is_word(*item)) {
            self.kept.others.insert(size);
        }
        if self.kept.items.len() > CONTAINERS {
            self.kept.drop_all();
        }
        let items = self.kept.items.entry(size).or_default();
        // One more than asked for says that there were too many.
        let room = self.kept.most.saturating_add(1).saturating_sub(items.len());
        let added = self.stack.above(height).iter().take(room);
        let before = items.len();
        items.extend(added);
        self.kept.total += items.len() - before;
    }

    /// Keys and values of a dict that this stream has made.
    pub(super) fn entries(&self, dict: Value) -> Option<Vec<(Value, Value)>> {
        let Value::Fresh { kind: Container::Dict, .. } = dict else { return None };
        let (pairs, rest) = self.kept.of(dict)?.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }
}
