//! RF-GPU-022: one pod in, variables that overrule what the device plugin hands out, out.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::EnvVar;
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
use crate::requests::asked_by_users;
use crate::requests::asks;

/// A variable of the manifest wins over the device plugin's, and over its count.
///
/// ## What it sees
/// `NVIDIA_VISIBLE_DEVICES` with a value that names devices in a container that asks for a GPU, and, in any container,
/// `NVIDIA_MIG_CONFIG_DEVICES`, `NVIDIA_MIG_MONITOR_DEVICES` and `NVIDIA_IMEX_CHANNELS`, and what the runtimes of other
/// vendors read: `AMD_VISIBLE_DEVICES`, `ASCEND_VISIBLE_DEVICES` and `HABANA_VISIBLE_DEVICES`. `void`, `none` and nothing
/// name no device. Every pod is judged except accelerator infrastructure; a container without a request that names
/// NVIDIA's devices is the matter of RF-GPU-005. Variables of a ConfigMap (`envFrom`) and of the image are not seen.
///
/// ## Why it matters for AI
/// The device plugin gives one GPU and says so in this variable. The container's own value comes later and wins: a pod
/// that paid for one GPU sees all eight, with the models of other teams in them. The MIG variables open the partitioning
/// of whole cards, the IMEX channels the memory of other nodes over NVLink.
///
/// ## Bad
/// ```yaml
/// env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]
/// resources: {limits: {nvidia.com/gpu: 1}}
/// ```
///
/// ## Good
/// ```yaml
/// resources: {limits: {nvidia.com/gpu: 1}}
/// ```
///
/// ## Fix and its side effects
/// Remove the variable: the device plugin, CDI or DRA set what is needed. A job that then finds fewer GPUs than before
/// has used those of others; ask for as many as it needs.
///
/// ## When it is unknown
/// The value comes from elsewhere (`valueFrom`) or is a variable.
///
/// ## References
/// - CNCF AI conformance: secure_accelerator_access
/// - MITRE ATLAS 5.6.0: AML.T0105
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 22),
        slug: "gpu-env-override",
        title: "variable overrules the GPUs that were handed out",
        risk: "a container that was given one GPU opens those of other teams on its node",
        cure: "remove the variable and ask for as many GPUs as are needed",
        severity: Severity::Medium,
        fix: FixClass::Safe,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "CNCF AI conformance", version: "", id: "secure_accelerator_access" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0105" },
        ],
    },
    check: Check::Pod(Target::AllPods, check),
};

const VISIBLE: &str = "NVIDIA_VISIBLE_DEVICES";

/// Variables that no tenant needs, request or not. Sources: the container runtimes of NVIDIA, AMD, Huawei and Habana.
const OTHERS: &[&str] = &[
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "NVIDIA_IMEX_CHANNELS",
    "AMD_VISIBLE_DEVICES",
    "ASCEND_VISIBLE_DEVICES",
    "HABANA_VISIBLE_DEVICES",
];

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    if pod.ai().class == WorkloadClass::AcceleratorInfra {
        return results.not_applicable();
    }
    for container in pod.containers().filter(|container| container.role != Role::Process) {
        for variable in container.env() {
            let judged = variable.name == VISIBLE || OTHERS.contains(&variable.name);
            // Of two with one name the later counts.
            if !judged || !is_last(variable, container.env_var(variable.name)) {
                continue;
            }
            let Some((at, value)) = value(variable) else { continue };
            if variable.name == VISIBLE
                && asks(pod, container) != Need::Accelerator
                && asked_by_users(cx, pod) != Some(Need::Accelerator)
            {
                continue;
            }
            match value {
                None => {
                    let words = format!("the value of {} comes from elsewhere", variable.name);
                    results.unknown_in(pod.object(), Some(at), Some(container), words);
                }
                Some("" | "void" | "none") => {}
                Some(value) if value.contains('$') || value.contains("{{") => {
                    let words = format!("the value of {} is a variable", variable.name);
                    results.unknown_in(pod.object(), Some(at), Some(container), words);
                }
                Some(_) => {
                    let message = format!("sets {} itself", variable.name);
                    results.fail(Hit::at(pod.object(), at, message).container(container));
                }
            }
        }
    }
}

fn is_last(variable: EnvVar<'_>, last: Option<EnvVar<'_>>) -> bool {
    last.is_some_and(|last| last.item.id() == variable.item.id())
}

/// Place and text of a value; no text: it comes from elsewhere. None: there is none.
fn value(variable: EnvVar<'_>) -> Option<(Value<'_>, Option<&str>)> {
    match variable.value.filter(|value| !value.is_null()) {
        Some(value) => Some((value, Some(value.text().unwrap_or("").trim()))),
        None => variable.item.get("valueFrom").map(|_| (variable.item, None)),
    }
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    fn said(container: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: web}}\nspec: {{containers: [{{name: c, image: x, {container}}}]}}\n"
        );
        let findings = judged("RF-GPU-022", &text).into_iter();
        findings
            .map(|finding| match finding.outcome {
                Outcome::Fail => finding.message,
                _ => format!("unknown {}", finding.message),
            })
            .collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_variable() {
        insta::assert_snapshot!(one_line("gpu-env-override", "bad"), @"MEDIUM RF-GPU-022 Deployment/ml/model[server]: sets NVIDIA_VISIBLE_DEVICES itself");
    }

    #[test]
    fn visible_devices_count_beside_a_request_only() {
        let asks = "resources: {limits: {nvidia.com/gpu: 1}}";
        for (value, expected) in [
            ("value: all", vec!["sets NVIDIA_VISIBLE_DEVICES itself"]),
            ("value: '0'", vec!["sets NVIDIA_VISIBLE_DEVICES itself"]),
            ("value: void", vec![]),
            ("value: none", vec![]),
            ("value: ''", vec![]),
            ("value: $(GPUS)", vec!["unknown the value of NVIDIA_VISIBLE_DEVICES is a variable"]),
            (
                "valueFrom: {configMapKeyRef: {name: a, key: b}}",
                vec!["unknown the value of NVIDIA_VISIBLE_DEVICES comes from elsewhere"],
            ),
        ] {
            let env = format!("env: [{{name: NVIDIA_VISIBLE_DEVICES, {value}}}]");
            assert_eq!(said(&format!("{env}, {asks}")), expected, "{value}");
            assert_eq!(said(&env), [""; 0], "{value}: RF-GPU-005 judges it");
        }
        let twice =
            "env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}, {name: NVIDIA_VISIBLE_DEVICES, value: void}]";
        assert_eq!(said(&format!("{twice}, {asks}")), [""; 0]);
    }

    #[test]
    fn mig_and_imex_count_in_any_container() {
        assert_eq!(
            said(
                "env: [{name: NVIDIA_IMEX_CHANNELS, value: all}, {name: NVIDIA_MIG_CONFIG_DEVICES, value: all}]"
            ),
            ["sets NVIDIA_IMEX_CHANNELS itself", "sets NVIDIA_MIG_CONFIG_DEVICES itself"]
        );
        assert_eq!(said("env: [{name: NVIDIA_DRIVER_CAPABILITIES, value: compute}]"), [""; 0]);
    }

    #[test]
    fn the_variables_of_other_vendors_count_in_any_container() {
        for vendor in ["AMD", "ASCEND", "HABANA"] {
            let env = |value: &str| format!("env: [{{name: {vendor}_VISIBLE_DEVICES, value: {value}}}]");
            assert_eq!(said(&env("all")), [format!("sets {vendor}_VISIBLE_DEVICES itself")]);
            assert_eq!(said(&env("void")), [""; 0]);
        }
    }

    #[test]
    fn a_worker_of_a_pytorch_job_counts_and_a_device_plugin_does_not() {
        let env = "env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}, {name: NVIDIA_MIG_MONITOR_DEVICES, value: all}]";
        let job = format!(
            "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {{name: t, namespace: ml}}\nspec: {{pytorchReplicaSpecs: {{Worker: {{template: {{spec: {{containers: [{{name: pytorch, image: x, {env}, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}}}}}}}}}\n"
        );
        assert_eq!(judged("RF-GPU-022", &job).len(), 2);
        let plugin = format!(
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: p, namespace: gpu-operator}}\nspec: {{template: {{spec: {{containers: [{{name: p, image: nvcr.io/nvidia/k8s-device-plugin, {env}}}]}}}}}}\n"
        );
        assert_eq!(judged("RF-GPU-022", &plugin).len(), 0);
    }
}
