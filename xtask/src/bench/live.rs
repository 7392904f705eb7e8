//! `cargo xtask bench live`: the scan of a large live cluster, on a lab of its own that is filled first.
//!
//! The task runs itself again inside the lab, so that the lab ends with it however it ends.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::Bar;
use super::measure;
use super::measure::Cost;
use crate::failure::Failure;
use crate::shell;

const RUNS: usize = 3;
const NAMESPACES: &str = "500";
const PODS: &str = "10000";
/// A scan that did its work, with findings: the pods are not hardened.
const SCANNED: [i64; 1] = [1];

pub(super) fn run() -> Result<(), Failure> {
    inside_a_lab("1a", "live")
}

/// Runs `cargo xtask bench NAME inside` in a lab that ends with it.
pub(super) fn inside_a_lab(tier: &str, name: &str) -> Result<(), Failure> {
    let mut cargo = shell::cargo(["build", "--quiet", "--locked", "--release", "--target-dir", "target"]);
    shell::run(cargo.args(["--package", "ringfence", "--package", "ringfence-lab"]))?;
    let own = std::env::current_exe().map_err(Failure::while_("own program"))?;
    let mut lab = Command::new(built("ringfence-lab"));
    lab.args(["exec", "--tier", tier, "--"]).arg(own).args(["bench", name, "inside"]);
    shell::run(lab.current_dir(shell::root()))
}

/// A program of the release build.
pub(super) fn built(program: &str) -> PathBuf {
    shell::root().join("target/release").join(program)
}

/// In the environment of the lab.
pub(super) fn inside() -> Result<(), Failure> {
    let (lab, ringfence) = (built("ringfence-lab"), built("ringfence"));
    let mut fill = Command::new(&lab);
    let wrote = shell::output(fill.args(["fill", "--namespaces", NAMESPACES, "--pods", PODS]))?;
    println!("{}; {}.\n", super::setting("cargo xtask bench live"), wrote.trim());
    println!("| run | Ringfence CPU-s | peak MB | API server CPU-s | etcd CPU-s | list requests |");
    println!("|---|---|---|---|---|---|");
    let mut costs = Vec::new();
    for run in 1..=RUNS {
        let (before, asked_before) = (Load::of(&lab)?, requests()?);
        let cost = measure::cost(&ringfence, &["scan", "cluster"], &[], &SCANNED)?;
        let (after, asked) = (Load::of(&lab)?, requests()?);
        println!(
            "| {run} | {:.2} | {:.0} | {:.2} | {:.2} | {} |",
            cost.cpu_seconds,
            cost.peak_megabytes,
            after.api_server - before.api_server,
            after.etcd - before.etcd,
            asked.saturating_sub(asked_before),
        );
        costs.push(cost);
    }
    println!();
    super::print_bars(&bars(Cost::least(&costs)))
}

fn bars(cost: Cost) -> [Bar; 2] {
    [
        Bar {
            figure: "live scan of 10,000 pods in 500 namespaces",
            promise: "at most 10 CPU-s",
            measured: format!("{:.2} CPU-s", cost.cpu_seconds),
            holds: cost.cpu_seconds <= 10.0,
        },
        Bar {
            figure: "the same, peak memory",
            promise: "at most 150 MB",
            measured: format!("{:.0} MB", cost.peak_megabytes),
            holds: cost.peak_megabytes <= 150.0,
        },
    ]
}

/// CPU-seconds of components since their start.
pub(super) struct Load {
    pub(super) api_server: f64,
    etcd: f64,
}

impl Load {
    pub(super) fn of(lab: &Path) -> Result<Self, Failure> {
        let printed = shell::output(Command::new(lab).args(["status", "--format", "json"]))?;
        let status: Value = serde_json::from_str(&printed).map_err(Failure::while_("lab status"))?;
        let home = std::env::var("RINGFENCE_LAB").map_err(Failure::while_("RINGFENCE_LAB"))?;
        let labs = status["labs"].as_array().map_or(&[][..], Vec::as_slice);
        let own = labs.iter().find(|lab| lab["folder"] == home.as_str());
        let components = own.and_then(|lab| lab["components"].as_array()).map_or(&[][..], Vec::as_slice);
        let cpu = |name: &str| {
            let component = components.iter().find(|component| component["name"] == name);
            let seconds = component.and_then(|component| component["usage"]["cpu_seconds"].as_f64());
            seconds.ok_or_else(|| Failure::new(format!("lab status says nothing of {name}")))
        };
        Ok(Self { api_server: cpu("kube-apiserver")?, etcd: cpu("etcd")? })
    }
}

/// List requests that the API server has answered since its start, its own included.
fn requests() -> Result<u64, Failure> {
    let metrics = shell::output(Command::new("kubectl").args(["get", "--raw", "/metrics"]))?;
    let lists = metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{") && line.contains("verb=\"LIST\""));
    let counts = lists.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.fold(0, u64::saturating_add))
}
