//! RF-RUN-004: one AI namespace in, whether Pod Security admission holds anything back there out.

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::WorkloadClass;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Hit;
use crate::hit::Results;

/// Without a level, the API server lets every privileged pod into the namespace.
///
/// ## What it sees
/// The label `pod-security.kubernetes.io/enforce` of namespaces with AI workloads: `restricted` and `baseline` pass,
/// `privileged` and no label fail. No label means the default of the cluster, which is `privileged` unless its
/// administrator has configured another: medium confidence. `warn` and `audit` stop nothing. Device plugins and drivers
/// that stand in the same namespace are named: they are why its level is low, and belong into one of their own.
///
/// ## Why it matters for AI
/// Every control on single pods looks at what is there today. The level stops tomorrow's: the privileged debug pod, the
/// notebook with the node's disk, the training that a stolen account starts with `hostPID`. GPU stacks ask for
/// `privileged` and people give it to the namespace of the models, where only the stack's own needs it.
///
/// ## Bad
/// ```yaml
/// kind: Namespace
/// metadata:
///   labels: {pod-security.kubernetes.io/enforce: privileged}
/// ```
///
/// ## Good
/// ```yaml
/// kind: Namespace
/// metadata:
///   labels: {pod-security.kubernetes.io/enforce: restricted}
/// ```
///
/// ## Fix and its side effects
/// Try a level first: `kubectl label --dry-run=server --overwrite ns NAME pod-security.kubernetes.io/enforce=baseline`
/// names the pods that would not be let in. Running pods stay, new ones of the same kind are refused: mend their
/// templates first. CUDA works under `restricted`. Never lower the namespace of the GPU operator, which needs
/// `privileged`; move AI workloads out of it.
///
/// ## When it is unknown
/// The Namespace object is not in the set, or its label is a variable or no level.
///
/// ## References
/// - CIS Kubernetes 2.0.1: 5.2.1
/// - Pod Security Standards: baseline, restricted
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Run, 4),
        slug: "psa-level",
        title: "AI namespace enforces no Pod Security level",
        risk: "whoever may start a pod here starts a privileged one, and owns the node with all its GPUs",
        cure: "label the namespace `pod-security.kubernetes.io/enforce: restricted`, or `baseline`",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("", "Namespace")],
        references: &[Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.2.1" }],
    },
    check: Check::Namespace(check),
};

const LABEL: &str = "pod-security.kubernetes.io/enforce";

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let Some(workload) = cx.inventory.pods_in(namespace).find(|pod| is_workload(*pod)) else {
        return results.not_applicable();
    };
    let Some(object) = namespace.object.map(|id| cx.inventory.object(id)) else {
        let words = match name {
            Some(name) => format!("Namespace {name} is not in the set: its Pod Security level is not known"),
            None => {
                "the namespace of these objects is not said: its Pod Security level is not known".to_owned()
            }
        };
        return results.unknown(workload.object(), None, words);
    };
    let label = object.labels().and_then(|labels| labels.get(LABEL));
    let hit = match label.map(|label| (label, label.text().unwrap_or(""))) {
        Some((_, "restricted" | "baseline")) => return,
        Some((label, "privileged")) => Hit::at(object, label, "lets privileged pods in"),
        Some((label, _)) => {
            return results.unknown(object, Some(label), format!("the value of `{LABEL}` is no level"));
        }
        None => Hit::absent(object, "enforces no Pod Security level")
            .missing(format!("metadata.labels[{LABEL:?}]"))
            .confidence(Confidence::Medium),
    };
    results.fail(match infrastructure(cx, namespace) {
        Some(other) => hit.supported_by_fact(other, "needs a privileged namespace: give it one of its own"),
        None => hit,
    });
}

/// Accelerator infrastructure beside the workloads.
fn infrastructure<'i>(cx: &Cx<'i>, namespace: &'i Namespace) -> Option<&'i Object> {
    let mut pods = cx.inventory.pods_in(namespace);
    pods.find(|pod| pod.ai().class == WorkloadClass::AcceleratorInfra).map(Pod::object)
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;

    use crate::testing::judged;
    use crate::testing::one_line;

    const RAY: &str = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
";

    fn said(labels: &str) -> Vec<String> {
        let text = format!(
            "{RAY}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: ml, labels: {{{labels}}}}}\n"
        );
        let findings = judged("RF-RUN-004", &text).into_iter();
        findings
            .map(|finding| match finding.outcome {
                Outcome::Fail => format!("{:?} {}", finding.confidence, finding.message),
                _ => format!("unknown: {}", finding.message),
            })
            .collect()
    }

    #[test]
    fn bad_fixture_fails_at_the_label() {
        insta::assert_snapshot!(one_line("psa-level", "bad"), @"HIGH RF-RUN-004 Namespace/ml: lets privileged pods in");
    }

    #[test]
    fn unknown_fixture_asks_for_the_namespace() {
        insta::assert_snapshot!(one_line("psa-level", "unknown"), @"UNKNOWN RF-RUN-004 Deployment/ml/model: Namespace ml is not in the set: its Pod Security level is not known");
    }

    #[test]
    fn only_enforce_counts() {
        let level = |level: &str| said(&format!("pod-security.kubernetes.io/enforce: {level}"));
        assert_eq!(level("restricted"), [""; 0]);
        assert_eq!(level("baseline"), [""; 0]);
        assert_eq!(level("privileged"), ["High lets privileged pods in"]);
        let no_level = ["unknown: the value of `pod-security.kubernetes.io/enforce` is no level"];
        assert_eq!(level("strict"), no_level);
        assert_eq!(level("'${LEVEL}'"), no_level);
        assert_eq!(said(""), ["Medium enforces no Pod Security level"]);
        let warned =
            "pod-security.kubernetes.io/warn: restricted, pod-security.kubernetes.io/audit: restricted";
        assert_eq!(said(warned), ["Medium enforces no Pod Security level"]);
    }

    #[test]
    fn the_stack_beside_the_models_is_named_and_alone_it_is_not_judged() {
        let stack = "---
apiVersion: v1
kind: Namespace
metadata: {name: ml, labels: {pod-security.kubernetes.io/enforce: privileged}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: plugin, namespace: ml}
spec: {template: {spec: {containers: [{name: p, image: nvcr.io/nvidia/k8s-device-plugin}]}}}
";
        let findings = judged("RF-RUN-004", &format!("{RAY}{stack}"));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].evidence.last().unwrap().resource.name, "plugin");
        assert_eq!(judged("RF-RUN-004", stack).len(), 0);
    }
}
