//! `cargo xtask bench admission`: what the native policies and mutations of a domain cost the API server for each pod that is
//! created. The same pods are created by dry-run in turn with the policies bound and without.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::Bar;
use super::controller;
use super::controller::Controller;
use super::controller::apply;
use super::controller::kubectl;
use super::live::Load;
use super::live::built;
use crate::failure::Failure;
use crate::shell;

const RUNS: usize = 3;
/// Pods of one run.
const PODS: usize = 500;
/// Bindings of policies, as kubectl names their kinds.
const BINDINGS: [&str; 2] = ["validatingadmissionpolicybindings", "mutatingadmissionpolicybindings"];
/// Every write of ours carries it.
const OURS: &str = "app.kubernetes.io/managed-by=ringfence";
/// What the API server needs at most to follow a binding.
const SETTLE: Duration = Duration::from_secs(10);

pub(super) fn run() -> Result<(), Failure> {
    super::live::inside_a_lab("1b", "admission")
}

/// In the environment of the lab.
pub(super) fn inside() -> Result<(), Failure> {
    println!("{}.\n", super::setting("cargo xtask bench admission"));
    let folder = super::folder("admission")?;
    controller::install(&folder)?;
    kubectl(&["create", "namespace", "ml"])?;
    controller::until("the account of the namespace", Duration::from_mins(1), || {
        Ok(kubectl(&["-n", "ml", "get", "serviceaccount", "default"]).is_ok())
    })?;
    let keeper = Controller::start()?;
    apply(&folder, "domain.json", &domain().to_string())?;
    controller::until_enforced("bench")?;
    // What is taken away below is not to come back.
    drop(keeper);
    let bindings = BINDINGS.join(",");
    let printed = kubectl(&["get", &bindings, "--selector", OURS, "-o", "json"])?;
    let list: Value = serde_json::from_str(&printed).map_err(Failure::while_("kubectl get"))?;
    let bound: Vec<Value> = list["items"].as_array().into_iter().flatten().map(bare).collect();
    if bound.is_empty() {
        return Err(Failure::new(format!("no bindings with the label {OURS}")));
    }
    let bound = json!({"apiVersion": "v1", "kind": "List", "items": bound}).to_string();
    let write = |name: &str, pods: &Value| {
        let file = folder.join(name);
        fs::write(&file, pods.to_string()).map_err(Failure::while_(file.display()))?;
        Ok::<_, Failure>(file.display().to_string())
    };
    let items: Vec<Value> = (0..PODS).map(pod).collect();
    let pods = write("pods.json", &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    let one = write("pod.json", &pod(0))?;

    println!("| run | with policies, CPU-ms per pod | without | difference |\n|---|---|---|---|");
    let mut differences = Vec::new();
    for run in 1..=RUNS {
        apply(&folder, "bindings.json", &bound)?;
        until_toleration(true, &one)?;
        let with = cost(&pods)?;
        kubectl(&["delete", &bindings, "--selector", OURS])?;
        until_toleration(false, &one)?;
        let without = cost(&pods)?;
        println!("| {run} | {with:.2} | {without:.2} | {:.2} |", with - without);
        differences.push(with - without);
    }
    println!();
    let most = differences.into_iter().fold(f64::NEG_INFINITY, f64::max);
    super::print_bars(&[Bar {
        figure: "CPU of the API server for policies and mutations, per pod created",
        promise: "at most 5 ms",
        measured: format!("{most:.2} ms, the most of {RUNS} runs"),
        holds: most <= 5.0,
    }])
}

/// Waits until a pod gets the toleration of the domain, or no longer.
fn until_toleration(wanted: bool, pod: &str) -> Result<(), Failure> {
    controller::until("the policies to follow their bindings", Duration::from_mins(1), || {
        // Refused while what fills in follows after what refuses.
        let mut asked = Command::new("kubectl");
        let asked = asked.args(["create", "--dry-run=server", "-o", "json", "--filename", pod]).output();
        let created = asked.map_err(Failure::while_("kubectl create"))?;
        if !created.status.success() {
            return Ok(false);
        }
        let pod: Value =
            serde_json::from_slice(&created.stdout).map_err(Failure::while_("kubectl create"))?;
        let mut tolerations = pod["spec"]["tolerations"].as_array().into_iter().flatten();
        Ok(tolerations.any(|it| it["key"] == "nvidia.com/gpu") == wanted)
    })?;
    std::thread::sleep(SETTLE);
    Ok(())
}

/// CPU of the API server for one pod, milliseconds.
fn cost(pods: &str) -> Result<f64, Failure> {
    let lab = built("ringfence-lab");
    let before = Load::of(&lab)?;
    shell::output(Command::new("kubectl").args(["create", "--dry-run=server", "--filename", pods]))?;
    let after = Load::of(&lab)?;
    let count = u32::try_from(PODS).map_err(Failure::while_("pods"))?;
    Ok((after.api_server - before.api_server) * 1000.0 / f64::from(count))
}

/// A binding as it is applied anew.
fn bare(binding: &Value) -> Value {
    json!({
        "apiVersion": binding["apiVersion"],
        "kind": binding["kind"],
        "metadata": {"name": binding["metadata"]["name"], "labels": binding["metadata"]["labels"]},
        "spec": binding["spec"],
    })
}

fn pod(number: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "ml", "name": format!("train-{number:03}")},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "train",
                "image": "registry.example/train@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "command": ["python", "train.py"],
                "env": [{"name": "EPOCHS", "value": "3"}],
                "resources": {
                    "requests": {"cpu": "1", "memory": "1Gi"},
                    "limits": {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"},
                },
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            }],
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
        },
    })
}

fn domain() -> Value {
    json!({
        "apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain", "metadata": {"name": "bench"},
        "spec": {
            "namespaces": {"names": ["ml"]},
            "nodes": {"selector": {"matchLabels": {"pool": "gpu"}}},
            "network": {"allowDNS": false},
            "enforcement": {"mode": "Enforce"},
        },
    })
}
