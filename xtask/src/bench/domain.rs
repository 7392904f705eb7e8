//! `cargo xtask bench domain`: a controller that keeps a thousand namespaces, on a lab of its own: how long until all is in
//! place, what it costs while nothing changes, how fast what was removed comes back. The API server's audit log is the
//! witness of every write.

use std::fs;
use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::Bar;
use super::controller;
use super::controller::Controller;
use super::controller::WHO;
use super::controller::apply;
use super::controller::kubectl;
use super::controller::status;
use super::controller::until;
use crate::failure::Failure;
use crate::shell;

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
    let namespace = |number: usize| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("team-{number:04}"), "labels": {"bench": "true"}}});
    let all: Vec<Value> = (0..NAMESPACES).map(namespace).collect();
    apply(
        &folder,
        "namespaces.json",
        &json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string(),
    )?;
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
    let (begin, begun) = (Instant::now(), clock(Duration::ZERO)?);
    apply(&folder, "domain.json", &domain().to_string())?;
    controller::until_enforced("bench")?;
    let settled = begin.elapsed();
    let objects = written(&begun, None)?.len();
    let size = status("bench")?.to_string().len();

    // Simulation, discovery and the last events come to rest.
    std::thread::sleep(Duration::from_secs(30));
    let (quiet, cpu) = (clock(Duration::ZERO)?, controller.cpu_seconds()?);
    std::thread::sleep(QUIET);
    let cpu = controller.cpu_seconds()? - cpu;
    let idle_writes = written(&quiet, None)?.len();
    let peak = controller.peak_megabytes()?;

    let since = clock(Duration::ZERO)?;
    for number in 0..REMOVALS {
        let name = format!("team-{:04}", number * (NAMESPACES / REMOVALS));
        kubectl(&["-n", &name, "delete", "quota", "rf-quota", "--wait=false"])?;
    }
    std::thread::sleep(Duration::from_secs(20));
    let mut repairs = repairs(&since)?;
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
        bar("writes in 10 minutes in which nothing changes", "0", count(idle_writes), 0.0, "writes"),
        bar("CPU of the controller meanwhile", "under 1 %", cpu / QUIET.as_secs_f64() * 100.0, 1.0, "%"),
        bar("peak memory of the controller", "at most 100 MB", peak, 100.0, "MB"),
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

/// Nine objects a namespace.
fn domain() -> Value {
    json!({
        "apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": "bench"},
        "spec": {
            "namespaces": {"selector": {"matchLabels": {"bench": "true"}}},
            "network": {
                "allowDNS": false,
                "registry": {"namespace": "model-registry"},
                "ingress": [{"name": "web", "fromNamespace": "web", "ports": [{"port": 8000}]}],
            },
            "access": {"roles": [{"preset": "ml-engineer", "subjects": [{"kind": "Group", "name": "ml-team"}]}]},
            "quota": {"gpu": 8, "pods": 50},
            "limits": {"default": {"cpu": "4", "memory": "16Gi"}, "defaultRequest": {"cpu": "1", "memory": "1Gi"}},
            "enforcement": {"mode": "Enforce"},
        },
    })
}

/// The time as the audit log writes it.
fn clock(ago: Duration) -> Result<String, Failure> {
    let ago = format!("-{} seconds", ago.as_secs());
    let text = shell::output(Command::new("date").args(["-u", "-d", &ago, "+%Y-%m-%dT%H:%M:%S.%6NZ"]))?;
    Ok(text.trim().to_owned())
}

/// An answered request in the audit log.
struct Answered {
    at: String,
    verb: String,
    namespace: String,
    by_controller: bool,
}

/// Writes of the controller since a moment, its lease and what is tried by dry-run left out; or with a resource, writes of
/// everybody to it.
fn written(since: &str, resource: Option<&str>) -> Result<Vec<Answered>, Failure> {
    let home = std::env::var("RINGFENCE_LAB").map_err(Failure::while_("RINGFENCE_LAB"))?;
    let log = PathBuf::from(home).join("log/audit.log");
    let file = fs::File::open(&log).map_err(Failure::while_(log.display()))?;
    let mut found = Vec::new();
    for line in std::io::BufReader::new(file).lines() {
        let line = line.map_err(Failure::while_(log.display()))?;
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_write = ["create", "update", "patch", "delete"].contains(&text("/verb").as_str());
        let is_dry = text("/requestURI").contains("dryRun=");
        let by_controller = text("/impersonatedUser/username") == WHO;
        let of = text("/objectRef/resource");
        let counts = match resource {
            Some(resource) => of == resource,
            None => by_controller && !["leases", "selfsubjectreviews"].contains(&of.as_str()),
        };
        let at = text("/stageTimestamp");
        if is_write && !is_dry && counts && text("/stage") == "ResponseComplete" && at.as_str() >= since {
            found.push(Answered {
                at,
                verb: text("/verb"),
                namespace: text("/objectRef/namespace"),
                by_controller,
            });
        }
    }
    Ok(found)
}

/// Seconds between each removal of a quota and the write that brought it back.
fn repairs(since: &str) -> Result<Vec<f64>, Failure> {
    let events = written(since, Some("resourcequotas"))?;
    let removals = events.iter().filter(|it| it.verb == "delete" && !it.by_controller);
    let repairs = removals.filter_map(|removal| {
        let mut later = events.iter().filter(|it| it.by_controller && it.namespace == removal.namespace);
        let repair = later.find(|it| it.at >= removal.at)?;
        Some(seconds(&repair.at)? - seconds(&removal.at)?)
    });
    Ok(repairs.collect())
}

/// Seconds of the day.
fn seconds(at: &str) -> Option<f64> {
    let (_, time) = at.trim_end_matches('Z').split_once('T')?;
    time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}
