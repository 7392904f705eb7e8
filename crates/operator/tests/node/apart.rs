//! Pods of a domain that only watches, on the node of a domain that refuses (guide 7 to 10, hole 1): by the node's name and by a
//! toleration. Without the second domain both run there.

use ringfence_lab::Node;
use ringfence_lab::until;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::get;
use crate::stage::ACTS;
use crate::stage::Stage;
use crate::stage::pod;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: a kubelet"]
async fn a_domain_that_only_watches_is_no_way_onto_the_node_of_another() {
    let Some(stage) = Stage::enter().await else { return };
    let (lab, node) = (stage.lab, &stage.node);
    let [ml, watched] = ["ml", "watched"].map(|stem| lab.namespace(stem));
    lab.kubectl(&["label", "node", Node::NAME, "pool=gpu", "--overwrite"]).ok();
    let by_name = pod("by-name", &json!({"nodeName": Node::NAME}), &json!({}));
    let tolerant = pod("tolerant", &json!({"tolerations": [{"operator": "Exists"}]}), &json!({}));
    let controller = stage.controller().await;
    let watches = Domain::new(lab, watched.name(), "Observe", &json!({}));
    watches.settled();
    for object in [&by_name, &tolerant] {
        watched.apply(&object.to_string()).ok();
        node.running(watched.name(), object["metadata"]["name"].as_str().unwrap());
    }
    watched.kubectl(&["delete", "pods", "--all", "--wait=true"]).ok();

    let nodes = json!({"nodes": {"selector": {"matchLabels": {"pool": "gpu"}}}});
    let domain = Domain::new(lab, ml.name(), "Enforce", &nodes);
    domain.settled();
    until("pods of other domains are kept apart", ACTS, || {
        let done = stage.dry_run(watched.name(), &tolerant);
        (done.is_ok() && done.ok().contains("DoesNotExist")).then_some(())
    });
    assert_eq!(domain.wait("NodesIsolated", "True")["reason"], "AllNodes");
    for object in [&by_name, &tolerant] {
        watched.apply(&object.to_string()).ok();
    }
    // The kubelet reads the affinity of a pod that never met the scheduler.
    let status = |name: &str| Some(get(lab, &["-n", watched.name(), "pod", name])?["status"].clone());
    let refused =
        until("the kubelet says no", ACTS, || status("by-name").filter(|it| it["phase"] == "Failed"));
    assert_eq!(refused["reason"], "NodeAffinity", "{refused}");
    let why = until("the scheduler says no", ACTS, || {
        let conditions = status("tolerant")?["conditions"].as_array()?.clone();
        let scheduled = conditions.into_iter().find(|it| it["type"] == "PodScheduled")?;
        scheduled["message"].as_str().map(str::to_owned)
    });
    assert!(why.contains("didn't match Pod's node affinity/selector"), "{why}");
    stage.end();
    controller.end().await;
}
