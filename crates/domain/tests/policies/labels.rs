//! Labels, annotations and taints that the boundary hangs on: nobody but the controller changes them, through no
//! subresource, and nobody who does something else is in the way.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::Patch;
use kube::api::PatchParams;
use ringfence_lab::ControlPlane;
use ringfence_lab::Identity;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::world::ENFORCED;
use crate::world::NODE;
use crate::world::OBSERVED;
use crate::world::OUTSIDE;
use crate::world::operator;
use crate::world::world;

const SECONDS: Duration = Duration::from_secs(30);
const LABEL: &str = "node-restriction.kubernetes.io/ringfence-domain";
const REASON: &str = "denied request: RF-RBAC-007";

/// A merge patch through a subresource, or through none with an empty one; dry.
fn patch(lab: &ControlPlane, kind: &str, name: &str, subresource: &str, patch: &Value) -> Result<(), String> {
    let patch = patch.to_string();
    let mut arguments = vec!["patch", kind, name, "--type=merge", "--dry-run=server", "--patch", &patch];
    let subresource = format!("--subresource={subresource}");
    if subresource != "--subresource=" {
        arguments.push(&subresource);
    }
    let done = lab.kubectl(&arguments);
    if done.is_ok() { Ok(()) } else { Err(done.stderr()) }
}

fn labels(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

fn notes(notes: &Value) -> Value {
    json!({"metadata": {"annotations": notes}})
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_cluster_administrator_may_not_move_a_namespace_nor_its_limits() {
    let Some(lab) = world() else { return };
    let bad = [
        (ENFORCED, "", labels(&json!({"ringfence.dev/domain": null}))),
        (ENFORCED, "status", labels(&json!({"ringfence.dev/domain": null}))),
        (ENFORCED, "", labels(&json!({"ringfence.dev/mode": "observe"}))),
        (ENFORCED, "", labels(&json!({"ringfence.dev/other": "x"}))),
        (OUTSIDE, "", labels(&json!({"ringfence.dev/domain": "enforced"}))),
        (ENFORCED, "", notes(&json!({"ringfence.dev/mountable": ",*,"}))),
        (ENFORCED, "status", notes(&json!({"ringfence.dev/mountable": null}))),
        (ENFORCED, "", notes(&json!({"ringfence.dev/max-gpus-per-pod": "64"}))),
        (OUTSIDE, "", notes(&json!({"ringfence.dev/mountable": ",*,"}))),
        (ENFORCED, "", labels(&json!({"pod-security.kubernetes.io/enforce": null}))),
        (ENFORCED, "", labels(&json!({"resource.kubernetes.io/admin-access": "true"}))),
    ];
    for (namespace, subresource, change) in bad {
        let said = patch(lab, "namespace", namespace, subresource, &change).unwrap_err();
        assert!(said.contains(REASON), "{namespace} {subresource} {change}: {said}");
    }
    let good = [
        (ENFORCED, "", labels(&json!({"team": "research"}))),
        (ENFORCED, "", notes(&json!({"owner": "anna"}))),
        (ENFORCED, "", notes(&json!({"ringfence.dev/except.RF-NET-001": "anna; mesh does it; 2027-01-01"}))),
        (OBSERVED, "", labels(&json!({"pod-security.kubernetes.io/enforce": "baseline"}))),
        (OUTSIDE, "", labels(&json!({"pod-security.kubernetes.io/enforce": "baseline"}))),
    ];
    for (namespace, subresource, change) in good {
        assert_eq!(patch(lab, "namespace", namespace, subresource, &change), Ok(()), "{namespace} {change}");
    }
}

#[test]
#[ignore = "needs lab tier 1b: creates a namespace"]
fn access_to_devices_in_use_is_closed_in_enforce_and_may_always_be_taken_off() {
    const ADMIN: &str = "resource.kubernetes.io/admin-access";

    let Some(lab) = world() else { return };
    let name = "administered";
    lab.kubectl(&["create", "namespace", name]).ok();
    // While the domain only watches, its owner may.
    let ours = |mode: &str| json!({"ringfence.dev/domain": name, "ringfence.dev/mode": mode});
    let apply = |labels: &Value| {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        lab.apply_as(&operator(), &object.to_string()).ok();
    };
    apply(&ours("observe"));
    lab.kubectl(&["label", "namespace", name, &format!("{ADMIN}=true")]).ok();
    apply(&ours("enforce"));
    assert_eq!(patch(lab, "namespace", name, "", &labels(&json!({ADMIN: null}))), Ok(()));
    assert_eq!(patch(lab, "namespace", name, "", &labels(&json!({"team": "research"}))), Ok(()));
    // What the controller writes over it.
    let mut closed = ours("enforce");
    closed[ADMIN] = json!("false");
    apply(&closed);
    let live = lab.kubectl(&["get", "namespace", name, "--output=json"]).ok();
    let live: Value = serde_json::from_str(&live).unwrap();
    assert_eq!(live["metadata"]["labels"][ADMIN], "false");
    let said = patch(lab, "namespace", name, "", &labels(&json!({ADMIN: "true"}))).unwrap_err();
    assert!(said.contains(REASON), "{said}");
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn our_labels_cannot_be_finalized_away() {
    let Some(lab) = world() else { return };
    let text = lab.kubectl(&["get", "namespace", ENFORCED, "--output=json"]).ok();
    let mut namespace: Value = serde_json::from_str(&text).unwrap();
    namespace["metadata"]["labels"].as_object_mut().unwrap().remove("ringfence.dev/domain");
    let file = std::env::temp_dir().join(format!("ringfence-finalize-{}.json", std::process::id()));
    std::fs::write(&file, namespace.to_string()).unwrap();
    let path = format!("/api/v1/namespaces/{ENFORCED}/finalize?dryRun=All");
    let said = lab.kubectl(&["replace", "--raw", &path, "--filename", file.to_str().unwrap()]).refused();
    std::fs::remove_file(file).unwrap();
    assert!(said.contains(REASON), "{said}");
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn label_and_taint_of_a_node_stay_through_every_subresource() {
    let Some(lab) = world() else { return };
    let taints = |taints: Value| json!({"spec": {"taints": taints}});
    let ours = json!({"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"});
    let own = json!({"key": "example.com/maintenance", "effect": "NoSchedule"});
    let bad = [
        ("", labels(&json!({LABEL: null}))),
        ("status", labels(&json!({LABEL: "another"}))),
        ("", taints(json!(null))),
        ("", taints(json!([own]))),
        ("", taints(json!([{"key": "nvidia.com/gpu", "value": "true", "effect": "PreferNoSchedule"}]))),
    ];
    for (subresource, change) in bad {
        let said = patch(lab, "node", NODE, subresource, &change).unwrap_err();
        assert!(said.contains(REASON), "{subresource} {change}: {said}");
    }
    assert_eq!(patch(lab, "node", NODE, "", &taints(json!([own, ours]))), Ok(()));
    assert_eq!(patch(lab, "node", NODE, "", &labels(&json!({"disk": "fast"}))), Ok(()));
}

#[test]
#[ignore = "needs lab tier 1b: acts as a kubelet"]
fn a_kubelet_reports_and_a_node_is_born() {
    let Some(lab) = world() else { return };
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Test"}]}});
    let note = notes(&json!({"volumes.kubernetes.io/controller-managed-attach-detach": "true"}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let nodes: Api<Node> = Api::all(lab.client_as(&Identity::node(NODE)).await);
        for change in [status, note] {
            nodes.patch_status(NODE, &PatchParams::default(), &Patch::Strategic(change)).await.unwrap();
        }
    });
    let born = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-9"},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]}});
    let mut claimed = born.clone();
    claimed["metadata"]["labels"] = json!({LABEL: "enforced"});
    assert!(crate::world::try_create(lab, OUTSIDE, &born).is_ok());
    let said = crate::world::try_create(lab, OUTSIDE, &claimed).refused();
    assert!(said.contains(REASON), "{said}");
}

#[test]
#[ignore = "needs lab tier 1b: creates and removes a namespace"]
fn the_controller_labels_and_a_namespace_of_a_domain_can_be_deleted() {
    let Some(lab) = world() else { return };
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "passing",
        "labels": {"ringfence.dev/domain": "passing", "ringfence.dev/mode": "enforce",
            "pod-security.kubernetes.io/enforce": "baseline"}}});
    let said = crate::world::try_create(lab, OUTSIDE, &object).refused();
    assert!(said.contains(REASON), "{said}");
    lab.apply_as(&operator(), &object.to_string()).ok();
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "rf-default-deny", "namespace": "passing", "labels": {"ringfence.dev/domain": "passing"}},
        "spec": {"podSelector": {}}});
    lab.apply_as(&operator(), &policy.to_string()).ok();
    lab.kubectl(&["delete", "namespace", "passing", "--wait=false"]).ok();
    until("the namespace is gone", SECONDS, || {
        (!lab.kubectl(&["get", "namespace", "passing"]).is_ok()).then_some(())
    });
}
