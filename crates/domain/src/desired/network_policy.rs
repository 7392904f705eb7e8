//! Room `domain`: NetworkPolicies (guide 11 to 17, hole 2). Everything is denied; DNS, the domain itself and what is
//! declared is opened. Policies only add up, so none of ours opens more than one line of the spec asks for.

use serde_json::Value;
use serde_json::json;

use super::Cx;
use super::peer;
use crate::cidr::Cidr;
use crate::facts::Dns;
use crate::names;
use crate::object::DesiredObject;
use crate::object::Purpose;
use crate::object::Rank;
use crate::object::Write;
use crate::spec::Egress;
use crate::spec::Mode;
use crate::spec::Network;
use crate::tier::Problem;

/// The policies of a domain; the same in each of its namespaces.
pub(crate) struct Policies {
    specs: Vec<(&'static str, Value)>,
}

/// Most namespaces that a rule lists by name.
const LISTED: usize = 64;

const DENY: Purpose = Purpose {
    min_mode: Mode::Enforce,
    controls: &["RF-NET-001", "RF-NET-002", "RF-NET-003"],
    guide: &[11, 12, 14, 17],
};

impl Policies {
    /// The policies, and what keeps one of their rules from being written.
    pub(crate) fn new(cx: &Cx<'_>) -> (Self, Vec<Problem>) {
        let network = &cx.resolved.spec.network;
        let mut unknown = Vec::new();
        let mut specs = Vec::new();
        if network.default_deny {
            specs.push(("rf-default-deny", json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]})));
        }
        if network.allow_dns {
            match dns(cx) {
                Ok(rules) => specs.push(("rf-allow-dns", egress_policy(&rules))),
                Err(problem) => unknown.push(problem),
            }
        }
        let rules = egress(cx, network, &mut unknown);
        if !rules.is_empty() {
            specs.push(("rf-egress", egress_policy(&rules)));
        }
        let rules = ingress(cx, network);
        if !rules.is_empty() {
            specs.push((
                "rf-ingress",
                json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules}),
            ));
        }
        (Self { specs }, unknown)
    }

    /// Writes them for a namespace.
    pub(crate) fn write(&self, cx: &Cx<'_>, namespace: &str, objects: &mut Vec<DesiredObject>) {
        for (name, spec) in &self.specs {
            let body = json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": name, "namespace": namespace},
                "spec": spec,
            });
            objects.push(DesiredObject::new(
                Rank::Network,
                "networkpolicies",
                Write::Apply,
                &cx.owner,
                DENY,
                body,
            ));
        }
    }
}

fn egress_policy(rules: &[Value]) -> Value {
    json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rules})
}

/// Port 53 of the pods that answer, and of the cache on the node. Where nobody looked at a cluster, the names that every
/// installer uses.
fn dns(cx: &Cx<'_>) -> Result<Vec<Value>, Problem> {
    let dns = match &cx.facts.dns {
        Some(found) => found.clone(),
        None if cx.facts.served.is_none() => Dns::usual(),
        None => {
            return Err(Problem::new(
                "spec.network.allowDNS",
                "the cluster's DNS was not found: no Service with label k8s-app=kube-dns in kube-system",
                "declare the namespace of your DNS in spec.network.egress with port 53, UDP and TCP",
            ));
        }
    };
    let ports = |ports: &mut dyn Iterator<Item = u16>| -> Vec<Value> {
        ports.flat_map(|it| ["UDP", "TCP"].map(|protocol| peer::port(protocol, it))).collect()
    };
    let mut to = peer::namespace(&dns.namespace);
    to["podSelector"] = json!({"matchLabels": dns.labels});
    let mut rules = vec![json!({"to": [to], "ports": ports(&mut dns.ports.iter().copied())})];
    if !dns.node_local.is_empty() {
        let to: Vec<_> = dns.node_local.iter().map(|it| peer::range(Cidr::host(*it), false)).collect();
        rules.push(json!({"to": to, "ports": ports(&mut std::iter::once(53))}));
    }
    Ok(rules)
}

fn egress(cx: &Cx<'_>, network: &Network, unknown: &mut Vec<Problem>) -> Vec<Value> {
    let mut rules = Vec::new();
    if network.intra_domain {
        rules.push(json!({"to": own(cx)}));
    }
    if let Some(registry) = &network.registry {
        let ports = [peer::port("TCP", registry.port)];
        rules.push(json!({"to": [peer::namespace(&registry.namespace)], "ports": ports}));
    }
    let internal = network.internal_cidrs.iter().filter_map(|it| it.parse().ok());
    let internal: Vec<_> = internal.map(|it| peer::range(it, network.block_metadata)).collect();
    if !internal.is_empty() {
        rules.push(json!({"to": internal}));
    }
    for egress in &network.egress {
        match destination(cx, egress, network.block_metadata) {
            Ok(more) => rules.extend(more),
            Err(problem) => unknown.push(problem),
        }
    }
    rules
}

/// The rules of a declared destination.
fn destination(cx: &Cx<'_>, egress: &Egress, block_metadata: bool) -> Result<Vec<Value>, Problem> {
    let field = |what: &str| format!("spec.network.egress[name={}].to.{what}", egress.name);
    let ports = peer::ports(&egress.ports);
    if let Some(namespace) = &egress.to.namespace {
        return Ok(vec![json!({"to": [peer::namespace(namespace)], "ports": ports})]);
    }
    if let Some(cidr) = egress.to.cidr.as_deref().and_then(|it| it.parse().ok()) {
        return Ok(vec![json!({"to": [peer::range(cidr, block_metadata)], "ports": ports})]);
    }
    if let Some(service) = &egress.to.service {
        let key = (service.namespace.clone(), service.name.clone());
        let Some(fact) = cx.facts.services.get(&key) else {
            if cx.facts.served.is_none() {
                return Err(Problem::new(
                    field("service"),
                    format!("no cluster was asked which pods are behind Service {}/{}", key.0, key.1),
                    "run against a cluster, or declare its namespace or the addresses behind it",
                ));
            }
            return Err(Problem::new(
                field("service"),
                format!("Service {}/{} was not found", key.0, key.1),
                "create the Service, or declare its namespace or the addresses behind it",
            ));
        };
        if fact.selector.is_empty() {
            return Err(Problem::new(
                field("service"),
                format!("Service {}/{} has no pod selector, so no rule can name its pods", key.0, key.1),
                "declare the addresses behind it as cidr",
            ));
        }
        let mut to = peer::namespace(&service.namespace);
        to["podSelector"] = json!({"matchLabels": fact.selector});
        return Ok(vec![json!({"to": [to], "ports": ports})]);
    }
    if cx.facts.api_server.is_empty() {
        return Err(Problem::new(
            field("apiServer"),
            "the addresses of the API server are not known",
            "run against a cluster, with rights to read EndpointSlices in namespace default",
        ));
    }
    let rule = |it: &crate::facts::Endpoint| json!({"to": [peer::range(Cidr::host(it.address), false)], "ports": [peer::port("TCP", it.port)]});
    Ok(cx.facts.api_server.iter().map(rule).collect())
}

fn ingress(cx: &Cx<'_>, network: &Network) -> Vec<Value> {
    let own = network.intra_domain.then(|| json!({"from": own(cx)}));
    let declared = network
        .ingress
        .iter()
        .map(|it| json!({"from": [peer::namespace(&it.from_namespace)], "ports": peer::ports(&it.ports)}));
    own.into_iter().chain(declared).collect()
}

/// Pods of this namespace, and of the domain's others: by their names, which the API server sets and which hold when the
/// domain goes and leaves its fences; of a large domain by our label, since each policy would list all.
fn own(cx: &Cx<'_>) -> Value {
    let others = if cx.namespaces.len() > LISTED {
        json!({"matchLabels": {names::DOMAIN_LABEL: cx.owner.domain}})
    } else {
        let name = "kubernetes.io/metadata.name";
        json!({"matchExpressions": [{"key": name, "operator": "In", "values": cx.namespaces}]})
    };
    json!([{"podSelector": {}}, {"namespaceSelector": others}])
}
