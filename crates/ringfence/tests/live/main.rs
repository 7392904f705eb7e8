//! The real binary against a real API server: a lab of this test binary's own, with controllers, scheduler and a fake
//! GPU node, so that what a scan finds is exactly what the tests put there.
#![cfg(feature = "cluster")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a wrong assumption must end the test"
)]

#[path = "../support/mod.rs"]
mod support;

mod change;
mod checkup;
#[cfg(feature = "domain")]
mod domain;
mod owners;
mod planted;
mod plugin;
mod rights;

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::Identity;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use serde_json::Value;
pub(crate) use support::Ran;

/// The lab; none: the skip was recorded for the calling test.
pub(crate) fn lab() -> Option<&'static ControlPlane> {
    static LAB: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let options = Options {
        tier: Some(Tier::ControlPlane),
        fake_nodes: vec![FakeNodeSpec::new("gpu-1", 8)],
        ..Options::default()
    };
    let mut is_first = false;
    let lab = LAB.get_or_init(|| {
        is_first = true;
        ringfence_lab::need_private(&options)
    });
    // Each test that cannot run is a skip of its own.
    lab.as_ref().or_else(|| (!is_first).then(|| ringfence_lab::need_private(&options)).and(None))
}

/// For as long as it is held no other test adds nodes, or counts them.
pub(crate) fn nodes() -> MutexGuard<'static, ()> {
    static NODES: Mutex<()> = Mutex::new(());
    NODES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the binary on the lab as its administrator.
pub(crate) fn run(lab: &ControlPlane, arguments: &[&str]) -> Ran {
    run_with_kubeconfig(lab.kubeconfig().to_str().unwrap(), arguments)
}

/// Runs the binary on the lab as somebody else.
pub(crate) fn run_as(lab: &ControlPlane, who: &Identity, arguments: &[&str]) -> Ran {
    run_with_kubeconfig(lab.kubeconfig_as(who).to_str().unwrap(), arguments)
}

fn run_with_kubeconfig(kubeconfig: &str, arguments: &[&str]) -> Ran {
    support::command(arguments).env("KUBECONFIG", kubeconfig).output().unwrap().into()
}

/// Control and object of every fail of a JSON result, as the list of planted flaws writes them.
pub(crate) fn fails(result: &Value) -> Vec<(String, String)> {
    let findings = result["findings"].as_array().unwrap().iter();
    let fails = findings.filter(|finding| finding["result"] == "fail");
    fails.map(|finding| (finding["control"].as_str().unwrap().to_owned(), object(finding))).collect()
}

/// `Kind/namespace/name`.
pub(crate) fn object(finding: &Value) -> String {
    let resource = &finding["resource"];
    let text = |key: &str| resource[key].as_str();
    let namespace = text("namespace").map_or_else(String::new, |namespace| format!("{namespace}/"));
    format!("{}/{namespace}{}", text("kind").unwrap(), text("name").unwrap())
}
