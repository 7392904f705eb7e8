//! RF-GPU-004: one GPU pod in, what keeps it on the nodes of its team out, if anything does.

use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Base;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::accelerator::is_accelerator;
use ringfence_inventory::yaml::Value;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::control::Target;
use crate::cx::Cx;
use crate::hit::Hit;
use crate::hit::Results;
use crate::requests::is_runtime;

/// A GPU pod that names no nodes runs on whatever GPU node is free, beside whoever is there.
///
/// ## What it sees
/// AI workloads that ask for a GPU without `nodeSelector` and without required node affinity, or with such that hold on
/// every node (`kubernetes.io/os`, `kubernetes.io/arch`). One step lower when they name only labels that a node's own
/// kubelet may write: instance types, zones, `nvidia.com/*`, any label of your own. Labels below
/// `node-restriction.kubernetes.io` (also `<yours>.node-restriction.kubernetes.io`), other labels of Kubernetes that
/// kubelets may not write, and nodes by name pass. Of the terms of an affinity the weakest counts. A pod that asks by
/// claim only is placed by its claim: one step lower. DaemonSets and pods with `nodeName` (RF-GPU-024) are left out.
///
/// ## Why it matters for AI
/// Isolation of teams on GPUs is isolation of nodes: cards and drivers are shared on a node. A training on patient data
/// must not land beside a notebook of strangers. And a label that a kubelet may write is a door in reverse: who takes
/// over one node labels it as the secure pool, and the model with its weights and keys comes by itself.
///
/// ## Bad
/// ```yaml
/// spec:
///   containers: [{name: t, resources: {limits: {nvidia.com/gpu: 8}}}]
/// ```
///
/// ## Good
/// ```yaml
/// spec:
///   nodeSelector: {acme.node-restriction.kubernetes.io/gpu-pool: research}
///   containers: [{name: t, resources: {limits: {nvidia.com/gpu: 8}}}]
/// ```
///
/// ## Fix and its side effects
/// Label the nodes of a pool with a key below `node-restriction.kubernetes.io`, with rights that no kubelet has, and
/// select it. Pods then wait for the pool though others are free. The admission plugin NodeRestriction must be on.
///
/// ## When it is unknown
/// The kind cannot say it because its operator builds the pod; the runtime that a job is built on is not in the set, or
/// nobody who uses a runtime is.
///
/// ## References
/// - guide: G9
/// - NIST 800-53r5: AC-4
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Gpu, 4),
        slug: "gpu-pod-not-pinned",
        title: "GPU pod is not bound to the nodes of its team",
        risk: "model and data run on any GPU node, beside strangers, or on one that a thief has labelled for them",
        cure: "select nodes by a label below `node-restriction.kubernetes.io`",
        severity: Severity::Medium,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[],
        references: &[
            Reference { framework: "guide", version: "1", id: "G9" },
            Reference { framework: "NIST 800-53", version: "r5", id: "AC-4" },
        ],
    },
    check: Check::Pod(Target::AiPods, check),
};

/// What holds a pod on its nodes. Order is the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pin {
    /// Nothing that tells nodes apart.
    Nothing,
    /// A label that a kubelet may write on its own node.
    Weak,
    /// A label that no kubelet may write, or a node by name.
    Strong,
}

fn check(cx: &Cx<'_>, pod: Pod<'_>, results: &mut Results<'_>) {
    let object = pod.object();
    let is_placed = object.is("apps", "DaemonSet") || pod.get("nodeName").is_some();
    if is_placed || !pod.needs_accelerator() {
        return results.not_applicable();
    }
    let mut pin = own(pod);
    if pin == Pin::Strong {
        return;
    }
    let bases = cx.inventory.joins().bases(pod.object_id());
    let mut is_told = false;
    for base in bases {
        match base {
            Base::Given(base) => {
                pin = pin.max(of_pods(cx, *base));
                is_told |= cx.inventory.pods_of(*base).any(Pod::needs_accelerator);
            }
            Base::Missing { at, fact } => {
                return results.unknown(object, Some(object.value(*at)), fact.as_str());
            }
        }
    }
    if is_runtime(pod) {
        let users = cx.inventory.joins().users(pod.object_id());
        match users.iter().map(|user| of_pods(cx, *user)).min() {
            Some(of_users) => pin = pin.max(of_users),
            None => return results.unknown(object, None, "who uses this runtime is not in the set"),
        }
    }
    // A runtime that asks for GPUs itself is judged itself: one root cause is one finding.
    if is_told {
        return;
    }
    let hit = match pin {
        Pin::Strong => return,
        Pin::Nothing if pod.built_by_operator() && bases.is_empty() => {
            return results.built_by_operator(pod, "nodeSelector");
        }
        Pin::Weak => {
            let hit = match pod.get("nodeSelector").or_else(|| pod.get("affinity")) {
                Some(at) => Hit::at(object, at, WEAK),
                None => Hit::absent(object, WEAK),
            };
            hit.severity(CONTROL.meta.severity.lowered())
        }
        Pin::Nothing => {
            let path = object.field(pod.body());
            let field = format!("{path}{}nodeSelector", if path.is_empty() { "" } else { "." });
            let hit = Hit::absent(object, "runs on any GPU node that is free").missing(field);
            if asks_by_claim(pod) { hit.severity(CONTROL.meta.severity.lowered()) } else { hit }
        }
    };
    results.fail(hit);
}

/// Whether it asks by claim alone: then the claim chooses the node.
fn asks_by_claim(pod: Pod<'_>) -> bool {
    let has = |keys: &[&str], by: fn(&str) -> bool| {
        let resources = pod.containers().filter_map(|container| container.get("resources"));
        let mut names = resources.flat_map(|resources| keys.iter().filter_map(move |key| resources.get(key)));
        names.any(|list| list.is_sequence() || list.entries().any(|(name, _)| by(name)))
    };
    has(&["claims"], |_| true) && !has(&["limits", "requests"], is_accelerator)
}

const WEAK: &str = "is bound by labels that a kubelet may write";

/// The weakest of the pods that an object starts.
fn of_pods(cx: &Cx<'_>, id: ObjectId) -> Pin {
    cx.inventory.pods_of(id).map(own).min().unwrap_or(Pin::Nothing)
}

/// Selector and affinity must both hold, so the stronger one counts.
fn own(pod: Pod<'_>) -> Pin {
    let selector = pod.get("nodeSelector").into_iter().flat_map(Value::entries);
    let by_selector = selector.map(|(key, _)| of_label(key)).max().unwrap_or(Pin::Nothing);
    let terms = pod.get("affinity").and_then(|affinity| {
        affinity.at(&["nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"])
    });
    // Terms are alternatives, so the weakest counts.
    let by_affinity = terms.into_iter().flat_map(Value::items).map(of_term).min();
    by_selector.max(by_affinity.unwrap_or(Pin::Nothing))
}

fn of_term(term: Value<'_>) -> Pin {
    if term.get("matchFields").is_some() {
        return Pin::Strong;
    }
    let expressions = term.get("matchExpressions").into_iter().flat_map(Value::items);
    // What only excludes nodes lets every other in.
    let chosen =
        expressions.filter(|one| matches!(one.str_at("operator"), Some("In" | "Exists" | "Gt" | "Lt")));
    chosen
        .map(|one| one.get("key").and_then(Value::text).map_or(Pin::Nothing, of_label))
        .max()
        .unwrap_or(Pin::Nothing)
}

/// Whether a kubelet may write a label on its own node: `plugin/pkg/admission/noderestriction` and `IsKubeletLabel` of
/// `k8s.io/kubelet/pkg/apis`.
fn of_label(key: &str) -> Pin {
    let Some((domain, name)) = key.split_once('/') else { return Pin::Weak };
    let is_in = |parent: &str| {
        domain.strip_suffix(parent).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    match (domain, name) {
        ("kubernetes.io" | "beta.kubernetes.io", "os" | "arch") => Pin::Nothing,
        _ if is_in("node-restriction.kubernetes.io") => Pin::Strong,
        _ if is_in("kubelet.kubernetes.io") || is_in("node.kubernetes.io") => Pin::Weak,
        ("kubernetes.io", "hostname")
        | ("beta.kubernetes.io", "instance-type")
        | ("topology.kubernetes.io" | "failure-domain.beta.kubernetes.io", "zone" | "region") => Pin::Weak,
        _ if is_in("kubernetes.io") || is_in("k8s.io") => Pin::Strong,
        _ => Pin::Weak,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::judged;
    use crate::testing::one_line;

    fn said(placement: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec: {{{placement}containers: [{{name: c, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}\n"
        );
        let findings = judged("RF-GPU-004", &text).into_iter();
        findings.map(|finding| finding.severity.to_string()).collect()
    }

    #[test]
    fn bad_fixture_fails_for_want_of_a_selector() {
        insta::assert_snapshot!(one_line("gpu-pod-not-pinned", "bad"), @"MEDIUM RF-GPU-004 Deployment/ml/model: runs on any GPU node that is free");
    }

    #[test]
    fn labels_count_by_who_may_write_them() {
        for (key, pin) in [
            ("node-restriction.kubernetes.io/pool", Pin::Strong),
            ("acme.node-restriction.kubernetes.io/pool", Pin::Strong),
            ("xnode-restriction.kubernetes.io/pool", Pin::Strong),
            ("node-role.kubernetes.io/gpu", Pin::Strong),
            ("node.kubernetes.io/instance-type", Pin::Weak),
            ("kubernetes.io/hostname", Pin::Weak),
            ("topology.kubernetes.io/zone", Pin::Weak),
            ("nvidia.com/gpu.product", Pin::Weak),
            ("acme.example/pool", Pin::Weak),
            ("pool", Pin::Weak),
            ("kubernetes.io/os", Pin::Nothing),
        ] {
            assert_eq!(of_label(key), pin, "{key}");
        }
    }

    #[test]
    fn the_stronger_of_selector_and_affinity_and_the_weakest_term_count() {
        let affinity = |terms: &str| {
            format!(
                "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{terms}]}}}}}}, "
            )
        };
        let term = |key: &str, operator: &str| {
            format!("{{matchExpressions: [{{key: {key}, operator: {operator}, values: [a]}}]}}")
        };
        let strong = term("node-restriction.kubernetes.io/pool", "In");
        let weak = term("acme.example/pool", "In");
        let excludes = term("node-restriction.kubernetes.io/pool", "NotIn");
        for (placement, expected) in [
            (String::new(), vec!["medium"]),
            ("nodeSelector: {kubernetes.io/os: linux}, ".to_owned(), vec!["medium"]),
            ("nodeSelector: {acme.example/pool: a}, ".to_owned(), vec!["low"]),
            ("nodeSelector: {node-restriction.kubernetes.io/pool: a}, ".to_owned(), vec![]),
            (affinity(&strong), vec![]),
            (affinity(&format!("{strong}, {weak}")), vec!["low"]),
            (affinity(&excludes), vec!["medium"]),
            (affinity("{matchFields: [{key: metadata.name, operator: In, values: [a]}]}"), vec![]),
            (format!("nodeSelector: {{acme.example/pool: a}}, {}", affinity(&strong)), vec![]),
            ("nodeName: gpu-1, ".to_owned(), vec![]),
        ] {
            assert_eq!(said(&placement), expected, "{placement}");
        }
    }

    #[test]
    fn the_selector_of_a_train_job_stands_in_its_runtime() {
        let job = "apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: t, namespace: ml}
spec: {runtimeRef: {name: torch}, trainer: {image: x, resourcesPerNode: {limits: {nvidia.com/gpu: 1}}}}
";
        let runtime = |selector: &str| {
            format!(
                "{job}---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {{name: torch}}
spec: {{template: {{spec: {{replicatedJobs: [{{name: node, template: {{spec: {{template: {{spec: {{nodeSelector: {selector}, containers: [{{name: node, image: x}}]}}}}}}}}}}]}}}}}}
"
            )
        };
        assert_eq!(judged("RF-GPU-004", &runtime("{node-restriction.kubernetes.io/pool: a}")).len(), 0);
        let weak = judged("RF-GPU-004", &runtime("{acme.example/pool: a}"));
        assert_eq!(weak.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::Low]);
        let bare = judged("RF-GPU-004", &runtime("{}"));
        assert_eq!(bare.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::Medium]);
        let asks = runtime("{}").replace(
            "name: node, image: x",
            "name: node, image: x, resources: {limits: {nvidia.com/gpu: 1}}",
        );
        let kinds = judged("RF-GPU-004", &asks).into_iter().map(|one| one.resource.unwrap().kind);
        assert_eq!(kinds.collect::<Vec<_>>(), ["ClusterTrainingRuntime"]);
        let alone = judged("RF-GPU-004", job);
        assert_eq!(
            alone.iter().map(|one| one.outcome).collect::<Vec<_>>(),
            [ringfence_finding::Outcome::Unknown]
        );
    }

    #[test]
    fn a_pod_that_asks_by_claim_is_placed_by_it() {
        let text = "apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ml}
spec:
  resourceClaims: [{name: gpu, resourceClaimName: g}]
  containers: [{name: c, image: x, resources: {limits: {cpu: 1}, claims: [{name: gpu}]}}]
";
        let severities =
            |text: &str| judged("RF-GPU-004", text).iter().map(|one| one.severity).collect::<Vec<_>>();
        assert_eq!(severities(text), [Severity::Low]);
        assert_eq!(severities(&text.replace("cpu: 1", "nvidia.com/gpu: 1")), [Severity::Medium]);
    }

    #[test]
    fn a_pod_without_gpus_and_a_daemon_set_are_not_judged() {
        let web = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ml}\nspec: {containers: [{name: c, image: vllm/vllm-openai}]}\n";
        assert_eq!(judged("RF-GPU-004", web).len(), 0);
        let daemon = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d, namespace: ml}\nspec: {template: {spec: {containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: 1}}}]}}}\n";
        assert_eq!(judged("RF-GPU-004", daemon).len(), 0);
    }
}
