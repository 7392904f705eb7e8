//! `lab bench`: starts a lab as high as this machine goes, lets it settle, ends it; prints what it took.
//! Wall times mean something on an idle machine only; CPU-seconds everywhere.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::command::print;
use crate::command::up::options;
use crate::control::Request;
use crate::control::ask;
use crate::control_plane::ControlPlane;
use crate::error::Result;
use crate::home::Home;
use crate::pods::Node;
use crate::pods::labtool_pod;
use crate::reach::Reach;
use crate::reach::Target;
use crate::standin::StandIn;
use crate::tier::Tier;

pub(super) fn run(words: &[&str]) -> Result<()> {
    let options = options(words)?;
    let begin = Instant::now();
    let cluster = ControlPlane::private(&options)?;
    let ready = begin.elapsed();
    let status = cluster.status();
    let with_pods = (cluster.tier() == Tier::Node).then(|| pods(&cluster));
    let stopped = ask(&Home::at(cluster.folder()), Request::Stop, Duration::from_secs(90))?;

    print(&format!("tier {}, load {}", cluster.tier(), load()))?;
    print("| figure | measured |\n|---|---|")?;
    let row = |name: &str, value: String| print(&format!("| {name} | {value} |"));
    let milestone = |key: &str| status["milestones"][key].as_f64().map(|milliseconds| milliseconds / 1000.0);
    for (name, key) in MILESTONES {
        if let Some(seconds) = milestone(key) {
            row(name, format!("{seconds:.1} s"))?;
        }
    }
    row("command to ready", format!("{:.1} s", ready.as_secs_f64()))?;
    for (name, took) in with_pods.into_iter().flatten() {
        row(name, format!("{:.1} s", took.as_secs_f64()))?;
    }
    let mut total = 0.0;
    for component in status["components"].as_array().into_iter().flatten() {
        let megabytes = component["usage"]["resident"].as_f64().unwrap_or_default() / 1e6;
        total += megabytes;
        let cpu = component["usage"]["cpu_seconds"].as_f64().unwrap_or_default();
        let name = component["name"].as_str().unwrap_or_default();
        row(name, format!("{megabytes:.0} MB, {cpu:.1} CPU-s when ready"))?;
    }
    row("resident memory together", format!("{total:.0} MB"))?;
    let seconds = |value: &Value| value.as_f64().unwrap_or_default();
    row("stop and wipe", format!("{:.1} s", seconds(&stopped["stop_milliseconds"]) / 1000.0))?;
    row(
        "CPU of all components, start to end",
        format!("{:.1} CPU-s", seconds(&stopped["children_cpu_seconds"])),
    )
}

/// What a real node takes for its first pod and its first policy. A question to a pod takes a quarter of a second
/// by itself, and that is how finely a policy is seen to be in force.
fn pods(cluster: &ControlPlane) -> [(&'static str, Duration); 3] {
    let node = Node::of(cluster);
    let namespace = cluster.namespace("bench");
    let begin = Instant::now();
    let pod = node.run(&namespace, &labtool_pod("asker", &[], &["pause"]));
    let running = begin.elapsed();
    let target = [Target::tcp(StandIn::Internet.v4(), 443)];
    let open = node.probe(&pod, &target);
    let deny = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    });
    namespace.apply(&deny.to_string()).ok();
    let begin = Instant::now();
    node.until_reached(&pod, &target, &[Reach::Refused]);
    let enforced = begin.elapsed();
    namespace.kubectl(&["delete", "networkpolicy", "deny"]).ok();
    let begin = Instant::now();
    node.until_reached(&pod, &target, &open);
    [("first pod running", running), ("policy in force", enforced), ("policy released", begin.elapsed())]
}

const MILESTONES: [(&str, &str); 3] = [
    ("API server `/readyz` from empty etcd", "readyz"),
    ("default service account", "service-account"),
    ("node Ready and pod network", "node-ready"),
];

/// Load averages: what else the machine was doing.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
