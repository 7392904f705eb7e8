//! RF-GPU-002: one pod in, tolerations that open accelerator nodes to who asks for no accelerator out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Need;
use ringfence_inventory::Pod;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::guard::Opened;
use crate::hit::Hit;
use crate::hit::Results;
use crate::placement::open_nodes;
use crate::requests::NEED_UNKNOWN;
use crate::requests::pod_need;
use crate::rights::is_control_plane;

/// A toleration is the key to the GPU nodes; who asks for no GPU does not need it.
///
/// ## What it sees
/// A pod that asks for no accelerator and tolerates the taint of accelerator nodes: the keys on such nodes of the set,
/// and `nvidia.com/gpu`, `amd.com/gpu`, `google.com/tpu`, `aws.amazon.com/neuron`, `habana.ai/gaudi` and `sku` (AKS).
/// And any pod with a toleration without key and operator `Exists`, which passes every taint. Values are not compared.
/// Every pod is judged, AI or not, custom resources too, except accelerator infrastructure and pods without AI in the
/// namespaces of the control plane and of well-known controllers. A DaemonSet that tolerates everything is one step
/// lower: agents for every node are written that way. Nodes of the set that the pod can land on are listed.
///
/// ## Why it matters for AI
/// The taint is the only thing that keeps a web shop off the node with the model. With the toleration its pod shares
/// kernel, PCIe and disks with the weights, eats the CPU and memory that the GPUs wait for, and is one variable
/// (RF-GPU-005) away from the GPUs themselves, past every quota. It is copied from examples, and stays.
///
/// ## Bad
/// ```yaml
/// spec:
///   tolerations: [{operator: Exists}]
/// ```
///
/// ## Good
/// ```yaml
/// spec:
///   tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
///   containers: [{name: server, resources: {limits: {nvidia.com/gpu: 1}}}]
/// ```
///
/// ## Fix and its side effects
/// Remove the toleration from pods that ask for no accelerator; they move to other nodes when they are made anew. Give
/// pods that need a GPU the one key of its taint in place of `Exists` for everything, with the effect `NoSchedule`. The
/// admission plugin ExtendedResourceToleration adds that key to pods with a request by itself.
///
/// ## When it is unknown
/// The request may stand in a claim, a runtime or a service that is not in the set.
///
/// ## References
/// - guide: G10, H1
/// - MITRE ATLAS 5.6.0: AML.T0034
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 2),
        slug: "broad-toleration",
        title: "pod tolerates GPU nodes without need, or every node",
        risk: "a pod without business there lands beside the models, one variable away from their GPUs",
        cure: "remove the toleration, or name the one key that a pod with a GPU request needs",
        severity: Severity::High,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[("", "Node")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G10" },
            Reference { framework: "guide", version: "1", id: "H1" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0034" },
        ],
    },
    check: Check::Pod(Target::AllPods, check),
};

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let Some(tolerations) = pod.get("tolerations") else { return };
    // What a PodDefault brings is laid over pods that it does not know.
    let is_exempt = pod.ai().class == WorkloadClass::AcceleratorInfra
        || pod.object().is("kubeflow.org", "PodDefault")
        || pod.namespace().is_some_and(is_control_plane) && !is_workload(pod);
    if is_exempt {
        return results.not_applicable();
    }
    let mut need = None;
    let mut hit: Option<Hit<'_>> = None;
    for toleration in tolerations.items() {
        let opened = cx.guards().opened_by(toleration);
        let found = match opened {
            Opened::Nothing => continue,
            Opened::Everything if !cx.has_ai() && cx.inventory.gpu_nodes().next().is_none() => continue,
            Opened::Everything => everything(pod, tolerations, toleration),
            Opened::Accelerators(key) => match *need.get_or_insert_with(|| pod_need(cx, pod)) {
                Need::Accelerator => continue,
                Need::UnresolvedClaim => {
                    return results.unknown(pod.object(), Some(toleration), NEED_UNKNOWN);
                }
                Need::Nothing => {
                    Hit::at(pod.object(), toleration, format!("tolerates {key} and asks for no GPU"))
                }
            },
        };
        // One line a pod: who copies one toleration copies them all.
        hit = Some(match hit {
            Some(first) => first.also_at(pod.object(), toleration),
            None => found,
        });
    }
    if let Some(hit) = hit {
        let nodes = open_nodes(cx, pod);
        results.fail(nodes.fold(hit, |hit, node| hit.supported_by_fact(node, "this pod may land on it")));
    }
}

/// It has no key, so its place among the others is its only name, and that moves.
fn everything<'i>(pod: Pod<'i>, tolerations: Value<'i>, toleration: Value<'i>) -> Hit<'i> {
    let field = format!("{}[operator=Exists]", pod.object().field(tolerations));
    let hit = Hit::at(pod.object(), toleration, "tolerates every taint, those of GPU nodes too").field(field);
    if is_agent(pod) { hit.severity(CONTROL.meta.severity.lowered()) } else { hit }
}

/// A DaemonSet, or a pod of one, that is no AI workload.
fn is_agent(pod: Pod<'_>) -> bool {
    let is_daemon_set = |object: &ringfence_inventory::Object| object.is("apps", "DaemonSet");
    let owners = pod.object().body().at(&["metadata", "ownerReferences"]);
    let mut owners = owners.into_iter().flat_map(Value::items);
    !is_workload(pod)
        && (is_daemon_set(pod.object()) || owners.any(|owner| owner.str_at("kind") == Some("DaemonSet")))
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    const NODES: &str = "apiVersion: v1
kind: Node
metadata: {name: gpu-1}
spec: {taints: [{key: acme.example/gpus, effect: NoExecute}, {key: acme.example/spot, effect: NoSchedule}]}
status: {capacity: {nvidia.com/gpu: '8'}}
---
apiVersion: v1
kind: Node
metadata: {name: cpu-1}
spec: {taints: [{key: acme.example/spot, effect: NoSchedule}]}
---
";

    /// A Deployment of a web shop; `resources` of its container, `tolerations` of its pod.
    fn shop(resources: &str, tolerations: &str) -> String {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop, namespace: web}}
spec:
  template:
    spec:
      tolerations: [{tolerations}]
      containers: [{{name: app, image: shop, resources: {{{resources}}}}}]
"
        )
    }

    fn said(text: &str) -> Vec<String> {
        let line = |finding: ringfence_finding::Finding| match finding.outcome {
            Outcome::Fail => format!("{} {}", finding.severity, finding.message),
            _ => format!("unknown {}", finding.message),
        };
        judged("RF-GPU-002", text).into_iter().map(line).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_toleration_without_key() {
        insta::assert_snapshot!(one_line("broad-toleration", "bad"), @"HIGH RF-GPU-002 Deployment/ml/model: tolerates every taint, those of GPU nodes too");
    }

    #[test]
    fn a_key_of_gpu_nodes_fails_without_a_request_only() {
        for (toleration, expected) in [
            ("{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}", "nvidia.com/gpu"),
            ("{key: nvidia.com/gpu, value: 'true'}", "nvidia.com/gpu"),
            ("{key: google.com/tpu, operator: Exists}", "google.com/tpu"),
            ("{key: sku, value: gpu}", "sku"),
            ("{key: sku, value: highmem}", ""),
            ("{key: nvidia.com/gpu, operator: Exists, effect: PreferNoSchedule}", ""),
            ("{key: nvidia.com/gpu, operator: Exists, effect: NoExecute}", ""),
            ("{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}", ""),
            // Of the nodes: their own key, with its effect, and nothing that other nodes carry too.
            ("{key: acme.example/gpus, operator: Exists, effect: NoExecute}", "acme.example/gpus"),
            ("{key: acme.example/gpus, operator: Exists, effect: NoSchedule}", ""),
            ("{key: acme.example/spot, operator: Exists}", ""),
        ] {
            let found = said(&format!("{NODES}{}", shop("", toleration)));
            let expected = match expected {
                "" => vec![],
                key => vec![format!("high tolerates {key} and asks for no GPU")],
            };
            assert_eq!(found, expected, "{toleration}");
            let asks = shop("limits: {nvidia.com/gpu: 1}", toleration);
            assert_eq!(said(&format!("{NODES}{asks}")), [""; 0], "{toleration}");
        }
    }

    #[test]
    fn no_key_passes_every_taint_whoever_asks() {
        let exists = "{operator: Exists}";
        let every = "high tolerates every taint, those of GPU nodes too";
        assert_eq!(said(&format!("{NODES}{}", shop("", exists))), [every]);
        assert_eq!(said(&shop("limits: {nvidia.com/gpu: 1}", exists)), [every]);
        // Without AI in the set it is generic hygiene.
        assert_eq!(said(&shop("", exists)), [""; 0]);
        let evictions = "{operator: Exists, effect: NoExecute, tolerationSeconds: 30}";
        assert_eq!(said(&shop("limits: {nvidia.com/gpu: 1}", evictions)), [""; 0]);
        let agent = shop("", exists).replace("Deployment", "DaemonSet");
        assert_eq!(said(&format!("{NODES}{agent}")), [every.replace("high", "medium")]);
        let system = agent.replace("namespace: web", "namespace: kube-system");
        assert_eq!(said(&format!("{NODES}{system}")), [""; 0]);
    }

    #[test]
    fn two_tolerations_are_one_finding_that_names_the_nodes() {
        let both =
            "{key: nvidia.com/gpu, operator: Exists}, {key: acme.example/gpus}, {key: acme.example/spot}";
        let findings = judged("RF-GPU-002", &format!("{NODES}{}", shop("", both)));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].field, "spec.template.spec.tolerations[key=nvidia.com/gpu]");
        let shown: Vec<_> = findings[0].evidence.iter().map(|piece| piece.resource.kind.as_str()).collect();
        assert_eq!(shown, ["Deployment", "Deployment", "Node"]);
    }

    #[test]
    fn the_request_of_a_kserve_service_may_stand_in_its_runtime() {
        let service = "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: s, namespace: ml}
spec:
  predictor:
    tolerations: [{key: nvidia.com/gpu, operator: Exists}]
    model: {runtime: r, modelFormat: {name: x}}
";
        let runtime = |limits: &str| {
            format!(
                "{service}---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {{name: r, namespace: ml}}
spec: {{containers: [{{name: kserve-container, image: x, resources: {{limits: {limits}}}}}]}}
"
            )
        };
        assert_eq!(said(&runtime("{nvidia.com/gpu: 1}")), [""; 0]);
        assert_eq!(said(&runtime("{cpu: 1}")), ["high tolerates nvidia.com/gpu and asks for no GPU"]);
        assert_eq!(said(service), [format!("unknown {}", crate::requests::NEED_UNKNOWN)]);
    }

    #[test]
    fn the_head_of_a_ray_cluster_needs_no_key_of_its_workers() {
        let group = |limits: &str| {
            format!(
                "template: {{spec: {{tolerations: [{{key: nvidia.com/gpu, operator: Exists}}], \
                 containers: [{{name: ray, image: ray, resources: {{limits: {limits}}}}}]}}}}"
            )
        };
        let text = format!(
            "apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {{name: r, namespace: ml}}\nspec:\n  \
             headGroupSpec: {{{}}}\n  workerGroupSpecs: [{{groupName: w, {}}}]\n",
            group("{cpu: 1}"),
            group("{nvidia.com/gpu: 1}")
        );
        let findings = judged("RF-GPU-002", &text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].field.starts_with("spec.headGroupSpec."), "{}", findings[0].field);
    }
}
