//! NetworkPolicies of others in a domain: they may close, and open only what stays inside; ours are left alone.

use std::time::Duration;

use ringfence_domain::Rules;
use ringfence_lab::ControlPlane;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::world::Calls;
use crate::world::ENFORCED;
use crate::world::OBSERVED;
use crate::world::OUTSIDE;
use crate::world::WARNED;
use crate::world::asked;
use crate::world::domains;
use crate::world::facts;
use crate::world::operator;
use crate::world::try_create;
use crate::world::world;

const SECONDS: Duration = Duration::from_secs(30);

fn policy(egress: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "chart"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}})
}

fn namespace(name: &str) -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": name}})
}

/// Egress that leads out.
fn wide() -> Vec<Value> {
    let dns = json!({"namespaceSelector": namespace("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}});
    let port = |port: u16| json!({"protocol": "UDP", "port": port});
    vec![
        json!([{}]),
        json!([{"to": []}]),
        json!([{"ports": [port(53)]}]),
        json!([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]),
        json!([{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [port(443)]}]),
        json!([{"to": [{"namespaceSelector": {}}]}]),
        json!([{"to": [{"namespaceSelector": {}, "podSelector": {}}]}]),
        json!([{"to": [{"namespaceSelector": namespace("shop"), "podSelector": {}}]}]),
        json!([{"to": [{"namespaceSelector": {"matchLabels": {"name": ENFORCED}}, "podSelector": {}}]}]),
        json!([{"to": [dns]}]),
        json!([{"to": [dns], "ports": [port(443)]}]),
        json!([{"to": [dns], "ports": [port(53), port(443)]}]),
        json!([{"to": [dns], "ports": [{"protocol": "TCP", "port": 53, "endPort": 9000}]}]),
        json!([{"to": [{"namespaceSelector": namespace("kube-system"), "podSelector": {}}], "ports": [port(53)]}]),
        json!([{"to": [{"podSelector": {}}]}, {}]),
        json!([{"to": [{"podSelector": {}}, {"ipBlock": {"cidr": "192.0.2.1/32"}}]}]),
    ]
}

/// Egress that stays inside.
fn narrow() -> Vec<Value> {
    let dns = json!({"namespaceSelector": namespace("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}});
    vec![
        json!([]),
        json!([{"to": [{"podSelector": {}}]}]),
        json!([{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": 5432}]}]),
        json!([{"to": [{"namespaceSelector": namespace(ENFORCED), "podSelector": {}}]}]),
        json!([{"to": [dns], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}]),
    ]
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn egress_that_leads_out_is_refused_and_egress_that_stays_is_not() {
    let Some(lab) = world() else { return };
    let domains = domains();
    let rules = Rules::of(&asked(&domains), &facts());
    // The same in Rust, of a policy that was there before anybody asked.
    let opens = |egress: &Value| {
        let mut stood = policy(egress);
        stood["metadata"]["namespace"] = json!(ENFORCED);
        rules.opens(&stood)
    };
    for egress in wide() {
        assert!(opens(&egress), "{egress}");
        let said = try_create(lab, ENFORCED, &policy(&egress)).refused();
        assert!(said.contains("denied request: RF-NET-002 spec.egress"), "{egress}: {said}");
        let warned = try_create(lab, WARNED, &policy(&egress));
        assert!(warned.is_ok() && warned.stderr().contains("RF-NET-002"), "{egress}: {}", warned.stderr());
        for namespace in [OBSERVED, OUTSIDE] {
            let silent = try_create(lab, namespace, &policy(&egress));
            assert!(silent.is_ok() && silent.stderr().is_empty(), "{egress}: {}", silent.stderr());
        }
    }
    for egress in narrow() {
        assert!(!opens(&egress), "{egress}");
        let done = try_create(lab, ENFORCED, &policy(&egress));
        assert!(done.is_ok() && done.stderr().is_empty(), "{egress}: {}", done.stderr());
    }
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "chart"}, "spec": {"podSelector": {}, "ingress": [{}]}});
    assert!(try_create(lab, ENFORCED, &ingress).is_ok());
}

/// Whether a call failed for this reason.
#[track_caller]
fn refused(lab: &ControlPlane, reason: &str, arguments: &[&str]) {
    let said = lab.kubectl(arguments).refused();
    assert!(said.contains(reason), "{arguments:?}: {said}");
}

#[test]
#[ignore = "needs lab tier 1b: policies of a whole cluster"]
fn a_cluster_administrator_may_not_touch_our_policies() {
    let Some(lab) = world() else { return };
    let reason = "RF-RBAC-006 metadata.labels";
    let ours = ["networkpolicy", "rf-default-deny", "--namespace", ENFORCED, "--dry-run=server"];
    let patch = |patch: &str| {
        let mut arguments = vec!["patch"];
        arguments.extend(ours);
        arguments.extend(["--type=merge", "--patch", patch]);
        refused(lab, reason, &arguments);
    };
    patch(r#"{"spec": {"policyTypes": ["Ingress"]}}"#);
    patch(r#"{"metadata": {"labels": {"ringfence.dev/domain": null}}}"#);
    refused(lab, reason, &["delete", "networkpolicy", "rf-default-deny", "-n", ENFORCED, "--dry-run=server"]);
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{ENFORCED}/networkpolicies?dryRun=All");
    refused(lab, reason, &["delete", "--raw", &path]);
    let mut claimed = policy(&json!([]));
    claimed["metadata"]["labels"] = json!({"ringfence.dev/domain": "enforced"});
    let said = try_create(lab, ENFORCED, &claimed).refused();
    assert!(said.contains(reason), "{said}");
    // Who empties a namespace that goes may, whatever name its flags give it.
    let namespaces = "--as=system:serviceaccount:kube-system:namespace-controller";
    for cleaner in [namespaces, "--as=system:kube-controller-manager"] {
        let mut arguments = vec!["delete", cleaner, "--as-group=system:masters"];
        arguments.extend(ours);
        lab.kubectl(&arguments).ok();
    }
    // The controller may.
    lab.kubectl_as(
        &operator(),
        &["delete", "networkpolicy", "rf-default-deny", "-n", ENFORCED, "--dry-run=server"],
    )
    .ok();
}

#[test]
#[ignore = "needs lab tier 1b: creates what is refused later"]
fn a_policy_older_than_enforce_may_be_labelled_and_deleted_but_not_widened() {
    let Some(lab) = world() else { return };
    let name = "old-network";
    let namespace = |mode: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
            "labels": {"ringfence.dev/domain": name, "ringfence.dev/mode": mode}}});
        lab.apply_as(&operator(), &object.to_string()).ok();
    };
    namespace("observe");
    lab.create_in(name, &policy(&json!([{}])), &[]).ok();
    namespace("enforce");
    let patch = |patch: &str| {
        lab.kubectl(&["patch", "networkpolicy", "chart", "-n", name, "--type=merge", "--patch", patch])
    };
    let wider = r#"{"spec": {"egress": [{}, {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]}}"#;
    let said = until("Enforce acts", SECONDS, || {
        let done = lab.kubectl(&[
            "patch",
            "networkpolicy",
            "chart",
            "-n",
            name,
            "--type=merge",
            "--dry-run=server",
            "--patch",
            wider,
        ]);
        (!done.is_ok()).then(|| done.stderr())
    });
    assert!(said.contains("RF-NET-002"), "{said}");
    patch(r#"{"metadata": {"labels": {"team": "research"}}}"#).ok();
    patch(r#"{"spec": {"egress": [{"to": [{"podSelector": {}}]}]}}"#).ok();
    lab.kubectl(&["delete", "networkpolicy", "chart", "-n", name]).ok();
}
