//! Room `operator`: the wanted mode and what was simulated -> the mode in force. Enforce waits for a current simulation;
//! lowering never waits.

use k8s_openapi::jiff::Timestamp;
use ringfence_domain::SecurityDomain;
use ringfence_domain::spec::EffectiveModes;
use ringfence_domain::spec::Mode;

/// The mode in force. `may_enforce`: whether the simulation in the status opens the gate for this spec, or why not.
pub(crate) fn mode(domain: &SecurityDomain, may_enforce: Result<(), String>) -> EffectiveModes {
    let wanted = domain.spec.enforcement.mode;
    let present = domain.status.as_ref().map(|status| status.effective_modes.mode).unwrap_or_default();
    if wanted < Mode::Enforce {
        return EffectiveModes { mode: wanted, held: None };
    }
    match may_enforce {
        Ok(()) => EffectiveModes { mode: wanted, held: None },
        Err(why) => EffectiveModes { mode: present, held: Some(why).filter(|_| present < wanted) },
    }
}

/// Whether the simulation in the status opens the gate. `now`: a simulation grows old.
pub(crate) fn may_enforce(domain: &SecurityDomain, _now: Timestamp) -> Result<(), String> {
    let simulation = domain.status.as_ref().and_then(|status| status.simulation.as_ref());
    match simulation {
        None => Err("there is no simulation of Enforce yet".into()),
        Some(_) => Err("simulations are not judged yet".into()),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_domain::spec::SecurityDomainStatus;
    use serde_json::json;

    use super::*;

    fn domain(wanted: Mode, present: Mode) -> SecurityDomain {
        let spec = json!({"namespaces": {"names": ["a"]}, "enforcement": {"mode": wanted}});
        let mut domain = SecurityDomain::new("ml", serde_json::from_value(spec).unwrap());
        let modes = EffectiveModes { mode: present, held: None };
        domain.status =
            Some(SecurityDomainStatus { effective_modes: modes, ..SecurityDomainStatus::default() });
        domain
    }

    #[test]
    fn enforce_waits_and_lowering_does_not() {
        let closed = || Err("no simulation".to_owned());
        let held = mode(&domain(Mode::Enforce, Mode::Warn), closed());
        assert_eq!(held, EffectiveModes { mode: Mode::Warn, held: Some("no simulation".into()) });
        assert_eq!(mode(&domain(Mode::Enforce, Mode::Observe), Ok(())).mode, Mode::Enforce);
        assert_eq!(mode(&domain(Mode::Observe, Mode::Enforce), closed()), EffectiveModes::default());
    }

    #[test]
    fn a_simulation_that_grows_old_under_enforce_opens_nothing() {
        let kept = mode(&domain(Mode::Enforce, Mode::Enforce), Err("too old".into()));
        assert_eq!(kept, EffectiveModes { mode: Mode::Enforce, held: None });
    }
}
