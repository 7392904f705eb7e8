//! Who may write a node's labels: a kubelet its own, but for those that NodeRestriction keeps from it.

use ringfence_lab::Identity;
use ringfence_lab::need;

#[test]
#[ignore = "needs lab tier 1b: acts as a kubelet"]
fn a_kubelet_writes_any_label_of_its_node_but_restricted_ones() {
    let cluster = need!(ControlPlane);
    let node = cluster.fake_node("label", 1);
    let kubelet = Identity::node(node.name());
    let label =
        |label: &str| cluster.kubectl_as(&kubelet, &["label", "--overwrite", "node", node.name(), label]);
    for written in [
        "acme.example/pool=research",
        "pool=research",
        "nvidia.com/gpu.product=H100",
        "node.kubernetes.io/instance-type=p5",
        "topology.kubernetes.io/zone=a",
    ] {
        label(written).ok();
    }
    for kept in [
        "node-restriction.kubernetes.io/pool=research",
        "acme.node-restriction.kubernetes.io/pool=research",
        "node-role.kubernetes.io/gpu=",
    ] {
        let said = label(kept).refused();
        assert!(said.contains("is not allowed to modify labels"), "{kept}: {said}");
    }
}
