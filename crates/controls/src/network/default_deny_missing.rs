//! RF-NET-001: one AI namespace in, its workloads that no NetworkPolicy isolates out.

use std::cmp::Reverse;

use ringfence_finding::Confidence;
use ringfence_finding::ControlId;
use ringfence_finding::Family;
use ringfence_finding::FixClass;
use ringfence_finding::Reference;
use ringfence_finding::Severity;
use ringfence_inventory::Namespace;
use ringfence_inventory::Pod;
use ringfence_inventory::selector::Match;

use crate::control::Check;
use crate::control::Control;
use crate::control::Meta;
use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Hit;
use crate::hit::Results;
use crate::isolation::Policy;
use crate::isolation::Workload;
use crate::isolation::by_workload;
use crate::isolation::not_evaluated;
use crate::isolation::on_host_network;
use crate::isolation::runs;

/// A pod that no NetworkPolicy selects talks to everybody and listens to everybody.
///
/// ## What it sees
/// Every pod of a namespace that holds an AI workload, in both directions. Isolation is per pod and per direction:
/// a pod is isolated for ingress once one policy with `Ingress` selects it, for egress likewise. Without
/// `policyTypes` a policy is for ingress, and for egress only when it has egress rules. A policy without rules denies
/// everything and is right. A policy for one app leaves the others open: they are listed, AI workloads with
/// accelerators first. Pods with `hostNetwork` are outside every policy and are mentioned only.
///
/// ## Why it matters for AI
/// Model servers rarely ask for a login, Ray runs any code it is sent, and a training job holds weights and data. In
/// a flat network one compromised web pod reaches all of them; in the other direction a poisoned model or a prompt
/// that reached a tool sends weights, data and keys wherever it likes.
///
/// ## Bad
/// ```yaml
/// # the only policy of the namespace
/// kind: NetworkPolicy
/// spec:
///   podSelector: {matchLabels: {tier: model-inference}}
///   policyTypes: [Egress]
/// ```
///
/// ## Good
/// ```yaml
/// kind: NetworkPolicy
/// metadata: {name: default-deny}
/// spec:
///   podSelector: {}
///   policyTypes: [Ingress, Egress]
/// ```
///
/// ## Fix and its side effects
/// Add the default deny above, then one policy for each flow that is needed: DNS (53, UDP and TCP) to `kube-system`,
/// the gateway to the server, the pods of one job to each other. Forgotten DNS looks like a hang of NCCL or of a model
/// download. Apply the allow policies first and the default deny last.
///
/// ## When it is unknown
/// The set is partial, or one identity stands in several overlays; a selector asks for a label that an operator adds
/// to its pods; a policy of another kind (AdminNetworkPolicy, ClusterNetworkPolicy, Cilium, Calico) is in the set and
/// may isolate them: those are not evaluated.
///
/// ## References
/// - guide: G12, G15, G40, H2
/// - CIS Kubernetes 2.0.1: 5.3.2
/// - OWASP AISVS 1.0: 4.3.1
/// - MITRE ATLAS 5.6.0: AML.T0025
pub(crate) const CONTROL: Control = Control {
    meta: Meta {
        id: ControlId::new(Family::Net, 1),
        slug: "default-deny-missing",
        title: "AI namespace has no default deny for every pod",
        risk: "any pod of the cluster reaches these workloads, and what runs in them can send weights, data and keys anywhere",
        cure: "add a NetworkPolicy with `podSelector: {}` and `policyTypes: [Ingress, Egress]`, then allow the flows that are needed, DNS first",
        severity: Severity::High,
        fix: FixClass::NeedsInput,
        needs: &[],
        absence: &[("networking.k8s.io", "NetworkPolicy")],
        references: &[
            Reference { framework: "guide", version: "1", id: "G12" },
            Reference { framework: "guide", version: "1", id: "H2" },
            Reference { framework: "CIS Kubernetes", version: "2.0.1", id: "5.3.2" },
            Reference { framework: "OWASP AISVS", version: "1.0", id: "4.3.1" },
            Reference { framework: "MITRE ATLAS", version: "5.6.0", id: "AML.T0025" },
        ],
    },
    check: Check::Namespace(check),
};

/// Workloads listed beside those with accelerators, which are always listed: their GPUs stand open.
const LISTED: usize = 10;

fn check(cx: &Cx<'_>, name: Option<&str>, namespace: &Namespace, results: &mut Results<'_>) {
    let inventory = cx.inventory;
    let pods: Vec<Pod<'_>> = inventory.pods_in(namespace).filter(|pod| runs(*pod)).collect();
    if !pods.iter().any(|pod| is_workload(*pod)) {
        results.not_applicable();
        return;
    }
    let (on_host, judged): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| on_host_network(*pod));
    let policies = cx.in_namespace("NetworkPolicy", name);
    let policies: Vec<Policy<'_>> = policies.iter().map(|object| Policy::read(object)).collect();
    let mut open = by_workload(judged.into_iter().map(|pod| Workload::judge(pod, &policies)));
    open.retain(|workload| !workload.is_isolated());
    // Accelerators first, then AI, then the rest, each in source order.
    open.sort_by_key(|workload| Reverse((workload.gpus > 0, workload.is_ai)));
    let Some(first) = open.first() else {
        results.pass();
        return;
    };
    let place = namespace.object.map_or(first.object, |id| inventory.object(id));
    let seen = inventory.sight.namespaced("networking.k8s.io", "NetworkPolicy", name);
    if let Some(reason) = seen.doubt() {
        results.unknown(place, None, format!("a policy may be missing: {reason}"));
        return;
    }
    if let Some(words) = not_evaluated(cx, name) {
        results.unknown(place, None, words);
        return;
    }
    let unsure = open.iter().filter(|workload| !workload.is_surely_open()).count();
    open.retain(Workload::is_surely_open);
    if open.is_empty() {
        let words = format!("a policy selects {} by labels that an operator adds", workloads(unsure));
        results.unknown(place, None, words);
        return;
    }
    let mut hit =
        Hit::absent(place, message(&open, namespace.object.is_some())).confidence(Confidence::Medium);
    for (index, workload) in open.iter().enumerate() {
        if index < LISTED || workload.gpus > 0 {
            hit = hit.supported_by_fact(workload.object, workload.words());
        }
    }
    let hidden = open.iter().skip(LISTED).filter(|workload| workload.gpus == 0).count();
    for (count, words) in [
        (hidden, "more open"),
        (unsure, "selected by labels that an operator adds: not sure"),
        (on_host.len(), "on the host's network, outside every policy"),
    ] {
        if count > 0 {
            hit = hit.supported_by_fact(place, format!("{} {words}", workloads(count)));
        }
    }
    results.fail(hit);
}

/// What follows the name of the namespace or, where no object stands for it, of its first open workload.
fn message(open: &[Workload<'_>], of_namespace: bool) -> String {
    let all = |ingress: bool, egress: bool| {
        open.iter().all(|one| (one.ingress != Match::Yes) == ingress && (one.egress != Match::Yes) == egress)
    };
    let how = match (all(true, true), all(true, false), all(false, true)) {
        (true, ..) => "open in both directions",
        (_, true, _) => "open to incoming traffic",
        (_, _, true) => "open to outgoing traffic",
        _ => "without a full default deny",
    };
    match open.len() {
        count if of_namespace => format!("leaves {} {how}", workloads(count)),
        0 | 1 => format!("is {how}"),
        count => format!("and {} more are {how}", count.saturating_sub(1)),
    }
}

fn workloads(count: usize) -> String {
    format!("{count} workload{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use ringfence_finding::Outcome;
    use ringfence_inventory::Input;
    use ringfence_inventory::Inventory;
    use ringfence_inventory::Options;

    use super::CONTROL;
    use crate::engine::judge;
    use crate::testing::judged;
    use crate::testing::one_line;

    #[test]
    fn bad_fixture_leaves_the_client_open_to_incoming_traffic() {
        insta::assert_snapshot!(one_line("default-deny-missing", "bad"), @"HIGH RF-NET-001 Namespace/ml: leaves 1 workload open to incoming traffic");
    }

    #[test]
    fn good_fixture_adds_two_policies_up() {
        insta::assert_snapshot!(one_line("default-deny-missing", "good"), @"");
    }

    #[test]
    fn a_policy_of_another_kind_makes_it_unknown() {
        insta::assert_snapshot!(one_line("default-deny-missing", "unknown"), @"
        UNKNOWN RF-NET-003 CiliumNetworkPolicy/ml/default-deny: may open or close more than NetworkPolicies do and is not evaluated
        UNKNOWN RF-NET-001 Namespace/ml: CiliumNetworkPolicy default-deny may isolate its pods and is not evaluated
        UNKNOWN RF-NET-002 CiliumNetworkPolicy/ml/default-deny: may open or close more than NetworkPolicies do and is not evaluated
        ");
    }

    /// A namespace with one GPU Deployment, and a policy.
    fn served(policy: &str) -> String {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: llm, namespace: ml}}
spec:
  template:
    metadata: {{labels: {{app: llm}}}}
    spec:
      containers:
      - {{name: s, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: p, namespace: ml}}
spec: {policy}
"
        )
    }

    #[test]
    fn a_policy_of_another_kind_counts_in_its_namespace_and_one_of_the_cluster_in_all() {
        let open = served("{podSelector: {}}");
        for (kind, namespace, outcome) in [
            ("CiliumNetworkPolicy", "", Outcome::Fail),
            ("CiliumNetworkPolicy", ", namespace: web", Outcome::Fail),
            ("CiliumNetworkPolicy", ", namespace: ml", Outcome::Unknown),
            ("CiliumClusterwideNetworkPolicy", "", Outcome::Unknown),
        ] {
            let other = format!(
                "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: c{namespace}}}\nspec: {{}}\n"
            );
            let findings = judged("RF-NET-001", &(open.clone() + &other));
            assert_eq!(findings.len(), 1, "{other}");
            assert_eq!(findings[0].outcome, outcome, "{other}");
        }
        // Neither says where it is applied: it is the same place.
        let nowhere = open.replace(", namespace: ml", "")
            + "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c}\nspec: {}\n";
        assert_eq!(judged("RF-NET-001", &nowhere)[0].outcome, Outcome::Unknown);
    }

    #[test]
    fn isolation_follows_the_defaults_of_the_api() {
        let both = "is open in both directions";
        let outgoing = "is open to outgoing traffic";
        let incoming = "is open to incoming traffic";
        for (policy, expected) in [
            ("{podSelector: {}, policyTypes: [Ingress, Egress]}", None),
            ("{podSelector: {matchLabels: {app: llm}}, policyTypes: [Egress, Ingress]}", None),
            // Without types: ingress always, egress only with egress rules.
            ("{podSelector: {}}", Some(outgoing)),
            ("{podSelector: {}, egress: []}", Some(outgoing)),
            ("{podSelector: {}, egress: [{}]}", None),
            // Rules do not matter when the types say otherwise.
            ("{podSelector: {}, policyTypes: [Egress], ingress: [{}]}", Some(incoming)),
            ("{podSelector: {matchLabels: {app: other}}, policyTypes: [Ingress, Egress]}", Some(both)),
            (
                "{podSelector: {matchExpressions: [{key: app, operator: Exists}]}, policyTypes: [Ingress, Egress]}",
                None,
            ),
        ] {
            let findings = judged("RF-NET-001", &served(policy));
            let message = findings.first().map(|finding| finding.message.as_str());
            assert_eq!(message, expected, "{policy}");
        }
    }

    #[test]
    fn a_ray_cluster_in_an_unseen_namespace_is_named_once_with_its_gpus() {
        let findings = judged(
            "RF-NET-001",
            "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec:
  headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}
  workerGroupSpecs:
  - {groupName: w, template: {spec: {containers: [{name: w, image: ray, resources: {limits: {nvidia.com/gpu: 8}}}]}}}
",
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].resource.as_ref().unwrap().to_string(), "RayCluster/ml/r");
        assert_eq!(findings[0].message, "is open in both directions");
        assert_eq!(findings[0].evidence.len(), 1);
    }

    #[test]
    fn labels_that_an_operator_adds_are_not_guessed() {
        let text = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: ml}
spec: {podSelector: {matchLabels: {ray.io/cluster: r}}, policyTypes: [Ingress, Egress]}
";
        let findings = judged("RF-NET-001", text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].outcome, Outcome::Unknown);
        assert!(findings[0].message.contains("labels that an operator adds"), "{}", findings[0].message);
    }

    #[test]
    fn a_namespace_without_ai_and_one_of_device_plugins_are_left_alone() {
        let findings = judged(
            "RF-NET-001",
            "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: web}
spec: {containers: [{name: app, image: nginx}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: nvidia-device-plugin-daemonset, namespace: gpu-operator}
spec:
  template:
    metadata: {labels: {app: p}}
    spec:
      containers:
      - {name: p, image: nvcr.io/nvidia/k8s-device-plugin:v0.17.0, env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]}
",
        );
        assert_eq!(findings.len(), 0, "{findings:?}");
    }

    #[test]
    fn nothing_is_concluded_from_absence_in_a_part() {
        let options = Options { partial: true, ..Options::default() };
        for (policy, expected) in [
            ("{podSelector: {}}", Some("a policy may be missing: the set was given as partial")),
            ("{podSelector: {}, policyTypes: [Ingress, Egress]}", None),
        ] {
            let inventory = Inventory::read(Input::from_bytes("-", served(policy).into_bytes()), &options);
            let findings = judge(&inventory, &[&CONTROL]).findings;
            assert_eq!(findings.first().map(|finding| finding.message.as_str()), expected);
            assert!(findings.iter().all(|finding| finding.outcome == Outcome::Unknown));
        }
    }

    #[test]
    fn a_dump_names_the_deployment_once_and_believes_the_labels_that_run() {
        let pod = |maker: &str, labels: &str| {
            format!(
                "apiVersion: v1
kind: Pod
metadata: {{name: llm-1, namespace: ml, uid: u, labels: {{{labels}}}, ownerReferences: [{maker}]}}
spec: {{containers: [{{name: s, image: x, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}
---
"
            )
        };
        let deployment = "{apiVersion: apps/v1, kind: Deployment, name: llm, controller: true}";
        let outgoing = format!("{}{}", pod(deployment, "app: llm"), served("{podSelector: {}}"));
        let findings = judged("RF-NET-001", &outgoing);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].message, "is open to outgoing traffic");
        // A pod that was relabelled left its policy.
        let policy = "{podSelector: {matchLabels: {app: llm}}, policyTypes: [Ingress, Egress]}";
        let escaped = format!("{}---\n{}", served(policy), pod(deployment, "app: other"));
        let findings = judged("RF-NET-001", &escaped);
        assert_eq!(findings[0].message, "is open in both directions");
        let ray = "{apiVersion: ray.io/v1, kind: RayCluster, name: r, controller: true}";
        let cluster = "apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r, namespace: ml}
spec: {headGroupSpec: {template: {spec: {containers: [{name: h, image: ray}]}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: ml}
spec: {podSelector: {matchLabels: {ray.io/cluster: r}}, policyTypes: [Ingress, Egress]}
";
        assert_eq!(judged("RF-NET-001", &format!("{}{cluster}", pod(ray, "ray.io/cluster: r"))).len(), 0);
    }
}
