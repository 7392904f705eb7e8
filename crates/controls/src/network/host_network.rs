//! RF-NET-010: one pod in, whether it stands in its node's network, outside of every policy out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Results;
use crate::host_namespace::judge;

/// A pod in the node's network is the node, to every policy and every firewall.
///
/// ## What it sees
/// `hostNetwork: true` in an AI workload, in core kinds and in custom resources such as RayCluster, PyTorchJob and
/// InferenceService. Accelerator infrastructure (network operators, exporters) is left out.
///
/// ## Why it matters for AI
/// It is the lazy way to make NCCL find its network card. NetworkPolicy does not apply to such a pod: default deny, the
/// egress list, the block of the metadata service are all void for it. It listens on the node's addresses, so a Ray
/// dashboard or a vLLM port stands open to whoever reaches the node, and it asks the cloud for credentials as the node.
///
/// ## Bad
/// ```yaml
/// spec:
///   hostNetwork: true
/// ```
///
/// ## Good
/// ```yaml
/// containers:
///   - name: trainer
///     resources:
///       limits: {nvidia.com/gpu: 8, rdma/hca: 1}
///     securityContext: {capabilities: {drop: [ALL], add: [IPC_LOCK]}}
/// ```
///
/// ## Fix and its side effects
/// Remove it. RDMA comes as a device (SR-IOV or shared) with the capability `IPC_LOCK`; a second interface comes from
/// Multus. NCCL may need `NCCL_SOCKET_IFNAME` for the pod's interface, and names of peers in place of node addresses.
///
/// ## When it is unknown
/// The kind cannot say it because its operator builds the pod, or the value is a template variable.
///
/// ## References
/// - guide: H2
/// - CIS Kubernetes 2.0.1: 5.2.5
/// - Pod Security Standards: baseline, host namespaces
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Net, 10),
        slug: "host-network",
        title: "AI pod uses its node's network, outside of every policy",
        risk: "no NetworkPolicy holds: what runs here reaches the metadata service, the kubelet and the internet as the node",
        cure: "remove `hostNetwork`; give RDMA a device of its own and ports a Service",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "H2" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.5" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    judge(pod, "hostNetwork", "uses its node's network, past every policy", results);
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn said(switch: &str) -> Vec<Outcome> {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec: {{{switch}containers: [{{name: c, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}\n"
        );
        judged("RF-NET-010", &text).into_iter().map(|finding| finding.outcome).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_switch() {
        insta::assert_snapshot!(one_line("host-network", "bad"), @"HIGH RF-NET-010 Deployment/ml/model: uses its node's network, past every policy");
    }

    #[test]
    fn the_value_decides() {
        assert_eq!(said("hostNetwork: true, "), [Outcome::Fail]);
        // Text that the API server refuses says what its author wants.
        assert_eq!(said("hostNetwork: 'yes', "), [Outcome::Fail]);
        assert_eq!(said("hostNetwork: '${ON}', "), [Outcome::Unknown]);
        assert_eq!(said("hostNetwork: false, "), []);
        assert_eq!(said(""), []);
    }

    #[test]
    fn a_worker_of_a_pytorch_job_counts() {
        let findings = judged(
            "RF-NET-010",
            "apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: t, namespace: ml}
spec: {pytorchReplicaSpecs: {Worker: {template: {spec: {hostNetwork: true, containers: [{name: pytorch, image: x}]}}}}}
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.pytorchReplicaSpecs.Worker.template.spec.hostNetwork");
    }

    #[test]
    fn an_exporter_and_a_web_pod_are_not_judged_and_an_operators_pod_is_unknown() {
        let exporter = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d, namespace: gpu-operator}
spec: {template: {spec: {hostNetwork: true, containers: [{name: d, image: nvcr.io/nvidia/dcgm-exporter}]}}}
";
        assert_eq!(judged("RF-NET-010", exporter).len(), 0);
        let web = "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: web}\nspec: {hostNetwork: true, containers: [{name: c, image: nginx}]}\n";
        assert_eq!(judged("RF-NET-010", web).len(), 0);
        let built = "apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata: {name: v, namespace: ml}
spec: {deploymentConfig: {image: {registry: r, name: vllm}, resources: {limits: {nvidia.com/gpu: 1}}}}
";
        let outcomes: Vec<_> =
            judged("RF-NET-010", built).into_iter().map(|finding| finding.outcome).collect();
        assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == Outcome::Unknown));
    }
}
