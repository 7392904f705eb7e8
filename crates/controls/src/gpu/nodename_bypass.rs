//! RF-GPU-024: one pod in, a template that picks its node past the scheduler out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Pod;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;

/// A pod that names its node is never scheduled: the taint that guards the GPUs is not asked.
///
/// ## What it sees
/// `nodeName` in a manifest: a bare Pod or the template of any kind, custom resources too. AI workloads are judged, and
/// any pod whose `nodeName` is a GPU node of the set. Pods of a live dump are not judged by it (the scheduler writes it
/// into every pod; their template is judged instead), nor are DaemonSets, mirror pods and accelerator infrastructure.
///
/// ## Why it matters for AI
/// A `NoSchedule` taint is a question to the scheduler. `nodeName` skips the scheduler: taints, affinity, quota of
/// nodes and Kueue's queue are all bypassed, and the kubelet starts the pod on the GPU node of another team. Together
/// with `NVIDIA_VISIBLE_DEVICES` it needs no GPU request either.
///
/// ## Bad
/// ```yaml
/// spec:
///   nodeName: gpu-node-3
/// ```
///
/// ## Good
/// ```yaml
/// spec:
///   nodeSelector: {node-restriction.kubernetes.io/gpu-pool: h100}
///   tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
/// ```
///
/// ## Fix and its side effects
/// Remove `nodeName` and say with `nodeSelector` or affinity what is needed; the pod then waits for a free node like
/// every other. To look at one node, use `kubectl debug node/NAME` or an affinity on `metadata.name`. A `NoExecute`
/// taint also stops pods that come past the scheduler, but evicts what tolerates only `NoSchedule`.
///
/// ## When it is unknown
/// Never: the field is there or not. A kind whose operator builds the pod cannot say it.
///
/// ## References
/// - guide: H1
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 24),
        slug: "nodename-bypass",
        title: "pod picks its node past the scheduler",
        risk: "taints and queues that guard GPU nodes are never asked: any pod lands beside another team's model",
        cure: "remove `nodeName`; choose nodes with `nodeSelector` or affinity and a toleration",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("", "Node")],
        references: &[Reference { framework: "guide", version: "1", id: "H1" }],
    },
    check: Check::Pod(Target::AllPods, check),
};

/// Longest node name shown beside the object's name.
const MAX_NAME: usize = 24;

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let object = pod.object();
    let is_set_by_others = object.is("", "Pod") && object.is_live()
        || object.is("apps", "DaemonSet")
        || object.annotation("kubernetes.io/config.mirror").is_some();
    if is_set_by_others || pod.ai().class == WorkloadClass::AcceleratorInfra {
        return results.not_applicable();
    }
    let named = pod.get("nodeName").and_then(|value| Some((value, value.text()?)));
    let Some((value, name)) = named.filter(|(_, name)| !name.is_empty()) else {
        if pod.built_by_operator() {
            results.not_applicable();
        }
        return;
    };
    let gpu_node = cx.inventory.gpu_nodes().find(|node| &*node.object.name == name);
    if pod.ai().scope < Scope::Medium && gpu_node.is_none() {
        return results.not_applicable();
    }
    let hit = Hit::at(object, value, message(name));
    let hit = match gpu_node {
        Some(node) => {
            let plural = if node.gpus == 1 { "" } else { "s" };
            hit.supported_by_fact(
                node.object,
                format!("it has {} GPU{plural}; its taints are not asked", node.gpus),
            )
        }
        None => match node(cx, value) {
            Some(node) => hit.supported_by_fact(node, "its taints are not asked"),
            None => hit,
        },
    };
    results.fail(hit);
}

fn message(name: &str) -> String {
    if name.chars().count() > MAX_NAME || name.contains('$') || name.contains("{{") {
        return "picks its node past the scheduler".to_owned();
    }
    format!("picks {name} past the scheduler")
}

fn node<'i>(cx: &Cx<'i>, name: Value<'_>) -> Option<&'i ringfence_inventory::Object> {
    cx.inventory.objects_of("", "Node").find(|node| name.text() == Some(&*node.name))
}

#[cfg(test)]
mod tests {
    use crate::testing::judged;
    use crate::testing::one_line;

    const GPU_NODE: &str = "apiVersion: v1
kind: Node
metadata: {name: gpu-node-3}
status: {capacity: {nvidia.com/gpu: '8'}}
---
";

    fn pod(metadata: &str, container: &str) -> String {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: web{metadata}}}
spec:
  nodeName: gpu-node-3
  containers:
  - {{name: app, image: x{container}}}
"
        )
    }

    const GPU: &str = ", resources: {limits: {nvidia.com/gpu: 1}}";

    #[test]
    fn bad_fixture_fails_at_the_field() {
        insta::assert_snapshot!(one_line("nodename-bypass", "bad"), @"HIGH RF-GPU-024 Deployment/ml/model: picks gpu-node-3 past the scheduler");
    }

    #[test]
    fn a_worker_template_of_a_pytorch_job_counts_and_names_the_node() {
        let text = format!(
            "{GPU_NODE}apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {{name: t, namespace: ml}}
spec:
  pytorchReplicaSpecs:
    Worker:
      template:
        spec:
          nodeName: gpu-node-3
          containers: [{{name: pytorch, image: x{GPU}}}]
"
        );
        let findings = judged("RF-GPU-024", &text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.pytorchReplicaSpecs.Worker.template.spec.nodeName");
        assert_eq!(findings[0].evidence.last().unwrap().shown, "it has 8 GPUs; its taints are not asked");
    }

    #[test]
    fn any_pod_counts_on_a_gpu_node_and_only_there() {
        assert_eq!(judged("RF-GPU-024", &format!("{GPU_NODE}{}", pod("", ""))).len(), 1);
        assert_eq!(judged("RF-GPU-024", &pod("", "")).len(), 0);
    }

    #[test]
    fn a_live_pod_a_mirror_pod_and_a_daemon_set_got_theirs_from_others() {
        let live = pod(", uid: 0e3b1a52-6f0e-4c1c-9a55-2f4a3c1b7d10", GPU);
        assert_eq!(judged("RF-GPU-024", &live).len(), 0);
        let mirror = pod(", annotations: {kubernetes.io/config.mirror: x}", GPU);
        assert_eq!(judged("RF-GPU-024", &mirror).len(), 0);
        let daemon_set = format!(
            "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: d, namespace: ml}}
spec: {{template: {{spec: {{nodeName: gpu-node-3, containers: [{{name: c, image: x{GPU}}}]}}}}}}
"
        );
        assert_eq!(judged("RF-GPU-024", &daemon_set).len(), 0);
        assert_eq!(judged("RF-GPU-024", &pod("", GPU)).len(), 1);
    }

    #[test]
    fn an_empty_name_is_no_name() {
        let text = pod("", GPU).replace("nodeName: gpu-node-3", "nodeName: ''");
        assert_eq!(judged("RF-GPU-024", &text).len(), 0);
    }
}
