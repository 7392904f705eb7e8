//! RF-GPU-001: the nodes of the set in, those with accelerators that take any pod out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Object;
use ringfence_inventory::accelerator::taint_keys;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Need;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A GPU node without a taint is a node for everybody.
///
/// ## What it sees
/// Nodes with accelerators, as extended resources of the node or as devices of DRA, without a taint of effect
/// `NoSchedule` or `NoExecute` that keeps strangers away: one with a key that vendors and clouds use (`nvidia.com/gpu`,
/// `amd.com/gpu`, `google.com/tpu`, `aws.amazon.com/neuron`, `habana.ai/gaudi`, and `sku` of AKS with the value `gpu`),
/// with the key of a SecurityDomain of the set, or with a key that no node without accelerators carries. Taints about
/// price, role or state of a node (spot, control plane, not ready) guard no accelerator, and `PreferNoSchedule` is a wish.
///
/// ## Why it matters for AI
/// The scheduler fills free CPU and memory wherever it finds them. Without the taint a web shop lands beside the model:
/// it shares kernel, disks and PCIe with the weights, and whoever breaks out of it holds the GPUs. CPU and memory that it
/// takes are missing when a GPU pod comes, and a GPU at four dollars an hour stands idle.
///
/// ## Bad
/// ```yaml
/// kind: Node
/// status: {capacity: {nvidia.com/gpu: "8"}}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Node
/// spec: {taints: [{key: nvidia.com/gpu, value: "true", effect: NoSchedule}]}
/// status: {capacity: {nvidia.com/gpu: "8"}}
/// ```
///
/// ## Fix and its side effects
/// Set the taint in the node pool, so that new nodes have it from the start; a SecurityDomain sets it on its nodes and
/// keeps it. Pods that run stay, new ones need the toleration; the admission plugin ExtendedResourceToleration adds it to
/// pods that ask for a GPU. DaemonSets that must run there (CNI, CSI, monitoring, the device plugin) need one too:
/// `NoExecute` ends those that lack it.
///
/// ## When it is unknown
/// No Node is in the set, or nodes were not all seen.
///
/// ## References
/// - guide: G7, G8
/// - OWASP AISVS 1.0: 4.3.2
/// - NIST 800-53r5: AC-4
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 1),
        slug: "gpu-node-untainted",
        title: "GPU node has no taint that keeps strangers away",
        risk: "any pod of the cluster lands beside the models, and who breaks out of it holds the node with all its GPUs",
        cure: "taint the nodes of the pool with `nvidia.com/gpu=true:NoSchedule` (or the key of their accelerator)",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[Need::Nodes],
        absence: &[("", "Node"), ("resource.k8s.io", "ResourceSlice")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G7" },
            Reference { framework: "guide", version: "1", id: "G8" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.3.2" },
            Reference { framework: "NIST 800-53", version: "r5", id: "AC-4" },
        ],
    },
    check: Check::Cluster(check),
};

fn check(cx: &Cx<'_>, results: &mut Results<'_>) {
    for node in cx.inventory.gpu_nodes() {
        if taints(node.object).any(|taint| guards(cx, taint)) {
            results.pass();
            continue;
        }
        let (count, s) = (node.gpus, if node.gpus == 1 { "" } else { "s" });
        let written = node.object.spec().and_then(|spec| spec.get("taints"));
        results.fail(match written {
            Some(all) => Hit::at(
                node.object,
                all,
                format!("offers {count} accelerator{s}, and none of its taints keeps strangers away"),
            )
            .field("spec.taints"),
            None => {
                Hit::absent(node.object, format!("offers {count} accelerator{s} to any pod, without a taint"))
                    .missing("spec.taints")
            }
        });
    }
}

fn taints(node: &Object) -> impl Iterator<Item = Value<'_>> {
    node.spec().and_then(|spec| spec.get("taints")).into_iter().flat_map(Value::items)
}

/// Whether a taint keeps pods off because of the accelerators.
fn guards(cx: &Cx<'_>, taint: Value<'_>) -> bool {
    let (key, effect) = (taint.str_at("key").unwrap_or(""), taint.str_at("effect").unwrap_or(""));
    let is_about_accelerators = match key {
        "sku" => taint.get("value").and_then(Value::text) == Some("gpu"),
        key => taint_keys().contains(&key) || cx.guards().are_kept_by(key, effect),
    };
    is_about_accelerators && matches!(effect, "NoSchedule" | "NoExecute")
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_node() {
        insta::assert_snapshot!(one_line("gpu-node-untainted", "bad"), @"HIGH RF-GPU-001 Node/gpu-1: offers 8 accelerators to any pod, without a taint");
    }

    #[test]
    fn good_fixture_taints_what_has_gpus_only() {
        insta::assert_snapshot!(one_line("gpu-node-untainted", "good"), @"");
    }

    #[test]
    fn without_nodes_nobody_knows() {
        let said = one_line("gpu-node-untainted", "unknown");
        let own: Vec<&str> = said.lines().filter(|line| line.contains("RF-GPU-001")).collect();
        assert_eq!(own, ["UNKNOWN RF-GPU-001 -: no Node objects given"]);
    }

    fn said(taints: &str, more: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1
kind: Node
metadata: {{name: gpu-1}}
spec: {{taints: [{taints}]}}
status: {{capacity: {{nvidia.com/gpu: '1'}}}}
---
apiVersion: v1
kind: Node
metadata: {{name: cpu-1}}
spec: {{taints: [{{key: acme.example/spot, effect: NoSchedule}}]}}
{more}"
        );
        let findings = judged("RF-GPU-001", &text).into_iter();
        findings.inspect(|one| assert_eq!(one.outcome, Outcome::Fail)).map(|one| one.message).collect()
    }

    #[test]
    fn only_a_hard_taint_about_accelerators_guards() {
        let open = ["offers 1 accelerator, and none of its taints keeps strangers away"];
        for (taint, expected) in [
            ("{key: nvidia.com/gpu, effect: NoSchedule}", &[][..]),
            ("{key: nvidia.com/gpu, value: present, effect: NoExecute}", &[]),
            ("{key: sku, value: gpu, effect: NoSchedule}", &[]),
            ("{key: acme.example/gpus, effect: NoSchedule}", &[]),
            ("{key: acme.example/spot, effect: NoSchedule}, {key: amd.com/gpu, effect: NoSchedule}", &[]),
            ("{key: nvidia.com/gpu, effect: PreferNoSchedule}", &open),
            ("{key: sku, value: highmem, effect: NoSchedule}", &open),
            ("{key: acme.example/spot, effect: NoSchedule}", &open),
            ("{key: cloud.google.com/gke-spot, effect: NoSchedule}", &open),
            ("{key: node.kubernetes.io/not-ready, effect: NoExecute}", &open),
        ] {
            assert_eq!(said(taint, ""), expected, "{taint}");
        }
        assert_eq!(said("", ""), ["offers 1 accelerator, and none of its taints keeps strangers away"]);
    }

    #[test]
    fn the_key_of_a_security_domain_guards_even_where_others_carry_it() {
        let spot = "{key: acme.example/spot, effect: NoSchedule}";
        let domain = "---
apiVersion: ringfence.dev/v1alpha1
kind: SecurityDomain
metadata: {name: ml}
spec: {nodes: {taint: {key: acme.example/spot}}}
";
        assert_eq!(said(spot, domain), [""; 0]);
        assert_eq!(said(spot, &domain.replace("acme.example/spot", "acme.example/other")).len(), 1);
    }

    #[test]
    fn devices_of_dra_make_a_gpu_node_too() {
        let text = "apiVersion: v1
kind: Node
metadata: {name: dra-1}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: s}
spec: {driver: gpu.nvidia.com, nodeName: dra-1, pool: {name: p, generation: 1}, devices: [{name: gpu-0}, {name: gpu-1}]}
";
        let findings = judged("RF-GPU-001", text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "offers 2 accelerators to any pod, without a taint");
    }
}
