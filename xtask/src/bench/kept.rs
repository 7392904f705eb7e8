//! What a domain is kept by, for the bench and for its small form among the tests, which takes this file in: the domain, the
//! API server's audit log as the witness of every write, and what the kernel counts of the controller.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

/// Who the controller is: the rights are those that are installed.
pub(crate) const WHO: &str = "system:serviceaccount:ringfence-system:ringfence";

/// A domain in Enforce over all namespaces with the label `bench: NAME`, with nine objects in each.
pub(crate) fn domain(name: &str) -> Value {
    json!({
        "apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": name},
        "spec": {
            "namespaces": {"selector": {"matchLabels": {"bench": name}}},
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

/// Its namespaces by number, as one list.
pub(crate) fn namespaces(name: &str, numbers: std::ops::Range<usize>) -> Value {
    let one = |number| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace(number), "labels": {"bench": name}}})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": numbers.map(one).collect::<Vec<_>>()})
}

/// The name of one.
pub(crate) fn namespace(number: usize) -> String {
    format!("team-{number:04}")
}

/// An answered write in the audit log.
#[derive(Debug)]
pub(crate) struct Answered {
    /// When, RFC 3339 with microseconds.
    pub(crate) at: String,
    verb: String,
    /// Resource, namespace and name, for people.
    pub(crate) what: String,
    namespace: String,
    by_controller: bool,
}

/// Writes of the controller since a moment, its lease and what is tried by dry-run left out; or with a resource, writes of
/// everybody to it.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn written(log: &Path, since: &str, resource: Option<&str>) -> io::Result<Vec<Answered>> {
    let mut found = Vec::new();
    for line in io::BufReader::new(fs::File::open(log)?).lines() {
        // The last one may be in the writing.
        let Ok(event) = serde_json::from_str::<Value>(&line?) else { continue };
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_write = ["create", "update", "patch", "delete"].contains(&text("/verb").as_str());
        let is_dry = text("/requestURI").contains("dryRun=");
        let users = ["/impersonatedUser/username", "/user/username"];
        let by_controller = users.into_iter().any(|it| text(it) == WHO);
        let of = text("/objectRef/resource");
        let counts = match resource {
            Some(resource) => of == resource,
            None => by_controller && !["leases", "selfsubjectreviews"].contains(&of.as_str()),
        };
        let (at, namespace) = (text("/stageTimestamp"), text("/objectRef/namespace"));
        if is_write && !is_dry && counts && text("/stage") == "ResponseComplete" && at.as_str() >= since {
            let what = format!("{of} {namespace}/{}", text("/objectRef/name"));
            found.push(Answered { at, verb: text("/verb"), what, namespace, by_controller });
        }
    }
    Ok(found)
}

/// The time some while ago as the audit log writes it.
///
/// # Errors
/// There is no GNU `date`.
pub(crate) fn clock(ago: Duration) -> io::Result<String> {
    let ago = format!("-{} seconds", ago.as_secs());
    let said = Command::new("date").args(["-u", "-d", &ago, "+%Y-%m-%dT%H:%M:%S.%6NZ"]).output()?;
    String::from_utf8(said.stdout).map(|it| it.trim().to_owned()).map_err(io::Error::other)
}

/// Seconds between each removal by somebody else and the write of the controller that brought it back, among writes of one
/// resource.
pub(crate) fn repairs(events: &[Answered]) -> Vec<f64> {
    let removals = events.iter().filter(|it| it.verb == "delete" && !it.by_controller);
    let repairs = removals.filter_map(|removal| {
        let mut later = events.iter().filter(|it| it.by_controller && it.namespace == removal.namespace);
        let repair = later.find(|it| it.at >= removal.at)?;
        Some(seconds(&repair.at)? - seconds(&removal.at)?)
    });
    repairs.collect()
}

/// Seconds of the day.
fn seconds(at: &str) -> Option<f64> {
    let (_, time) = at.trim_end_matches('Z').split_once('T')?;
    time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}

/// What the kernel counts of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// Most memory it has had.
    pub(crate) peak_megabytes: f64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// There is no such process, or the kernel counts nothing.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}"));
        // Ticks of a hundredth of a second (`proc_pid_stat(5)`, fields 14 and 15).
        let stat = read("stat")?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum();
        let status = read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kilobytes = peak.and_then(|it| it.trim().parse::<f64>().ok());
        let kilobytes = kilobytes.ok_or_else(|| io::Error::other("no VmHWM"))?;
        Ok(Self { cpu_seconds: ticks / 100.0, peak_megabytes: kilobytes * 1024.0 / 1e6 })
    }
}
