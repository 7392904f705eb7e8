//! What the enforcer makes of the shapes that a NetworkPolicy may have, in both families. Later proofs rest on
//! this table; a shape that is not in it is "not shown".

use std::net::IpAddr;

use ringfence_lab::Node;
use ringfence_lab::Reach;
use ringfence_lab::Running;
use ringfence_lab::StandIn;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use ringfence_lab::need;
use serde_json::Value;
use serde_json::json;

/// Whom the client asks, at both addresses each: the server's TCP ports 8080 (named `http`), 8081 and 8082, its
/// UDP port 8080, another pod, the internet.
const ASKED: usize = 6;

fn targets(server: &Running, other: &Running) -> Vec<Target> {
    let to = |addresses: [IpAddr; 2], target: &dyn Fn(IpAddr) -> Target| addresses.map(target).to_vec();
    [
        to(server.addresses(), &|ip| Target::tcp(ip, 8080)),
        to(server.addresses(), &|ip| Target::tcp(ip, 8081)),
        to(server.addresses(), &|ip| Target::tcp(ip, 8082)),
        to(server.addresses(), &|ip| Target::udp(ip, 8080)),
        to(other.addresses(), &|ip| Target::tcp(ip, 8080)),
        to(StandIn::Internet.addresses(), &|ip| Target::tcp(ip, 443)),
    ]
    .concat()
}

const SAID: [&str; ASKED] = ["http", "second", "third", "datagram", "other", "internet"];

/// `x` is refused, anything else open; one letter for each of those asked.
fn expected(open: &str) -> Vec<Reach> {
    assert_eq!(open.len(), ASKED, "{open}");
    let answer = |(letter, said): (char, &str)| match letter {
        'x' => Reach::Refused,
        _ => Reach::Open(said.to_owned()),
    };
    open.chars().zip(SAID).map(answer).flat_map(|reach| [reach.clone(), reach]).collect()
}

#[test]
#[ignore = "needs lab tier 2: a real enforcer"]
fn the_enforcer_holds_these_shapes_of_policies_in_both_families() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let [ml, registry] = ["shape-ml", "shape-reg"].map(|stem| cluster.namespace(stem));
    registry.kubectl(&["label", "namespace", registry.name(), "tier=models"]).ok();
    let client = node.run(&ml, &labtool_pod("client", &[("app", "client")], &["pause"]));
    let words = "serve 8080 http + serve 8081 second + serve 8082 third + serve-udp 8080 datagram";
    let mut server = labtool_pod("server", &[("app", "server")], &words.split(' ').collect::<Vec<_>>());
    server.spec.as_mut().unwrap().containers[0].ports =
        serde_json::from_value(json!([{"name": "http", "containerPort": 8080}])).unwrap();
    let server = node.run(&registry, &server);
    let other = node.run(&registry, &labtool_pod("other", &[("app", "other")], &["serve", "8080", "other"]));
    let targets = targets(&server, &other);
    assert_eq!(node.probe(&client, &targets), expected("oooooo"), "all open before");

    let egress = |rules: Value| {
        let spec = json!({"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"], "egress": rules});
        (&ml, spec)
    };
    let ingress = |rules: Value| {
        let spec = json!({"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"], "ingress": rules});
        (&registry, spec)
    };
    let models = json!({"namespaceSelector": {"matchLabels": {"tier": "models"}}});
    let servers = json!({"podSelector": {"matchLabels": {"app": "server"}}, "namespaceSelector": {"matchLabels": {"tier": "models"}}});
    let not_models = json!({"namespaceSelector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["models"]}]}});
    let blocks = |v4: &str, v6: &str| json!([{"ipBlock": {"cidr": v4}}, {"ipBlock": {"cidr": v6}}]);
    let (v4, v6) = (format!("{}/32", server.v4), format!("{}/128", server.v6));
    let everything_but = json!([
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [v4]}},
        {"ipBlock": {"cidr": "::/0", "except": [v6]}},
    ]);
    let (own4, own6) = (format!("{}/32", client.v4), format!("{}/128", client.v6));

    // Each closes something, and everything is open between two: none passes before it is in force.
    for (shape, (namespace, spec), open) in [
        ("egress: nothing", egress(json!([])), "xxxxxx"),
        ("egress: a namespace", egress(json!([{"to": [models]}])), "ooooox"),
        ("egress: pods of a namespace", egress(json!([{"to": [servers]}])), "ooooxx"),
        ("egress: namespaces without a label", egress(json!([{"to": [not_models]}])), "xxxxxx"),
        ("egress: addresses", egress(json!([{"to": blocks(&v4, &v6)}])), "ooooxx"),
        ("egress: all addresses but some", egress(json!([{"to": everything_but}])), "xxxxoo"),
        ("egress: a port of anybody", egress(json!([{"ports": [{"port": 8080}]}])), "oxxxox"),
        ("egress: a UDP port", egress(json!([{"ports": [{"port": 8080, "protocol": "UDP"}]}])), "xxxoxx"),
        ("egress: a range of ports", egress(json!([{"ports": [{"port": 8081, "endPort": 8082}]}])), "xooxxx"),
        (
            "egress: a port by its name",
            egress(json!([{"to": [models], "ports": [{"port": "http"}]}])),
            "oxxxxx",
        ),
        (
            "egress: two rules",
            egress(json!([{"ports": [{"port": 8082}]}, {"to": blocks("93.184.0.0/16", "2606::/16")}])),
            "xxoxxo",
        ),
        ("ingress: nothing", ingress(json!([])), "xxxxoo"),
        (
            "ingress: a namespace, a port by its name",
            ingress(json!([{"from": [not_models], "ports": [{"port": "http"}]}])),
            "oxxxoo",
        ),
        (
            "ingress: a range of ports",
            ingress(json!([{"ports": [{"port": 8080, "endPort": 8081}]}])),
            "ooxxoo",
        ),
        (
            "ingress: addresses",
            ingress(json!([{"from": blocks(&own4, &own6), "ports": [{"port": 8082}]}])),
            "xxoxoo",
        ),
        ("ingress: other namespaces", ingress(json!([{"from": [models]}])), "xxxxoo"),
    ] {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "shape"},
            "spec": spec,
        });
        namespace.apply(&policy.to_string()).ok();
        node.until_reached_as(shape, &client, &targets, &expected(open));
        namespace.kubectl(&["delete", "networkpolicy", "shape"]).ok();
        node.until_reached_as("nothing", &client, &targets, &expected("oooooo"));
    }
}
