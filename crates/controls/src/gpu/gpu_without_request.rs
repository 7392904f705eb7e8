//! RF-GPU-005: one pod in, containers that take GPUs by a variable instead of a request out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Need;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::placement::open_nodes;
use crate::requests::asked_by_users;
use crate::requests::asks;
use crate::requests::plural;

/// A variable opens every GPU of the node to a container that asked for none.
///
/// ## What it sees
/// `NVIDIA_VISIBLE_DEVICES` with a value that names devices (`all`, indexes, UUIDs) in a container that asks for no
/// accelerator, neither by limit nor by claim. Container by container: a sidecar without request in a GPU pod counts.
/// Every pod is judged, AI or not, except accelerator infrastructure. The GPU nodes that the pod can land on, by its
/// tolerations, selector and required affinity, are listed.
///
/// ## Why it matters for AI
/// The container toolkit reads the variable and hands over the devices; the scheduler knows nothing of it. Quota,
/// bookkeeping and the device plugin are bypassed: a web shop's pod reads the memory of the model beside it, or mines
/// on GPUs that somebody else pays for.
///
/// ## Bad
/// ```yaml
/// containers:
///   - name: app
///     env:
///       - {name: NVIDIA_VISIBLE_DEVICES, value: all}
/// ```
///
/// ## Good
/// ```yaml
/// containers:
///   - name: app
///     resources:
///       limits: {nvidia.com/gpu: 1}
/// ```
///
/// ## Fix and its side effects
/// Remove the variable; where the image sets it, as CUDA base images do, set it to `void`. A container that needs a
/// GPU asks for it with a limit or a claim, and its pod may wait until one is free. `void` never goes into a container
/// with a request: there the device plugin sets the value.
///
/// ## When it is unknown
/// The value comes from elsewhere (`valueFrom`) or is a variable; the container uses a claim whose device class is not
/// in the set; the container stands in a KServe runtime and no service that uses it is in the set, since the service
/// makes the request.
///
/// ## References
/// - guide: H1
/// - CNCF AI conformance: secure_accelerator_access
/// - MITRE ATLAS 5.6.0: AML.T0105
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 5),
        slug: "gpu-without-request",
        title: "container takes GPUs without asking for any",
        risk: "whoever controls this container reads the GPU memory of every model on its node, past quota and scheduler",
        cure: "remove `NVIDIA_VISIBLE_DEVICES` (or set it to `void`) and ask for a GPU with a limit where one is needed",
        severity: Severity::High,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "H1" },
            Reference { framework: "CNCF AI conformance", version: "", id: "secure_accelerator_access" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0105" },
        ],
    },
    check: Check::Pod(Target::AllPods, check),
};

const VARIABLE: &str = "NVIDIA_VISIBLE_DEVICES";

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    if pod.ai().class == WorkloadClass::AcceleratorInfra {
        return results.not_applicable();
    }
    // Devices are handed to a container before any process in it starts.
    for container in pod.containers().filter(|container| container.role != Role::Process) {
        let Some(variable) = container.env_var(VARIABLE) else { continue };
        let object = pod.object();
        let mut unknown = |at: Value<'_>, fact: &str| {
            results.unknown_in(object, Some(at), Some(container), fact);
        };
        let Some(value) = variable.value.filter(|value| !value.is_null()) else {
            if variable.item.get("valueFrom").is_some() && asks(pod, container) != Need::Accelerator {
                unknown(variable.item, "the value of NVIDIA_VISIBLE_DEVICES comes from elsewhere");
            }
            continue;
        };
        // What the toolkit reads as no devices; its comparison knows no other spelling.
        let devices = value.text().unwrap_or("").trim();
        if matches!(devices, "" | "void" | "none") {
            continue;
        }
        match asks(pod, container) {
            Need::Accelerator => {}
            Need::UnresolvedClaim => {
                unknown(value, "the device class behind the claim of this container is not in the set");
            }
            Need::Nothing if devices.contains('$') || devices.contains("{{") => {
                unknown(value, "the value of NVIDIA_VISIBLE_DEVICES is a variable");
            }
            Need::Nothing => match asked_by_users(cx, pod) {
                Some(Need::Accelerator) => {}
                Some(Need::UnresolvedClaim) => {
                    unknown(value, "no service that uses this runtime is in the set; it makes the request");
                }
                Some(Need::Nothing) | None => {
                    let hit = Hit::at(object, value, message(devices)).container(container);
                    results.fail(with_nodes(cx, pod, hit));
                }
            },
        }
    }
}

fn message(devices: &str) -> String {
    let is_index = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    match devices.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        ["all"] => "opens every GPU without asking".to_owned(),
        [one] if is_index(one) && one.len() < 4 => format!("opens GPU {one} without asking"),
        several => format!("opens {} GPU{} without asking", several.len(), plural(several.len())),
    }
}

/// Names the nodes that stand open: their GPUs are what is exposed.
fn with_nodes<'i>(cx: &Cx<'i>, pod: Pod<'i>, hit: Hit<'i>) -> Hit<'i> {
    let open = open_nodes(cx, pod);
    open.fold(hit, |hit, node| hit.supported_by_fact(node, "its GPUs are open to this pod"))
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Finding;
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(container: &str, more: &str) -> String {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: web}}
spec:
  containers:
  - {{name: app, image: x, {container}}}
{more}"
        )
    }

    fn env(value: &str) -> String {
        format!("env: [{{name: NVIDIA_VISIBLE_DEVICES, value: {value}}}]")
    }

    fn messages(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.message.as_str()).collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_sidecar() {
        insta::assert_snapshot!(one_line("gpu-without-request", "bad"), @"HIGH RF-GPU-005 Deployment/ml/model[metrics]: opens every GPU without asking");
    }

    #[test]
    fn unknown_fixture_names_the_missing_fact() {
        insta::assert_snapshot!(one_line("gpu-without-request", "unknown"), @"UNKNOWN RF-GPU-005 Deployment/ml/model[metrics]: the value of NVIDIA_VISIBLE_DEVICES comes from elsewhere");
    }

    #[test]
    fn values_mean_what_the_toolkit_reads() {
        for (value, expected) in [
            ("all", vec!["opens every GPU without asking"]),
            ("0", vec!["opens GPU 0 without asking"]),
            ("'0,1'", vec!["opens 2 GPUs without asking"]),
            ("GPU-8f3d2c1e-5b7a-4c6d-9e21-7a40b6d5c913", vec!["opens 1 GPU without asking"]),
            ("$(DEVICES)", vec!["the value of NVIDIA_VISIBLE_DEVICES is a variable"]),
            ("void", vec![]),
            ("none", vec![]),
            ("''", vec![]),
            ("", vec![]),
        ] {
            let findings = judged("RF-GPU-005", &pod(&env(value), ""));
            assert_eq!(messages(&findings), expected, "{value}");
        }
    }

    #[test]
    fn the_head_of_a_ray_cluster_without_request_counts_beside_workers_with_one() {
        let findings = judged(
            "RF-GPU-005",
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  headGroupSpec:
    template:
      spec:
        containers:
        - {name: head, image: x, env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]}
  workerGroupSpecs:
  - groupName: w
    template:
      spec:
        containers:
        - name: worker
          image: x
          env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]
          resources: {limits: {nvidia.com/gpu: 1}}
",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].container.as_deref(), Some("head"));
    }

    #[test]
    fn a_container_that_asks_by_claim_is_not_judged_by_limits() {
        let claim = "apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: g, namespace: web}
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu.nvidia.com}}]}}
---
";
        let container = format!("{}, resources: {{claims: [{{name: gpu}}]}}", env("all"));
        let pod = pod(&container, "  resourceClaims: [{name: gpu, resourceClaimName: g}]\n");
        assert_eq!(judged("RF-GPU-005", &format!("{claim}{pod}")).len(), 0);
        let findings = judged("RF-GPU-005", &pod);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn the_request_of_a_kserve_runtime_stands_in_the_service() {
        let runtime = "apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: r, namespace: ml}
spec:
  containers: [{name: kserve-container, image: x, env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]}]
---
";
        let service = |limits: &str| {
            format!(
                "{runtime}apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: s, namespace: ml}}
spec: {{predictor: {{model: {{runtime: r, modelFormat: {{name: x}}, resources: {{limits: {limits}}}}}}}}}
"
            )
        };
        assert_eq!(judged("RF-GPU-005", &service("{nvidia.com/gpu: 1}")).len(), 0);
        assert_eq!(judged("RF-GPU-005", &service("{cpu: 1}"))[0].outcome, Outcome::Fail);
        assert_eq!(judged("RF-GPU-005", runtime)[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn a_device_plugin_is_not_judged() {
        let findings = judged(
            "RF-GPU-005",
            "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: nvidia-device-plugin-daemonset, namespace: gpu-operator}
spec:
  selector: {matchLabels: {app: p}}
  template:
    metadata: {labels: {app: p}}
    spec:
      containers:
      - name: p
        image: nvcr.io/nvidia/k8s-device-plugin:v0.17.0
        env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]
",
        );
        assert_eq!(findings.len(), 0, "{findings:?}");
    }

    #[test]
    fn open_nodes_are_those_the_scheduler_may_choose() {
        let node = |name: &str| {
            format!(
                "---
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{pool: {name}}}}}
spec: {{taints: [{{key: nvidia.com/gpu, value: 'true', effect: NoSchedule}}]}}
status: {{capacity: {{nvidia.com/gpu: '8'}}}}
"
            )
        };
        let nodes = [node("a"), node("b")].concat();
        let affinity = |values: &str| {
            format!(
                "  tolerations: [{{operator: Exists}}]
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{{matchExpressions: [{{key: pool, operator: In, values: {values}}}]}}]
"
            )
        };
        let (to_b, to_none) = (affinity("[b]"), affinity("[c]"));
        for (placement, expected) in [
            ("", vec![]),
            (
                "  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]\n",
                vec!["a", "b"],
            ),
            ("  tolerations: [{key: nvidia.com/gpu, value: 'true'}]\n  nodeSelector: {pool: a}\n", vec!["a"]),
            ("  tolerations: [{key: nvidia.com/gpu, value: 'false'}]\n", vec![]),
            ("  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoExecute}]\n", vec![]),
            ("  nodeName: b\n", vec!["b"]),
            (&to_b, vec!["b"]),
            (&to_none, vec![]),
        ] {
            let findings = judged("RF-GPU-005", &format!("{}{nodes}", pod(&env("all"), placement)));
            assert_eq!(findings.len(), 1, "{placement}");
            let evidence = findings[0].evidence.iter().filter(|piece| piece.resource.kind == "Node");
            let names: Vec<_> = evidence.map(|piece| piece.resource.name.as_str()).collect();
            assert_eq!(names, expected, "{placement}");
        }
    }
}
