//! The real binary keeps a real domain in a real cluster: installed by what `install --print` prints, kept by `serve
//! controller` under the rights of its own account and no others.
#![cfg(feature = "domain")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a wrong assumption must end the test"
)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod controller;
mod figures;
#[path = "../../../../xtask/src/bench/kept.rs"]
mod kept;
mod offline;
mod people;
mod unreachable;
mod written;

use std::sync::OnceLock;

use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::Options;
use ringfence_lab::Tier;
use support::Ran;

/// The lab with everything installed; none: the skip was recorded for the calling test.
pub(crate) fn world() -> Option<&'static ControlPlane> {
    static LAB: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let node = |name: &str, gpus: u32, pool: &str| FakeNodeSpec {
        labels: [("pool".to_owned(), pool.to_owned())].into(),
        ..FakeNodeSpec::new(name, gpus)
    };
    let options = Options {
        tier: Some(Tier::ControlPlane),
        fake_nodes: vec![node("gpu-1", 8, "gpu"), node("gpu-2", 8, "gpu"), node("cpu-1", 0, "cpu")],
        ..Options::default()
    };
    let mut is_first = false;
    let lab = LAB.get_or_init(|| {
        is_first = true;
        ringfence_lab::need_private(&options).inspect(set_up)
    });
    // Each test that cannot run is a skip of its own.
    lab.as_ref().or_else(|| (!is_first).then(|| ringfence_lab::need_private(&options)).and(None))
}

pub(crate) fn set_up(lab: &ControlPlane) {
    let printed = support::run(&["install", "--print"]).ends(0);
    lab.kubectl_with(&["apply", "--server-side", "-f", "-"], &printed.out).ok();
    lab.kubectl(&["wait", "--for=condition=Established", "crd/securitydomains.ringfence.dev"]).ok();
}

/// Runs the binary on the lab as its administrator, with a text on standard input.
pub(crate) fn run(lab: &ControlPlane, arguments: &[&str], input: &str) -> Ran {
    let kubeconfig = lab.kubeconfig().to_str().unwrap();
    let arguments: Vec<_> = arguments.iter().copied().chain(["--kubeconfig", kubeconfig]).collect();
    support::run_with(&arguments, input.as_bytes())
}
