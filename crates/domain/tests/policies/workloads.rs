//! Workloads: the reason stands where the author sees it, and what a controller made is left to its pods.

use std::time::Duration;

use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::twins;
use crate::world::AS_CONTROLLER;
use crate::world::Calls;
use crate::world::ENFORCED;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::operator;
use crate::world::try_create;
use crate::world::world;

const SECONDS: Duration = Duration::from_secs(30);

/// A workload of each kind with this pod spec.
fn each_kind(spec: &Value) -> [Value; 5] {
    let mut looping = spec.clone();
    looping["restartPolicy"] = json!("Never");
    let labels = json!({"app": "web"});
    let template = |spec: &Value| json!({"metadata": {"labels": labels}, "spec": spec});
    let object = |api: &str, kind: &str, spec: Value| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "web"}, "spec": spec});
    let selector = json!({"matchLabels": labels});
    let job = json!({"activeDeadlineSeconds": 60, "template": template(&looping)});
    [
        object("apps/v1", "Deployment", json!({"selector": selector, "template": template(spec)})),
        object(
            "apps/v1",
            "StatefulSet",
            json!({"selector": selector, "serviceName": "web", "template": template(spec)}),
        ),
        object("apps/v1", "DaemonSet", json!({"selector": selector, "template": template(spec)})),
        object("batch/v1", "Job", job.clone()),
        object("batch/v1", "CronJob", json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": job}})),
    ]
}

fn spec(fields: &Value) -> Value {
    twins::pod(fields, &json!({}))["spec"].clone()
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn every_kind_of_workload_is_refused_inside_and_warned_of_outside() {
    let Some(lab) = world() else { return };
    let bad = spec(&json!({"tolerations": [{"operator": "Exists"}]}));
    for workload in each_kind(&bad) {
        let refused = try_create(lab, ENFORCED, &workload).refused();
        assert!(refused.contains("denied request: RF-GPU-002"), "{refused}");
        let warned = try_create(lab, WARNED, &workload);
        assert!(warned.is_ok() && warned.stderr().contains("RF-GPU-002"), "{}", warned.stderr());
        let warned = try_create(lab, OUTSIDE, &workload);
        assert!(warned.is_ok() && warned.stderr().contains("RF-GPU-002"), "{}", warned.stderr());
    }
    for workload in each_kind(&spec(&json!({}))) {
        for namespace in [ENFORCED, WARNED, OUTSIDE] {
            let done = try_create(lab, namespace, &workload);
            assert!(done.is_ok() && !done.stderr().contains("RF-"), "{namespace}: {}", done.stderr());
        }
    }
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_template_that_names_a_node_is_refused_before_its_pods_are() {
    let Some(lab) = world() else { return };
    for workload in each_kind(&spec(&json!({"nodeName": "gpu-1"}))) {
        let refused = try_create(lab, ENFORCED, &workload).refused();
        assert!(refused.contains("denied request: RF-GPU-024"), "{refused}");
    }
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_job_without_a_deadline_is_refused_where_one_is_required() {
    let Some(lab) = world() else { return };
    let [_, _, _, mut job, mut cron] = each_kind(&spec(&json!({})));
    job["spec"].as_object_mut().unwrap().remove("activeDeadlineSeconds");
    cron["spec"]["jobTemplate"]["spec"].as_object_mut().unwrap().remove("activeDeadlineSeconds");
    for workload in [job, cron] {
        let refused = try_create(lab, ENFORCED, &workload).refused();
        assert!(refused.contains("RF-RUN-013 spec.activeDeadlineSeconds"), "{refused}");
        let free = try_create(lab, crate::world::FREE, &workload);
        assert!(free.is_ok(), "{}", free.stderr());
    }
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_workload_that_a_controller_made_is_judged_by_its_pods() {
    let Some(lab) = world() else { return };
    let [_, _, _, mut job, _] = each_kind(&spec(&json!({"hostPID": true})));
    job["metadata"]["ownerReferences"] = json!([{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet",
        "name": "set", "uid": "00000000-0000-0000-0000-000000000000", "controller": true}]);
    let [who, group] = AS_CONTROLLER;
    let done = lab.create_in(ENFORCED, &job, &["--dry-run=server", who, group]);
    assert!(done.is_ok() && !done.stderr().contains("RF-"), "{}", done.stderr());
    // A person's word that a controller made it is not taken.
    assert!(try_create(lab, ENFORCED, &job).refused().contains("RF-RUN-010"));
    // A reference that anybody may write helps no pod.
    let mut pod = twins::pod(&json!({"hostPID": true}), &json!({}));
    pod["metadata"]["ownerReferences"] = job["metadata"]["ownerReferences"].clone();
    let refused = try_create(lab, ENFORCED, &pod).refused();
    assert!(refused.contains("RF-RUN-010"), "{refused}");
}

#[test]
#[ignore = "needs lab tier 1b: creates what is refused later"]
fn a_pod_older_than_enforce_loses_its_finalizer_and_gets_no_new_image() {
    let Some(lab) = world() else { return };
    let name = "older";
    domain_of_one(lab, name, "observe");
    let mut pod = twins::pod(&json!({"hostPID": true}), &json!({}));
    pod["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
    lab.create_in(name, &pod, &[]).ok();
    domain_of_one(lab, name, "enforce");
    let image = ["set", "image", "pod/web", "main=registry.example/web:2", "-n", name];
    until("Enforce acts", SECONDS, || (!lab.kubectl(&image).is_ok()).then_some(()));
    let refused = lab.kubectl(&image).refused();
    assert!(refused.contains("RF-RUN-010"), "{refused}");
    let patch =
        |json: &str| lab.kubectl(&["patch", "pod", "web", "-n", name, "--type=merge", "--patch", json]);
    patch(r#"{"metadata": {"labels": {"seen": "true"}}}"#).ok();
    patch(r#"{"metadata": {"finalizers": null}}"#).ok();
    lab.kubectl(&["delete", "pod", "web", "-n", name, "--grace-period=0", "--force"]).ok();
}

/// A namespace that is a domain of its own, in a mode.
fn domain_of_one(lab: &ControlPlane, name: &str, mode: &str) {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
        "labels": {"ringfence.dev/domain": name, "ringfence.dev/mode": mode},
        "annotations": {"ringfence.dev/mountable": ",*,"}}});
    lab.apply_as(&operator(), &object.to_string()).ok();
    until("account default", SECONDS, || {
        lab.kubectl(&["get", "sa", "default", "-n", name]).is_ok().then_some(())
    });
}

#[test]
#[ignore = "needs lab tier 1b: creates what is refused later"]
fn a_deployment_older_than_enforce_can_be_scaled_but_not_changed() {
    let Some(lab) = world() else { return };
    let name = "older-deployment";
    domain_of_one(lab, name, "observe");
    let [mut deployment, ..] = each_kind(&spec(&json!({"hostPID": true})));
    deployment["spec"]["replicas"] = json!(0);
    lab.create_in(name, &deployment, &[]).ok();
    domain_of_one(lab, name, "enforce");
    let image =
        ["set", "image", "deployment/web", "main=registry.example/web:2", "-n", name, "--dry-run=server"];
    let refused = until("Enforce acts", SECONDS, || {
        let done = lab.kubectl(&image);
        (!done.is_ok()).then(|| done.stderr())
    });
    assert!(refused.contains("RF-RUN-010"), "{refused}");
    lab.kubectl(&["scale", "deployment/web", "--replicas=1", "-n", name]).ok();
    // Its new pod is refused, and says so where its author looks.
    let reason = until("the ReplicaSet fails", SECONDS, || {
        let path = "jsonpath={.status.conditions[?(@.type==\"ReplicaFailure\")].message}";
        let message = lab.kubectl(&["get", "deployment", "web", "-n", name, "-o", path]).ok();
        (!message.is_empty()).then_some(message)
    });
    assert!(reason.contains("RF-RUN-010 spec.hostPID"), "{reason}");
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_toleration_that_comes_later_is_judged_too() {
    let Some(lab) = world() else { return };
    let mut pod = twins::pod(&json!({"schedulingGates": [{"name": "example.com/wait"}]}), &json!({}));
    pod["metadata"]["name"] = json!("later");
    lab.create_in(OUTSIDE, &pod, &[]).ok();
    let add = |toleration: &str| {
        let patch = format!(r#"[{{"op": "add", "path": "/spec/tolerations/-", "value": {toleration}}}]"#);
        lab.kubectl(&[
            "patch",
            "pod",
            "later",
            "-n",
            OUTSIDE,
            "--type=json",
            "--dry-run=server",
            "--patch",
            &patch,
        ])
    };
    let refused = add(r#"{"operator": "Exists", "effect": "NoSchedule"}"#).refused();
    assert!(refused.contains("RF-GPU-002"), "{refused}");
    add(r#"{"key": "example.com/burst", "operator": "Exists"}"#).ok();
    lab.kubectl(&["delete", "pod", "later", "-n", OUTSIDE, "--wait=false"]).ok();
}
