//! The network of a domain on a real packet filter (guide 11 to 17, hole 2), over IPv4 and IPv6, TCP and UDP: what was open
//! before is closed but for what the domain declares; who adds a policy of their own opens nothing.

use std::net::IpAddr;
use std::net::SocketAddr;

use ringfence_lab::Namespace;
use ringfence_lab::Node;
use ringfence_lab::PUBLIC_NAME;
use ringfence_lab::Reach;
use ringfence_lab::Running;
use ringfence_lab::StandIn;
use ringfence_lab::Target;
use ringfence_lab::labtool_pod;
use serde_json::Value;
use serde_json::json;

use crate::ground::Domain;
use crate::ground::get;
use crate::stage::INSIDE_NAME;
use crate::stage::Stage;
use crate::stage::pod;
use crate::strangers::person;

/// What a pod asks for, with what it hears.
#[derive(Clone, Default)]
struct Asked {
    targets: Vec<Target>,
    answers: Vec<Reach>,
}

impl Asked {
    fn add(&mut self, targets: impl IntoIterator<Item = Target>, answer: &str) {
        for target in targets {
            self.targets.push(target);
            self.answers.push(Reach::Open(answer.to_owned()));
        }
    }

    fn none(&self) -> Vec<Reach> {
        vec![Reach::Refused; self.targets.len()]
    }
}

/// Those around the domain; of the namespace of `data` only the pods behind its Service are declared.
struct Around {
    registry: Running,
    data: Running,
    beside_data: Running,
    web: Running,
    peer: Running,
}

/// TCP ports 5000 and 8080, UDP port 5000: of each of them only the first is declared.
const SERVES: [&str; 11] =
    ["serve", "5000", "tcp", "+", "serve", "8080", "other", "+", "serve-udp", "5000", "udp"];

fn service_addresses(stage: &Stage, namespace: &str, name: &str) -> Vec<IpAddr> {
    let service = get(stage.lab, &["-n", namespace, "service", name]).unwrap();
    serde_json::from_value(service["spec"]["clusterIPs"].clone()).unwrap()
}

/// What a domain must close: the world, the cluster's inside, and what lies beside a declared port.
fn forbidden(around: &Around, api: &[IpAddr]) -> Asked {
    let mut asked = Asked::default();
    let at = |it: StandIn, target: &dyn Fn(IpAddr) -> Target| it.addresses().map(target);
    let public = StandIn::Internet.v4().to_string();
    asked.add(at(StandIn::Internet, &|ip| Target::tcp(ip, 443)), "internet");
    asked.add(at(StandIn::Internet, &|ip| Target::udp(ip, 443)), "internet-udp");
    asked.add(at(StandIn::Internet, &|ip| Target::dns(ip, PUBLIC_NAME)), &public);
    asked.add(at(StandIn::Dns, &|ip| Target::dns(ip, PUBLIC_NAME)), &public);
    asked.add(at(StandIn::Dns, &|ip| Target::tcp(ip, 53)), "");
    let path = "/latest/meta-data/";
    asked.add(at(StandIn::Metadata, &|ip| Target::http(ip, 80, path)), "HTTP/1.1 200 OK metadata");
    asked.add(Node::ADDRESSES.map(|ip| Target::tcp(ip, Node::API_PORT)), "");
    asked.add(api.iter().map(|ip| Target::tcp(*ip, 443)), "");
    asked.add(around.web.both(|ip| Target::tcp(ip, 5000)), "tcp");
    asked.add(around.web.both(|ip| Target::udp(ip, 5000)), "udp");
    asked.add(around.registry.both(|ip| Target::udp(ip, 5000)), "udp");
    asked.add(around.beside_data.both(|ip| Target::tcp(ip, 5000)), "tcp");
    for beside in [&around.registry, &around.data] {
        asked.add(beside.both(|ip| Target::tcp(ip, 8080)), "other");
    }
    asked
}

/// What a domain declares, and what it has without asking: itself, and the names of the cluster.
fn declared(around: &Around, data: &[IpAddr], dns: &[IpAddr]) -> Asked {
    let mut asked = Asked::default();
    asked.add(around.registry.both(|ip| Target::tcp(ip, 5000)), "tcp");
    asked.add(around.data.both(|ip| Target::tcp(ip, 5000)), "tcp");
    asked.add(around.data.both(|ip| Target::udp(ip, 5000)), "udp");
    // Policies act after the address of a Service has become that of a pod.
    asked.add(data.iter().map(|ip| Target::tcp(*ip, 443)), "tcp");
    let outside = StandIn::Registry.addresses();
    asked.add(outside.map(|ip| Target::http(ip, 5000, "/v2/")), "HTTP/1.1 200 OK {}");
    asked.add(around.peer.both(|ip| Target::tcp(ip, 8080)), "other");
    asked.add(around.peer.both(|ip| Target::udp(ip, 5000)), "udp");
    asked.add(dns.iter().map(|ip| Target::dns(*ip, INSIDE_NAME)), "10.96.0.9");
    asked
}

const SERVICE: &str = "
{apiVersion: v1, kind: Service, metadata: {name: data}, spec: {selector: {app: data},
 ipFamilyPolicy: RequireDualStack, ports: [{port: 443, targetPort: 5000}]}}";

fn spec(registry: &Namespace<'_>, data: &Namespace<'_>, gateway: &Namespace<'_>) -> Value {
    let cidr = |name: &str, cidr: &str, port: u16| json!({"name": name, "to": {"cidr": cidr}, "ports": [{"port": port}]});
    let limits = json!({"default": {"cpu": "100m", "memory": "64Mi"}});
    json!({"limits": limits, "network": {
        "registry": {"namespace": registry.name(), "port": 5000},
        "egress": [
            {"name": "data", "to": {"service": {"namespace": data.name(), "name": "data"}},
                "ports": [{"port": 5000}, {"port": 5000, "protocol": "UDP"}]},
            cidr("mirror", "10.77.0.48/28", 5000),
            cidr("mirror6", "fd77::50/124", 5000),
            // Whoever declares a range does not mean the credentials in it.
            cidr("link", "169.254.0.0/16", 80),
            cidr("link6", "fd00:ec2::/64", 80),
        ],
        "ingress": [{"name": "gateway", "fromNamespace": gateway.name(), "ports": [{"port": 8080}]}],
    }})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs lab tier 2: a real enforcer"]
async fn a_domain_closes_what_it_does_not_declare_and_nobody_opens_it_again() {
    let Some(stage) = Stage::enter().await else { return };
    let (lab, node) = (stage.lab, &stage.node);
    let [ml, ops, registry, data, web, gateway] =
        ["ml", "ops", "registry", "data", "web", "gateway"].map(|stem| lab.namespace(stem));
    let trainer = node.run(&ml, &labtool_pod("trainer", &[], &["pause"]));
    let pods = [(&registry, "registry"), (&data, "data"), (&data, "beside"), (&web, "web"), (&ml, "peer")];
    for (namespace, name) in pods {
        node.create(namespace, &labtool_pod(name, &[("app", name)], &SERVES));
    }
    let serves = |namespace: &Namespace<'_>, name: &str| node.running(namespace.name(), name);
    let around = Around {
        registry: serves(&registry, "registry"),
        data: serves(&data, "data"),
        beside_data: serves(&data, "beside"),
        web: serves(&web, "web"),
        peer: serves(&ml, "peer"),
    };
    let robot = node.run(&ops, &labtool_pod("robot", &[], &["pause"]));
    let door = node.run(&gateway, &labtool_pod("gateway", &[], &["pause"]));
    data.apply(SERVICE).ok();
    let addresses = |namespace: &str, name: &str| service_addresses(&stage, namespace, name);
    let api = addresses("default", "kubernetes");
    let forbidden = forbidden(&around, &api);
    let declared = declared(&around, &addresses(data.name(), "data"), &addresses("kube-system", "kube-dns"));
    let mut into = Asked::default();
    into.add(around.peer.both(|ip| Target::tcp(ip, 5000)), "tcp");
    into.add(around.peer.both(|ip| Target::udp(ip, 5000)), "udp");
    let mut welcome = Asked::default();
    welcome.add(around.peer.both(|ip| Target::tcp(ip, 8080)), "other");

    // Without a domain everything is open, in both directions.
    node.until_reached(&trainer, &declared.targets, &declared.answers);
    node.until_reached(&trainer, &forbidden.targets, &forbidden.answers);
    for from in [&around.web, &door] {
        node.until_reached(from, &into.targets, &into.answers);
        node.until_reached(from, &welcome.targets, &welcome.answers);
    }
    let tenant = person(&ml, "tenant");
    policies_add_up(&stage, &ml, &trainer, &tenant);
    // One that was there before anybody asked.
    ml.create_as(&tenant, &reopens().to_string()).ok();

    let controller = stage.controller().await;
    let domain = Domain::new(lab, ml.name(), "Enforce", &spec(&registry, &data, &gateway));
    let talks = json!({"network": {"egress": [{"name": "api", "to": {"apiServer": true}}]},
        "limits": {"default": {"cpu": "100m", "memory": "64Mi"}}});
    let other = Domain::new(lab, ops.name(), "Enforce", &talks);
    stage.acts(&ml);
    still_open(&stage, &domain, &trainer);
    ml.kubectl_as(&tenant, &["delete", "networkpolicy", "reopens"]).ok();
    domain.settled();
    node.until_reached(&trainer, &forbidden.targets, &forbidden.none());
    node.until_reached(&trainer, &declared.targets, &declared.answers);
    node.until_reached(&around.web, &into.targets, &into.none());
    assert_eq!(node.probe(&around.web, &welcome.targets), welcome.none());
    assert_eq!(node.probe(&door, &into.targets), into.none());
    assert_eq!(node.probe(&door, &welcome.targets), welcome.answers);
    // A domain of its own may talk to the API server, and to nobody else.
    other.settled();
    let server = [Target::tcp(api[0], 443), Target::tcp(Node::ADDRESSES[0], Node::API_PORT)];
    let others = around.peer.both(|ip| Target::tcp(ip, 8080));
    node.until_reached(&robot, &others, &[Reach::Refused, Reach::Refused]);
    assert_eq!(node.probe(&robot, &server), [Reach::Open(String::new()), Reach::Open(String::new())]);
    // Not only does the pod hear no: nobody out there has seen it.
    let so_far = visits(&stage, &trainer);
    assert_eq!(node.probe(&trainer, &forbidden.targets), forbidden.none());
    assert_eq!(visits(&stage, &trainer), so_far);

    // Nor does a pod get around the filter by standing beside it.
    let said = stage.dry_run(ml.name(), &on_host()).refused();
    assert!(said.contains("RF-NET-010 spec.hostNetwork") || said.contains("violates PodSecurity"), "{said}");
    // Who may write NetworkPolicies in the namespace gets no further than that.
    let said = ml.create_as(&tenant, &reopens().to_string()).refused();
    assert!(
        said.contains("denied request: RF-NET-002 spec.egress: opens the way out of the security domain")
            && said.contains("Fix: name pods of this namespace, or have the destination added to"),
        "{said}"
    );
    let said = ml.kubectl_as(&tenant, &["delete", "networkpolicy", "--all"]).refused();
    assert!(said.contains("RF-RBAC-006") && said.contains("Fix: change spec.network"), "{said}");
    assert_eq!(node.probe(&trainer, &forbidden.targets), forbidden.none());
    // A chart's policy for its own pods is no attempt at that, and does what it says.
    let chart = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "chart"},
        "spec": {"podSelector": {"matchLabels": {"app": "peer"}}, "policyTypes": ["Ingress"], "ingress": [
            {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": gateway.name()}}}],
                "ports": [{"port": 5000}]}]}});
    assert_eq!(
        ml.create_as(&tenant, &chart.to_string()).ok(),
        "networkpolicy.networking.k8s.io/chart created\n"
    );
    let [tcp, udp] =
        [around.peer.both(|ip| Target::tcp(ip, 5000)), around.peer.both(|ip| Target::udp(ip, 5000))];
    node.until_reached(&door, &tcp, &into.answers[..2]);
    assert_eq!(node.probe(&door, &udp), into.none()[..2]);
    assert_eq!(node.probe(&around.web, &tcp), into.none()[..2]);
    stage.end();
    controller.end().await;
}

/// Opens all egress of a namespace.
fn reopens() -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "reopens"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}})
}

/// A policy that is older than its domain opens it, and the domain does not say that it holds.
fn still_open(stage: &Stage, domain: &Domain<'_>, trainer: &Running) {
    let ready = domain.wait("Ready", "False");
    let opened = domain.wait("NetworkEnforced", "False");
    let words =
        format!("NetworkPolicy {}/reopens: its spec.egress opens the way out of the domain", domain.name);
    for condition in [&ready, &opened] {
        assert_eq!(condition["reason"], "OpenedByOthers");
        let message = condition["message"].as_str().unwrap();
        assert!(message.contains(&words) && message.contains("Fix: delete it"), "{message}");
    }
    let internet = StandIn::Internet.addresses().map(|ip| Target::tcp(ip, 443));
    let open = ["internet"; 2].map(|it| Reach::Open(it.to_owned()));
    assert_eq!(stage.node.probe(trainer, &internet), open);
}

/// On the network of its node, where no NetworkPolicy reaches it.
fn on_host() -> Value {
    pod("on-host", &json!({"hostNetwork": true}), &json!({}))
}

/// The hole: beside a policy that closes everything, one of anybody's opens it again.
fn policies_add_up(stage: &Stage, ml: &Namespace<'_>, trainer: &Running, tenant: &ringfence_lab::Identity) {
    let internet = StandIn::Internet.addresses().map(|ip| Target::tcp(ip, 443));
    let open = ["internet"; 2].map(|it| Reach::Open(it.to_owned()));
    let mut deny = reopens();
    deny["metadata"]["name"] = json!("deny");
    deny["spec"]["egress"] = json!([]);
    ml.apply(&deny.to_string()).ok();
    stage.node.until_reached(trainer, &internet, &[Reach::Refused, Reach::Refused]);
    ml.create_as(tenant, &on_host().to_string()).ok();
    let on_host = stage.node.running(ml.name(), "on-host");
    assert_eq!(stage.node.probe(&on_host, &internet), open);
    ml.kubectl(&["delete", "pod", "on-host"]).ok();
    ml.create_as(tenant, &reopens().to_string()).ok();
    stage.node.until_reached(trainer, &internet, &open);
    ml.kubectl_as(tenant, &["delete", "networkpolicy", "--all"]).ok();
    stage.node.until_reached(trainer, &internet, &open);
}

/// How often a pod was seen by the world outside.
fn visits(stage: &Stage, pod: &Running) -> usize {
    let from = pod.addresses().map(|ip| SocketAddr::new(ip, 0).to_string());
    let from = from.map(|place| format!("from {}", place.trim_end_matches('0')));
    stage.node.visits().lines().filter(|line| from.iter().any(|it| line.contains(it))).count()
}
