//! Room `domain`: which mode a domain may be in. Enforce waits for a simulation of exactly this spec by exactly these rules,
//! less than a day old, that found nothing to refuse or whose findings somebody accepted by its hash.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::spec::EffectiveModes;
use crate::spec::Mode;
use crate::spec::SecurityDomain;
use crate::spec::SecurityDomainSpec;
use crate::spec::SimulationStatus;

/// Longest spec that is kept, in bytes as it stands in the status: one JSON text within another, its quotes escaped. What was
/// written for it needs as much room again, and a status is 30 KB at most.
const KEPT: usize = 11_000;
/// How long a simulation stays true: nightly Jobs come once a day.
const VALID: Duration = Duration::from_hours(24);

/// The mode in force, and why it is not the wanted one. `hash` is what a simulation would have now (see
/// [`crate::simulation_hash`]).
///
/// Weaker modes come at once. A domain that is in Enforce stays in it when its spec changes, and says if the change was not
/// simulated yet: what it refused before it goes on to refuse.
pub fn gate(
    domain: &SecurityDomain,
    hash: &str,
    simulation: Option<&SimulationStatus>,
    now: Timestamp,
) -> EffectiveModes {
    let wanted = domain.spec.enforcement.mode;
    let in_force = domain.status.as_ref().map(|it| it.effective_modes.mode).unwrap_or_default();
    if wanted < Mode::Enforce {
        return EffectiveModes { mode: wanted, held: None };
    }
    let acknowledged = domain.spec.enforcement.acknowledged.as_deref();
    let is_long = || format!("the spec is longer than {KEPT} bytes; split the domain");
    let closed =
        closed(hash, acknowledged, simulation, now).or_else(|| kept(&domain.spec).is_none().then(is_long));
    match closed {
        None => EffectiveModes { mode: Mode::Enforce, held: None },
        Some(why) => EffectiveModes { mode: in_force, held: Some(why) },
    }
}

/// Which spec is in force.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// The written one.
    Written,
    /// The last that was accepted: an edit of a domain in Enforce waits.
    Other(Box<SecurityDomainSpec>),
    /// It is not known: an edit waits, and what was accepted before it was not kept or cannot be read. The written spec was
    /// never simulated, so it is not put in its place.
    Lost,
}

/// The spec that is in force by these modes.
pub fn accepted(domain: &SecurityDomain, modes: &EffectiveModes) -> Accepted {
    if modes.mode < Mode::Enforce || modes.held.is_none() {
        return Accepted::Written;
    }
    let Some(mut spec) = accepted_spec(domain) else { return Accepted::Lost };
    spec.enforcement = domain.spec.enforcement.clone();
    if spec == domain.spec { Accepted::Written } else { Accepted::Other(Box::new(spec)) }
}

/// The spec that was in force when all of it last stood, without `enforcement`; none if nobody knows.
pub(crate) fn accepted_spec(domain: &SecurityDomain) -> Option<SecurityDomainSpec> {
    serde_json::from_str(domain.status.as_ref()?.accepted_spec.as_deref()?).ok()
}

/// A spec as it is kept for [`accepted`]; none if it is too long to be kept.
pub fn kept(spec: &SecurityDomainSpec) -> Option<String> {
    let mut value = serde_json::to_value(spec).ok()?;
    value.as_object_mut()?.remove("enforcement");
    Some(value.to_string()).filter(|it| Value::from(it.as_str()).to_string().len() <= KEPT)
}

/// Why the gate is closed; none if it is open.
fn closed(
    hash: &str,
    acknowledged: Option<&str>,
    simulation: Option<&SimulationStatus>,
    now: Timestamp,
) -> Option<String> {
    if hash.is_empty() {
        return Some("the spec cannot hold".into());
    }
    let Some(simulation) = simulation else { return Some("no simulation of Enforce was run yet".into()) };
    if simulation.hash != hash {
        return Some("spec or rules changed since the last simulation; it runs again".into());
    }
    let age = simulation.at.parse::<Timestamp>().ok().map(|at| now.duration_since(at));
    // One from the future has no age.
    if age.and_then(|it| it.try_into().ok()).is_none_or(|age: Duration| age >= VALID) {
        return Some("the last simulation is not of the last 24 hours; it runs again".into());
    }
    if !simulation.missing.is_empty() {
        return Some(format!("the simulation could not read {}", simulation.missing.join(", ")));
    }
    if simulation.would_deny > 0 && acknowledged != Some(hash) {
        return Some(format!(
            "{} pods and templates would be refused, see status.simulation; repair them, or accept it with \
             spec.enforcement.acknowledged: {hash}",
            simulation.would_deny
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-03-02T12:00:00Z";

    fn asks(mode: &str, in_force: &str, acknowledged: Option<&str>) -> SecurityDomain {
        let mut object = json!({
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "SecurityDomain",
            "metadata": {"name": "ml"},
            "spec": {"namespaces": {"names": ["ml"]}, "enforcement": {"mode": mode}},
            "status": {"effectiveModes": {"mode": in_force}},
        });
        if let Some(hash) = acknowledged {
            object["spec"]["enforcement"]["acknowledged"] = hash.into();
        }
        serde_json::from_value(object).unwrap()
    }

    fn simulated(hash: &str, at: &str, would_deny: u32) -> SimulationStatus {
        SimulationStatus { hash: hash.into(), at: at.into(), would_deny, ..SimulationStatus::default() }
    }

    fn mode(domain: &SecurityDomain, simulation: Option<&SimulationStatus>) -> (Mode, Option<String>) {
        let modes = gate(domain, "a", simulation, NOW.parse().unwrap());
        (modes.mode, modes.held)
    }

    #[test]
    fn enforce_waits_for_a_clean_simulation_of_this_spec_of_today() {
        let domain = asks("Enforce", "Warn", None);
        let fresh = "2026-03-02T11:00:00Z";
        assert_eq!(mode(&domain, Some(&simulated("a", fresh, 0))), (Mode::Enforce, None));
        let held = [
            None,
            Some(simulated("b", fresh, 0)),
            Some(simulated("a", "2026-03-01T12:00:00Z", 0)),
            Some(simulated("a", "2026-03-03T12:00:00Z", 0)),
            Some(simulated("a", "yesterday", 0)),
            Some(simulated("a", fresh, 1)),
            Some(SimulationStatus { missing: vec!["pods".into()], ..simulated("a", fresh, 0) }),
        ];
        for simulation in held {
            let (mode, why) = mode(&domain, simulation.as_ref());
            assert!(mode == Mode::Warn && why.is_some(), "{simulation:?}");
        }
    }

    #[test]
    fn what_could_not_be_kept_or_cannot_hold_is_not_enforced() {
        let mut domain = asks("Enforce", "Observe", None);
        domain.spec.namespaces.names = (0..500).map(|number| format!("{number:0>63}")).collect();
        let (mode, why) = mode(&domain, Some(&simulated("a", "2026-03-02T11:00:00Z", 0)));
        assert_eq!((mode, why.unwrap().contains("split the domain")), (Mode::Observe, true));
        let empty = simulated("", "2026-03-02T11:00:00Z", 0);
        let now = NOW.parse().unwrap();
        assert_eq!(gate(&asks("Enforce", "Warn", None), "", Some(&empty), now).mode, Mode::Warn);
    }

    #[test]
    fn refusals_are_accepted_by_the_hash_of_the_simulation_that_found_them() {
        let found = simulated("a", "2026-03-02T11:00:00Z", 3);
        assert_eq!(mode(&asks("Enforce", "Observe", Some("a")), Some(&found)).0, Mode::Enforce);
        assert_eq!(mode(&asks("Enforce", "Observe", Some("b")), Some(&found)).0, Mode::Observe);
        // What could not be read is not accepted with it.
        let blind = SimulationStatus { missing: vec!["pods".into()], ..found };
        assert_eq!(mode(&asks("Enforce", "Observe", Some("a")), Some(&blind)).0, Mode::Observe);
    }

    #[test]
    fn an_edit_under_enforce_leaves_the_accepted_spec_in_force_until_it_is_accepted_too() {
        let mut domain = asks("Enforce", "Enforce", Some("other"));
        let before = domain.spec.clone();
        let keep = kept(&before).unwrap();
        assert!(!keep.contains("enforcement"));
        domain.status.as_mut().unwrap().accepted_spec = Some(keep);
        let waits = gate(&domain, "a", None, NOW.parse().unwrap());
        assert_eq!(accepted(&domain, &waits), Accepted::Written, "it is the one that was accepted");
        domain.spec.namespaces.names.push("more".into());
        assert_eq!(accepted(&domain, &waits), Accepted::Other(Box::new(before)));
        let open = gate(&domain, "a", Some(&simulated("a", "2026-03-02T11:00:00Z", 0)), NOW.parse().unwrap());
        assert_eq!(accepted(&domain, &open), Accepted::Written);
        domain.spec.enforcement.mode = Mode::Warn;
        let lowered = gate(&domain, "a", None, NOW.parse().unwrap());
        assert_eq!(accepted(&domain, &lowered), Accepted::Written);
    }

    #[test]
    fn what_was_accepted_and_cannot_be_read_is_not_the_written_spec() {
        let mut domain = asks("Enforce", "Enforce", None);
        let waits = gate(&domain, "a", None, NOW.parse().unwrap());
        let renamed = json!({"namespaces": {"names": ["ml"]}, "tier": "Fortress"}).to_string();
        for kept in [None, Some(""), Some("{"), Some(renamed.as_str())] {
            domain.status.as_mut().unwrap().accepted_spec = kept.map(str::to_owned);
            assert_eq!(accepted(&domain, &waits), Accepted::Lost, "{kept:?}");
        }
        let open = gate(&domain, "a", Some(&simulated("a", "2026-03-02T11:00:00Z", 0)), NOW.parse().unwrap());
        assert_eq!(accepted(&domain, &open), Accepted::Written);
    }

    #[test]
    fn weaker_modes_come_at_once_and_a_change_under_enforce_opens_nothing() {
        assert_eq!(mode(&asks("Observe", "Enforce", None), None), (Mode::Observe, None));
        assert_eq!(mode(&asks("Warn", "Observe", None), None), (Mode::Warn, None));
        let (mode, why) = mode(&asks("Enforce", "Enforce", None), None);
        assert!(mode == Mode::Enforce && why.is_some());
    }
}
