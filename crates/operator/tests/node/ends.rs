//! What runs when a domain ends runs on, whether its fences stay or go.

use ringfence_lab::Node;
use ringfence_lab::Reach;
use ringfence_lab::StandIn;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use ringfence_lab::until;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::get;
use crate::stage::ACTS;
use crate::stage::GPU;
use crate::stage::Stage;
use crate::stage::gpus;
use crate::stage::pod;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: containers"]
async fn workloads_run_on_when_their_domain_ends() {
    let Some(stage) = Stage::enter().await else { return };
    let (lab, node) = (stage.lab, &stage.node);
    let ml = lab.namespace("ml");
    node.set_extended(GPU, 1);
    lab.kubectl(&["label", "node", Node::NAME, "pool=gpu", "--overwrite"]).ok();
    let internet = StandIn::Internet.addresses().map(|ip| Target::tcp(ip, 443));
    let open = ["internet"; 2].map(|it| Reach::Open(it.to_owned()));
    let closed = [Reach::Refused, Reach::Refused];
    // One from before the domain, one placed by it, one that is made anew.
    let web = node.run(&ml, &labtool_pod("web", &[], &["serve", "8080", "web"]));
    let controller = stage.controller().await;

    for policy in ["Orphan", "Delete"] {
        let more = json!({
            "namespaces": {"names": [ml.name()], "deletionPolicy": policy},
            "nodes": {"selector": {"matchLabels": {"pool": "gpu"}}},
            "limits": {"default": {"cpu": "100m", "memory": "64Mi"}},
        });
        let domain = Domain::new(lab, ml.name(), "Enforce", &more);
        domain.settled();
        stage.acts(&ml);
        let trainer = match policy {
            "Orphan" => {
                ml.apply(&pod("trainer", &json!({}), &gpus(1, "64Mi")).to_string()).ok();
                node.running(ml.name(), "trainer")
            }
            _ => node.running(ml.name(), "trainer"),
        };
        node.until_reached(&trainer, &internet, &closed);
        let before = [containers(&stage, ml.name(), "web"), containers(&stage, ml.name(), "trainer")];

        stage.end();
        assert_eq!(
            [containers(&stage, ml.name(), "web"), containers(&stage, ml.name(), "trainer")],
            before,
            "{policy}"
        );
        let reached = web.both(|ip| Target::tcp(ip, 8080));
        let wanted = if policy == "Orphan" { &closed } else { &open };
        node.until_reached_as(policy, &trainer, &internet, wanted);
        assert_eq!(
            node.probe(&trainer, &reached),
            ["web"; 2].map(|it| Reach::Open(it.to_owned())),
            "{policy}"
        );
        // And new ones run beside them, on the node that is open again.
        ml.apply(&pod("later", &json!({}), &json!({})).to_string()).ok();
        node.running(ml.name(), "later");
        ml.kubectl(&["delete", "pod", "later"]).ok();
    }
    until("no policy is left", ACTS, || {
        let ours = "--selector=app.kubernetes.io/managed-by=ringfence";
        let kinds = "validatingadmissionpolicies,mutatingadmissionpolicies";
        lab.kubectl(&["get", kinds, ours, "--output=name"]).ok().is_empty().then_some(())
    });
    controller.end().await;
    node.set_extended(GPU, 0);
}

/// The containers of a pod: who they are, and how often they were started.
fn containers(stage: &Stage, namespace: &str, pod: &str) -> Value {
    let pod = get(stage.lab, &["-n", namespace, "pod", pod]).unwrap();
    assert_eq!(pod["status"]["phase"], "Running");
    pod["status"]["containerStatuses"].clone()
}
