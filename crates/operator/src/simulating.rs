//! Room `operator`: when a domain is simulated again, and what the last simulations found. No request here.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use ringfence_domain::SecurityDomain;
use ringfence_domain::spec::EffectiveModes;
use ringfence_domain::spec::SimulationStatus;
use tokio::time::Instant;

use crate::simulation::Simulated;

/// Age at which a simulation is made again, so that the gate never finds one of a day.
const RENEW: Duration = Duration::from_hours(12);
/// Pause before the same is simulated again while a domain waits for it: somebody is repairing what was found.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// Pause where the facts change faster than a simulation takes.
const SHORTEST: Duration = Duration::from_secs(3);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// What the last simulations found, by domain.
#[derive(Debug, Default)]
pub(crate) struct Simulations {
    last: BTreeMap<String, Last>,
    /// After one that broke off.
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Last {
    status: SimulationStatus,
    /// When it ended.
    at: Instant,
    /// Before the same is simulated again.
    pause: Duration,
}

impl Simulations {
    /// The last one of a domain: of this controller or of another that led in between, whichever is younger.
    pub(crate) fn of<'a>(&'a self, domain: &'a SecurityDomain) -> Option<&'a SimulationStatus> {
        let own = self.last.get(&domain.name_any()).map(|it| &it.status);
        let told = domain.status.as_ref().and_then(|it| it.simulation.as_ref());
        // Times of one form sort as texts.
        told.into_iter().chain(own).max_by(|one, other| one.at.cmp(&other.at))
    }

    /// When a domain is to be simulated; none: what is known will do. `hash` is what a simulation would have now.
    pub(crate) fn due(
        &self,
        domain: &SecurityDomain,
        hash: &str,
        modes: &EffectiveModes,
        (now, clock): (Instant, Timestamp),
    ) -> Option<Instant> {
        let now = self.not_before.map_or(now, |it| it.max(now));
        let last = self.last.get(&domain.name_any());
        let after = |pause: fn(&Last) -> Duration| last.map_or(now, |it| now.max(it.at + pause(it)));
        let Some(known) = self.of(domain).filter(|it| it.hash == hash) else {
            return Some(after(|_| SHORTEST));
        };
        if is_young(&known.at, clock) && modes.held.is_none() && known.missing.is_empty() {
            return None;
        }
        Some(after(|it| it.pause))
    }

    /// Notes what one found. `clock`: RFC 3339.
    pub(crate) fn note(&mut self, name: &str, found: &Simulated, clock: &str, now: Instant) {
        let status = found.simulation.status(found.hash.clone(), clock.into(), found.missing.clone());
        // Only what was repaired brings the next one forward: numbers of a cluster that lives change all the time.
        let is_no_better = |it: &&Last| {
            it.status.hash == status.hash
                && it.status.would_deny <= status.would_deny
                && it.status.missing.len() <= status.missing.len()
                && it.status.missing.is_empty() == status.missing.is_empty()
        };
        let before = self.last.get(name).filter(is_no_better);
        // What could not be read is mostly there in a moment: a connection that broke, a policy on its way.
        let first = if status.missing.is_empty() { FIRST_PAUSE } else { SHORTEST };
        let pause = before.map_or(first, |it| (it.pause * 2).min(LONGEST_PAUSE));
        self.last.insert(name.into(), Last { status, at: now, pause });
    }

    /// Notes that one broke off.
    pub(crate) fn fail(&mut self, now: Instant) {
        self.not_before = Some(now + FIRST_PAUSE);
    }

    /// Forgets domains that are gone.
    pub(crate) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.last.retain(|name, _| stays(name));
    }
}

/// What a status shows: what it showed before, while a new simulation found the same and the old one is not old.
pub(crate) fn shown(
    before: Option<&SimulationStatus>,
    last: Option<&SimulationStatus>,
    clock: Timestamp,
) -> Option<SimulationStatus> {
    match (before, last) {
        (Some(before), Some(last)) if says_the_same(before, last) && is_young(&before.at, clock) => {
            Some(before.clone())
        }
        (before, last) => last.or(before).cloned(),
    }
}

fn says_the_same(one: &SimulationStatus, other: &SimulationStatus) -> bool {
    let without_time = |it: &SimulationStatus| SimulationStatus { at: String::new(), ..it.clone() };
    without_time(one) == without_time(other)
}

fn is_young(at: &str, clock: Timestamp) -> bool {
    let age = at.parse::<Timestamp>().ok().map(|at| clock.duration_since(at));
    // One from the future has no age.
    age.and_then(|it| Duration::try_from(it).ok()).is_some_and(|age| age < RENEW)
}

#[cfg(test)]
mod tests {
    use ringfence_domain::Simulation;
    use serde_json::json;

    use super::*;

    fn domain(simulation: Option<&SimulationStatus>) -> SecurityDomain {
        let object = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
            "metadata": {"name": "ml"}, "spec": {"namespaces": {"names": ["ml"]}}, "status": {"simulation": simulation}});
        serde_json::from_value(object).unwrap()
    }

    fn found(hash: &str, would_deny: u32) -> Simulated {
        Simulated {
            simulation: Simulation { would_deny, ..Simulation::default() },
            hash: hash.into(),
            missing: Vec::new(),
            notes: Vec::new(),
            unwritten: BTreeMap::new(),
        }
    }

    fn modes(held: bool) -> EffectiveModes {
        EffectiveModes { held: held.then(|| "waits".into()), ..EffectiveModes::default() }
    }

    const AT: &str = "2026-03-02T12:00:00Z";

    #[test]
    fn a_domain_is_simulated_when_nothing_is_known_of_it_as_it_is_now() {
        let (now, clock) = (Instant::now(), AT.parse::<Timestamp>().unwrap());
        let none = Simulations::default();
        let known = |hash: &str, at: &str| {
            domain(Some(&SimulationStatus {
                hash: hash.into(),
                at: at.into(),
                ..SimulationStatus::default()
            }))
        };
        let due = |domain: &SecurityDomain, held| none.due(domain, "a", &modes(held), (now, clock));
        assert_eq!(due(&domain(None), false), Some(now));
        assert_eq!(due(&known("b", AT), false), Some(now));
        assert_eq!(due(&known("a", "2026-03-02T00:00:00Z"), false), Some(now));
        assert_eq!(due(&known("a", "2026-03-02T00:00:01Z"), false), None);
        assert_eq!(due(&known("a", AT), true), Some(now), "a new controller looks once");
    }

    #[test]
    fn who_waits_is_simulated_again_ever_more_seldom_while_nothing_changes() {
        let (now, clock) = (Instant::now(), AT.parse::<Timestamp>().unwrap());
        let mut all = Simulations::default();
        let domain = domain(None);
        let due = |all: &Simulations, hash| all.due(&domain, hash, &modes(true), (now, clock)).unwrap() - now;
        let mut pauses = Vec::new();
        for _ in 0..6 {
            all.note("ml", &found("a", 3), AT, now);
            pauses.push(due(&all, "a").as_secs() / 60);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        assert_eq!(due(&all, "b"), SHORTEST, "an edit hardly waits");
        all.note("ml", &found("a", 2), AT, now);
        assert_eq!(due(&all, "a"), FIRST_PAUSE, "something was repaired");
        assert_eq!(all.due(&domain, "a", &modes(false), (now, clock)), None);
        all.note("ml", &Simulated { missing: vec!["pods".into()], ..found("a", 2) }, AT, now);
        assert_eq!(due(&all, "a"), SHORTEST, "what could not be read is asked for soon");
    }

    #[test]
    fn a_status_is_not_written_again_for_the_time_alone() {
        let clock = "2026-03-02T20:00:00Z".parse::<Timestamp>().unwrap();
        let status = |at: &str, would_deny| SimulationStatus {
            at: at.into(),
            would_deny,
            ..SimulationStatus::default()
        };
        let (old, new) = (status(AT, 1), status("2026-03-02T20:00:00Z", 1));
        assert_eq!(shown(Some(&old), Some(&new), clock), Some(old.clone()));
        let later = "2026-03-03T00:00:00Z".parse::<Timestamp>().unwrap();
        assert_eq!(shown(Some(&old), Some(&new), later), Some(new.clone()));
        let other = status("2026-03-02T20:00:00Z", 2);
        assert_eq!(shown(Some(&old), Some(&other), clock), Some(other));
        assert_eq!(shown(Some(&old), None, clock), Some(old));
    }
}
