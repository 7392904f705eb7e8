//! The guide's taint keeps a plain pod off a GPU node, and two lines of a pod walk past it.

use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNode;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::Namespace;
use ringfence_lab::need;
use ringfence_lab::until;

use crate::facts::DECISION;
use crate::facts::guide;
use crate::facts::is_unschedulable;
use crate::facts::pod;
use crate::facts::runs_on;

/// The guide's node and workload under names that no other test uses. The node comes alive.
fn guides_node(cluster: &ControlPlane, namespace: &Namespace<'_>) -> (FakeNode, String) {
    let name = format!("gpu-{namespace}");
    let yaml = guide("node-and-workload.yaml")
        .replace("gpu-node-1", &name)
        .replace("g5.xlarge", &name)
        .replace("ml-workloads", namespace.name());
    let (node, workload) = yaml.split_once("---\n").unwrap();
    cluster.apply(node).ok();
    let node = cluster.fake_node_with(FakeNodeSpec::new(name, 1));
    (node, workload.to_owned())
}

/// A pod with lines of its own in its specification.
fn plain(namespace: &Namespace<'_>, name: &str, lines: &str) {
    let yaml = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers: [{{name: web, image: web}}]\n{lines}"
    );
    namespace.apply(&yaml).ok();
}

#[test]
#[ignore = "needs lab tier 1b: schedules onto a fake node"]
fn the_taint_keeps_a_plain_pod_off_the_gpu_node_and_admits_the_guides_workload() {
    let cluster = need!(ControlPlane, destructive);
    let namespace = cluster.namespace("taint");
    let (node, workload) = guides_node(cluster, &namespace);
    // The workload's own selector: only its toleration makes the difference.
    plain(
        &namespace,
        "web",
        &format!("  nodeSelector: {{node.kubernetes.io/instance-type: {}}}\n", node.name()),
    );
    let verdict = is_unschedulable(&namespace, "web");
    assert!(verdict.contains("untolerated taint"), "{verdict}");

    cluster.apply(&workload).ok();
    let name = until("pod of the guide's workload", DECISION, || {
        let names = namespace.kubectl(&["get", "pods", "-l", "app=model-inference", "-o", "name"]).ok();
        Some(names.trim().strip_prefix("pod/")?.to_owned())
    });
    assert_eq!(runs_on(&namespace, &name), node.name());
}

#[test]
#[ignore = "needs lab tier 1b: binds to a fake node"]
fn node_name_walks_past_the_taint() {
    let cluster = need!(ControlPlane, destructive);
    let namespace = cluster.namespace("nodename");
    let (node, _) = guides_node(cluster, &namespace);
    plain(&namespace, "web", &format!("  nodeName: {}\n", node.name()));
    assert_eq!(runs_on(&namespace, "web"), node.name());
    let tolerations = pod(&namespace, "web").unwrap()["spec"]["tolerations"].to_string();
    assert!(!tolerations.contains("nvidia.com/gpu"), "nothing tolerates the taint: {tolerations}");
}

#[test]
#[ignore = "needs lab tier 1b: schedules onto a fake node"]
fn a_toleration_without_a_key_walks_past_the_taint() {
    let cluster = need!(ControlPlane, destructive);
    let namespace = cluster.namespace("exists");
    let (node, _) = guides_node(cluster, &namespace);
    let selector = format!("  nodeSelector: {{kubernetes.io/hostname: {}}}\n", node.name());
    plain(&namespace, "web", &format!("{selector}  tolerations: [{{operator: Exists}}]\n"));
    assert_eq!(runs_on(&namespace, "web"), node.name());
}

#[test]
#[ignore = "needs lab tier 1b: evicts from a fake node"]
fn only_no_execute_evicts_who_is_there_already() {
    let cluster = need!(ControlPlane, destructive);
    let namespace = cluster.namespace("evict");
    let (node, _) = guides_node(cluster, &namespace);
    plain(&namespace, "web", &format!("  nodeName: {}\n", node.name()));
    runs_on(&namespace, "web");
    cluster.kubectl(&["taint", "node", node.name(), "nvidia.com/gpu=true:NoExecute"]).ok();
    until("eviction", DECISION, || pod(&namespace, "web").is_none().then_some(()));
    // And every later one.
    plain(&namespace, "next", &format!("  nodeName: {}\n", node.name()));
    until("second eviction", DECISION, || pod(&namespace, "next").is_none().then_some(()));
}
