//! What is filled in: a GPU pod with nothing written for it runs on the tainted node; Jobs end and go.

use std::time::Duration;

use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::twins;
use crate::world::AS_CONTROLLER;
use crate::world::Calls;
use crate::world::ENFORCED;
use crate::world::FREE;
use crate::world::NODE;
use crate::world::OBSERVED;
use crate::world::WARNED;
use crate::world::world;

const MINUTE: Duration = Duration::from_mins(1);
const LABEL: &str = "node-restriction.kubernetes.io/ringfence-domain";

/// An object as the server would store it.
fn stored(lab: &ControlPlane, namespace: &str, object: &Value) -> Value {
    let text = lab.create_in(namespace, object, &["--dry-run=server", "--output=json"]).ok();
    serde_json::from_str(&text).unwrap()
}

/// Tolerations of the GPU taint.
fn gpu_tolerations(pod: &Value) -> Vec<&Value> {
    pod["spec"]["tolerations"].as_array().unwrap().iter().filter(|it| it["key"] == "nvidia.com/gpu").collect()
}

fn volumes<'a>(pod: &'a Value, name: &str) -> Vec<&'a Value> {
    pod["spec"]["volumes"].as_array().into_iter().flatten().filter(|it| it["name"] == name).collect()
}

#[test]
#[ignore = "needs lab tier 1b: schedules onto a fake node"]
fn a_gpu_pod_runs_on_the_tainted_node_with_nothing_written_for_it() {
    let Some(lab) = world() else { return };
    let mut pod = twins::gpu_pod();
    pod["metadata"]["name"] = json!("plain-gpu");
    lab.create_in(ENFORCED, &pod, &[]).ok();
    let node = until("the pod is bound", MINUTE, || {
        let node =
            lab.kubectl(&["get", "pod", "plain-gpu", "-n", ENFORCED, "-o", "jsonpath={.spec.nodeName}"]).ok();
        (!node.is_empty()).then_some(node)
    });
    assert_eq!(node, NODE);
    let taints = lab.kubectl(&["get", "node", NODE, "-o", "jsonpath={.spec.taints[*].key}"]).ok();
    assert!(taints.contains("nvidia.com/gpu"), "the node is not tainted: {taints}");
    lab.kubectl(&["delete", "pod", "plain-gpu", "-n", ENFORCED, "--wait=false"]).ok();
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn toleration_selector_and_shared_memory_come_to_what_a_pod_has() {
    let Some(lab) = world() else { return };
    let own = json!({"key": "example.com/burst", "operator": "Exists"});
    let pod = twins::pod(&json!({"tolerations": [own], "nodeSelector": {"disk": "fast"}}), &twins::gpus("2"));
    let pod = stored(lab, ENFORCED, &pod);
    assert!(pod["spec"]["tolerations"].as_array().unwrap().contains(&own));
    assert_eq!(
        gpu_tolerations(&pod),
        [&json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"})]
    );
    assert_eq!(pod["spec"]["nodeSelector"], json!({"disk": "fast", LABEL: "enforced"}));
    // Half of a limit of 1 GiB.
    let memory = json!({"medium": "Memory", "sizeLimit": "536870912"});
    assert_eq!(volumes(&pod, "ringfence-shm")[0]["emptyDir"], memory);
    assert_eq!(
        pod["spec"]["containers"][0]["volumeMounts"],
        json!([{"name": "ringfence-shm", "mountPath": "/dev/shm"}])
    );
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn what_the_author_wrote_stays() {
    let Some(lab) = world() else { return };
    let toleration = json!({"key": "nvidia.com/gpu", "operator": "Exists"});
    let mut container = twins::gpus("1");
    container["volumeMounts"] = json!([{"name": "mine", "mountPath": "/dev/shm"}]);
    let volume = json!({"name": "mine", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}});
    let spec = json!({"tolerations": [toleration], "nodeSelector": {LABEL: "enforced"}, "volumes": [volume]});
    let pod = stored(lab, ENFORCED, &twins::pod(&spec, &container));
    assert_eq!(gpu_tolerations(&pod), [&toleration]);
    assert_eq!(pod["spec"]["volumes"], json!([volume]));
    assert_eq!(pod["spec"]["nodeSelector"], json!({LABEL: "enforced"}));
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_pod_with_a_device_claim_is_placed_as_one_with_a_limit() {
    let Some(lab) = world() else { return };
    let claims = json!([{"name": "gpu", "resourceClaimName": "gpu"}]);
    let container = json!({"resources": {"claims": [{"name": "gpu"}]}});
    let pod = stored(lab, ENFORCED, &twins::pod(&json!({"resourceClaims": claims}), &container));
    assert_eq!(gpu_tolerations(&pod).len(), 1);
    assert_eq!(pod["spec"]["nodeSelector"][LABEL], "enforced");
    assert_eq!(volumes(&pod, "ringfence-shm").len(), 1);
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn shared_memory_is_a_share_of_the_smallest_limit_and_only_for_containers_with_a_gpu() {
    let Some(lab) = world() else { return };
    let mut pod =
        twins::pod(&json!({}), &json!({"resources": {"limits": {"memory": "8Gi", "nvidia.com/gpu": "1"}}}));
    let containers = pod["spec"]["containers"].as_array_mut().unwrap();
    let mut second = containers[0].clone();
    second["name"] = json!("second");
    second["resources"]["limits"]["memory"] = json!("4G");
    let mut sidecar = second.clone();
    sidecar["name"] = json!("sidecar");
    sidecar["resources"]["limits"] = json!({"cpu": "1", "memory": "64Mi"});
    containers.extend([second, sidecar]);
    let pod = stored(lab, ENFORCED, &pod);
    assert_eq!(volumes(&pod, "ringfence-shm")[0]["emptyDir"]["sizeLimit"], "2G");
    let mounts = pod["spec"]["containers"].as_array().unwrap().iter();
    let mounted: Vec<_> = mounts.map(|it| it["volumeMounts"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(mounted, [1, 1, 0]);
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn nothing_is_filled_in_before_enforce_nor_where_nothing_is_asked_for() {
    let Some(lab) = world() else { return };
    // No container gets what the pod alone claims.
    let unnamed = json!({"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]});
    for (namespace, pod) in [
        (WARNED, twins::gpu_pod()),
        (OBSERVED, twins::gpu_pod()),
        (ENFORCED, twins::pod(&json!({}), &json!({}))),
        (ENFORCED, twins::pod(&json!({}), &twins::gpus("0"))),
        (ENFORCED, twins::pod(&unnamed, &json!({}))),
    ] {
        let pod = stored(lab, namespace, &pod);
        assert!(
            gpu_tolerations(&pod).is_empty() && pod["spec"]["nodeSelector"].is_null(),
            "{namespace}: {pod}"
        );
        assert!(pod["spec"]["volumes"].is_null(), "{namespace}: {pod}");
    }
    // A domain that fills in neither leaves both to the author.
    let pod = stored(lab, FREE, &twins::gpu_pod());
    assert!(gpu_tolerations(&pod).is_empty() && pod["spec"]["nodeSelector"].is_null(), "{pod}");
    assert_eq!(volumes(&pod, "ringfence-shm").len(), 1);
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_job_gets_the_times_it_does_not_name() {
    let Some(lab) = world() else { return };
    let mut pod = twins::pod(&json!({"restartPolicy": "Never"}), &json!({}));
    let template = json!({"spec": pod["spec"].take()});
    let job = |fields: &Value, metadata: &Value| {
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train"},
            "spec": {"template": template}});
        twins::merge(&mut job["spec"], fields);
        twins::merge(&mut job["metadata"], metadata);
        job
    };
    let of = |flags: &[&str], job: &Value| {
        let text = lab.create_in(FREE, job, &[&["--dry-run=server", "--output=json"], flags].concat()).ok();
        let job: Value = serde_json::from_str(&text).unwrap();
        (job["spec"]["ttlSecondsAfterFinished"].as_u64(), job["spec"]["activeDeadlineSeconds"].as_u64())
    };
    let times = |job: &Value| of(&[], job);
    let none = json!({});
    assert_eq!(times(&job(&none, &none)), (Some(600), Some(3600)));
    assert_eq!(times(&job(&json!({"ttlSecondsAfterFinished": 5}), &none)), (Some(5), Some(3600)));
    assert_eq!(times(&job(&json!({"activeDeadlineSeconds": 7}), &none)), (Some(600), Some(7)));
    let owned = |kind: &str, api: &str| {
        json!({"ownerReferences": [{"apiVersion": api, "kind": kind, "name": "it", "controller": true,
            "uid": "00000000-0000-0000-0000-000000000000"}]})
    };
    let by_controller = |job: &Value| of(&AS_CONTROLLER, job);
    assert_eq!(by_controller(&job(&none, &owned("CronJob", "batch/v1"))), (Some(600), Some(3600)));
    let set = job(&none, &owned("JobSet", "jobset.x-k8s.io/v1alpha2"));
    assert_eq!(by_controller(&set), (None, None));
    assert_eq!(
        times(&set),
        (Some(600), Some(3600)),
        "a person's word that a controller made it is not taken"
    );
}
