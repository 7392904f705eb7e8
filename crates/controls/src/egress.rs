//! One AI namespace in, the addresses that its NetworkPolicies let AI workloads reach out: what RF-NET-002 and RF-NET-003
//! share. Policies add up, so an `except` of one rule is open again by another.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use ringfence_finding::Confidence;
use ringfence_finding::Severity;
use ringfence_inventory::Inventory;
use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::cidr::Addresses;
use ringfence_inventory::cidr::Block;
use ringfence_inventory::selector::Match;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;
use crate::cx::is_workload;
use crate::hit::Hit;
use crate::hit::Results;
use crate::isolation::Policy;
use crate::isolation::Workload;
use crate::isolation::applied;
use crate::isolation::by_workload;
use crate::isolation::not_listed;
use crate::isolation::on_host_network;
use crate::isolation::runs;
use crate::requests::plural;

/// One way out of a rule: a range, or everything where a rule names no destination.
pub(crate) struct Way<'i> {
    /// The `cidr`, or the rule.
    pub(crate) at: Value<'i>,
    pub(crate) addresses: Addresses,
    ports: Ports,
    /// It names no destination, and no port but that of DNS.
    pub(crate) is_dns: bool,
}

/// A NetworkPolicy that opens addresses, with the AI workloads that it selects.
pub(crate) struct Outlet<'i> {
    pub(crate) object: &'i Object,
    pub(crate) ways: Vec<Way<'i>>,
    /// A range that cannot be read.
    unread: Option<Value<'i>>,
    /// Positions in [`Egress::workloads`].
    pub(crate) selected: Vec<usize>,
    /// Workloads that it selects by labels that an operator adds.
    pub(crate) unsure: usize,
}

/// What the policies of a namespace open to its AI workloads.
pub(crate) struct Egress<'i> {
    pub(crate) outlets: Vec<Outlet<'i>>,
    pub(crate) workloads: Vec<Workload<'i>>,
    /// With the position of their workload.
    pods: Vec<(Pod<'i>, usize)>,
    /// What may open or close more, with the words for it: a policy of another kind, or the place where some may be.
    other: Option<(&'i Object, String)>,
}

/// Ports of a rule; no list is all of them.
enum Ports {
    All,
    Tcp(Vec<RangeInclusive<i64>>),
}

const NOT_EVALUATED: &str = "may open or close more than NetworkPolicies do and is not evaluated";

/// Workloads listed beside those with accelerators.
const LISTED: usize = 10;

impl<'i> Egress<'i> {
    /// None: the namespace was answered for, as unknown or as one that the control does not concern. A workload that no
    /// policy isolates is the matter of RF-NET-001.
    pub(crate) fn read(
        cx: &Cx<'i>,
        name: Option<&'i str>,
        namespace: &'i Namespace,
        results: &mut Results<'_>,
    ) -> Option<Self> {
        let judged = |pod: &Pod<'_>| runs(*pod) && is_workload(*pod) && !on_host_network(*pod);
        let pods: Vec<Pod<'i>> = cx.inventory.pods_in(namespace).filter(judged).collect();
        let objects = cx.in_namespace("NetworkPolicy", name);
        let policies: Vec<Policy<'i>> = objects.iter().map(|object| Policy::read(object)).collect();
        let workloads = by_workload(pods.iter().map(|pod| Workload::judge(*pod, &policies)));
        let Some(first) = workloads.first() else {
            results.not_applicable();
            return None;
        };
        let place = namespace.object.map_or(first.object, |id| cx.inventory.object(id));
        let other = cx.other_policy(name);
        let other = other.map(|policy| (policy, NOT_EVALUATED.to_owned()));
        let other = other.or_else(|| Some((place, not_listed(cx.inventory)?)));
        if workloads.iter().all(|workload| workload.egress != Match::Yes) {
            match other {
                Some((place, words)) => results.unknown(place, None, words),
                None => results.not_applicable(),
            }
            return None;
        }
        let index: HashMap<ObjectId, usize> =
            workloads.iter().enumerate().map(|(index, workload)| (workload.object.id, index)).collect();
        let of_workload = pods.iter().filter_map(|pod| Some((*pod, *index.get(&applied(*pod).id)?)));
        let pods: Vec<(Pod<'i>, usize)> = of_workload.collect();
        let outlets = objects.iter().zip(&policies).filter(|(_, policy)| policy.egress);
        let outlets = outlets.filter_map(|(object, policy)| {
            let mut outlet = Outlet::read(object)?;
            outlet.select(&pods, policy);
            Some(outlet)
        });
        Some(Self { outlets: outlets.collect(), workloads, pods, other })
    }

    /// Pods of the workloads that a policy lets out.
    pub(crate) fn pods_of(&self, outlet: &Outlet<'i>) -> impl Iterator<Item = Pod<'i>> {
        let is_let_out = |index: &usize| outlet.selected.binary_search(index).is_ok();
        self.pods.iter().filter(move |(_, index)| is_let_out(index)).map(|(pod, _)| *pod)
    }

    /// Says of the namespace what is left to say when no policy fails: ranges that cannot be read, policies that were not
    /// seen, or that its ways out are closed.
    pub(crate) fn conclude(
        &self,
        cx: &Cx<'_>,
        name: Option<&str>,
        namespace: &Namespace,
        results: &mut Results<'_>,
    ) {
        for outlet in self.outlets.iter().filter(|outlet| !outlet.selected.is_empty() || outlet.unsure > 0) {
            if let Some(at) = outlet.unread {
                results.unknown(outlet.object, Some(at), "this range cannot be read");
            }
        }
        if !results.findings.is_empty() {
            return;
        }
        let Some(first) = self.workloads.first() else { return results.not_applicable() };
        if let Some((place, words)) = &self.other {
            return results.unknown(place, None, words);
        }
        let seen = cx.inventory.sight.namespaced("networking.k8s.io", "NetworkPolicy", name);
        if let Some(reason) = seen.doubt() {
            let place = namespace.object.map_or(first.object, |id| cx.inventory.object(id));
            results.unknown(place, None, format!("a policy may be missing: {reason}"));
        } else if self.workloads.iter().all(|workload| workload.egress == Match::Yes) {
            results.pass();
        } else {
            results.not_applicable();
        }
    }

    /// Tells a policy that opens what it should not: unknown where it may select no workload at all.
    pub(crate) fn tell(
        &self,
        outlet: &Outlet<'i>,
        ways: &[&Way<'i>],
        message: &str,
        results: &mut Results<'_>,
        severity: Severity,
    ) {
        if let Some(hit) = self.hit(outlet, ways, message).filter(|_| !outlet.selected.is_empty()) {
            results.fail(hit.severity(severity));
        } else if outlet.unsure > 0 {
            let (count, s) = (outlet.unsure, plural(outlet.unsure));
            let words = format!("selects {count} workload{s} by labels that an operator adds");
            results.unknown(outlet.object, ways.first().map(|way| way.at), words);
        }
    }

    /// A hit on a policy, with the workloads behind it; none where no way is given.
    pub(crate) fn hit(&self, outlet: &Outlet<'i>, ways: &[&Way<'i>], message: &str) -> Option<Hit<'i>> {
        let (first, others) = ways.split_first()?;
        let count = outlet.selected.len();
        let message = format!("lets {count} workload{} {message}", plural(count));
        // One cause a policy, wherever its rule stands among others.
        let mut hit = Hit::at(outlet.object, first.at, message).field("spec.egress");
        for other in others {
            hit = hit.also_at(outlet.object, other.at);
        }
        let workloads = outlet.selected.iter().filter_map(|index| self.workloads.get(*index));
        for (index, workload) in workloads.enumerate() {
            if index < LISTED || workload.gpus > 0 {
                hit = hit.supported_by_fact(workload.object, "is let out");
            }
        }
        // It may take away what NetworkPolicies open: less sure, and open all the same as far as can be read.
        if let Some((place, words)) = &self.other {
            hit = hit.confidence(Confidence::Medium).supported_by_fact(place, words);
        }
        Some(hit)
    }
}

impl<'i> Outlet<'i> {
    /// None: it opens no address.
    fn read(object: &'i Object) -> Option<Self> {
        let mut outlet = Self { object, ways: Vec::new(), unread: None, selected: Vec::new(), unsure: 0 };
        let rules = object.spec().and_then(|spec| spec.get("egress"));
        for rule in rules.into_iter().flat_map(Value::items) {
            let mut peers = rule.get("to").into_iter().flat_map(Value::items).peekable();
            if peers.peek().is_none() {
                let addresses = Addresses::of(Block::EVERYTHING);
                outlet.ways.push(Way { at: rule, addresses, ports: Ports::of(rule), is_dns: is_dns(rule) });
            }
            for peer in peers {
                // A peer that says nothing is refused by the API server; its writer meant everybody.
                let Some(block) = peer.get("ipBlock") else {
                    if peer.entries().next().is_none() {
                        let addresses = Addresses::of(Block::EVERYTHING);
                        let ports = Ports::of(rule);
                        outlet.ways.push(Way { at: peer, addresses, ports, is_dns: is_dns(rule) });
                    }
                    continue;
                };
                let at = block.get("cidr").unwrap_or(block);
                match block_addresses(block) {
                    Ok(addresses) => {
                        outlet.ways.push(Way { at, addresses, ports: Ports::of(rule), is_dns: false });
                    }
                    Err(unread) => outlet.unread = Some(unread),
                }
            }
        }
        (!outlet.ways.is_empty() || outlet.unread.is_some()).then_some(outlet)
    }

    /// A workload is let out when any of its pods is.
    fn select(&mut self, pods: &[(Pod<'i>, usize)], policy: &Policy<'i>) {
        let mut selected: BTreeMap<usize, Match> = BTreeMap::new();
        for (pod, index) in pods {
            let known = selected.entry(*index).or_insert(Match::No);
            *known = known.or(policy.selects(*pod));
        }
        let of = |wanted: Match| {
            let all = selected.iter().filter(move |(_, selects)| **selects == wanted);
            all.map(|(index, _)| *index)
        };
        self.unsure = of(Match::Unknown).count();
        self.selected = of(Match::Yes).collect();
    }
}

impl Way<'_> {
    /// Whether a TCP port is open.
    pub(crate) fn opens_port(&self, port: i64) -> bool {
        match &self.ports {
            Ports::All => true,
            Ports::Tcp(ranges) => ranges.iter().any(|range| range.contains(&port)),
        }
    }
}

impl Ports {
    fn of(rule: Value<'_>) -> Self {
        let mut ports = rule.get("ports").into_iter().flat_map(Value::items).peekable();
        if ports.peek().is_none() {
            return Self::All;
        }
        let tcp = ports.filter(|port| port.str_at("protocol").is_none_or(|protocol| protocol == "TCP"));
        let ranges = tcp.filter_map(|port| {
            let Some(first) = port.get("port") else { return Some(0..=i64::from(u16::MAX)) };
            // A name stands for ports of pods; addresses have none.
            let first = first.as_i64()?;
            Some(first..=port.get("endPort").and_then(Value::as_i64).unwrap_or(first))
        });
        Self::Tcp(ranges.collect())
    }
}

/// Whether every port of a rule is that of DNS; no port is all of them.
fn is_dns(rule: Value<'_>) -> bool {
    let mut ports = rule.get("ports").into_iter().flat_map(Value::items).peekable();
    let is_one = |port: Value<'_>| {
        let last = port.get("endPort");
        port.get("port").and_then(Value::as_i64) == Some(53)
            && last.is_none_or(|last| last.as_i64() == Some(53))
    };
    ports.peek().is_some() && ports.all(is_one)
}

/// Addresses that lead nowhere outside: those that the internet does not route, and the cluster's own pods.
pub(crate) fn inside(inventory: &Inventory) -> Addresses {
    let nodes = inventory.objects_of("", "Node").filter_map(Object::spec);
    let pods = nodes.flat_map(|spec| {
        let many = spec.get("podCIDRs").into_iter().flat_map(Value::items);
        many.chain(spec.get("podCIDR"))
    });
    Addresses::special().and(&Addresses::of(pods.filter_map(|range| Block::parse(range.text()?))))
}

/// Ranges that a domain names as its own network or as destinations. One wider than an IPv4 /8 or an IPv6 /16 is nobody's
/// network.
pub(crate) fn declared(domain: &Object) -> Addresses {
    const WIDEST: (u128, u128) = (1 << 24, 1 << 112);
    let network = domain.spec().and_then(|spec| spec.get("network"));
    let list = |key: &str| network.and_then(|network| network.get(key)).into_iter().flat_map(Value::items);
    let egress = list("egress").filter_map(|egress| egress.at(&["to", "cidr"]));
    let ranges = list("internalCIDRs").chain(egress).filter_map(|range| Block::parse(range.text()?));
    let is_named = |range: &Block| {
        let (v4, v6) = Addresses::of([*range]).sizes();
        v4 <= WIDEST.0 && v6 <= WIDEST.1
    };
    Addresses::of(ranges.filter(is_named))
}

/// A range without its exceptions, or what cannot be read of it.
fn block_addresses<'i>(block: Value<'i>) -> Result<Addresses, Value<'i>> {
    let read = |value: Value<'i>| value.text().and_then(Block::parse).ok_or(value);
    let all = read(block.get("cidr").ok_or(block)?)?;
    let except = block.get("except").into_iter().flat_map(Value::items);
    let except = Addresses::of(except.map(read).collect::<Result<Vec<_>, _>>()?);
    Ok(Addresses::of([all]).without(&except))
}
