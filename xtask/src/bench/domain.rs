//! `cargo xtask bench domain`: a controller that keeps a thousand namespaces, on a lab of its own: how long until all is in
//! place, what it costs while nothing changes, how fast what was removed comes back. The API server's audit log is the
//! witness of every write.

use std::fs;
use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::Bar;
use super::live::built;
use crate::failure::Failure;
use crate::shell;

const NAMESPACES: usize = 1000;
/// Quotas that are removed, one by one.
const REMOVALS: usize = 100;
/// The quiet that is watched.
const QUIET: Duration = Duration::from_mins(10);
/// Who the controller is, by impersonation: the rights are those that are installed.
const WHO: &str = "system:serviceaccount:ringfence-system:ringfence";

pub(super) fn run() -> Result<(), Failure> {
    super::live::inside_a_lab("1b", "domain")
}

/// In the environment of the lab.
pub(super) fn inside() -> Result<(), Failure> {
    println!("{}.\n", super::setting("cargo xtask bench domain"));
    let folder = super::folder("domain")?;
    let printed = shell::output(Command::new(built("ringfence")).args(["install", "--print"]))?;
    apply(&folder, "install.yaml", &printed)?;
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
    let begin = Instant::now();
    apply(&folder, "domain.json", &domain().to_string())?;
    until("everything in place", Duration::from_mins(10), || {
        let status = status()?;
        let ready = status["conditions"].as_array().into_iter().flatten();
        let is_ready = ready.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        Ok(is_ready && status["effectiveModes"]["mode"] == "Enforce")
    })?;
    let settled = begin.elapsed();
    let objects = written(&clock(Duration::ZERO)?, None)?.len();
    let size = status()?.to_string().len();

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

fn apply(folder: &std::path::Path, name: &str, text: &str) -> Result<(), Failure> {
    let file = folder.join(name);
    fs::write(&file, text).map_err(Failure::while_(file.display()))?;
    kubectl(&["apply", "--server-side", "--filename", &file.display().to_string()]).map(drop)
}

fn kubectl(arguments: &[&str]) -> Result<String, Failure> {
    shell::output(Command::new("kubectl").args(arguments))
}

fn status() -> Result<Value, Failure> {
    let text = kubectl(&["get", "securitydomain", "bench", "-o", "json"])?;
    let object: Value = serde_json::from_str(&text).map_err(Failure::while_("kubectl get"))?;
    Ok(object["status"].clone())
}

fn until(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let begin = Instant::now();
    while !done()? {
        if begin.elapsed() > patience {
            return Err(Failure::new(format!("{what}: not within {} s", patience.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
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

/// The controller as a process; it ends with this.
struct Controller(Child);

impl Controller {
    fn start() -> Result<Self, Failure> {
        let mut command = Command::new(built("ringfence"));
        command.args(["serve", "controller", "--listen", "127.0.0.1:0", "--as", WHO]);
        let child =
            command.stdin(Stdio::null()).spawn().map_err(Failure::while_("ringfence serve controller"))?;
        Ok(Self(child))
    }

    fn read(&self, file: &str) -> Result<String, Failure> {
        let path = format!("/proc/{}/{file}", self.0.id());
        fs::read_to_string(&path).map_err(Failure::while_(path))
    }

    /// User and system time, in ticks of a hundredth of a second (`proc_pid_stat(5)`, fields 14 and 15).
    fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = self.read("stat")?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
        Ok(ticks / 100.0)
    }

    fn peak_megabytes(&self) -> Result<f64, Failure> {
        let status = self.read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kilobytes = peak.and_then(|it| it.trim().parse::<f64>().ok());
        kilobytes.map(|it| it * 1024.0 / 1e6).ok_or_else(|| Failure::new("no VmHWM"))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
