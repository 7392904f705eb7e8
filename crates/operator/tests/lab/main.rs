//! Tests: the controller against a real API server: a lab of this binary's own, since domains are cluster-wide and it is
//! restarted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a wrong assumption must end the test"
)]

mod facts;
mod ground;
mod keeps;

use std::sync::OnceLock;

use ringfence_lab::ControlPlane;
use ringfence_lab::Options;
use ringfence_lab::Tier;

/// The lab, with the definition of SecurityDomain; none: the skip was recorded for the calling test.
pub(crate) fn lab() -> Option<&'static ControlPlane> {
    static LAB: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let options = Options { tier: Some(Tier::ControlPlane), ..Options::default() };
    let mut is_first = false;
    let lab = LAB.get_or_init(|| {
        is_first = true;
        let lab = ringfence_lab::need_private(&options)?;
        lab.install(&ringfence_domain::yaml(&ringfence_domain::definition()));
        Some(lab)
    });
    // Each test that cannot run is a skip of its own.
    lab.as_ref().or_else(|| (!is_first).then(|| ringfence_lab::need_private(&options)).and(None))
}
