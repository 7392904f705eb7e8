//! RF-RUN-001: one pod in, containers with `privileged: true` out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A privileged container has every device, every capability and the host's kernel interfaces.
///
/// ## What it sees
/// `securityContext.privileged: true` in any container of an AI workload: main, init, sidecar and ephemeral ones, in
/// core kinds and in custom resources such as RayCluster, PyTorchJob and InferenceService. Pods of accelerator
/// infrastructure (device plugins, drivers, exporters) are left out: they need it.
///
/// ## Why it matters for AI
/// People add it to "make the GPU work". CUDA does not need it: the device plugin, CDI or a resource claim hand the
/// device files to the container. With it, whoever controls the model server (a poisoned model, a prompt that reaches
/// a tool) controls the node: all its GPUs, the weights in their memory, every other tenant's pod and the kubelet's
/// credentials.
///
/// ## Bad
/// ```yaml
/// containers:
///   - name: trainer
///     securityContext:
///       privileged: true
/// ```
///
/// ## Good
/// ```yaml
/// containers:
///   - name: trainer
///     securityContext:
///       allowPrivilegeEscalation: false
///     resources:
///       limits: {nvidia.com/gpu: 1}
/// ```
///
/// ## Fix and its side effects
/// Remove `privileged` and ask for the device (`nvidia.com/gpu`, or a claim). RDMA needs a device of its own and the
/// capability `IPC_LOCK`, not privilege; a larger `/dev/shm` is a memory volume. Profilers that read hardware counters
/// may need `SYS_ADMIN` on nodes where the driver restricts them: give it to that job alone.
///
/// ## When it is unknown
/// The kind cannot say it because its operator builds the pod (NIMService, VLLMRuntime and the like), or the value is
/// a template variable.
///
/// ## References
/// - guide: G6, G41
/// - CIS Kubernetes 2.0.1: 5.2.2
/// - Pod Security Standards: baseline, privileged containers
/// - MITRE ATT&CK: T1610, T1611
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 1),
        slug: "privileged",
        title: "AI container runs privileged",
        risk: "code that runs in this container owns the node: every GPU, every other pod's memory and the kubelet's credentials",
        cure: "remove `securityContext.privileged` and ask for the device with a limit such as `nvidia.com/gpu: 1`",
        severity: Severity::Critical,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G6" },
            Reference { framework: "guide", version: "1", id: "G41" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.2" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1611" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let mut unsaid = false;
    for container in pod.containers() {
        match container.security("privileged") {
            Some(value) if value.means_bool() == Some(true) => {
                let hit = Hit::at(pod.object(), value, "runs privileged: its code owns the node");
                results.fail(hit.container(container));
            }
            Some(value) if value.means_bool().is_none() => {
                results.unknown_in(
                    pod.object(),
                    Some(value),
                    Some(container),
                    "the value of `privileged` is a variable",
                );
            }
            None if container.role == Role::Part && pod.built_by_operator() => unsaid = true,
            _ => {}
        }
    }
    if unsaid {
        results.built_by_operator(pod, "securityContext.privileged");
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_fails_at_the_container() {
        insta::assert_snapshot!(one_line("privileged", "bad"), @"CRITICAL RF-RUN-001 Deployment/ml/model[server]: runs privileged: its code owns the node");
    }

    #[test]
    fn an_init_container_inside_a_ray_cluster_counts() {
        let findings = judged(
            "RF-RUN-001",
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  headGroupSpec:
    template:
      spec:
        initContainers:
        - {name: setup, image: x, securityContext: {privileged: yes}}
        containers:
        - {name: head, image: x, securityContext: {privileged: false}}
",
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].container.as_deref(), Some("setup"));
        assert_eq!(findings[0].outcome, Outcome::Fail);
    }

    #[test]
    fn a_device_plugin_is_not_judged_and_a_web_pod_neither() {
        let findings = judged(
            "RF-RUN-001",
            "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: nvidia-device-plugin-daemonset, namespace: gpu-operator}
spec:
  selector: {matchLabels: {app: p}}
  template:
    metadata: {labels: {app: p}}
    spec:
      containers:
      - {name: p, image: nvcr.io/nvidia/k8s-device-plugin:v0.17.0, securityContext: {privileged: true}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: web}
spec:
  containers:
  - {name: app, image: nginx, securityContext: {privileged: true}}
",
        );
        assert_eq!(findings.len(), 0, "{findings:?}");
    }

    #[test]
    fn a_kind_whose_operator_builds_the_pod_is_unknown() {
        let findings = judged(
            "RF-RUN-001",
            "apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata: {name: v, namespace: ml}
spec:
  deploymentConfig: {image: {registry: r, name: vllm}, resources: {limits: {nvidia.com/gpu: 1}}}
",
        );
        assert!(!findings.is_empty() && findings.iter().all(|finding| finding.outcome == Outcome::Unknown));
    }
}
