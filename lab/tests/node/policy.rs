//! NetworkPolicy on the real enforcer: each connection is open before, judged with the policy, open after.

use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::PostParams;
use ringfence_lab::Node;
use ringfence_lab::Reach;
use ringfence_lab::Running;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use serde_json::json;

use crate::support;

/// Polls until the enforcer has taken a change over: milliseconds when all is well.
const TAKEN_OVER: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "needs lab tier 2: a real enforcer"]
async fn a_policy_closes_what_was_open_and_its_end_opens_it_again() {
    let node = support::node();
    let client = support::client().await;
    let ml = support::namespace("ml", &[]).await;
    let registry = support::namespace("registry", &[("name", "model-registry")]).await;
    let other = support::namespace("other", &[]).await;
    let hello = labtool_pod("hello", &[("app", "hello")], &["serve", "8080", "hello"]);
    let reg = ["serve", "443", "reg", "+", "serve", "8080", "reg-8080", "+", "serve-udp", "443", "reg-udp"];
    let hello = node.run(&ml, &hello).await.unwrap();
    let reg = node.run(&registry, &labtool_pod("reg", &[], &reg)).await.unwrap();
    let web = node.run(&other, &labtool_pod("web", &[], &["serve", "443", "web"])).await.unwrap();

    let allowed = both(&reg, |ip| Target::tcp(ip, 443));
    let mut closed = both(&reg, |ip| Target::tcp(ip, 8080));
    closed.extend(both(&reg, |ip| Target::udp(ip, 443)));
    closed.extend(both(&web, |ip| Target::tcp(ip, 443)));
    closed.extend(Node::ADDRESSES.map(|ip| Target::tcp(ip, Node::API_PORT)));

    let open = |texts: &[&str]| texts.iter().map(|text| Reach::Open((*text).into())).collect::<Vec<_>>();
    assert_eq!(node.probe(&hello, &allowed).await.unwrap(), open(&["reg", "reg"]));
    let before = node.probe(&hello, &closed).await.unwrap();
    assert_eq!(before, open(&["reg-8080", "reg-8080", "reg-udp", "reg-udp", "web", "web", "", ""]));

    let policies: Api<NetworkPolicy> = Api::namespaced(client, &ml);
    let policy = json!({
        "metadata": {"name": "only-the-registry"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "hello"}},
            "policyTypes": ["Egress"],
            "egress": [{
                "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": registry}}}],
                "ports": [{"port": 443, "protocol": "TCP"}],
            }],
        },
    });
    policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
    reached(&node, &hello, &closed, &vec![Reach::Refused; closed.len()]).await;
    assert_eq!(node.probe(&hello, &allowed).await.unwrap(), open(&["reg", "reg"]));
    // The policy is about egress of one pod: whoever comes to it still gets in.
    let inwards = both(&hello, |ip| Target::tcp(ip, 8080));
    assert_eq!(node.probe(&web, &inwards).await.unwrap(), open(&["hello", "hello"]));

    policies.delete("only-the-registry", &DeleteParams::default()).await.unwrap();
    reached(&node, &hello, &closed, &before).await;
}

#[tokio::test]
#[ignore = "needs lab tier 2: a real enforcer"]
async fn default_deny_also_blocks_the_address_of_a_service() {
    let node = support::node();
    let client = support::client().await;
    let (inside, outside) = (support::namespace("deny", &[]).await, support::namespace("served", &[]).await);
    let asker = node.run(&inside, &labtool_pod("asker", &[], &["pause"])).await.unwrap();
    node.run(&outside, &labtool_pod("web", &[("app", "web")], &["serve", "8443", "web"])).await.unwrap();
    let service = json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"app": "web"},
            "ipFamilyPolicy": "RequireDualStack",
            "ports": [{"port": 443, "targetPort": 8443}],
        },
    });
    let services: Api<Service> = Api::namespaced(client.clone(), &outside);
    let service =
        services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let ips = service.spec.unwrap().cluster_ips.unwrap();
    assert_eq!(ips.len(), 2, "{ips:?}");
    let targets: Vec<Target> = ips.iter().map(|ip| Target::tcp(ip.parse::<IpAddr>().unwrap(), 443)).collect();
    reached(&node, &asker, &targets, &[Reach::Open("web".into()), Reach::Open("web".into())]).await;

    let deny = json!({
        "metadata": {"name": "default-deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    });
    let policies: Api<NetworkPolicy> = Api::namespaced(client, &inside);
    policies.create(&PostParams::default(), &serde_json::from_value(deny).unwrap()).await.unwrap();
    reached(&node, &asker, &targets, &[Reach::Refused, Reach::Refused]).await;
}

/// The target at both addresses of a pod.
fn both(pod: &Running, target: impl Fn(IpAddr) -> Target) -> Vec<Target> {
    pod.addresses().map(target).to_vec()
}

/// Waits until the targets are reached as said. An attempt that could not be made is no answer, and is made again:
/// before kube-proxy knows a Service, nothing routes to its address.
async fn reached(node: &Node, from: &Running, targets: &[Target], wanted: &[Reach]) {
    let end = Instant::now() + TAKEN_OVER;
    loop {
        let last = node.probe(from, targets).await;
        if last.as_ref().is_ok_and(|last| last == wanted) {
            return;
        }
        assert!(Instant::now() < end, "{targets:?}\nwanted {wanted:?}\nbut got {last:?}");
    }
}
