//! Objects appear, come back when somebody changes them, and nothing is written while nothing differs.

use std::time::Duration;
use std::time::Instant;

use ringfence_lab::FakeNodeSpec;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::get;
use crate::ground::identity;
use crate::ground::soon;
use crate::ground::told;
use crate::ground::turn;
use crate::lab;
use ringfence_lab::until;

/// Repair of a drift (section 12 of the design: p99 within 2 s).
const REPAIR: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: quota and accounts are made by controllers"]
async fn objects_appear_come_back_and_nothing_is_written_while_nothing_differs() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("keeps");
    let name = namespace.name();
    let running = Running::start(lab, "controller-keeps").await;
    let more = json!({
        "quota": {"cpu": "64", "memory": "256Gi", "gpu": 8, "pods": 50, "deviceClasses": {"gpu.nvidia.com": 0}},
        "limits": {"default": {"cpu": "1", "memory": "1Gi"}, "max": {"memory": "64Gi"}},
        "access": {"roles": [{"preset": "ml-viewer", "subjects": [{"kind": "Group", "name": "data"}]}]},
    });
    let domain = Domain::new(lab, name, "Enforce", &more);
    domain.settled();

    let labels = get(lab, &["namespace", name]).unwrap()["metadata"]["labels"].clone();
    assert_eq!(labels["ringfence.dev/domain"], name);
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline");
    for kind in [
        "networkpolicy/rf-default-deny",
        "rolebinding/rf-ml-viewer",
        "limitrange/rf-limits",
        "quota/rf-quota",
    ] {
        assert!(get(lab, &["-n", name, kind]).is_some(), "{kind}");
    }
    let account = get(lab, &["-n", name, "serviceaccount/default"]).unwrap();
    assert_eq!(account["automountServiceAccountToken"], false);

    // Nothing differs: for two leases the only writes are renewals.
    let mut audit = lab.audit();
    let renewals = |audit: &mut ringfence_lab::AuditTail| {
        let events = audit.of_user("controller-keeps");
        events.iter().filter(|it| it.resource() == "leases" && it.verb() == "update").count()
    };
    until("six renewals", SOON, || (renewals(&mut audit) >= 6).then_some(()));
    let events = audit.of_user("controller-keeps");
    let writes: Vec<_> = events
        .iter()
        .filter(|it| !["get", "list", "watch"].contains(&it.verb()) && it.resource() != "leases")
        .map(|it| format!("{} {}", it.verb(), it.uri()))
        .collect();
    assert!(writes.is_empty(), "{writes:?}");

    // The policies refuse what follows to everybody but the controller: the intruder goes by its name.
    let intruder = identity("controller-keeps");
    // Removed by hand.
    lab.kubectl_as(&intruder, &["-n", name, "delete", "networkpolicy", "rf-default-deny", "--wait=false"])
        .ok();
    let start = Instant::now();
    soon(lab, &["-n", name, "networkpolicy", "rf-default-deny"], |it| {
        it["metadata"]["deletionTimestamp"].is_null()
    });
    assert!(start.elapsed() < REPAIR, "{:?}", start.elapsed());

    for kind in ["rolebinding/rf-ml-viewer", "limitrange/rf-limits", "quota/rf-quota"] {
        let before = get(lab, &["-n", name, kind]).unwrap()["metadata"]["uid"].clone();
        lab.kubectl(&["-n", name, "delete", kind, "--wait=false"]).ok();
        soon(lab, &["-n", name, kind], |it| it["metadata"]["uid"] != before);
    }

    // Opened by hand, in a field that an apply would leave.
    let open = json!({"spec": {"ingress": [{}]}}).to_string();
    let patch = [
        "-n",
        name,
        "patch",
        "networkpolicy",
        "rf-default-deny",
        "--type=merge",
        "--field-manager=intruder",
        "-p",
        &open,
    ];
    lab.kubectl_as(&intruder, &patch).ok();
    let start = Instant::now();
    soon(lab, &["-n", name, "networkpolicy", "rf-default-deny"], |it| it.pointer("/spec/ingress").is_none());
    assert!(start.elapsed() < REPAIR, "{:?}", start.elapsed());
    let change = format!("NetworkPolicy {name}/rf-default-deny");
    told(lab, name, &["intruder", &change, "spec.ingress"]);

    // A label of ours, and one of somebody else's, which stays.
    lab.kubectl_as(
        &intruder,
        &[
            "label",
            "namespace",
            name,
            "team=vision",
            "pod-security.kubernetes.io/enforce=privileged",
            "--overwrite",
        ],
    )
    .ok();
    let restored =
        soon(lab, &["namespace", name], |it| label(it, "pod-security.kubernetes.io/enforce") == "baseline");
    assert_eq!(label(&restored, "team"), "vision");

    // The label by which it is found.
    lab.kubectl_as(&intruder, &["-n", name, "label", "networkpolicy", "rf-egress", "ringfence.dev/domain-"])
        .ok();
    soon(lab, &["-n", name, "networkpolicy", "rf-egress"], |it| label(it, "ringfence.dev/domain") == name);
    assert!(running.said().iter().any(|it| it.contains("restored")));
    running.end().await;
}

fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["labels"][key].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: fake nodes"]
async fn foreign_taints_survive_and_label_and_taint_come_back() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("nodes");
    let name = namespace.name();
    let spec = |node: &str| {
        let mut spec = FakeNodeSpec::new(node, 8);
        spec.labels.insert("pool".into(), name.to_owned());
        spec
    };
    let (first, second) = (format!("{name}-1"), format!("{name}-2"));
    let _first = lab.fake_node_with(spec(&first));
    let foreign = "karpenter.sh/unregistered:NoExecute";
    lab.kubectl(&["taint", "node", &first, foreign]).ok();
    let running = Running::start(lab, "controller-nodes").await;
    let more = json!({"nodes": {"selector": {"matchLabels": {"pool": name}}}});
    let domain = Domain::new(lab, name, "Enforce", &more);
    domain.settled();
    let both = ["karpenter.sh/unregistered=:NoExecute", "nvidia.com/gpu=true:NoSchedule"];
    assert_eq!(taints(&get(lab, &["node", &first]).unwrap()), both);
    assert_eq!(node_label(&get(lab, &["node", &first]).unwrap()), name);

    // A new node, on its event.
    let _second = lab.fake_node_with(spec(&second));
    soon(lab, &["node", &second], |it| taints(it).contains(&"nvidia.com/gpu=true:NoSchedule".to_owned()));
    let counts = until("both are counted", SOON, || {
        domain.get().map(|it| it["status"]["nodes"].clone()).filter(|it| it["tainted"] == 2)
    });
    assert_eq!(counts, json!({"selected": 2, "labelled": 2, "tainted": 2}));

    let intruder = identity("controller-nodes");
    lab.kubectl_as(&intruder, &["taint", "node", &first, "nvidia.com/gpu-"]).ok();
    let start = Instant::now();
    let restored = soon(lab, &["node", &first], |it| taints(it).len() == 2);
    assert!(start.elapsed() < REPAIR, "{:?}", start.elapsed());
    assert_eq!(taints(&restored), both);
    lab.kubectl_as(&intruder, &["label", "node", &first, "node-restriction.kubernetes.io/ringfence-domain-"])
        .ok();
    soon(lab, &["node", &first], |it| node_label(it) == name);

    // Labels that a spec selects come and go with the pods that find devices: they open no fence.
    lab.kubectl_as(&intruder, &["label", "node", &first, "pool-"]).ok();
    let told = domain.wait("Ready", "False");
    assert!(
        told["message"].as_str().unwrap().contains(&format!("node {first} has lost the labels")),
        "{told}"
    );
    assert_eq!(taints(&get(lab, &["node", &first]).unwrap()), both);
    // An edit of the spec does, and a node that leaves the domain keeps what is not ours.
    let except = json!([{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [first]}]);
    domain.patch(&json!({"spec": {"nodes": {"selector": {"matchExpressions": except}}}}));
    let left = soon(lab, &["node", &first], |it| node_label(it).is_empty() && taints(it).len() == 1);
    assert_eq!(taints(&left), ["karpenter.sh/unregistered=:NoExecute"]);
    assert!(
        taints(&get(lab, &["node", &second]).unwrap()).contains(&"nvidia.com/gpu=true:NoSchedule".to_owned())
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: policies are compiled by its controllers"]
async fn a_condition_that_somebody_adds_to_a_policy_goes() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("hole");
    let running = Running::start(lab, "controller-hole").await;
    let domain = Domain::new(lab, namespace.name(), "Enforce", &json!({}));
    domain.settled();
    for (kind, stem) in [
        ("validatingadmissionpolicy", "ringfence-pods-inside-"),
        ("mutatingadmissionpolicy", "ringfence-job-defaults-"),
    ] {
        let ours = get(lab, &[kind, "-l", "app.kubernetes.io/managed-by=ringfence"]).unwrap();
        let mut names =
            ours["items"].as_array().unwrap().iter().map(|it| it["metadata"]["name"].as_str().unwrap());
        let policy = names.find(|it| it.starts_with(stem)).unwrap().to_owned();
        let conditions = |it: &Value| it["spec"]["matchConditions"].as_array().map_or(0, Vec::len);
        let before = conditions(&get(lab, &[kind, &policy]).unwrap());
        // The list is merged by name: an apply of ours leaves what another added. It would match nothing any more.
        let hole = json!([{"op": "add", "path": "/spec/matchConditions/-", "value": {"name": "hole", "expression": "false"}}]);
        let patch =
            ["patch", kind, &policy, "--type=json", "--field-manager=intruder", "-p", &hole.to_string()];
        lab.kubectl(&patch).ok();
        let start = Instant::now();
        soon(lab, &[kind, &policy], |it| {
            conditions(it) == before && !it["spec"].to_string().contains("hole")
        });
        assert!(start.elapsed() < REPAIR, "{kind}: {:?}", start.elapsed());
        let told = || {
            running
                .said()
                .iter()
                .any(|it| it.contains(&policy) && it.contains("matchConditions"))
                .then_some(())
        };
        until("it is told", SOON, told);
    }
    running.end().await;
}

fn taints(node: &Value) -> Vec<String> {
    let text = |taint: &Value, key: &str| taint[key].as_str().unwrap_or_default().to_owned();
    let all = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let all =
        all.iter().map(|it| format!("{}={}:{}", text(it, "key"), text(it, "value"), text(it, "effect")));
    all.filter(|it| !it.starts_with("node.kubernetes.io/")).collect()
}

fn node_label(node: &Value) -> &str {
    label(node, "node-restriction.kubernetes.io/ringfence-domain")
}
