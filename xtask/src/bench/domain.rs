//! `cargo xtask bench domain`: a controller that keeps a thousand namespaces, on a lab of its own: how long until all is in
//! place, what it costs while nothing changes, how fast what was removed comes back. The API server's audit log is the
//! witness of every write.

use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use super::Bar;
use super::controller;
use super::controller::Controller;
use super::controller::apply;
use super::controller::kubectl;
use super::controller::status;
use super::controller::until;
use super::kept;
use crate::failure::Failure;

const NAMESPACES: usize = 1000;
/// Quotas that are removed, one by one.
const REMOVALS: usize = 100;
/// The quiet that is watched.
const QUIET: Duration = Duration::from_mins(10);

pub(super) fn run() -> Result<(), Failure> {
    super::live::inside_a_lab("1b", "domain")
}

/// In the environment of the lab.
pub(super) fn inside() -> Result<(), Failure> {
    println!("{}.\n", super::setting("cargo xtask bench domain"));
    let folder = super::folder("domain")?;
    controller::install(&folder)?;
    apply(&folder, "namespaces.json", &kept::namespaces("bench", 0..NAMESPACES).to_string())?;
    until("the account of each namespace", Duration::from_mins(5), || {
        let found = kubectl(&[
            "get",
            "serviceaccounts",
            "-A",
            "--field-selector=metadata.name=default",
            "-o",
            "name",
        ])?;
        Ok(found.lines().count() >= NAMESPACES)
    })?;

    let controller = Controller::start()?;
    let (begin, begun) = (Instant::now(), clock()?);
    apply(&folder, "domain.json", &kept::domain("bench").to_string())?;
    controller::until_enforced("bench")?;
    let settled = begin.elapsed();
    let objects = written(&begun, None)?.len();
    let size = status("bench")?.to_string().len();

    // Simulation, discovery and the last events come to rest.
    std::thread::sleep(Duration::from_secs(30));
    let (quiet, before) = (clock()?, controller.usage()?);
    std::thread::sleep(QUIET);
    let usage = controller.usage()?;
    let cpu = usage.cpu_seconds - before.cpu_seconds;
    let idle = written(&quiet, None)?;
    for write in &idle {
        println!("written while nothing changed: {}", write.what);
    }

    let since = clock()?;
    for number in 0..REMOVALS {
        let name = kept::namespace(number * (NAMESPACES / REMOVALS));
        kubectl(&["-n", &name, "delete", "quota", "rf-quota", "--wait=false"])?;
    }
    std::thread::sleep(Duration::from_secs(20));
    let mut repairs = kept::repairs(&written(&since, Some("resourcequotas"))?);
    repairs.sort_by(f64::total_cmp);
    let missing = REMOVALS.saturating_sub(repairs.len());
    let last = repairs.get(repairs.len().saturating_sub(2)).copied().unwrap_or(f64::INFINITY);

    println!("{objects} writes, {missing} of {REMOVALS} removals not repaired within 20 s.\n");
    super::print_bars(&[
        bar(
            "1,000 namespaces from nothing to Ready in Enforce",
            "at most 40 s",
            settled.as_secs_f64(),
            40.0,
            "s",
        ),
        bar("writes in 10 minutes in which nothing changes", "0", count(idle.len()), 0.0, "writes"),
        bar("CPU of the controller meanwhile", "under 1 %", cpu / QUIET.as_secs_f64() * 100.0, 1.0, "%"),
        bar("peak memory of the controller", "at most 100 MB", usage.peak_megabytes, 100.0, "MB"),
        bar(
            "from removal to repair, p99",
            "at most 2 s",
            if missing == 0 { last } else { f64::INFINITY },
            2.0,
            "s",
        ),
        bar("status of the domain", "at most 30 KB", count(size) / 1000.0, 30.0, "KB"),
    ])
}

fn bar(figure: &'static str, promise: &'static str, value: f64, most: f64, unit: &str) -> Bar {
    Bar { figure, promise, measured: format!("{value:.2} {unit}"), holds: value <= most }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

fn clock() -> Result<String, Failure> {
    kept::clock(Duration::ZERO).map_err(Failure::while_("date"))
}

fn written(since: &str, resource: Option<&str>) -> Result<Vec<kept::Answered>, Failure> {
    let home = std::env::var("RINGFENCE_LAB").map_err(Failure::while_("RINGFENCE_LAB"))?;
    let log = PathBuf::from(home).join("log/audit.log");
    kept::written(&log, since, resource).map_err(Failure::while_(log.display()))
}
