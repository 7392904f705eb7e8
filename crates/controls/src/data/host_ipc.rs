//! RF-DATA-009: one pod in, whether it shares the node's shared memory out.

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

/// The node's shared memory holds the batches and tensors of everybody who shares it.
///
/// ## What it sees
/// `hostIPC: true` in an AI workload, in core kinds and in custom resources such as RayCluster, PyTorchJob and
/// InferenceService. Accelerator infrastructure is left out; MPS counts, since who shares its pipe shares the GPU.
///
/// ## Why it matters for AI
/// `/dev/shm` of a container is 64 MiB by default, PyTorch's data loaders crash, and the first answer that is found says
/// `hostIPC`. From then on every such pod of the node reads and writes the training batches, the tensors between
/// tensor-parallel workers and the semaphores of the others: patient data in, poisoned gradients out.
///
/// ## Bad
/// ```yaml
/// spec:
///   hostIPC: true
/// ```
///
/// ## Good
/// ```yaml
/// volumes:
///   - name: shm
///     emptyDir: {medium: Memory, sizeLimit: 16Gi} # mounted at /dev/shm
/// ```
///
/// ## Fix and its side effects
/// Remove it and mount a memory volume at `/dev/shm`, at most as large as the memory limit: it counts against that limit.
/// Processes that found each other through the node's memory must stand in one pod, or talk over the network.
///
/// ## When it is unknown
/// The kind cannot say it because its operator builds the pod, or the value is a template variable.
///
/// ## References
/// - guide: G41
/// - CIS Kubernetes 2.0.1: 5.2.4
/// - Pod Security Standards: baseline, host namespaces
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Data, 9),
        slug: "host-ipc",
        title: "AI pod shares the shared memory of its node",
        risk: "tensors, batches and keys that processes of other teams keep in shared memory are readable from here",
        cure: "remove `hostIPC` and mount a memory volume with a `sizeLimit` at `/dev/shm`",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G41" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.4" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    judge(pod, "hostIPC", "shares the shared memory of its node", results);
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
        judged("RF-DATA-009", &text).into_iter().map(|finding| finding.outcome).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_switch() {
        insta::assert_snapshot!(one_line("host-ipc", "bad"), @"HIGH RF-DATA-009 Deployment/ml/model: shares the shared memory of its node");
    }

    #[test]
    fn the_value_decides() {
        assert_eq!(said("hostIPC: true, "), [Outcome::Fail]);
        // Text that the API server refuses says what its author wants.
        assert_eq!(said("hostIPC: 'yes', "), [Outcome::Fail]);
        assert_eq!(said("hostIPC: '${ON}', "), [Outcome::Unknown]);
        assert_eq!(said("hostIPC: false, "), []);
        assert_eq!(said(""), []);
    }

    #[test]
    fn a_predictor_of_kserve_counts() {
        let findings = judged(
            "RF-DATA-009",
            "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: s, namespace: ml}
spec: {predictor: {hostIPC: true, containers: [{name: kserve-container, image: x}]}}
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.predictor.hostIPC");
    }

    #[test]
    fn an_exporter_and_a_web_pod_are_not_judged_and_an_operators_pod_is_unknown() {
        let exporter = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d, namespace: gpu-operator}
spec: {template: {spec: {hostIPC: true, containers: [{name: d, image: nvcr.io/nvidia/dcgm-exporter}]}}}
";
        assert_eq!(judged("RF-DATA-009", exporter).len(), 0);
        let web = "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: web}\nspec: {hostIPC: true, containers: [{name: c, image: nginx}]}\n";
        assert_eq!(judged("RF-DATA-009", web).len(), 0);
        let built = "apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata: {name: v, namespace: ml}
spec: {deploymentConfig: {image: {registry: r, name: vllm}, resources: {limits: {nvidia.com/gpu: 1}}}}
";
        let outcomes: Vec<_> =
            judged("RF-DATA-009", built).into_iter().map(|finding| finding.outcome).collect();
        assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == Outcome::Unknown));
    }
}
