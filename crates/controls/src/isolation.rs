//! Which traffic of which workload the NetworkPolicies of its namespace isolate: per pod and direction, added up; and
//! what may isolate it beside them.

use std::collections::BTreeMap;
use std::collections::HashMap;

use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::is_cluster_scoped;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;
use crate::cx::is_workload;

/// A NetworkPolicy as isolation sees it; its rules only open what it closes.
pub(crate) struct Policy<'i> {
    selector: Option<Value<'i>>,
    ingress: bool,
    pub(crate) egress: bool,
}

impl<'i> Policy<'i> {
    pub(crate) fn read(object: &'i Object) -> Self {
        let spec = object.spec();
        let types = spec.and_then(|spec| spec.get("policyTypes"));
        let mut types = types.into_iter().flat_map(Value::items).filter_map(Value::text).peekable();
        let (ingress, egress) = if types.peek().is_some() {
            types.fold((false, false), |(ingress, egress), one| {
                (ingress || one == "Ingress", egress || one == "Egress")
            })
        } else {
            // The API server's default (networking/v1 `SetDefaults_NetworkPolicy`).
            let rules = spec.and_then(|spec| spec.get("egress"));
            (true, rules.is_some_and(|rules| rules.items().next().is_some()))
        };
        Self { selector: spec.and_then(|spec| spec.get("podSelector")), ingress, egress }
    }

    /// No selector is the empty one: everything.
    pub(crate) fn selects(&self, pod: Pod<'_>) -> Match {
        self.selector.map_or(Match::Yes, |selector| label_selector(selector, pod.labels()))
    }
}

/// What the user applied, with the least isolated of its pods.
pub(crate) struct Workload<'i> {
    pub(crate) object: &'i Object,
    pub(crate) ingress: Match,
    pub(crate) egress: Match,
    pub(crate) gpus: u32,
    pub(crate) is_ai: bool,
    /// A running pod was seen: its labels are facts.
    is_made: bool,
}

impl<'i> Workload<'i> {
    pub(crate) fn judge(pod: Pod<'i>, policies: &[Policy<'_>]) -> Self {
        let (mut ingress, mut egress) = (Match::No, Match::No);
        for policy in policies {
            let selects = policy.selects(pod);
            if policy.ingress {
                ingress = ingress.or(selects);
            }
            if policy.egress {
                egress = egress.or(selects);
            }
        }
        Self {
            object: applied(pod),
            ingress,
            egress,
            gpus: pod.accelerators(),
            is_ai: is_workload(pod),
            is_made: pod.inventory().made_by(pod.object_id()).is_some(),
        }
    }

    fn add(&mut self, other: &Self) {
        // What a template leaves open to its operator a running pod tells.
        let decide = |one: Match, next: Match| match (one, next) {
            (Match::Unknown, known) | (known, Match::Unknown) if self.is_made != other.is_made => known,
            (one, next) => one.and(next),
        };
        (self.ingress, self.egress) =
            (decide(self.ingress, other.ingress), decide(self.egress, other.egress));
        self.gpus = self.gpus.max(other.gpus);
        self.is_ai = self.is_ai || other.is_ai;
        self.is_made = self.is_made || other.is_made;
    }

    pub(crate) fn is_isolated(&self) -> bool {
        self.ingress == Match::Yes && self.egress == Match::Yes
    }

    pub(crate) fn is_surely_open(&self) -> bool {
        self.ingress == Match::No || self.egress == Match::No
    }

    pub(crate) fn words(&self) -> &'static str {
        match (self.ingress, self.egress) {
            (Match::No, Match::No) => "open in both directions",
            (Match::No, Match::Unknown) => "open to incoming traffic, perhaps to outgoing",
            (Match::Unknown, Match::No) => "open to outgoing traffic, perhaps to incoming",
            (Match::No, _) => "open to incoming traffic",
            _ => "open to outgoing traffic",
        }
    }
}

/// One entry per applied object: the least isolated of its pods decides. A dump holds the Deployment and its pods too.
pub(crate) fn by_workload<'i>(pods: impl Iterator<Item = Workload<'i>>) -> Vec<Workload<'i>> {
    let mut kept: Vec<Workload<'i>> = Vec::new();
    let mut index = HashMap::new();
    for pod in pods {
        let at = *index.entry(pod.object.id).or_insert(kept.len());
        match kept.get_mut(at) {
            None => kept.push(pod),
            Some(known) => known.add(&pod),
        }
    }
    kept
}

/// What the user applied: a dump holds the Deployment and its pods too.
pub(crate) fn applied(pod: Pod<'_>) -> &Object {
    let maker = pod.inventory().made_by(pod.object_id());
    maker.map_or(pod.root(), |id| pod.inventory().object(id))
}

/// Kinds that hold a pod template from which others start pods: those are judged.
const TEMPLATES: &[(&str, &str)] = &[
    ("", "PodTemplate"),
    ("kubeflow.org", "PodDefault"),
    ("kueue.x-k8s.io", "Workload"),
    ("serving.kserve.io", "LLMInferenceServiceConfig"),
    ("serving.kserve.io", "ServingRuntime"),
    ("trainer.kubeflow.org", "TrainingRuntime"),
];

/// Whether the template starts pods of its own.
pub(crate) fn runs(pod: Pod<'_>) -> bool {
    let object = pod.object();
    !is_cluster_scoped(object.group(), &object.kind)
        && !TEMPLATES.iter().any(|(group, kind)| object.is(group, kind))
}

/// Outside of every policy: RF-NET-010 says it.
pub(crate) fn on_host_network(pod: Pod<'_>) -> bool {
    pod.get("hostNetwork").and_then(Value::means_bool) == Some(true)
}

/// Kinds that open and close traffic too, by rules that are not evaluated here.
const OTHER_POLICIES: &[(&str, &str)] = &[
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("cilium.io", "CiliumClusterwideNetworkPolicy"),
    ("cilium.io", "CiliumNetworkPolicy"),
    ("crd.projectcalico.org", "GlobalNetworkPolicy"),
    ("crd.projectcalico.org", "NetworkPolicy"),
    ("projectcalico.org", "GlobalNetworkPolicy"),
    ("projectcalico.org", "NetworkPolicy"),
    ("crd.antrea.io", "ClusterNetworkPolicy"),
    ("crd.antrea.io", "NetworkPolicy"),
];

/// Policies of another kind, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct OtherPolicies {
    everywhere: Option<ObjectId>,
    by_namespace: BTreeMap<Option<Box<str>>, ObjectId>,
}

impl OtherPolicies {
    pub(crate) fn read(inventory: &Inventory) -> Self {
        let mut first = Self::default();
        for id in OTHER_POLICIES.iter().flat_map(|(group, kind)| inventory.ids_of(group, kind)) {
            let object = inventory.object(*id);
            // A namespace that a manifest leaves out is the one it is applied to, never all of them.
            if matches!(&*object.kind, "CiliumNetworkPolicy" | "NetworkPolicy") {
                first.by_namespace.entry(object.namespace.clone()).or_insert(*id);
            } else {
                first.everywhere.get_or_insert(*id);
            }
        }
        first
    }

    /// One for all namespaces, else one for this.
    pub(crate) fn of(&self, namespace: Option<&str>) -> Option<ObjectId> {
        self.everywhere.or_else(|| self.by_namespace.get(&namespace.map(Box::from)).copied())
    }
}

/// Why NetworkPolicies alone do not decide: one of another kind is there for this namespace or for all of them, or may
/// be.
pub(crate) fn not_evaluated(cx: &Cx<'_>, namespace: Option<&str>) -> Option<String> {
    let other = cx.other_policy(namespace);
    other
        .map(|policy| format!("{} {} may isolate its pods and is not evaluated", policy.kind, policy.name))
        .or_else(|| not_listed(cx.inventory))
}

/// Policies of another kind that a cluster did not show.
pub(crate) fn not_listed(inventory: &Inventory) -> Option<String> {
    OTHER_POLICIES.iter().find_map(|(group, kind)| {
        Some(format!("{kind} objects may isolate its pods: {}", inventory.sight.gap(group, kind)?))
    })
}
