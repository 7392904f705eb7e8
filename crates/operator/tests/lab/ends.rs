//! What is removed, and what is not: rules that leave a spec, domains that end, finalizers taken off by hand.

use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::get;
use crate::ground::identity;
use crate::ground::soon;
use crate::ground::turn;
use crate::lab;

fn gone(lab: &ringfence_lab::ControlPlane, what: &[&str]) {
    until(&format!("{what:?} is gone"), SOON, || get(lab, what).is_none().then_some(()));
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts"]
async fn a_rule_that_leaves_the_spec_leaves_the_namespace_and_a_foreign_look_alike_stays() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("prune");
    let name = namespace.name();
    let running = Running::start(lab, "controller-prune").await;
    let roles = json!([{"preset": "ml-viewer", "subjects": [{"kind": "Group", "name": "data"}]}]);
    let domain =
        Domain::new(lab, name, "Enforce", &json!({"quota": {"pods": 5}, "access": {"roles": roles}}));
    domain.settled();
    let uid = domain.get().unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();

    // Everything that a label-based prune would go by, and even the annotation; but we never wrote it.
    let foreign = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "rf-theirs",
        "labels": {"ringfence.dev/domain": name, "app.kubernetes.io/managed-by": "ringfence"},
        "annotations": {"ringfence.dev/owner-uid": uid, "ringfence.dev/applied-hash": "0"}}, "spec": {"hard": {"pods": "9"}}});
    namespace.apply_as(&identity("controller-prune"), &foreign.to_string()).ok();

    domain.patch(&json!({"spec": {"quota": null, "access": {"roles": null}}}));
    gone(lab, &["-n", name, "quota/rf-quota"]);
    gone(lab, &["-n", name, "rolebinding/rf-ml-viewer"]);
    domain.settled();
    assert!(get(lab, &["-n", name, "quota/rf-theirs"]).is_some());
    assert!(get(lab, &["-n", name, "networkpolicy/rf-default-deny"]).is_some());
    let inventory = domain.get().unwrap()["status"]["inventory"].to_string();
    assert!(
        inventory.contains("NetworkPolicy/rf-default-deny") && !inventory.contains("rf-quota"),
        "{inventory}"
    );

    // Lowering is immediate, and takes with it what only Enforce writes; rights that people rest on stay.
    domain.patch(&json!({"spec": {"access": {"roles": roles}}}));
    soon(lab, &["-n", name, "rolebinding/rf-ml-viewer"], |_| true);
    domain.settled();
    domain.patch(&json!({"spec": {"enforcement": {"mode": "Observe"}}}));
    gone(lab, &["-n", name, "networkpolicy/rf-default-deny"]);
    let lowered =
        soon(lab, &["namespace", name], |it| it["metadata"]["labels"]["ringfence.dev/mode"] == "observe");
    assert!(lowered["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].is_null());
    let account = soon(lab, &["-n", name, "serviceaccount/default"], |it| {
        annotation(it, "ringfence.dev/owner-uid").is_none()
    });
    assert!(account["automountServiceAccountToken"].is_null());
    assert!(get(lab, &["-n", name, "rolebinding/rf-ml-viewer"]).is_some());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: a kind that comes and goes"]
async fn secrets_that_workloads_rest_on_stay_when_the_mode_is_lowered_and_go_with_the_spec() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("secrets");
    let name = namespace.name();
    // No more of the definition than a controller meets.
    let plural = "externalsecrets.external-secrets.io";
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": plural},
        "spec": {
            "group": "external-secrets.io", "scope": "Namespaced",
            "names": {"kind": "ExternalSecret", "plural": "externalsecrets", "singular": "externalsecret"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    lab.install(&definition.to_string());
    let running = Running::start(lab, "controller-secrets").await;
    let secrets = json!({"store": {"kind": "ClusterSecretStore", "name": "vault"},
        "items": [{"name": "hf-token", "remoteKey": "/prod/ai/hf"}]});
    let domain = Domain::new(lab, name, "Enforce", &json!({"secrets": secrets}));
    let secret = ["-n", name, "externalsecrets.external-secrets.io/rf-hf-token"];
    let written = soon(lab, &secret, |_| true);
    domain.settled();

    for mode in ["Warn", "Observe"] {
        domain.patch(&json!({"spec": {"enforcement": {"mode": mode}}}));
        gone(lab, &["-n", name, "networkpolicy/rf-default-deny"]);
        domain.settled();
        let kept = get(lab, &secret).unwrap();
        assert_eq!(kept["metadata"]["uid"], written["metadata"]["uid"], "{mode}");
        assert!(kept["metadata"]["deletionTimestamp"].is_null(), "{mode}");
        // It is still known as ours, or nobody would take it away at the end.
        let inventory = domain.get().unwrap()["status"]["inventory"].to_string();
        assert!(inventory.contains("ExternalSecret/rf-hf-token"), "{mode}: {inventory}");
    }
    domain.patch(&json!({"spec": {"secrets": {"items": null}}}));
    gone(lab, &secret);
    running.end().await;
    lab.kubectl(&["delete", "crd", plural]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: fake nodes"]
async fn a_domain_that_ends_with_orphan_leaves_its_fences_and_with_delete_takes_them() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    for (stem, policy) in [("orphan", "Orphan"), ("delete", "Delete")] {
        let namespace = lab.namespace(stem);
        let name = namespace.name();
        let mut node = FakeNodeSpec::new(format!("{name}-1"), 8);
        node.labels.insert("pool".into(), name.to_owned());
        let node = lab.fake_node_with(node);
        let running = Running::start(lab, "controller-ends").await;
        let more = json!({
            "namespaces": {"names": [name], "deletionPolicy": policy},
            "quota": {"pods": 5},
            "nodes": {"selector": {"matchLabels": {"pool": name}}},
        });
        let domain = Domain::new(lab, name, "Enforce", &more);
        domain.settled();
        let mut audit = lab.audit();
        lab.kubectl(&["delete", "sdom", name, "--wait=false"]).ok();
        until("the domain is gone", SOON, || domain.get().is_none().then_some(()));

        let fence = get(lab, &["-n", name, "networkpolicy/rf-default-deny"]);
        let quota = get(lab, &["-n", name, "quota/rf-quota"]);
        if policy == "Orphan" {
            let (fence, quota) = (fence.unwrap(), quota.unwrap());
            assert_eq!(annotation(&fence, "ringfence.dev/owner-uid"), None);
            assert_eq!(fence["spec"]["policyTypes"], json!(["Egress", "Ingress"]));
            assert_eq!(quota["spec"]["hard"]["pods"], "5");
        } else {
            assert_eq!((fence, quota), (None, None));
        }
        let left = get(lab, &["namespace", name]).unwrap();
        let labels = left["metadata"]["labels"].as_object().unwrap();
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["kubernetes.io/metadata.name"]);
        let bare = get(lab, &["node", node.name()]).unwrap();
        assert!(!bare["metadata"]["labels"].to_string().contains("ringfence"));
        assert!(!bare["spec"]["taints"].to_string().contains("nvidia.com/gpu"));

        // What closes went last: policies before labels, taint before label.
        let events = audit.of_user("controller-ends");
        let order: Vec<String> = events
            .iter()
            .filter(|it| ["patch", "delete"].contains(&it.verb()) && it.code() < 300)
            .filter(|it| it.namespace() == name || it.name() == name || it.name() == node.name())
            .map(resource)
            .collect();
        let last = |resource: &str| order.iter().rposition(|it| it == resource).unwrap();
        let first = |resource: &str| order.iter().position(|it| it == resource).unwrap();
        assert!(last("resourcequotas") < first("networkpolicies"), "{order:?}");
        assert!(last("networkpolicies") < first("namespaces"), "{order:?}");
        assert!(last("namespaces") < first("nodes"), "{order:?}");
        assert!(last("nodes") < last("securitydomains"), "{order:?}");
        running.end().await;
    }
}

fn resource(event: &ringfence_lab::AuditEvent) -> String {
    event.resource()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts"]
async fn a_namespace_has_its_own_pod_security_level_below_enforce_and_without_its_domain() {
    const LEVEL: &str = "pod-security.kubernetes.io/enforce";

    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("level");
    let name = namespace.name();
    lab.kubectl(&["label", "namespace", name, &format!("{LEVEL}=baseline")]).ok();
    let running = Running::start(lab, "controller-level").await;
    let domain = Domain::new(lab, name, "Enforce", &json!({"podSecurity": {"enforce": "restricted"}}));
    let is = |mode: Option<&str>, level: &str| {
        soon(lab, &["namespace", name], |it| {
            let labels = &it["metadata"]["labels"];
            labels["ringfence.dev/mode"].as_str() == mode && labels[LEVEL] == level
        });
    };
    is(Some("enforce"), "restricted");
    domain.settled();
    domain.patch(&json!({"spec": {"enforcement": {"mode": "Observe"}}}));
    is(Some("observe"), "baseline");
    domain.settled();
    domain.patch(&json!({"spec": {"enforcement": {"mode": "Enforce"}}}));
    is(Some("enforce"), "restricted");
    domain.settled();
    lab.kubectl(&["delete", "sdom", name, "--wait=false"]).ok();
    is(None, "baseline");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: the garbage collector runs"]
async fn a_finalizer_taken_off_by_hand_leaves_the_network_closed() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("forced");
    let name = namespace.name();
    let more = json!({"namespaces": {"names": [name], "deletionPolicy": "Delete"}});
    let running = Running::start(lab, "controller-forced").await;
    let domain = Domain::new(lab, name, "Enforce", &more);
    domain.settled();
    running.end().await; // nobody is there to take it off in order
    lab.kubectl(&["delete", "sdom", name, "--wait=false"]).ok();
    domain.patch(&json!({"metadata": {"finalizers": null}}));
    assert!(domain.get().is_none());

    let running = Running::start(lab, "controller-forced").await;
    let other = lab.namespace("forced-other");
    // The sign that the new controller has looked at everything.
    let second = Domain::new(lab, other.name(), "Enforce", &json!({}));
    second.settled();
    let fence = get(lab, &["-n", name, "networkpolicy/rf-default-deny"]).unwrap();
    assert!(fence["metadata"]["ownerReferences"].is_null());
    assert!(
        get(lab, &["namespace", name]).unwrap()["metadata"]["labels"]["ringfence.dev/domain"].is_string()
    );
    running.end().await;
}
