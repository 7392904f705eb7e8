//! A pod in, the accelerator nodes that the scheduler may put it on out: tolerations, selector and required affinity.

use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::selector::Labels;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::label_selector;
use ringfence_inventory::selector::match_labels;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;

/// Accelerator nodes that stand open to a pod: their GPUs are what is exposed.
pub(crate) fn open_nodes<'i>(cx: &Cx<'i>, pod: Pod<'i>) -> impl Iterator<Item = &'i Object> {
    cx.inventory.gpu_nodes().map(|node| node.object).filter(move |node| can_land(pod, node))
}

/// Whether the scheduler may put the pod on a node, as far as tolerations, selector and required affinity say.
fn can_land(pod: Pod<'_>, node: &Object) -> bool {
    if let Some(name) = pod.get("nodeName").and_then(Value::text).filter(|name| !name.is_empty()) {
        // It goes there past the scheduler, whatever else is written.
        return name == &*node.name;
    }
    let labels = Labels::written(node.labels());
    let selected =
        pod.get("nodeSelector").is_none_or(|selector| match_labels(selector, labels) == Match::Yes);
    selected && affinity_holds(pod, node, labels) && tolerates_all(pod, node)
}

/// Terms are alternatives; what a term lists must hold together.
fn affinity_holds(pod: Pod<'_>, node: &Object, labels: Labels<'_>) -> bool {
    let required = pod.get("affinity").and_then(|affinity| {
        affinity.at(&["nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"])
    });
    let Some(terms) = required else { return true };
    terms.items().any(|term| {
        let fields = term.get("matchFields").into_iter().flat_map(Value::items);
        let mut names = fields.flat_map(|field| field.get("values").into_iter().flat_map(Value::items));
        let by_name = term.get("matchFields").is_none() || names.any(|name| name.text() == Some(&*node.name));
        by_name && label_selector(term, labels) == Match::Yes
    })
}

fn tolerates_all(pod: Pod<'_>, node: &Object) -> bool {
    let taints = node.body().at(&["spec", "taints"]).into_iter().flat_map(Value::items);
    let mut hard = taints.filter(|taint| taint.str_at("effect") != Some("PreferNoSchedule"));
    hard.all(|taint| {
        let mut tolerations = pod.get("tolerations").into_iter().flat_map(Value::items);
        tolerations.any(|toleration| tolerates(toleration, taint))
    })
}

/// `k8s.io/component-helpers/scheduling/corev1`: an absent key or effect stands for all, an absent value for "".
fn tolerates(toleration: Value<'_>, taint: Value<'_>) -> bool {
    let text = |of: Value<'_>, key: &str| of.get(key).and_then(Value::text).unwrap_or("").to_owned();
    let same_or_all = |key: &str| {
        let wanted = text(toleration, key);
        wanted.is_empty() || wanted == text(taint, key)
    };
    let exists = toleration.str_at("operator") == Some("Exists");
    same_or_all("effect")
        && same_or_all("key")
        && (exists || text(toleration, "value") == text(taint, "value"))
}
