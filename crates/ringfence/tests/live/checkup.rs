//! `check` on a cluster without an enforcer, and as a user who may see nothing.

use ringfence_lab::Identity;
use serde_json::Value;

use crate::lab;

fn line<'r>(result: &'r Value, group: &str, name: &str) -> &'r Value {
    let groups = result["groups"].as_array().unwrap();
    let group = groups.iter().find(|one| one["name"] == group).unwrap();
    let checks = group["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no line {name}: {group:#}"))
}

#[test]
#[ignore = "needs lab tier 1b: asks a live cluster"]
fn each_line_says_what_the_cluster_is() {
    let Some(lab) = lab() else { return };
    let _nodes = crate::nodes();
    let ran = crate::run(lab, &["check", "--pre", "--format", "json"]);
    let result = ran.json();
    let version = line(&result, "reach", "API server");
    assert_eq!(version["mark"], "ok");
    assert!(version["says"].as_str().unwrap().starts_with(&lab.version()), "{version}");
    assert_eq!(line(&result, "supports", "admission policies")["mark"], "ok");
    assert_eq!(line(&result, "supports", "device claims (DRA)")["mark"], "ok");
    let nodes = line(&result, "sees", "GPU nodes");
    assert!(nodes["says"].as_str().unwrap().ends_with("8 accelerators"), "{nodes}");
    // The toolkit of a node's own image shows itself nowhere: that is said, with where to look.
    let software = line(&result, "sees", "GPU software");
    assert_eq!(software["mark"], "note");
    assert!(software["hint"].as_str().unwrap().contains("nvidia-ctk --version"), "{software}");
    // Controllers and scheduler are no network: nobody enforces a policy here, and nobody claims it.
    let enforcer = line(&result, "supports", "NetworkPolicy enforcer");
    assert_eq!(enforcer["mark"], "unknown");
    assert!(enforcer["hint"].is_string(), "{enforcer}");
    assert_eq!((ran.code, &result["exit"]), (3, &Value::from(3)));

    // An agent that is there is found, and called no more than that.
    let namespace = lab.namespace("network");
    namespace
        .apply("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agents}\nspec:\n  selector: {matchLabels: {app: agents}}\n  template:\n    metadata: {labels: {app: agents}}\n    spec:\n      nodeSelector: {none: here}\n      containers: [{name: agent, image: 'quay.io/cilium/cilium:v1.19.0'}]\n")
        .ok();
    let result = crate::run(lab, &["check", "--format", "json"]).json();
    let enforcer = line(&result, "supports", "NetworkPolicy enforcer");
    let says = enforcer["says"].as_str().unwrap();
    assert!(says.contains("Cilium") && says.contains(namespace.name()), "{says}");
    assert!(says.contains("found is not proven"), "{says}");

    // So is what hands GPUs out, with its version; and devices of DRA count like extended resources.
    namespace
        .apply("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: toolkit}\nspec:\n  selector: {matchLabels: {app: toolkit}}\n  template:\n    metadata: {labels: {app: toolkit}}\n    spec:\n      nodeSelector: {none: here}\n      containers: [{name: c, image: 'nvcr.io/nvidia/k8s/container-toolkit:v1.17.8-ubuntu20.04'}]\n")
        .ok();
    let node = lab.fake_node("devices", 0);
    let slice = format!(
        "---\n{{apiVersion: resource.k8s.io/v1, kind: ResourceSlice, metadata: {{name: {name}}}, spec: {{driver: gpu.nvidia.com, \
         nodeName: {name}, pool: {{name: {name}, generation: 1, resourceSliceCount: 1}}, devices: [{{name: gpu-0, \
         attributes: {{type: {{string: gpu}}}}}}, {{name: gpu-1, attributes: {{type: {{string: gpu}}}}}}]}}}}",
        name = node.name()
    );
    lab.apply(&slice).ok();
    let result = crate::run(lab, &["check", "--format", "json"]).json();
    let software = line(&result, "sees", "GPU software");
    let says = software["says"].as_str().unwrap();
    assert!(
        says.contains("container toolkit v1.17.8-ubuntu20.04") && says.contains(namespace.name()),
        "{says}"
    );
    let nodes = line(&result, "sees", "GPU nodes");
    assert!(nodes["says"].as_str().unwrap().ends_with("2 of 2 nodes, 10 accelerators"), "{nodes}");
    lab.kubectl(&["delete", "resourceslice", node.name()]).ok();
}

#[test]
#[ignore = "needs lab tier 1b: asks a live cluster"]
fn who_may_list_nothing_is_told_so_line_by_line() {
    let Some(lab) = lab() else { return };
    let ran = crate::run_as(lab, &Identity::human("outsider", &[]), &["check", "--format", "json"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    let result = ran.json();
    let pods = line(&result, "rights", "list pods");
    assert_eq!(pods["mark"], "failed");
    assert!(pods["hint"].as_str().unwrap().contains("--print-rbac"), "{pods}");
    assert_eq!(line(&result, "sees", "GPU nodes")["mark"], "unknown");
}
