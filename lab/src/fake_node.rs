//! A node without a kubelet: an object of the API that stays Ready, and pods that run on paper. Scheduler and
//! node lifecycle controller take it for a real one.

use std::time::Duration;
use std::time::Instant;

use futures::StreamExt;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::Client;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use serde_json::Value;
use serde_json::json;

use crate::error::Error;
use crate::error::Result;
use crate::lab::FakeNodeSpec;

/// As a kubelet: the node lifecycle controller gives up after 50 s.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// After an error of the API server, which a test may be restarting.
const RETRY: Duration = Duration::from_millis(500);
/// For the taint of a node that is not ready yet.
const SCHEDULABLE: Duration = Duration::from_mins(1);

/// Makes the node, or takes over one that exists with its taints, and sets labels and size.
pub(crate) async fn create(client: &Client, spec: &FakeNodeSpec) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let doing = || Error::while_(format!("node {}", spec.name));
    let mut labels = spec.labels.clone();
    labels.insert("kubernetes.io/hostname".into(), spec.name.clone());
    labels.insert("lab/fake".into(), "true".into());
    let object = json!({"metadata": {"name": spec.name, "labels": labels}});
    let node = serde_json::from_value(object.clone()).map_err(Error::while_("node"))?;
    match nodes.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            nodes.patch(&spec.name, &PatchParams::default(), &Patch::Merge(object)).await.map_err(doing())?;
        }
        created => drop(created.map_err(doing())?),
    }
    beat(&nodes, spec).await.map_err(doing())
}

/// Waits until the scheduler may use it: a controller takes a taint off every node that becomes ready.
pub(crate) async fn schedulable(client: &Client, name: &str) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let end = Instant::now() + SCHEDULABLE;
    loop {
        let node = nodes.get(name).await.map_err(Error::while_(format!("node {name}")))?;
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        if !taints.iter().any(|taint| taint.key == "node.kubernetes.io/not-ready") {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(Error::Deadline { what: format!("node {name} ready"), after: SCHEDULABLE });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Keeps the node Ready and its pods running until it is dropped.
pub(crate) async fn live(client: Client, spec: FakeNodeSpec) {
    let nodes: Api<Node> = Api::all(client.clone());
    let heart = async {
        loop {
            let pause = if beat(&nodes, &spec).await.is_ok() { HEARTBEAT } else { RETRY };
            tokio::time::sleep(pause).await;
        }
    };
    let pods = async {
        loop {
            let _ = follow(&client, &spec.name).await;
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::join!(heart, pods);
}

/// Removes the node. Its pods are then collected by the controllers.
pub(crate) async fn delete(client: &Client, name: &str) {
    let nodes: Api<Node> = Api::all(client.clone());
    let _ = nodes.delete(name, &DeleteParams::default()).await;
}

/// Size and readiness, with the time of now.
async fn beat(nodes: &Api<Node>, spec: &FakeNodeSpec) -> Result<(), kube::Error> {
    let size = json!({
        "cpu": "32",
        "memory": "256Gi",
        "ephemeral-storage": "1Ti",
        "pods": spec.pods.to_string(),
        "nvidia.com/gpu": spec.gpus.to_string(),
    });
    let status = json!({"status": {
        "capacity": size,
        "allocatable": size,
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "LabFakeNode",
            "lastHeartbeatTime": now(),
        }],
    }});
    nodes.patch_status(&spec.name, &PatchParams::default(), &Patch::Merge(status)).await.map(drop)
}

/// Acts on each pod of the node, those that are there and those that come. Ends with the watch.
async fn follow(client: &Client, node: &str) -> Result<(), kube::Error> {
    let pods: Api<Pod> = Api::all(client.clone());
    let bound = format!("spec.nodeName={node}");
    let list = pods.list(&ListParams::default().fields(&bound)).await?;
    let version = list.metadata.resource_version.clone().unwrap_or_default();
    for pod in list {
        act(client, &pod).await?;
    }
    let mut events = pods.watch(&WatchParams::default().fields(&bound), &version).await?.boxed();
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => act(client, &pod).await?,
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(_) => break, // the version is too old: list again
        }
    }
    Ok(())
}

/// What a kubelet would do about this pod.
async fn act(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let result = if pod.metadata.deletion_timestamp.is_some() {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        pods.delete(&name, &at_once).await.map(drop)
    } else if phase == Some("Pending") {
        pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(running(pod))).await.map(drop)
    } else {
        return Ok(());
    };
    match result {
        // Gone, or changed by somebody else: the next event tells.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => other,
    }
}

/// The status of a pod whose containers all run.
fn running(pod: &Pod) -> Value {
    let now = now();
    let spec = pod.spec.as_ref();
    let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let statuses: Vec<Value> = containers
        .iter()
        .map(|container| {
            json!({
                "name": container.name,
                "image": container.image.clone().unwrap_or_default(),
                "imageID": "",
                "ready": true,
                "started": true,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            })
        })
        .collect();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    json!({"status": {
        "phase": "Running",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": statuses,
    }})
}

/// As the API server writes times.
fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_pod_has_every_container_ready() {
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}});
        let status = running(&serde_json::from_value(pod).unwrap());
        let names: Vec<_> = status["status"]["containerStatuses"].as_array().unwrap().iter().collect();
        assert_eq!(names.len(), 2);
        assert!(names.iter().all(|container| container["ready"] == true));
        let start = status["status"]["startTime"].as_str().unwrap();
        assert!(start.ends_with('Z') && start.len() == "2026-01-01T00:00:00Z".len(), "{start}");
    }
}
