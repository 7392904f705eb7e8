//! A pod or a container in, whether it asks for an accelerator out. The request may stand in what the pod is built on,
//! or in those that are built on it.

use ringfence_inventory::Base;
use ringfence_inventory::Container;
use ringfence_inventory::Need;
use ringfence_inventory::ObjectId;
use ringfence_inventory::Pod;
use ringfence_inventory::Role;
use ringfence_inventory::accelerator;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;

/// The missing fact where [`pod_need`] cannot tell.
pub(crate) const NEED_UNKNOWN: &str =
    "what this pod asks for is not in the set: the class of its claim, its runtime, or who uses it";

/// What a pod asks for, with the runtime it is built on or the services and jobs that are built on it.
pub(crate) fn pod_need(cx: &Cx<'_>, pod: Pod<'_>) -> Need {
    let own = pod.containers().map(Container::accelerator_need).max().unwrap_or(Need::Nothing);
    if own == Need::Accelerator {
        return own;
    }
    let bases = cx.inventory.joins().bases(pod.object_id()).iter();
    let of_bases = bases.map(|base| match base {
        Base::Given(id) => need_of(cx, *id),
        Base::Missing { .. } => Need::UnresolvedClaim,
    });
    let of_bases = of_bases.max().unwrap_or(Need::Nothing);
    own.max(of_bases).max(asked_by_users(cx, pod).unwrap_or(Need::Nothing))
}

/// Whether what a pod asks for, if it asks at all, stands in claims of its containers and nowhere else.
pub(crate) fn asks_by_claims_alone(cx: &Cx<'_>, pod: Pod<'_>) -> bool {
    let resources = || pod.containers().filter_map(|container| container.get("resources"));
    let claims = |resources: Value<'_>| resources.get("claims").is_some_and(|it| it.items().next().is_some());
    let limits = |resources: Value<'_>| {
        let lists = ["limits", "requests"].into_iter().filter_map(|list| resources.get(list));
        let mut names = lists.flat_map(Value::entries).filter(|(_, amount)| accelerator::count(*amount) > 0);
        names.any(|(name, _)| accelerator::is_accelerator(name))
    };
    resources().any(claims)
        && !resources().any(limits)
        && cx.inventory.joins().bases(pod.object_id()).is_empty()
        && asked_by_users(cx, pod).is_none()
}

/// What a container asks for. Parts of one operator-built pod stand apart: the request may be in another part.
pub(crate) fn asks(pod: Pod<'_>, container: Container<'_>) -> Need {
    if container.role != Role::Part {
        return container.accelerator_need();
    }
    pod.containers().map(Container::accelerator_need).max().unwrap_or(Need::Nothing)
}

/// For a runtime of KServe or of the Kubeflow trainer: what those that use it ask for on behalf of its containers, the
/// least of them. None: it is no runtime.
pub(crate) fn asked_by_users(cx: &Cx<'_>, pod: Pod<'_>) -> Option<Need> {
    if !is_runtime(pod) {
        return None;
    }
    let users = cx.inventory.joins().users(pod.object_id()).iter();
    let needs = users.map(|user| need_of(cx, *user));
    Some(needs.min().unwrap_or(Need::UnresolvedClaim))
}

fn need_of(cx: &Cx<'_>, id: ObjectId) -> Need {
    if cx.inventory.pods_of(id).any(Pod::needs_accelerator) { Need::Accelerator } else { Need::Nothing }
}

/// Whether others are built on the object that holds this pod.
pub(crate) fn is_runtime(pod: Pod<'_>) -> bool {
    RUNTIMES.iter().any(|(group, kind)| pod.object().is(group, kind))
}

const RUNTIMES: &[(&str, &str)] = &[
    ("serving.kserve.io", "ClusterServingRuntime"),
    ("serving.kserve.io", "LLMInferenceServiceConfig"),
    ("serving.kserve.io", "ServingRuntime"),
    ("trainer.kubeflow.org", "ClusterTrainingRuntime"),
    ("trainer.kubeflow.org", "TrainingRuntime"),
];

/// Ending of a counted noun.
pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
