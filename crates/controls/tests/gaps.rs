//! What a cluster refuses to show is unknown: never a pass, and never a fail that rests on an absence.

mod support;

use ringfence_controls::catalogue;
use ringfence_controls::judge;
use ringfence_finding::Finding;
use ringfence_finding::Outcome;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;
use ringfence_inventory::Snapshot;
use support::live::snapshot;
use support::live::without;

/// A served model with its route, its policy, its claim and its rights.
const PLATFORM: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: ml}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm, namespace: ml}
spec:
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
      - {name: s, image: vllm/vllm-openai, resources: {limits: {nvidia.com/gpu: 1}}}
---
apiVersion: v1
kind: Service
metadata: {name: llm, namespace: ml}
spec: {selector: {app: llm}, type: LoadBalancer}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: ml}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: kept}
provisioner: x
reclaimPolicy: Retain
";

fn judged(snapshot: Snapshot, control: &str) -> Vec<Finding> {
    let inventory = Inventory::from_snapshot(snapshot, &Options::default());
    let mut findings = judge(&inventory, &catalogue()).findings;
    findings.retain(|finding| finding.control.to_string() == control);
    findings
}

/// Outcome, object and words of what a control says.
fn said(snapshot: Snapshot, control: &str) -> Vec<String> {
    let line = |finding: Finding| {
        let object = finding.resource.map_or_else(|| "-".to_owned(), |resource| resource.to_string());
        format!("{:?} {object}: {}", finding.outcome, finding.message)
    };
    judged(snapshot, control).into_iter().map(line).collect()
}

#[test]
fn a_cluster_that_shows_everything_leaves_nothing_unknown_for_lack_of_it() {
    let inventory = Inventory::from_snapshot(snapshot(PLATFORM), &Options::default());
    let findings = judge(&inventory, &catalogue()).findings;
    let unknown: Vec<_> =
        findings.iter().filter(|finding| finding.outcome == Outcome::Unknown).map(support::line).collect();
    assert_eq!(unknown, [""; 0]);
    // A cluster without any StorageClass or Node has none: that is an answer.
    let bare = PLATFORM.split("---\napiVersion: storage").next().unwrap_or("");
    let inventory = Inventory::from_snapshot(snapshot(bare), &Options::default());
    assert_eq!(inventory.coverage.not_seen, [""; 0]);
}

#[test]
fn policies_that_were_not_listed_are_not_absent() {
    assert_eq!(said(snapshot(PLATFORM), "RF-NET-001"), [""; 0]);
    let open = PLATFORM.replace("policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]");
    let fails = said(snapshot(&open), "RF-NET-001");
    assert_eq!(fails, ["Fail Namespace/ml: leaves 1 workload open to outgoing traffic"]);
    for hidden in [("networking.k8s.io", "NetworkPolicy"), ("cilium.io", "CiliumNetworkPolicy")] {
        let said = said(without(&open, &[hidden]), "RF-NET-001");
        assert!(
            said.iter().all(|line| line.starts_with("Unknown Namespace/ml") || line.starts_with("Unknown -")),
            "{said:?}"
        );
        assert!(said.iter().any(|line| line.contains("forbidden for jane")), "{said:?}");
    }
}

#[test]
fn a_login_that_was_not_listed_may_be_there() {
    let fails = said(snapshot(PLATFORM), "RF-NET-007");
    assert_eq!(fails, ["Fail Service/ml/llm: opens a public load balancer, no login"]);
    let said = said(without(PLATFORM, &[("security.istio.io", "AuthorizationPolicy")]), "RF-NET-007");
    assert_eq!(
        said,
        ["Unknown Service/ml/llm: AuthorizationPolicy objects may ask for a login: forbidden for jane"]
    );
}

#[test]
fn ways_in_that_were_not_listed_are_not_closed() {
    let said = said(without(PLATFORM, &[("", "Service")]), "RF-NET-007");
    assert_eq!(said, ["Unknown -: not all of services was seen: forbidden for jane"]);
}

#[test]
fn pods_that_were_not_listed_leave_every_control_of_pods_unknown() {
    let hidden = without(PLATFORM, &[("ray.io", "RayCluster")]);
    let said = said(hidden, "RF-RUN-001");
    assert_eq!(said, ["Unknown -: not all of rayclusters.ray.io was seen: forbidden for jane"]);
}

#[test]
fn claims_that_were_not_listed_leave_a_class_unknown() {
    assert!(said(snapshot(PLATFORM), "RF-DATA-005")[0].starts_with("Fail StorageClass/kept"));
    let said = said(without(PLATFORM, &[("", "PersistentVolumeClaim")]), "RF-DATA-005");
    assert!(said.iter().all(|line| line.starts_with("Unknown")), "{said:?}");
}

#[test]
fn anything_that_was_not_listed_may_hold_a_key() {
    let said = said(without(PLATFORM, &[("", "ConfigMap"), ("", "ServiceAccount")]), "RF-SEC-001");
    assert_eq!(said, ["Unknown -: not all of configmaps, serviceaccounts was seen; the coverage says why"]);
}

#[test]
fn bindings_that_were_not_listed_are_named_in_place_of_none_given() {
    let group = "rbac.authorization.k8s.io";
    let said =
        said(without(PLATFORM, &[(group, "RoleBinding"), (group, "ClusterRoleBinding")]), "RF-RBAC-001");
    let words = "not all of clusterrolebindings.rbac.authorization.k8s.io, rolebindings.rbac.authorization.k8s.io was seen";
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(words), "{said:?}");
}

#[test]
fn limit_ranges_and_bindings_that_were_not_listed_may_say_what_pods_leave_out() {
    let whole = said(snapshot(PLATFORM), "RF-RUN-002");
    assert_eq!(whole, ["Fail Deployment/ml/llm: has no memory and no CPU limit"]);
    let hidden = said(without(PLATFORM, &[("", "LimitRange")]), "RF-RUN-002");
    assert!(hidden.iter().all(|line| line.starts_with("Unknown")), "{hidden:?}");
    let whole = said(snapshot(PLATFORM), "RF-RBAC-008");
    assert_eq!(whole, ["Fail Deployment/ml/llm: mounts the API token of the default account"]);
    let group = "rbac.authorization.k8s.io";
    for kind in [("", "ServiceAccount"), (group, "RoleBinding"), (group, "ClusterRoleBinding")] {
        let hidden = said(without(PLATFORM, &[kind]), "RF-RBAC-008");
        assert!(hidden.iter().all(|line| line.starts_with("Unknown")), "{kind:?}: {hidden:?}");
    }
}
