//! Room `operator`: what the controller remembers between two looks: what was in order, what failed and when to try again,
//! what was restored how often, and whom it stopped fighting. Lost with the process, and no worse for it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::source::Source;
use crate::store::Key;
use crate::store::Live;

/// So many restorations of one object within the window make a contest.
const RESTORATIONS: usize = 5;
/// The window, and how long a contested object must be left alone.
pub(crate) const WINDOW: Duration = Duration::from_mins(10);
/// Pauses after failures, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_mins(5);

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Hash of each object that was seen in order.
    settled: BTreeMap<Key, String>,
    faults: BTreeMap<Key, Fault>,
    restored: BTreeMap<Key, VecDeque<Instant>>,
    contests: BTreeMap<Key, Contest>,
}

/// A write that failed.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Why.
    pub(crate) words: String,
    hash: String,
    tries: u32,
    /// When it is tried again.
    pub(crate) again: Instant,
}

/// Somebody who changes what we restore, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Contest {
    /// Who: the field manager of the last change.
    pub(crate) by: String,
    /// Generation of the domain when it began: an edit of the spec ends it.
    generation: i64,
    /// The object as it was left to them, without its version: heartbeats and counters are no change.
    value: Value,
    last_change: Instant,
}

impl Ledger {
    /// Notes that an object is as it should be.
    pub(crate) fn settle(&mut self, key: &Key, hash: &str) {
        self.faults.remove(key);
        if self.settled.get(key).is_none_or(|known| known != hash) {
            self.settled.insert(key.clone(), hash.into());
        }
    }

    /// Whether an object was in order in this very form: then what differs now is somebody's doing.
    pub(crate) fn was_settled(&self, key: &Key, hash: &str) -> bool {
        self.settled.get(key).is_some_and(|known| known == hash)
    }

    /// Forgets what is no longer wanted.
    pub(crate) fn retain(&mut self, now: Instant, wanted: impl Fn(&Key) -> bool) {
        self.settled.retain(|key, _| wanted(key));
        // Domains themselves, and what is to be removed, are wanted by nobody.
        self.faults
            .retain(|key, it| wanted(key) || key.source == Source::Domains || it.again + LAST_PAUSE > now);
        // Labels that somebody plants are taken away where nothing is wanted: who plants them again is counted, too.
        let lasts = |key: &Key, at: Instant| {
            wanted(key) || key.source == Source::Namespaces && now.duration_since(at) < WINDOW
        };
        self.restored.retain(|key, times| wanted(key) || times.iter().any(|at| lasts(key, *at)));
        self.contests.retain(|key, contest| lasts(key, contest.last_change));
    }

    /// Notes a failure; the next try is later each time.
    pub(crate) fn fail(&mut self, key: &Key, hash: &str, words: String, now: Instant) {
        let tries = self.faults.get(key).filter(|it| it.hash == hash).map_or(0, |it| it.tries + 1);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LAST_PAUSE);
        // Up to a tenth more: what failed together is not tried together.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let jitter = pause / 10 * u32::try_from(hasher.finish() % 64).unwrap_or(0) / 64;
        let fault = Fault { words, hash: hash.into(), tries, again: now + pause + jitter };
        self.faults.insert(key.clone(), fault);
    }

    /// Notes that a write went through.
    pub(crate) fn succeed(&mut self, key: &Key) {
        self.faults.remove(key);
    }

    /// The failure of this form of an object that is not to be tried yet.
    pub(crate) fn waiting(&self, key: &Key, hash: &str, now: Instant) -> Option<&Fault> {
        self.faults.get(key).filter(|it| it.hash == hash && it.again > now)
    }

    /// When the next try is due.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let tries = self.faults.values().map(|it| it.again);
        let contests = self.contests.values().map(|it| it.last_change + WINDOW);
        tries.chain(contests).filter(|at| *at > now).min()
    }

    /// Notes a restoration. Too many begin a contest.
    pub(crate) fn restore(
        &mut self,
        key: &Key,
        by: &str,
        generation: i64,
        live: Option<&Live>,
        now: Instant,
    ) {
        let times = self.restored.entry(key.clone()).or_default();
        times.push_back(now);
        while times.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            times.pop_front();
        }
        if times.len() >= RESTORATIONS {
            times.clear();
            let value = live.map(Live::tree).unwrap_or_default();
            let contest = Contest { by: by.into(), generation, value, last_change: now };
            self.contests.insert(key.clone(), contest);
        }
    }

    /// Who contests an object. The contest ends when the object was left alone for the window, or when the spec changes.
    pub(crate) fn contested(
        &mut self,
        key: &Key,
        generation: i64,
        live: Option<&Live>,
        now: Instant,
    ) -> Option<&Contest> {
        let contest = self.contests.get_mut(key)?;
        let value = live.map(Live::tree).unwrap_or_default();
        if value != contest.value {
            contest.value = value;
            contest.last_change = now;
            if let Some(by) = live.and_then(|it| it.by.clone()) {
                contest.by = by;
            }
        }
        if generation != contest.generation || now.duration_since(contest.last_change) >= WINDOW {
            self.contests.remove(key);
            return None;
        }
        self.contests.get(key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> Key {
        Key { source: Source::NetworkPolicies, namespace: "ml".into(), name: "rf-egress".into() }
    }

    fn live(version: &str, by: &str) -> Live {
        let managed = json!([{"manager": by, "time": "2026-01-01T00:00:00Z"}]);
        let labels = json!({"ringfence.dev/domain": "ml"});
        let metadata = json!({"name": "rf-egress", "labels": labels, "resourceVersion": version, "managedFields": managed});
        Live::new(Source::NetworkPolicies, json!({"metadata": metadata, "spec": {"by": by}}))
    }

    #[test]
    fn five_restorations_in_the_window_make_a_contest_and_four_do_not() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let state = live("7", "kubectl-edit");
        for minute in 0..4 {
            ledger.restore(&key(), "kubectl-edit", 1, Some(&state), start + Duration::from_mins(minute));
        }
        let at = start + Duration::from_mins(12); // the first two have left the window
        ledger.restore(&key(), "kubectl-edit", 1, Some(&state), at);
        assert!(ledger.contested(&key(), 1, Some(&state), at).is_none());
        for _ in 0..3 {
            ledger.restore(&key(), "kubectl-edit", 1, Some(&state), at);
        }
        assert_eq!(ledger.contested(&key(), 1, Some(&state), at).unwrap().by, "kubectl-edit");
    }

    #[test]
    fn a_contest_ends_when_the_object_is_left_alone_or_the_spec_changes() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let contest = |ledger: &mut Ledger| {
            for _ in 0..RESTORATIONS {
                ledger.restore(&key(), "a", 1, Some(&live("7", "a")), start);
            }
        };
        contest(&mut ledger);
        let later = start + Duration::from_mins(9);
        assert_eq!(ledger.contested(&key(), 1, Some(&live("8", "helm")), later).unwrap().by, "helm");
        let still = later + Duration::from_mins(9);
        assert!(ledger.contested(&key(), 1, Some(&live("8", "helm")), still).is_some());
        assert_eq!(ledger.next(still), Some(later + WINDOW));
        // A version alone is a heartbeat.
        assert!(ledger.contested(&key(), 1, Some(&live("9", "helm")), later + WINDOW).is_none());
        contest(&mut ledger);
        assert!(ledger.contested(&key(), 2, Some(&live("7", "a")), start).is_none());
    }

    #[test]
    fn pauses_grow_and_another_form_is_tried_at_once() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            ledger.fail(&key(), "a", "no".into(), now);
            pauses.push(ledger.next(now).unwrap() - now);
        }
        assert!(pauses[0] >= FIRST_PAUSE && pauses[0] < FIRST_PAUSE * 2);
        assert!(pauses.is_sorted() && pauses[11] >= LAST_PAUSE && pauses[11] < LAST_PAUSE * 2);
        assert!(ledger.waiting(&key(), "a", now).is_some());
        assert!(ledger.waiting(&key(), "b", now).is_none());
    }
}
