//! Which pods stand behind a Service or a pool: by written labels, else by what their operators are known to add.

use ringfence_inventory::Namespace;
use ringfence_inventory::Object;
use ringfence_inventory::Pod;
use ringfence_inventory::selector::Labels;
use ringfence_inventory::selector::Match;
use ringfence_inventory::selector::match_labels;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;

/// Workloads behind an entrance.
#[derive(Debug, Default)]
pub(crate) struct Behind<'i> {
    pub(crate) pods: Vec<Pod<'i>>,
    /// Found by written labels and names; else through what an operator is known to add.
    pub(crate) is_sure: bool,
    /// Why nobody can say what stands behind it.
    pub(crate) gap: Option<String>,
}

/// Pods behind a Service that a route names.
pub(super) fn backend<'i>(cx: &Cx<'i>, namespace: Option<&'i str>, name: &str) -> Behind<'i> {
    let mut services = cx.in_namespace("Service", namespace).iter();
    if let Some(service) = services.find(|service| &*service.name == name) {
        return selected(cx, service);
    }
    let Some(table) = cx.inventory.namespaces.named(namespace) else { return Behind::default() };
    let pods: Vec<Pod<'i>> =
        cx.inventory.pods_in(table).filter(|pod| is_service_of_operator(*pod, name)).collect();
    let gap = (pods.is_empty() && cx.inventory.is_ai_namespace(table))
        .then(|| format!("Service {name} is not in the set"));
    Behind { pods, is_sure: false, gap }
}

/// Whether a pod's operator makes a Service of this name for it.
fn is_service_of_operator(pod: Pod<'_>, name: &str) -> bool {
    let root = pod.root();
    let Some(suffix) = name.strip_prefix(&*root.name) else { return false };
    match root.group() {
        "ray.io" => matches!(suffix, "-head-svc" | "-serve-svc"),
        "serving.kserve.io" => matches!(suffix, "" | "-predictor" | "-predictor-default" | "-transformer"),
        "kubeflow.org" => suffix.is_empty() && &*root.kind == "Notebook",
        "leaderworkerset.x-k8s.io" | "serving.knative.dev" | "apps.nvidia.com" | "agents.x-k8s.io" => {
            suffix.is_empty()
        }
        _ => false,
    }
}

/// Pods that a Service selects.
pub(super) fn selected<'i>(cx: &Cx<'i>, service: &'i Object) -> Behind<'i> {
    let selector = service.spec().and_then(|spec| spec.get("selector"));
    match selector.filter(|selector| selector.entries().next().is_some()) {
        Some(selector) => matching(cx, service.namespace.as_deref(), selector),
        // Without a selector it points outside, or to endpoints that somebody writes by hand.
        None => Behind { is_sure: true, ..Behind::default() },
    }
}

/// Pods of an InferencePool; the versions before v1 have a plain map.
pub(super) fn pool<'i>(cx: &Cx<'i>, namespace: Option<&'i str>, name: &str) -> Behind<'i> {
    let groups = ["inference.networking.k8s.io", "inference.networking.x-k8s.io"];
    let mut pools = groups.into_iter().flat_map(|group| cx.inventory.objects_of(group, "InferencePool"));
    let pool = pools.find(|pool| &*pool.name == name && pool.namespace.as_deref() == namespace);
    let selector = pool.and_then(|pool| pool.spec()?.get("selector"));
    let Some(selector) = selector else {
        let gap = Some(format!("InferencePool {name} is not in the set"));
        return Behind { gap, ..Behind::default() };
    };
    matching(cx, namespace, selector.get("matchLabels").unwrap_or(selector))
}

fn matching<'i>(cx: &Cx<'i>, namespace: Option<&'i str>, selector: Value<'i>) -> Behind<'i> {
    let table = cx.inventory.namespaces.named(namespace);
    let (mut sure, mut perhaps) = (Vec::new(), Vec::new());
    for pod in table.into_iter().flat_map(|table: &'i Namespace| cx.inventory.pods_behind(table, selector)) {
        match match_labels(selector, pod.labels()) {
            Match::Yes => sure.push(pod),
            Match::Unknown => perhaps.push(pod),
            Match::No => {}
        }
    }
    if !sure.is_empty() {
        return Behind { pods: sure, is_sure: true, gap: None };
    }
    let (pods, others): (Vec<_>, Vec<_>) =
        perhaps.into_iter().partition(|pod| is_label_of_operator(*pod, selector));
    let gap = (pods.is_empty() && !others.is_empty())
        .then(|| "which pods it selects depends on labels that an operator adds".to_owned());
    Behind { pods, is_sure: false, gap }
}

/// Whether the selector asks for what the pod's operator puts on it: the object's own labels, or its name.
fn is_label_of_operator(pod: Pod<'_>, selector: Value<'_>) -> bool {
    let root = pod.root();
    if match_labels(selector, Labels::written(root.labels())) == Match::Yes {
        return true;
    }
    // Ray says which of its groups is meant.
    let in_head = pod.object().field(pod.body()).contains("headGroupSpec");
    let wrong_group = selector
        .get("ray.io/node-type")
        .and_then(Value::text)
        .is_some_and(|kind| (kind == "head") != in_head);
    !root.name.is_empty()
        && !wrong_group
        && selector.entries().any(|(_, value)| {
            let value = value.text().unwrap_or("");
            let value = value.strip_prefix("isvc.").unwrap_or(value);
            value
                .strip_prefix(&*root.name)
                .is_some_and(|suffix| matches!(suffix, "" | "-head" | "-predictor"))
        })
}
