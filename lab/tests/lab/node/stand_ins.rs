//! The world outside the cluster: everything in it answers a pod, and nothing of it does once egress is denied.

use ringfence_lab::Node;
use ringfence_lab::PUBLIC_NAME;
use ringfence_lab::Reach;
use ringfence_lab::StandIn;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use ringfence_lab::need;

use crate::node::policy::DENY;
use crate::node::policy::open;
use crate::node::policy::refused;

/// Each stand-in at both of its addresses, with what it answers.
fn everybody() -> (Vec<Target>, Vec<Reach>) {
    let ip = StandIn::Internet.v4().to_string();
    let each = [
        (StandIn::Dns, "dns"),
        (StandIn::Dns, "tcp 53"),
        (StandIn::Internet, "tcp 443"),
        (StandIn::Internet, "udp 443"),
        (StandIn::Internet, "dns"),
        (StandIn::Internet, "http 80 /"),
        (StandIn::Metadata, "http 80 /latest/meta-data/"),
        (StandIn::Registry, "http 5000 /v2/"),
    ];
    let (mut targets, mut answers) = (Vec::new(), Vec::new());
    for (stand_in, what) in each {
        for address in stand_in.addresses() {
            let words: Vec<&str> = what.split(' ').collect();
            targets.push(match words.as_slice() {
                ["dns"] => Target::dns(address, PUBLIC_NAME),
                ["tcp", port] => Target::tcp(address, port.parse().unwrap()),
                ["udp", port] => Target::udp(address, port.parse().unwrap()),
                ["http", port, path] => Target::http(address, port.parse().unwrap(), path),
                _ => unreachable!("{what}"),
            });
            answers.push(match (stand_in, words[0]) {
                (StandIn::Dns, "tcp") => "", // waits for a question
                (_, "dns") => &ip,
                (StandIn::Internet, "tcp") => "internet",
                (StandIn::Internet, "udp") => "internet-udp",
                (StandIn::Internet, _) => "HTTP/1.1 200 OK internet",
                (StandIn::Metadata, _) => "HTTP/1.1 200 OK metadata",
                _ => "HTTP/1.1 200 OK {}",
            });
        }
    }
    (targets, open(&answers))
}

#[test]
#[ignore = "needs lab tier 2: a world outside the cluster"]
fn every_stand_in_answers_before_and_none_after_egress_is_denied() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let namespace = cluster.namespace("outside");
    let pod = node.run(&namespace, &labtool_pod("asker", &[], &["pause"]));
    let (targets, answers) = everybody();
    assert_eq!(node.probe(&pod, &targets), answers);

    namespace.apply(DENY).ok();
    node.until_reached(&pod, &targets, &refused(&targets));
    // Refused is not only what the pod was told: nobody out there has seen it.
    let visits = || {
        let from_pod = pod.addresses().map(|ip| std::net::SocketAddr::new(ip, 0).to_string());
        let from_pod = from_pod.map(|place| format!("from {}", place.trim_end_matches('0')));
        node.visits().lines().filter(|line| from_pod.iter().any(|from| line.contains(from))).count()
    };
    let so_far = visits();
    assert!(so_far >= targets.len() - 2, "{}", node.visits());
    assert_eq!(node.probe(&pod, &targets), refused(&targets));
    assert_eq!(visits(), so_far);

    namespace.kubectl(&["delete", "networkpolicy", "default-deny"]).ok();
    node.until_reached(&pod, &targets, &answers);
    assert!(visits() > so_far);
}

#[test]
#[ignore = "needs lab tier 2: a world outside the cluster"]
fn a_pod_asks_the_stand_in_for_names() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let namespace = cluster.namespace("names");
    let pod = node.run(&namespace, &labtool_pod("asker", &[], &["pause"]));
    let resolver = node.exec(&pod, &["/bin/labtool", "cat", "/etc/resolv.conf"]).ok();
    assert!(resolver.contains(&format!("nameserver {}\n", StandIn::Dns.v4())), "{resolver}");
    let unknown = Target::dns(StandIn::Dns.v4(), "nobody.example");
    assert_eq!(node.probe(&pod, &[unknown]), open(&["code 3"]), "NXDOMAIN");
}
