//! Nodes and domains in, the taints that keep pods off accelerators out; a toleration in, which of them it opens out.

use std::collections::BTreeSet;

use ringfence_inventory::Inventory;
use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::accelerator::taint_keys;
use ringfence_inventory::yaml::Value;

/// Taints before accelerators: those of the nodes and the security domains in the set, and the keys that vendors and
/// clouds use.
#[derive(Debug, Default)]
pub(crate) struct Guards {
    /// Key and effect, as nodes have them or get them.
    of_nodes: Vec<(Box<str>, Box<str>)>,
}

/// What a toleration opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened<'t> {
    Nothing,
    /// Nodes with accelerators, by the key of their taint.
    Accelerators(&'t str),
    /// Every node: it names no key.
    Everything,
}

/// Starts of keys that Kubernetes and clouds set on nodes of any kind, by price or by what happens to a node.
const OF_ANY_NODE: &[&str] = &[
    "DeletionCandidateOfClusterAutoscaler",
    "ToBeDeletedByClusterAutoscaler",
    "cloud.google.com/gke-preemptible",
    "cloud.google.com/gke-spot",
    "karpenter.sh/",
    "kubernetes.azure.com/scalesetpriority",
    "node-role.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "node.kubernetes.io/",
];

impl Guards {
    pub(crate) fn new(inventory: &Inventory) -> Self {
        let with: BTreeSet<ObjectId> = inventory.gpu_nodes().map(|node| node.object.id).collect();
        let nodes = || inventory.objects_of("", "Node");
        // What stands on other nodes too (spot prices, a maintenance window) guards no accelerator.
        let others = nodes().filter(|node| !with.contains(&node.id));
        let common: BTreeSet<&str> = others.flat_map(taints).map(|(key, _)| key).collect();
        let mut guards: Vec<(&str, &str)> =
            nodes().filter(|node| with.contains(&node.id)).flat_map(taints).collect();
        guards.retain(|(key, effect)| {
            *effect != "PreferNoSchedule"
                && !common.contains(key)
                && !OF_ANY_NODE.iter().any(|prefix| key.starts_with(prefix))
        });
        guards.extend(inventory.objects_of("ringfence.dev", "SecurityDomain").filter_map(|domain| {
            let taint = domain.spec()?.at(&["nodes", "taint"])?;
            Some((taint.str_at("key")?, taint.str_at("effect").unwrap_or("NoSchedule")))
        }));
        guards.sort_unstable();
        guards.dedup();
        Self { of_nodes: guards.into_iter().map(|(key, effect)| (key.into(), effect.into())).collect() }
    }

    /// Whether a taint of this key and effect is one of theirs.
    pub(crate) fn are_kept_by(&self, key: &str, effect: &str) -> bool {
        self.of_nodes.iter().any(|(known, own)| (&**known, &**own) == (key, effect))
    }

    /// `k8s.io/component-helpers/scheduling/corev1`: an absent key or effect stands for all. Values are not compared: a
    /// taint of another value is one edit of a node away.
    pub(crate) fn opened_by<'t>(&self, toleration: Value<'t>) -> Opened<'t> {
        let effect = toleration.get("effect").and_then(Value::text).unwrap_or("");
        let covers = |taint: &str| effect.is_empty() || effect == taint;
        let key = toleration.get("key").and_then(Value::text).unwrap_or("");
        if key.is_empty() {
            let all = covers("NoSchedule") || self.of_nodes.iter().any(|(_, effect)| covers(effect));
            return if all { Opened::Everything } else { Opened::Nothing };
        }
        let of_nodes = self.of_nodes.iter().any(|(known, effect)| **known == *key && covers(effect));
        if of_nodes || (covers("NoSchedule") && taint_keys().contains(&key) && !is_other_sku(key, toleration))
        {
            return Opened::Accelerators(key);
        }
        Opened::Nothing
    }
}

/// Keys and effects.
fn taints(node: &Object) -> impl Iterator<Item = (&str, &str)> {
    let taints = node.body().at(&["spec", "taints"]).into_iter().flat_map(Value::items);
    taints.filter_map(|taint| Some((taint.str_at("key")?, taint.str_at("effect")?)))
}

/// Node pools of AKS carry `sku` for what they are made for; only `gpu` guards accelerators.
fn is_other_sku(key: &str, toleration: Value<'_>) -> bool {
    key == "sku" && toleration.get("value").and_then(Value::text).is_some_and(|value| value != "gpu")
}
