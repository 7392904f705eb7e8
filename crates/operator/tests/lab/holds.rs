//! Two domains that want the same: who holds a namespace or node keeps it, whoever is older, until they let go.

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use k8s_openapi::jiff::Timestamp;
use ringfence_domain::Asked;
use ringfence_domain::spec::Mode;
use ringfence_lab::ControlPlane;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::Running;
use crate::ground::SOON;
use crate::ground::get;
use crate::ground::turn;
use crate::lab;

const WHO: &str = "controller-holds";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: service accounts, fake nodes"]
async fn an_older_domain_that_widens_its_selector_takes_nothing_that_a_younger_one_holds() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let [own, held] = ["holds-own", "holds"].map(|it| lab.namespace(it));
    let mut node = FakeNodeSpec::new(format!("{}-1", held.name()), 8);
    node.labels.insert("pool".into(), held.name().to_owned());
    let node = lab.fake_node_with(node);
    let running = Running::start(lab, WHO).await;
    let older = Domain::new(lab, own.name(), "Observe", &json!({}));
    settled(&older);
    let created = older.get().unwrap()["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
    let created: Timestamp = created.parse().unwrap();
    until("a later second", SOON, || (seconds() > created.as_second()).then_some(()));
    let nodes = json!({"selector": {"matchLabels": {"pool": held.name()}}});
    let more = json!({
        "namespaces": {"names": [held.name()], "deletionPolicy": "Delete"},
        "nodes": nodes,
        "quota": {"pods": 5},
    });
    let younger = Domain::new(lab, held.name(), "Enforce", &more);
    settled(&younger);
    let fence = fence(lab, held.name(), node.name());
    assert_eq!((&fence[0], &fence[1]), (&json!(held.name()), &json!("enforce")));
    assert!(fence.iter().all(|it| !it.is_null()), "{fence:?}");

    // Nothing simulates an edit of a domain in Observe.
    older.patch(&json!({"spec": {"namespaces": {"names": [own.name(), held.name()]}, "nodes": nodes}}));
    let names_both = |conflict: &Value| {
        let message = conflict["message"].as_str().unwrap();
        let holder = format!("belongs to domain {}, which holds it", held.name());
        [
            format!("spec.namespaces: namespace {} {holder}", held.name()),
            format!("spec.nodes.selector: node {} {holder}", node.name()),
        ]
        .iter()
        .all(|it| message.contains(it))
            && message.contains("Fix:")
    };
    let conflict = older.wait("Conflict", "True");
    assert!(names_both(&conflict), "{conflict}");
    assert_eq!(older.wait("Ready", "False")["reason"], "Conflict");
    assert_eq!(self::fence(lab, held.name(), node.name()), fence);
    settled(&younger);

    // The record is in the status: a controller that starts finds it there, and so does a command.
    running.end().await;
    let running = Running::start(lab, WHO).await;
    older.patch(&json!({"spec": {"quota": {"pods": 3}}}));
    until("the new one has looked", SOON, || {
        let generation = older.get()?["metadata"]["generation"].clone();
        older.condition("Conflict").filter(|it| it["observedGeneration"] == generation && names_both(it))
    });
    assert_eq!(self::fence(lab, held.name(), node.name()), fence);
    let (facts, domains) = ringfence_operator::read(&lab.client().await).await.unwrap();
    let asked: Vec<_> = domains.iter().map(|it| Asked::new(it, Mode::Enforce)).collect();
    let planned = ringfence_domain::desired(&asked, &facts).outcomes;
    assert_eq!(planned[held.name()].namespaces, [held.name()]);
    assert_eq!(planned[held.name()].nodes, [node.name()]);
    assert_eq!(planned[own.name()].namespaces, [own.name()]);

    // Let go, it is the other's.
    lab.kubectl(&["delete", "sdom", held.name(), "--wait=false"]).ok();
    until("the older has it", SOON * 3, || {
        let labels = get(lab, &["namespace", held.name()])?["metadata"]["labels"].clone();
        let is = |key: &str, value: &str| labels[key] == value;
        (is("ringfence.dev/domain", own.name()) && is("ringfence.dev/mode", "observe")).then_some(())
    });
    older.wait("Conflict", "False");
    settled(&older);
    assert!(younger.get().is_none(), "its end came first");
    let left = self::fence(lab, held.name(), node.name());
    assert!(left[2..].iter().all(Value::is_null), "what only Enforce writes went with it: {left:?}");
    running.end().await;
}

/// Policies of a test before are compiled anew: this takes longer on a crowded machine.
#[track_caller]
fn settled(domain: &Domain<'_>) {
    until("settled", SOON * 3, || {
        let generation = domain.get()?["metadata"]["generation"].clone();
        let ready = domain.condition("Ready")?;
        (ready["status"] == "True" && ready["observedGeneration"] == generation).then_some(())
    });
}

/// What fences a namespace and a node: labels; a NetworkPolicy and the quota, by UID; label and taint of the node.
fn fence(lab: &ControlPlane, namespace: &str, node: &str) -> [Value; 6] {
    let labels = get(lab, &["namespace", namespace]).unwrap()["metadata"]["labels"].clone();
    let uid = |what: &str| {
        get(lab, &["-n", namespace, what]).map_or(Value::Null, |it| it["metadata"]["uid"].clone())
    };
    let node = get(lab, &["node", node]).unwrap();
    let mut taints = node["spec"]["taints"].as_array().into_iter().flatten();
    [
        labels["ringfence.dev/domain"].clone(),
        labels["ringfence.dev/mode"].clone(),
        uid("networkpolicy/rf-default-deny"),
        uid("quota/rf-quota"),
        node["metadata"]["labels"]["node-restriction.kubernetes.io/ringfence-domain"].clone(),
        taints.find(|it| it["key"] == "nvidia.com/gpu").map_or(Value::Null, |it| it["effect"].clone()),
    ]
}

fn seconds() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
