//! RF-RUN-010: one pod in, whether it sees the processes of its node out.

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

/// With the node's processes in sight, the pod's walls are of glass.
///
/// ## What it sees
/// `hostPID: true` in an AI workload, in core kinds and in custom resources such as RayCluster, PyTorchJob and
/// InferenceService. Monitors that map GPU processes to pods need it: accelerator infrastructure is left out.
///
/// ## Why it matters for AI
/// `/proc` of the node shows the command lines and, to the same user or root, the environment of every process: hub
/// tokens, provider keys, prompts on a command line. With one more right (`SYS_PTRACE`, or root) the memory of the model
/// server beside it is readable, and the training of another team can be killed by a signal.
///
/// ## Bad
/// ```yaml
/// spec:
///   hostPID: true
/// ```
///
/// ## Good
/// ```yaml
/// spec:
///   shareProcessNamespace: true # of this pod only
/// ```
///
/// ## Fix and its side effects
/// Remove it. `nvidia-smi` then shows no names of processes, which belong to other pods anyway; leave that to the
/// exporter of the platform. A debugger that must see a sibling container uses `shareProcessNamespace`.
///
/// ## When it is unknown
/// The kind cannot say it because its operator builds the pod, or the value is a template variable.
///
/// ## References
/// - CIS Kubernetes 2.0.1: 5.2.3
/// - Pod Security Standards: baseline, host namespaces
/// - MITRE ATT&CK: T1611
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 10),
        slug: "host-pid",
        title: "AI pod sees every process of its node",
        risk: "code in this pod reads keys and prompts out of other teams' processes, and signals them",
        cure: "remove `hostPID`; containers of one pod share processes with `shareProcessNamespace`",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.3" },
            Reference { framework: "MITRE ATT&CK", version: "", id: "T1611" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

fn check(_cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    judge(pod, "hostPID", "sees every process of its node", results);
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
        judged("RF-RUN-010", &text).into_iter().map(|finding| finding.outcome).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_switch() {
        insta::assert_snapshot!(one_line("host-pid", "bad"), @"HIGH RF-RUN-010 Deployment/ml/model: sees every process of its node");
    }

    #[test]
    fn the_value_decides() {
        assert_eq!(said("hostPID: true, "), [Outcome::Fail]);
        // Text that the API server refuses says what its author wants.
        assert_eq!(said("hostPID: 'yes', "), [Outcome::Fail]);
        assert_eq!(said("hostPID: '${ON}', "), [Outcome::Unknown]);
        assert_eq!(said("hostPID: false, "), []);
        assert_eq!(said(""), []);
    }

    #[test]
    fn a_worker_of_a_ray_cluster_counts() {
        let findings = judged(
            "RF-RUN-010",
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  workerGroupSpecs:
  - groupName: w
    template: {spec: {hostPID: true, containers: [{name: w, image: ray}]}}
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.workerGroupSpecs[groupName=w].template.spec.hostPID");
    }

    #[test]
    fn an_exporter_and_a_web_pod_are_not_judged_and_an_operators_pod_is_unknown() {
        let exporter = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d, namespace: gpu-operator}
spec: {template: {spec: {hostPID: true, containers: [{name: d, image: nvcr.io/nvidia/dcgm-exporter}]}}}
";
        assert_eq!(judged("RF-RUN-010", exporter).len(), 0);
        let web = "apiVersion: v1\nkind: Pod\nmetadata: {name: w, namespace: web}\nspec: {hostPID: true, containers: [{name: c, image: nginx}]}\n";
        assert_eq!(judged("RF-RUN-010", web).len(), 0);
        let built = "apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata: {name: v, namespace: ml}
spec: {deploymentConfig: {image: {registry: r, name: vllm}, resources: {limits: {nvidia.com/gpu: 1}}}}
";
        let outcomes: Vec<_> =
            judged("RF-RUN-010", built).into_iter().map(|finding| finding.outcome).collect();
        assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == Outcome::Unknown));
    }
}
