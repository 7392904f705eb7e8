//! What a control may ask: the inventory, and indexes over it that several controls share.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::Scope;
use ringfence_inventory::WorkloadClass;
use ringfence_inventory::cidr::Addresses;

use crate::claims::Claims;
use crate::control::Need;
use crate::domains::Domains;
use crate::egress::inside;
use crate::guard::Guards;
use crate::isolation::OtherPolicies;
use crate::rights;

/// Everything a control may look at. Built once per scan.
#[derive(Debug)]
pub struct Cx<'i> {
    /// Objects, pods, namespaces, sight.
    pub inventory: &'i Inventory,
    by_namespace: BTreeMap<(&'static str, Option<&'i str>), Vec<&'i Object>>,
    claims: OnceLock<Claims>,
    guards: OnceLock<Guards>,
    domains: OnceLock<Domains>,
    inside: OnceLock<Addresses>,
    other_policies: OnceLock<OtherPolicies>,
    has_ai: OnceLock<bool>,
    bound: OnceLock<BTreeSet<(Box<str>, Box<str>)>>,
}

/// Kinds that controls look up by namespace.
const INDEXED: &[(&str, &str)] = &[
    ("networking.k8s.io", "NetworkPolicy"),
    ("", "LimitRange"),
    ("", "ResourceQuota"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("networking.k8s.io", "Ingress"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("resource.k8s.io", "ResourceClaim"),
    ("resource.k8s.io", "ResourceClaimTemplate"),
];

impl<'i> Cx<'i> {
    /// Indexes an inventory.
    pub fn new(inventory: &'i Inventory) -> Self {
        let mut by_namespace: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (group, kind) in INDEXED {
            for object in inventory.objects_of(group, kind) {
                by_namespace.entry((*kind, object.namespace.as_deref())).or_default().push(object);
            }
        }
        Self {
            inventory,
            by_namespace,
            claims: OnceLock::new(),
            guards: OnceLock::new(),
            domains: OnceLock::new(),
            inside: OnceLock::new(),
            other_policies: OnceLock::new(),
            has_ai: OnceLock::new(),
            bound: OnceLock::new(),
        }
    }

    /// Objects of an indexed kind in one namespace.
    pub fn in_namespace(&self, kind: &'static str, namespace: Option<&'i str>) -> &[&'i Object] {
        debug_assert!(INDEXED.iter().any(|(_, known)| *known == kind), "{kind} is not indexed");
        self.by_namespace.get(&(kind, namespace)).map_or(&[], Vec::as_slice)
    }

    /// Claims and snapshots, and which of them hold data of AI workloads.
    pub(crate) fn claims(&self) -> &Claims {
        self.claims.get_or_init(|| Claims::new(self.inventory))
    }

    /// Taints that keep pods off accelerators.
    pub(crate) fn guards(&self) -> &Guards {
        self.guards.get_or_init(|| Guards::new(self.inventory))
    }

    /// The SecurityDomain that a namespace belongs to, when it is in the set.
    pub(crate) fn domain_of(&self, namespace: Option<&str>) -> Option<&'i Object> {
        let domains = self.domains.get_or_init(|| Domains::new(self.inventory));
        Some(self.inventory.object(domains.of(namespace?)?))
    }

    /// Addresses that lead nowhere outside the cluster and its network.
    pub(crate) fn inside(&self) -> &Addresses {
        self.inside.get_or_init(|| inside(self.inventory))
    }

    /// A policy that opens or closes traffic of a namespace by rules that are not evaluated.
    pub(crate) fn other_policy(&self, namespace: Option<&str>) -> Option<&'i Object> {
        let all = self.other_policies.get_or_init(|| OtherPolicies::read(self.inventory));
        Some(self.inventory.object(all.of(namespace)?))
    }

    /// Whether a binding of the set gives rights to a service account by name.
    pub(crate) fn is_bound(&self, namespace: &str, account: &str) -> bool {
        let bound = self.bound.get_or_init(|| rights::bound_accounts(self.inventory));
        bound.contains(&(namespace.into(), account.into()))
    }

    /// Whether the source supplied a fact.
    pub fn supplies(&self, need: Need) -> bool {
        need.kinds().iter().any(|(group, kind)| self.inventory.sight.has(group, kind))
    }

    /// Namespaces that hold an AI workload.
    pub fn ai_namespaces(&self) -> impl Iterator<Item = Option<&'i str>> {
        let inventory = self.inventory;
        inventory
            .namespaces
            .iter()
            .filter(|(_, namespace)| inventory.is_ai_namespace(namespace))
            .map(|(name, _)| name)
    }

    /// Whether the set holds any AI workload.
    pub fn has_ai(&self) -> bool {
        *self.has_ai.get_or_init(|| self.inventory.pods().any(|pod| pod.ai().scope >= Scope::Medium))
    }
}

/// Whether a pod is an AI workload; device plugins and drivers serve them and are none.
pub(crate) fn is_workload(pod: Pod<'_>) -> bool {
    let ai = pod.ai();
    ai.scope >= Scope::Medium && ai.class != WorkloadClass::AcceleratorInfra
}
