//! NetworkPolicy on the real enforcer, both families, TCP and UDP: each connection is open before, judged with
//! the policy, open after.

use std::net::IpAddr;

use ringfence_lab::Namespace;
use ringfence_lab::Node;
use ringfence_lab::Reach;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use ringfence_lab::need;

/// All egress of a namespace denied.
pub(crate) const DENY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny}
spec: {podSelector: {}, policyTypes: [Egress]}
";

pub(crate) fn open(texts: &[&str]) -> Vec<Reach> {
    texts.iter().map(|text| Reach::Open((*text).to_owned())).collect()
}

pub(crate) fn refused(targets: &[Target]) -> Vec<Reach> {
    vec![Reach::Refused; targets.len()]
}

#[test]
#[ignore = "needs lab tier 2: a real enforcer"]
fn a_policy_closes_what_was_open_and_its_end_opens_it_again() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let [ml, registry, other] = ["ml", "registry", "other"].map(|stem| cluster.namespace(stem));
    let hello = node.run(&ml, &labtool_pod("hello", &[("app", "hello")], &["serve", "8080", "hello"]));
    let services =
        ["serve", "443", "reg", "+", "serve", "8080", "reg-8080", "+", "serve-udp", "443", "reg-udp"];
    let reg = node.run(&registry, &labtool_pod("reg", &[], &services));
    let web = node.run(&other, &labtool_pod("web", &[], &["serve", "443", "web"]));

    let allowed = reg.both(|ip| Target::tcp(ip, 443));
    let closed = [
        reg.both(|ip| Target::tcp(ip, 8080)),
        reg.both(|ip| Target::udp(ip, 443)),
        web.both(|ip| Target::tcp(ip, 443)),
        Node::ADDRESSES.map(|ip| Target::tcp(ip, Node::API_PORT)),
    ]
    .concat();
    // The API server stands open and waits for the client to speak.
    let before = open(&["reg-8080", "reg-8080", "reg-udp", "reg-udp", "web", "web", "", ""]);
    assert_eq!(node.probe(&hello, &allowed), open(&["reg", "reg"]));
    assert_eq!(node.probe(&hello, &closed), before);

    ml.apply(&only_to(&registry)).ok();
    node.until_reached(&hello, &closed, &refused(&closed));
    assert_eq!(node.probe(&hello, &allowed), open(&["reg", "reg"]));
    // It is about egress of one pod: whoever comes to it still gets in.
    assert_eq!(node.probe(&web, &hello.both(|ip| Target::tcp(ip, 8080))), open(&["hello", "hello"]));

    ml.kubectl(&["delete", "networkpolicy", "only-the-registry"]).ok();
    node.until_reached(&hello, &closed, &before);
}

/// Egress of `app: hello` to one namespace, TCP 443.
fn only_to(namespace: &Namespace<'_>) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: only-the-registry}}
spec:
  podSelector: {{matchLabels: {{app: hello}}}}
  policyTypes: [Egress]
  egress:
    - to: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}]
      ports: [{{port: 443, protocol: TCP}}]
"
    )
}

#[test]
#[ignore = "needs lab tier 2: a real enforcer"]
fn default_deny_also_blocks_the_address_of_a_service() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let [inside, outside] = ["deny", "served"].map(|stem| cluster.namespace(stem));
    let asker = node.run(&inside, &labtool_pod("asker", &[], &["pause"]));
    node.run(&outside, &labtool_pod("web", &[("app", "web")], &["serve", "8443", "web"]));
    outside
        .apply(
            "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ipFamilyPolicy: RequireDualStack
  ports: [{port: 443, targetPort: 8443}]
",
        )
        .ok();
    let addresses = outside.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIPs[*]}"]).ok();
    let targets: Vec<Target> =
        addresses.split(' ').map(|ip| Target::tcp(ip.parse::<IpAddr>().unwrap(), 443)).collect();
    assert_eq!(targets.len(), 2, "{addresses}");
    node.until_reached(&asker, &targets, &open(&["web", "web"]));
    inside.apply(DENY).ok();
    node.until_reached(&asker, &targets, &refused(&targets));
}

#[test]
#[ignore = "needs lab tier 2: a real enforcer"]
fn neighbours_stay_known_over_ipv6_for_longer_than_the_kernel_remembers_them() {
    let cluster = need!(Node, own);
    let node = Node::of(cluster);
    let [ml, registry] = ["ml", "registry"].map(|stem| cluster.namespace(stem));
    let hello = node.run(&ml, &labtool_pod("hello", &[("app", "hello")], &["pause"]));
    ml.apply(&only_to(&registry)).ok();
    let denied = Node::ADDRESSES.map(|ip| Target::tcp(ip, Node::API_PORT));
    node.until_reached(&hello, &denied, &refused(&denied));
    // A pod whose address nobody has asked for yet: both sides must find each other with the policy in force.
    let reg = node.run(&registry, &labtool_pod("reg", &[], &["serve", "443", "reg"]));
    let allowed = reg.both(|ip| Target::tcp(ip, 443));
    node.until_reached(&hello, &allowed, &open(&["reg", "reg"]));
}
