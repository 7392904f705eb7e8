//! Room `operator`: a store -> what `domain` must know of a cluster. [`read`] fills a store once, for commands; the
//! controller keeps one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use kube::Client;
use ringfence_domain::ClusterFacts;
use ringfence_domain::Dns;
use ringfence_domain::Endpoint;
use ringfence_domain::NamespaceFact;
use ringfence_domain::NodeFact;
use ringfence_domain::OperatorIdentity;
use ringfence_domain::SecurityDomain;
use ringfence_domain::ServiceFact;
use ringfence_domain::names;
use ringfence_inventory::accelerator::is_accelerator;
use serde_json::Value;

use crate::discover;
use crate::error::Error;
use crate::source::FACTS;
use crate::source::Source;
use crate::store::Live;
use crate::store::Store;

/// Objects per page of a list.
const PAGE: u32 = 500;
/// Address of the DNS cache on each node, as its project ships it.
const NODE_LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// Reads a cluster once: its facts, and its SecurityDomains. Only GET is sent. A cluster without our definition has no
/// domains.
///
/// # Errors
/// Something could not be looked at; the message names the verb and the resource.
pub async fn read(client: &Client) -> Result<(ClusterFacts, Vec<SecurityDomain>), Error> {
    let mut store = Store::default();
    store.served = Some(discover::served(client).await?);
    store.issuer = discover::issuer(client).await;
    for source in FACTS {
        if store.serves(source) {
            list(client, source, &mut store).await?;
        }
    }
    let mut domains = Vec::new();
    for (name, domain) in domains_of(&store) {
        domains.push(
            domain.map_err(|words| Error::Unexpected { what: format!("SecurityDomain {name}"), words })?,
        );
    }
    // Who may not list policies is told of the usual controller.
    let _ = list(client, Source::Validating, &mut store).await;
    let operator = store.all(Source::Validating).find_map(|(_, live)| operator_of(live)).unwrap_or_default();
    Ok((facts(&store, operator), domains))
}

/// Who the controller is, by the policy that lets it change labels: run from a terminal it is a person, and what it writes names
/// that person.
fn operator_of(policy: &Live) -> Option<OperatorIdentity> {
    let conditions = policy.pointer("/spec/matchConditions");
    let condition = conditions.as_array()?.iter().find(|it| it["name"] == "not-operator")?;
    let expression = condition.get("expression")?.as_str()?;
    let quoted = expression.strip_prefix("request.userInfo.username != '")?.strip_suffix('\'')?;
    let username = quoted.replace(r"\'", "'").replace(r"\\", r"\");
    let of_account = username.strip_prefix("system:serviceaccount:").and_then(|it| it.split_once(':'));
    let namespace = of_account
        .map_or_else(|| OperatorIdentity::default().namespace, |(namespace, _)| namespace.to_owned());
    Some(OperatorIdentity { namespace, username })
}

/// Every SecurityDomain by name, or why it cannot be read.
pub(crate) fn domains_of(store: &Store) -> Vec<(String, Result<SecurityDomain, String>)> {
    store.all(Source::Domains).map(|((_, name), live)| (name.clone(), parsed(live))).collect()
}

/// A SecurityDomain, or why it cannot be read; none: there is no such.
pub(crate) fn domain_of(store: &Store, name: &str) -> Option<Result<SecurityDomain, String>> {
    store.get(Source::Domains, "", name).map(parsed)
}

fn parsed(live: &Live) -> Result<SecurityDomain, String> {
    let mut value = live.tree();
    value["metadata"]["resourceVersion"] = live.version.as_str().into();
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// What the store holds, as facts.
pub(crate) fn facts(store: &Store, operator: OperatorIdentity) -> ClusterFacts {
    ClusterFacts {
        served: store.served.clone(),
        issuer: store.issuer.clone(),
        namespaces: Some(store.all(Source::Namespaces).map(|(_, live)| namespace(live)).collect()),
        nodes: Some(store.all(Source::Nodes).map(|(_, live)| node(live)).collect()),
        dns: dns(store),
        api_server: api_server(store),
        services: store.all(Source::Services).map(|(name, live)| (name.clone(), service(live))).collect(),
        operator,
    }
}

impl Store {
    /// Whether the kind of a source is served, as far as it is known.
    pub(crate) fn serves(&self, source: Source) -> bool {
        self.served.as_ref().is_some_and(|served| served.contains(&source.served_name()))
    }
}

/// Lists a source into the store.
async fn list(client: &Client, source: Source, store: &mut Store) -> Result<(), Error> {
    let api = source.api(client);
    let mut params = source.list_params().limit(PAGE);
    store.begin(source);
    loop {
        let page =
            api.list(&params).await.map_err(|error| Error::request("list", &source.resource(), error))?;
        for object in page.items {
            let words = |error: serde_json::Error| Error::Unexpected {
                what: source.resource(),
                words: error.to_string(),
            };
            store.put(source, Live::new(source, serde_json::to_value(object).map_err(words)?));
        }
        match page.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => break,
        }
    }
    store.end(source);
    Ok(())
}

/// What a namespace is.
pub(crate) fn namespace(live: &Live) -> NamespaceFact {
    NamespaceFact {
        name: live.name().1.clone(),
        uid: live.uid().into(),
        labels: live.labels(),
        level: live.annotation(names::LEVEL_ANNOTATION).map(str::to_owned),
        terminating: live.is_going(),
    }
}

fn node(live: &Live) -> NodeFact {
    let allocatable = live.pointer("/status/allocatable");
    let accelerators = allocatable.as_object().into_iter().flatten().filter_map(|(resource, amount)| {
        let amount: u64 = amount.as_str()?.parse().ok()?;
        is_accelerator(resource).then(|| (resource.clone(), amount))
    });
    NodeFact { name: live.name().1.clone(), labels: live.labels(), accelerators: accelerators.collect() }
}

fn service(live: &Live) -> ServiceFact {
    ServiceFact { selector: strings(&live.pointer("/spec/selector")) }
}

/// The Service of the cluster's DNS, which every installer labels this way, and the ports of the pods behind it.
fn dns(store: &Store) -> Option<Dns> {
    let ((namespace, _), live) = store.all(Source::Services).find(|((namespace, _), live)| {
        namespace == "kube-system" && live.label("k8s-app") == Some("kube-dns")
    })?;
    let labels = strings(&live.pointer("/spec/selector"));
    let ports = dns_ports(store, live);
    if labels.is_empty() || ports.is_empty() {
        return None;
    }
    let has_cache = store.all(Source::NodeLocalDns).next().is_some();
    // In its iptables mode the cache answers at the addresses of the Service too, on the node and without translation.
    let service = live.tree();
    let of_service = list_at(&service, "/spec/clusterIPs").filter_map(|it| it.as_str()?.parse().ok());
    let at = std::iter::once(NODE_LOCAL).chain(of_service);
    Some(Dns {
        namespace: namespace.clone(),
        labels,
        ports,
        node_local: if has_cache { at.collect() } else { Vec::new() },
    })
}

/// Ports at which pods answer port 53 of the Service: from its EndpointSlices, else the number it targets. A target that is
/// a name says nothing without a pod.
fn dns_ports(store: &Store, service: &Live) -> BTreeSet<u16> {
    let service = service.tree();
    let of_dns: Vec<&Value> =
        list_at(&service, "/spec/ports").filter(|it| number(it.get("port")) == Some(53)).collect();
    let names: BTreeSet<&str> = of_dns.iter().filter_map(|it| it.get("name")?.as_str()).collect();
    let slices: Vec<Value> = store.all(Source::DnsSlices).map(|(_, live)| live.tree()).collect();
    let of_pods: BTreeSet<u16> = slices
        .iter()
        .flat_map(|slice| list_at(slice, "/ports"))
        .filter(|it| {
            names.is_empty()
                || it.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(name))
        })
        .filter_map(|it| number(it.get("port")))
        .collect();
    if !of_pods.is_empty() {
        return of_pods;
    }
    let targets = of_dns.into_iter().filter_map(|it| match it.get("targetPort") {
        None => number(it.get("port")),
        target => number(target),
    });
    targets.collect()
}

fn api_server(store: &Store) -> Vec<Endpoint> {
    let mut found = BTreeSet::new();
    for slice in store.all(Source::ApiServerSlices).map(|(_, live)| live.tree()) {
        for port in list_at(&slice, "/ports").filter_map(|it| number(it.get("port"))) {
            let endpoints = list_at(&slice, "/endpoints");
            let addresses = endpoints.flat_map(|it| list_at(it, "/addresses")).filter_map(Value::as_str);
            found
                .extend(addresses.filter_map(|it| it.parse().ok()).map(|address| Endpoint { address, port }));
        }
    }
    found.into_iter().collect()
}

fn list_at<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn number(value: Option<&Value>) -> Option<u16> {
    value?.as_u64()?.try_into().ok()
}

fn strings(value: &Value) -> BTreeMap<String, String> {
    let map = value.as_object().into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn store(objects: Vec<(Source, Value)>) -> Store {
        let mut store = Store::default();
        for (source, value) in objects {
            store.put(source, Live::new(source, value));
        }
        store
    }

    fn dns_service() -> (Source, Value) {
        (
            Source::Services,
            json!({
                "metadata": {"namespace": "kube-system", "name": "kube-dns", "labels": {"k8s-app": "kube-dns"}},
                "spec": {
                    "selector": {"k8s-app": "kube-dns"},
                    "clusterIPs": ["10.96.0.10", "fd00::a"],
                    "ports": [
                        {"name": "dns", "port": 53, "targetPort": "dns-udp"},
                        {"name": "dns-tcp", "port": 53, "targetPort": "dns-tcp"},
                        {"name": "metrics", "port": 9153, "targetPort": 9153},
                    ],
                },
            }),
        )
    }

    #[test]
    fn dns_ports_are_those_of_the_pods_and_not_of_the_service() {
        let slice = json!({
            "metadata": {"namespace": "kube-system", "name": "kube-dns-x"},
            "ports": [{"name": "dns", "port": 1053}, {"name": "dns-tcp", "port": 1053}, {"name": "metrics", "port": 9153}],
        });
        let dns = dns(&store(vec![dns_service(), (Source::DnsSlices, slice)])).unwrap();
        assert_eq!(dns.ports, [1053].into());
        assert!(dns.node_local.is_empty());
    }

    #[test]
    fn a_cache_on_the_node_answers_at_its_own_address_and_at_those_of_the_service() {
        let slice = json!({"metadata": {"namespace": "kube-system", "name": "kube-dns-x"},
            "ports": [{"name": "dns", "port": 53}]});
        let cache = json!({"metadata": {"namespace": "kube-system", "name": "node-local-dns"}});
        let mut service = dns_service();
        Source::Services.keep(&mut service.1);
        let store = store(vec![service, (Source::DnsSlices, slice), (Source::NodeLocalDns, cache)]);
        let wanted = ["169.254.20.10", "10.96.0.10", "fd00::a"].map(|it| it.parse::<IpAddr>().unwrap());
        assert_eq!(dns(&store).unwrap().node_local, wanted);
    }

    #[test]
    fn dns_is_unknown_while_no_pod_says_what_a_named_port_is() {
        assert_eq!(dns(&store(vec![dns_service()])), None);
    }

    #[test]
    fn the_controller_is_known_by_the_policy_that_exempts_it() {
        let facts = |username: &str| ClusterFacts {
            operator: OperatorIdentity { namespace: "sec".into(), username: username.into() },
            ..ClusterFacts::default()
        };
        let domain = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "SecurityDomain",
            "metadata": {"name": "ml"}, "spec": {"namespaces": {"names": ["ml"]}}});
        let domain: SecurityDomain = serde_json::from_value(domain).unwrap();
        let asked = [ringfence_domain::Asked::new(&domain, ringfence_domain::spec::Mode::Observe)];
        let found = |username: &str| {
            let objects = ringfence_domain::desired(&asked, &facts(username)).objects;
            let policies = objects.into_iter().filter(|it| it.id.kind == "ValidatingAdmissionPolicy");
            let mut found = policies
                .map(|it| Live::new(Source::Validating, it.body.tree()))
                .filter_map(|it| operator_of(&it));
            found.next().unwrap()
        };
        let account = "system:serviceaccount:sec:ringfence";
        assert_eq!(found(account), facts(account).operator);
        assert_eq!(found(r"o'brien\x").username, r"o'brien\x");
    }

    #[test]
    fn accelerators_are_counted_and_memory_is_not() {
        let value = json!({"metadata": {"name": "n"}, "status": {"allocatable":
            {"nvidia.com/gpu": "8", "nvidia.com/mig-1g.5gb": "2", "memory": "1Gi", "cpu": "32"}}});
        let fact = node(&Live::new(Source::Nodes, value));
        let wanted = [("nvidia.com/gpu".to_owned(), 8), ("nvidia.com/mig-1g.5gb".to_owned(), 2)];
        assert_eq!(fact.accelerators, wanted.into());
    }

    #[test]
    fn the_api_server_is_each_address_with_each_port() {
        let slice = json!({
            "metadata": {"namespace": "default", "name": "kubernetes"},
            "ports": [{"name": "https", "port": 6443}],
            "endpoints": [{"addresses": ["192.0.2.1"]}, {"addresses": ["2001:db8::1"]}],
        });
        let found = api_server(&store(vec![(Source::ApiServerSlices, slice)]));
        let wanted =
            ["192.0.2.1", "2001:db8::1"].map(|it| Endpoint { address: it.parse().unwrap(), port: 6443 });
        assert_eq!(found, wanted);
    }
}
