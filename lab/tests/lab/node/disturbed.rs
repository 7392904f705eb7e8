//! What would disturb others: taints and restarts of the one real node, in a lab of the test's own.

use ringfence_lab::Component;
use ringfence_lab::Node;
use ringfence_lab::Options;
use ringfence_lab::Target;
use ringfence_lab::Tier;
use ringfence_lab::labtool_pod;
use ringfence_lab::need;
use ringfence_lab::until;

use crate::node::policy::DENY;
use crate::node::policy::open;
use crate::node::policy::refused;

fn tier_2() -> Options {
    Options { tier: Some(Tier::Node), ..Options::default() }
}

/// The taint of `fixtures/guide/node-and-workload.yaml`, which is NoSchedule, and its stricter sister.
const NO_SCHEDULE: &str = "nvidia.com/gpu=true:NoSchedule";
const NO_EXECUTE: &str = "nvidia.com/gpu=true:NoExecute";

#[test]
#[ignore = "needs lab tier 2: a kubelet"]
fn a_pod_that_names_its_node_walks_past_the_taint_of_the_guide_and_not_past_no_execute() {
    let cluster = need!(private tier_2());
    let node = Node::of(&cluster);
    let namespace = cluster.namespace("taint");
    let taint = |taint: &str| cluster.kubectl(&["taint", "node", Node::NAME, taint]).ok();
    let named = |name: &str| {
        let mut pod = labtool_pod(name, &[], &["pause"]);
        pod.spec.as_mut().unwrap().node_name = Some(Node::NAME.into());
        pod
    };
    let seconds = std::time::Duration::from_secs(30);

    taint(NO_SCHEDULE);
    node.create(&namespace, &labtool_pod("polite", &[], &["pause"]));
    until("why the polite pod waits", seconds, || {
        let condition = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}";
        let why = namespace.kubectl(&["get", "pod", "polite", "-o", condition]).ok();
        why.contains("had untolerated taint(s)").then_some(())
    });
    // Not an entry in a table: it runs, and works.
    let stranger = node.run(&namespace, &named("stranger"));
    node.exec(&stranger, &["/bin/labtool", "sleep", "0"]).ok();
    namespace.kubectl(&["delete", "pod", "polite"]).ok();

    taint(NO_EXECUTE);
    let gone = |name: &str| {
        until(&format!("eviction of {name}"), seconds, || {
            let found = namespace.kubectl(&["get", "pod", name, "--ignore-not-found", "-o", "name"]).ok();
            found.is_empty().then_some(())
        });
    };
    gone("stranger");
    node.create(&namespace, &named("later"));
    gone("later");
}

#[test]
#[ignore = "needs lab tier 2: restarts of kubelet, runtime and enforcer"]
fn pods_and_policies_outlive_kubelet_runtime_and_enforcer() {
    let cluster = need!(private tier_2());
    let node = Node::of(&cluster);
    let namespace = cluster.namespace("restart");
    let web = node.run(&namespace, &labtool_pod("web", &[], &["serve", "8080", "web"]));
    let asker = node.run(&namespace, &labtool_pod("asker", &[], &["pause"]));
    let targets = web.both(|ip| Target::tcp(ip, 8080));
    let container = || {
        let id =
            "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}";
        namespace.kubectl(&["get", "pod", "web", "-o", id]).ok()
    };
    let before = container();
    assert!(before.starts_with("containerd://") && before.ends_with(" 0"), "{before}");

    for component in [Component::Kubelet, Component::Containerd, Component::KubeProxy] {
        cluster.restart(component);
        node.until_reached(&asker, &targets, &open(&["web", "web"]));
        assert_eq!(container(), before, "after a restart of {component}");
    }
    // A runtime that came back also starts new pods, with the old ones in place.
    node.run(&namespace, &labtool_pod("new", &[], &["pause"]));

    namespace.apply(DENY).ok();
    node.until_reached(&asker, &targets, &refused(&targets));
    cluster.kill(Component::Enforcer);
    assert_eq!(node.probe(&asker, &targets), refused(&targets), "its rules stay");
    namespace.kubectl(&["delete", "networkpolicy", "default-deny"]).ok();
    assert_eq!(node.probe(&asker, &targets), refused(&targets), "nobody takes them away");
    cluster.restart(Component::Enforcer);
    node.until_reached(&asker, &targets, &open(&["web", "web"]));
}
