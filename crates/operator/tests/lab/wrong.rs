//! What is wrong in a cluster or in a spec: said by a condition that names field, cause and cure, and the last good state
//! stays.

use std::time::Duration;

use http::Method;
use kube::Client;
use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::config;
use crate::ground::get;
use crate::ground::identity;
use crate::ground::soon;
use crate::ground::turn;
use crate::lab;
use crate::wire::Liar;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: namespaces are ended by its controllers"]
async fn a_namespace_that_vanishes_is_named_and_fenced_again_when_it_returns() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let (stays, goes) = (lab.namespace("stays"), lab.namespace("vanishes"));
    let (name, gone) = (stays.name(), goes.name());
    let running = Running::start(lab, "controller-vanishes").await;
    let more = json!({"namespaces": {"names": [name, gone]}, "quota": {"pods": 5}});
    let domain = Domain::new(lab, name, "Enforce", &more);
    domain.settled();
    let fence = &["-n", name, "networkpolicy/rf-default-deny"];
    let before = get(lab, fence).unwrap()["metadata"]["resourceVersion"].clone();

    lab.kubectl(&["delete", "namespace", gone]).ok();
    let ready = domain.wait("Ready", "False");
    let words = ready["message"].as_str().unwrap();
    for wanted in [format!("spec.namespaces.names[{gone}]"), "does not exist".into(), "Fix: create it".into()]
    {
        assert!(words.contains(&wanted), "{words}");
    }
    assert_eq!(domain.wait("NamespacesReady", "False")["reason"], "Missing");
    assert_eq!(
        get(lab, fence).unwrap()["metadata"]["resourceVersion"],
        before,
        "the other one is left alone"
    );
    let inventory = || domain.get().unwrap()["status"]["inventory"].to_string();
    assert!(!inventory().contains(gone), "{}", inventory());

    lab.kubectl(&["create", "namespace", gone]).ok();
    soon(lab, &["-n", gone, "networkpolicy/rf-default-deny"], |_| true);
    domain.settled();
    assert!(inventory().contains(gone));
    let returned = get(lab, &["namespace", gone]).unwrap();
    assert_eq!(returned["metadata"]["labels"]["ringfence.dev/domain"], name);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: takes the definition away"]
async fn without_the_definition_it_says_so_and_begins_when_it_is_installed() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("later");
    lab.kubectl(&["delete", "crd", "securitydomains.ringfence.dev"]).ok();
    let policies = get(lab, &["validatingadmissionpolicies", "-l", "app.kubernetes.io/managed-by=ringfence"]);
    let running = Running::start(lab, "controller-later").await;
    let named = || running.said().iter().any(|it| it.contains("securitydomains.ringfence.dev")).then_some(());
    until("the missing kind is named", SOON, named);
    // No domains are seen, and that is not the same as no domains.
    let now = get(lab, &["validatingadmissionpolicies", "-l", "app.kubernetes.io/managed-by=ringfence"]);
    let names = |list: Option<Value>| {
        let items = list.unwrap_or_default()["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|it| it["metadata"]["name"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(now), names(policies));

    lab.install(&ringfence_domain::yaml(&ringfence_domain::definition()));
    let domain = Domain::new(lab, namespace.name(), "Enforce", &json!({}));
    // The watch asks again with pauses of up to half a minute.
    until("the domain is seen", Duration::from_mins(1), || domain.condition("Ready"));
    domain.settled();
    assert!(get(lab, &["-n", namespace.name(), "networkpolicy/rf-default-deny"]).is_some());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: a DaemonSet of its controllers runs on a fake node"]
async fn a_taint_that_would_evict_a_driver_is_not_set_until_the_driver_tolerates_it() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let (namespace, operator) = (lab.namespace("evicts"), lab.namespace("gpu-operator"));
    let name = namespace.name();
    let mut node = FakeNodeSpec::new(format!("{name}-1"), 8);
    node.labels.insert("pool".into(), name.to_owned());
    let node = lab.fake_node_with(node);
    operator.apply(&driver(name, &json!([])).to_string()).ok();
    let pods = |lab: &ControlPlane| {
        let pods = get(lab, &["-n", operator.name(), "pods", "-l", "app=driver"])?;
        let running = pods["items"]
            .as_array()?
            .iter()
            .filter(|it| it["status"]["phase"] == "Running" && it["metadata"]["deletionTimestamp"].is_null());
        Some(running.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let pod = until("the driver runs", SOON, || pods(lab)?.first().cloned());

    let running = Running::start(lab, "controller-evicts").await;
    let nodes = json!({
        "selector": {"matchLabels": {"pool": name}},
        "taint": {"effect": "NoExecute"},
        "acknowledgeEviction": true,
        "systemAllowList": {"namespaces": [operator.name()]},
    });
    let domain = Domain::new(lab, name, "Enforce", &json!({"nodes": nodes, "quota": {"pods": 5}}));
    let ready = domain.wait("Ready", "False");
    let words = until("the driver is named", SOON, || {
        let words = domain.condition("Ready")?["message"].as_str()?.to_owned();
        words.contains("would evict").then_some(words)
    });
    for wanted in [
        "spec.nodes.taint".to_owned(),
        format!("DaemonSet {}/driver", operator.name()),
        pod.clone(),
        "Fix:".into(),
    ] {
        assert!(words.contains(&wanted), "{words}: {ready}");
    }
    assert_eq!(domain.wait("NodesIsolated", "False")["reason"], "SomeNodes");
    let tainted = || get(lab, &["node", node.name()]).unwrap()["spec"]["taints"].to_string();
    assert!(!tainted().contains("nvidia.com/gpu"), "{}", tainted());
    assert_eq!(pods(lab), Some(vec![pod]), "it runs on");
    // The rest of the domain stands.
    soon(lab, &["-n", name, "quota/rf-quota"], |_| true);

    // The cure that it names.
    let toleration = json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]);
    operator.apply(&driver(name, &toleration).to_string()).ok();
    until("the taint is set", Duration::from_mins(1), || tainted().contains("NoExecute").then_some(()));
    domain.settled();
    until("the driver runs", SOON, || pods(lab).filter(|it| it.len() == 1));
    running.end().await;
}

/// What a GPU operator has on each node.
fn driver(pool: &str, tolerations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "driver"},
        "spec": {
            "selector": {"matchLabels": {"app": "driver"}},
            "template": {
                "metadata": {"labels": {"app": "driver"}},
                "spec": {
                    "nodeSelector": {"pool": pool},
                    "tolerations": tolerations,
                    "containers": [{"name": "driver", "image": "lab.local/driver:1"}],
                },
            },
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: policies are compiled by its controllers"]
async fn a_policy_that_the_server_finds_too_costly_leaves_the_one_before_in_force() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let refusal = refusal_of_a_costly_policy(&lab.client().await).await;
    assert_eq!((&refusal["code"], &refusal["reason"]), (&json!(422), &json!("Invalid")), "{refusal}");
    let namespace = lab.namespace("costly");
    let who = "controller-costly";
    let liar = Liar::new(lab.client_as(&identity(who)).await);
    let running = Running::with(liar.client(), config(who));
    // It has no node, so that the key of its taint may change.
    let nodes = json!({"nodes": {"selector": {"matchLabels": {"no": "node"}}}});
    let domain = Domain::new(lab, namespace.name(), "Enforce", &nodes);
    domain.settled();
    let bound = || bindings(lab);
    let before = bound();
    assert!(before.iter().any(|(name, _)| name == "ringfence-pods-inside-enforce"), "{before:?}");

    let quoted = refusal["message"].as_str().unwrap().to_owned();
    liar.lies(Method::PATCH, "/validatingadmissionpolicies/", refusal);
    domain.patch(&json!({"spec": {"nodes": {"taint": {"key": "example.com/gpu"}}}}));
    let ready = until("the refusal is told", SOON, || {
        domain.condition("Ready").filter(|it| it["reason"] == "WriteFailed")
    });
    let words = ready["message"].as_str().unwrap();
    // The server repeats the expression, which is longer than a status: what is before and behind it stays.
    let (before_it, behind_it) = (&quoted[..120], &quoted[quoted.len() - 120..]);
    assert!(quoted.len() > 30_000 && words.len() < 30_000, "{} and {} bytes", quoted.len(), words.len());
    assert!(words.contains("ValidatingAdmissionPolicy ringfence-") && words.contains(before_it), "{words}");
    assert!(words.contains(behind_it) && behind_it.contains("exceeds limit"), "{words}");
    assert_eq!(domain.wait("AdmissionActive", "False")["reason"], "NotInPlace");
    assert_eq!(bound(), before, "the bindings name the policies of before");
    for (binding, policy) in &before {
        assert!(get(lab, &["validatingadmissionpolicy", policy]).is_some(), "{binding} names {policy}");
    }
    // And they hold.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "jumper"}, "spec":
        {"nodeName": "any", "containers": [{"name": "a", "image": "a"}]}});
    let said = namespace.apply(&pod.to_string()).refused();
    assert!(said.contains("RF-GPU-024"), "{said}");

    liar.stops();
    until("the new policies are bound", Duration::from_mins(1), || {
        (bound() != before && domain.condition("Ready")?["status"] == "True").then_some(())
    });
    running.end().await;
}

/// The API server's own answer to a policy that it will not compile, as it is sent.
async fn refusal_of_a_costly_policy(client: &Client) -> Value {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "t-costly"},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ]},
            // The parser takes 100,000 characters of an expression and no more.
            "validations": [{"expression": format!("object.metadata.name != '{}'", "x".repeat(110_000))}],
        },
    });
    let uri = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies?dryRun=All";
    let request = http::Request::post(uri).header("Content-Type", "application/json");
    let answer = client.request::<Value>(request.body(policy.to_string().into_bytes()).unwrap()).await;
    let Err(kube::Error::Api(status)) = answer else { panic!("it was accepted: {answer:?}") };
    serde_json::to_value(status).unwrap()
}

/// Bindings of ours, each with the policy that it names.
fn bindings(lab: &ControlPlane) -> Vec<(String, String)> {
    let ours = ["validatingadmissionpolicybindings", "-l", "app.kubernetes.io/managed-by=ringfence"];
    let list = get(lab, &ours).unwrap();
    let text = |it: &Value, at: &str| it.pointer(at).and_then(Value::as_str).unwrap().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|it| (text(it, "/metadata/name"), text(it, "/spec/policyName"))).collect()
}
