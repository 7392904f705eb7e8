//! An API server that goes away and comes back: the controller follows, and mends what was changed meanwhile.

use std::time::Duration;

use ringfence_lab::Component;
use ringfence_lab::FakeNodeSpec;
use ringfence_lab::until;
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
use crate::wire::Switch;

/// Watches that failed come back with pauses of up to half a minute.
const BACK: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 1b: restarts the API server"]
async fn an_api_server_that_was_away_is_followed_and_what_changed_meanwhile_is_mended() {
    let Some(lab) = lab() else { return };
    let _turn = turn().await;
    let namespace = lab.namespace("away");
    let name = namespace.name();
    let mut node = FakeNodeSpec::new(format!("{name}-1"), 8);
    node.labels.insert("pool".into(), name.to_owned());
    let node = lab.fake_node_with(node);
    let who = "controller-away";
    let switch = Switch::new(lab.client_as(&identity(who)).await);
    let running = Running::with(switch.client(), config(who));
    let more = json!({"quota": {"pods": 5}, "nodes": {"selector": {"matchLabels": {"pool": name}}}});
    let domain = Domain::new(lab, name, "Enforce", &more);
    domain.settled();

    lab.kill(Component::ApiServer);
    let lost = || running.said().iter().any(|it| it.starts_with("lease")).then_some(());
    until("the controller misses the API server", SOON, lost);
    // It sees nothing of what happens between the return of the server and its own.
    switch.set(false);
    lab.restart(Component::ApiServer);
    let intruder = identity(who);
    let open = json!({"spec": {"ingress": [{}]}}).to_string();
    for change in [
        &["-n", name, "delete", "networkpolicy", "rf-egress", "--wait=false"][..],
        &["-n", name, "patch", "networkpolicy", "rf-default-deny", "--type=merge", "-p", &open],
        &["-n", name, "delete", "quota", "rf-quota", "--wait=false"],
        &["label", "namespace", name, "pod-security.kubernetes.io/enforce=privileged", "--overwrite"],
        &["taint", "node", node.name(), "nvidia.com/gpu-"],
        &["delete", "validatingadmissionpolicybinding", "ringfence-pods-inside-enforce"],
    ] {
        lab.kubectl_as(&intruder, change).ok();
    }
    assert!(get(lab, &["-n", name, "networkpolicy/rf-egress"]).is_none(), "nobody is there to mend it");
    switch.set(true);

    let wait = |what: &[&str]| until(&format!("{what:?}"), BACK, || get(lab, what));
    wait(&["-n", name, "networkpolicy/rf-egress"]);
    wait(&["-n", name, "quota/rf-quota"]);
    wait(&["validatingadmissionpolicybinding", "ringfence-pods-inside-enforce"]);
    soon(lab, &["-n", name, "networkpolicy/rf-default-deny"], |it| it.pointer("/spec/ingress").is_none());
    soon(lab, &["namespace", name], |it| {
        it["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"
    });
    soon(lab, &["node", node.name()], |it| it["spec"]["taints"].to_string().contains("nvidia.com/gpu"));
    domain.settled();
    // What is said to it afterwards is heard.
    domain.patch(&json!({"spec": {"quota": {"pods": 6}}}));
    soon(lab, &["-n", name, "quota/rf-quota"], |it| it["spec"]["hard"]["pods"] == "6");
    running.end().await;
}
