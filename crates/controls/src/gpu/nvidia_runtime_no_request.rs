//! RF-GPU-014: one pod in, the NVIDIA runtime without a request behind it out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Container;
use ringfence_inventory::Need;
use ringfence_inventory::Object;
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
use crate::requests::NEED_UNKNOWN;
use crate::requests::asks;
use crate::requests::asks_by_claims_alone;
use crate::requests::pod_need;

/// The NVIDIA runtime hands out what an image's own variable names, asked or not.
///
/// ## What it sees
/// `runtimeClassName` of a class whose handler is NVIDIA's (without the RuntimeClass object: whose name says nvidia),
/// in a pod that asks for no accelerator. In a pod that does, each container without a request of its own and without
/// `NVIDIA_VISIBLE_DEVICES` counts, one step lower and with medium confidence: its image may set the variable. One that
/// is set to `void` or `none` is closed; one that names devices is the matter of RF-GPU-005. A pod that asks by claims of
/// dynamic resource allocation alone counts one step lower and with medium confidence too: a claim may be of nothing, and
/// no device of one needs the class. Kata's handlers give a whole device to a virtual machine and are left out. Every pod
/// is judged except accelerator infrastructure.
///
/// ## Why it matters for AI
/// CUDA base images come with `NVIDIA_VISIBLE_DEVICES=all`. Under the NVIDIA runtime that line in an image is enough: the
/// container gets every GPU of its node, past scheduler and quota, and nothing in the manifest shows it. One class name
/// in a pod of anybody turns any such image into a reader of other teams' models.
///
/// ## Bad
/// ```yaml
/// spec:
///   runtimeClassName: nvidia
///   containers: [{name: app, image: nvidia/cuda}]
/// ```
///
/// ## Good
/// ```yaml
/// spec:
///   runtimeClassName: nvidia
///   containers: [{name: app, image: nvidia/cuda, resources: {limits: {nvidia.com/gpu: 1}}}]
/// ```
///
/// ## Fix and its side effects
/// Remove `runtimeClassName` from pods that need no GPU, or that get it by a claim, which comes through any runtime that
/// knows CDI: they lose nothing. In pods that need one, set
/// `NVIDIA_VISIBLE_DEVICES` to `void` in the containers beside the one with the request.
///
/// ## When it is unknown
/// The request may stand in a runtime or a service that is not in the set.
///
/// ## References
/// - guide: H1
/// - CNCF AI conformance: secure_accelerator_access
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 14),
        slug: "nvidia-runtime-no-request",
        title: "NVIDIA runtime without a GPU request",
        risk: "the image's own variables open every GPU of the node to a container that asked for none",
        cure: "remove `runtimeClassName`, or set `NVIDIA_VISIBLE_DEVICES` to `void` in containers without a request",
        severity: Severity::High,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[("node.k8s.io", "RuntimeClass")],
        references: &[
            Reference { framework: "guide", version: "1", id: "H1" },
            Reference { framework: "CNCF AI conformance", version: "", id: "secure_accelerator_access" },
        ],
    },
    check: Check::Pod(Target::AllPods, check),
};

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    if pod.ai().class == WorkloadClass::AcceleratorInfra {
        return results.not_applicable();
    }
    let Some(class) = pod.get("runtimeClassName") else { return };
    let name = class.text().unwrap_or("");
    let object = cx.inventory.objects_of("node.k8s.io", "RuntimeClass").find(|object| &*object.name == name);
    let handler = object.and_then(|object| object.body().get("handler"));
    if !is_nvidia(handler.and_then(Value::text).unwrap_or(name)) {
        return;
    }
    let shown = object.zip(handler);
    let open = || pod.containers().any(|container| devices(container) != Some(""));
    if asks_by_claims_alone(cx, pod) {
        let hit = Hit::at(pod.object(), class, "uses the NVIDIA runtime and asks for no GPU but by a claim")
            .severity(CONTROL.meta.severity.lowered())
            .confidence(Confidence::Medium);
        if open() {
            results.fail(with_handler(hit, shown));
        }
        return;
    }
    match pod_need(cx, pod) {
        Need::UnresolvedClaim => results.unknown(pod.object(), Some(class), NEED_UNKNOWN),
        Need::Nothing if !open() => {}
        Need::Nothing => {
            let hit = Hit::at(pod.object(), class, "uses the NVIDIA runtime and asks for no GPU");
            results.fail(with_handler(hit, shown));
        }
        Need::Accelerator => {
            let beside = pod.containers().filter(|container| {
                container.role != Role::Process
                    && asks(pod, *container) == Need::Nothing
                    && container.env_var(VARIABLE).is_none()
            });
            // A runtime's containers get the request of the service that uses it.
            for container in beside.filter(|_| crate::requests::asked_by_users(cx, pod).is_none()) {
                let hit = Hit::at(pod.object(), class, "gets whatever GPUs its image names")
                    .container(container)
                    .severity(CONTROL.meta.severity.lowered())
                    .confidence(Confidence::Medium);
                results.fail(with_handler(hit, shown));
            }
        }
    }
}

const VARIABLE: &str = "NVIDIA_VISIBLE_DEVICES";

/// What the variable names: nothing where it closes the door, none where it is not written.
fn devices(container: Container<'_>) -> Option<&str> {
    let value = container.env_var(VARIABLE)?.value?.text().unwrap_or("").trim();
    Some(if matches!(value, "void" | "none") { "" } else { value })
}

/// Kata starts a virtual machine, into which a device goes whole or not at all.
fn is_nvidia(handler: &str) -> bool {
    handler.contains("nvidia") && !handler.contains("kata")
}

fn with_handler<'i>(hit: Hit<'i>, shown: Option<(&'i Object, Value<'i>)>) -> Hit<'i> {
    match shown {
        Some((object, handler)) => hit.supported_by(object, handler),
        None => hit,
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn pod(class: &str, containers: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: web}}\nspec: {{runtimeClassName: {class}, \
             containers: [{containers}]}}\n"
        )
    }

    fn handler(class: &str, handler: &str) -> String {
        format!(
            "---\napiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {{name: {class}}}\nhandler: {handler}\n"
        )
    }

    fn said(text: &str) -> Vec<String> {
        let findings = judged("RF-GPU-014", text).into_iter();
        let line = |finding: ringfence_finding::Finding| {
            format!("{} {}", finding.severity, finding.container.unwrap_or_default())
        };
        findings.map(line).collect()
    }

    const APP: &str = "{name: app, image: x}";
    const ASKS: &str = "{name: model, image: x, resources: {limits: {nvidia.com/gpu: 1}}}";

    #[test]
    fn bad_fixture_fails_at_the_class() {
        insta::assert_snapshot!(one_line("nvidia-runtime-no-request", "bad"), @"HIGH RF-GPU-014 Deployment/ml/model: uses the NVIDIA runtime and asks for no GPU");
    }

    #[test]
    fn the_handler_decides_over_the_name() {
        assert_eq!(said(&pod("nvidia", APP)), ["high "]);
        assert_eq!(said(&pod("gpu", APP)), [""; 0]);
        assert_eq!(said(&(pod("gpu", APP) + &handler("gpu", "nvidia-cdi"))), ["high "]);
        assert_eq!(said(&(pod("nvidia", APP) + &handler("nvidia", "runc"))), [""; 0]);
        assert_eq!(said(&(pod("vm", APP) + &handler("vm", "kata-qemu-nvidia-gpu"))), [""; 0]);
        assert_eq!(said(&pod("''", APP)), [""; 0]);
    }

    #[test]
    fn a_sidecar_beside_a_request_counts_lower_and_void_closes_it() {
        assert_eq!(said(&pod("nvidia", ASKS)), [""; 0]);
        assert_eq!(said(&pod("nvidia", &format!("{ASKS}, {APP}"))), ["medium app"]);
        let with = |value: &str| {
            format!("{{name: app, image: x, env: [{{name: NVIDIA_VISIBLE_DEVICES, value: {value}}}]}}")
        };
        assert_eq!(said(&pod("nvidia", &format!("{ASKS}, {}", with("void")))), [""; 0]);
        assert_eq!(said(&pod("nvidia", &with("none"))), [""; 0]);
        // RF-GPU-005 says it.
        assert_eq!(said(&pod("nvidia", &format!("{ASKS}, {}", with("all")))), [""; 0]);
    }

    #[test]
    fn a_notebook_without_a_gpu_counts_and_so_does_a_claim_whatever_it_is_of() {
        let notebook = "apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: n, namespace: ml}\nspec: {template: {spec: {runtimeClassName: nvidia, containers: [{name: n, image: x}]}}}\n";
        assert_eq!(said(notebook), ["high "]);
        let claims = "{name: app, image: x, resources: {claims: [{name: gpu}]}}";
        let text = pod("nvidia", claims)
            .replace("containers:", "resourceClaims: [{name: gpu, resourceClaimName: g}], containers:");
        let claim = |spec: &str| {
            format!(
                "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {{name: g, namespace: web}}\nspec: {spec}\n"
            )
        };
        let one = "{devices: {requests: [{name: a, exactly: {deviceClassName: gpu.nvidia.com}}]}}";
        for claim in [String::new(), claim("{}"), claim(one)] {
            let findings = judged("RF-GPU-014", &(text.clone() + &claim));
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].outcome, Outcome::Fail);
            assert!(findings[0].message.ends_with("but by a claim"), "{}", findings[0].message);
        }
        assert_eq!(said(&text.replace("runtimeClassName: nvidia, ", "")), [""; 0]);
        // Beside a limit it is a pod with a GPU like any other.
        assert_eq!(said(&text.replace("[{name: app", &format!("[{ASKS}, {{name: app"))), [""; 0]);
    }
}
