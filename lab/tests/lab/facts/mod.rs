//! Facts that the guide and our controls rest on, shown on the real scheduler, controllers and API server.
//! Each is the reason for a control. Nodes are fake: what is judged here never reaches a kubelet.

mod api_token;
mod external_secrets;
mod gpu_budget;
mod limits;
mod namespace_label;
mod node_label;
mod pod_security;
mod role;
mod taint;

use std::path::Path;
use std::time::Duration;

use ringfence_lab::Namespace;
use ringfence_lab::until;
use serde_json::Value;

/// For decisions of scheduler and controllers on a crowded machine.
const DECISION: Duration = Duration::from_mins(1);

/// An example of the guide, as its reader applies it.
fn guide(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/guide");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

fn pod(namespace: &Namespace<'_>, name: &str) -> Option<Value> {
    let list = namespace.kubectl(&[
        "get",
        "pods",
        "--field-selector",
        &format!("metadata.name={name}"),
        "-o",
        "json",
    ]);
    let list: Value = serde_json::from_str(&list.ok()).unwrap();
    list["items"].as_array().unwrap().first().cloned()
}

/// Waits until a pod runs; gives its node.
fn runs_on(namespace: &Namespace<'_>, name: &str) -> String {
    until(&format!("pod {name} running"), DECISION, || {
        let pod = pod(namespace, name)?;
        (pod["status"]["phase"] == "Running").then(|| pod["spec"]["nodeName"].as_str().unwrap().to_owned())
    })
}

/// Waits for the scheduler's verdict that a pod fits nowhere; gives its words.
fn is_unschedulable(namespace: &Namespace<'_>, name: &str) -> String {
    until(&format!("verdict on pod {name}"), DECISION, || {
        let pod = pod(namespace, name)?;
        let conditions = pod["status"]["conditions"].as_array()?;
        let verdict = conditions.iter().find(|each| each["type"] == "PodScheduled")?;
        let is_refused = verdict["status"] == "False" && verdict["reason"] == "Unschedulable";
        is_refused.then(|| verdict["message"].as_str().unwrap().to_owned())
    })
}
