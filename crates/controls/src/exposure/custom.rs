//! Custom resources whose operators open a way in: KServe, Knative, Ray.

use ringfence_inventory::Object;
use ringfence_inventory::yaml::Value;

use super::Entrance;
use super::Means;
use super::behind::Behind;
use super::narrow::annotation;
use super::narrow::internal_annotation;
use super::narrow::internal_in;
use crate::cx::Cx;

/// KServe makes a public route for every InferenceService that does not ask for a local one.
pub(super) fn kserve<'i>(cx: &Cx<'i>, object: &'i Object) -> Option<Entrance<'i>> {
    if annotation(object, "serving.kserve.io/deploymentMode").and_then(Value::text) == Some("ModelMesh")
        || makes_no_ingress(cx)
    {
        return None;
    }
    labelled_route(cx, object, "networking.kserve.io/visibility", Means::KserveRoute)
}

/// Set for the whole installation in its configuration: then only Services are made.
fn makes_no_ingress(cx: &Cx<'_>) -> bool {
    let mut configs = cx.inventory.objects_of("", "ConfigMap");
    let config = configs.find(|object| &*object.name == "inferenceservice-config");
    let text = config.and_then(|object| object.body().at(&["data", "ingress"])?.as_str());
    let tree = text.and_then(|text| ringfence_inventory::yaml::read_yaml(text).ok().flatten());
    tree.is_some_and(|tree| {
        tree.root().get("disableIngressCreation").and_then(Value::means_bool) == Some(true)
    })
}

pub(super) fn knative<'i>(cx: &Cx<'i>, object: &'i Object) -> Option<Entrance<'i>> {
    labelled_route(cx, object, "networking.knative.dev/visibility", Means::KnativeRoute)
}

fn labelled_route<'i>(cx: &Cx<'i>, object: &'i Object, label: &str, means: Means) -> Option<Entrance<'i>> {
    let keys = [label, "networking.knative.dev/visibility", "serving.knative.dev/visibility"];
    let written = |key: &str| object.labels().and_then(|labels| labels.get(key));
    if keys.into_iter().any(|key| written(key).and_then(Value::text) == Some("cluster-local")) {
        return None;
    }
    Some(Entrance {
        object,
        at: written(label),
        field: format!("metadata.labels[\"{label}\"]"),
        means,
        narrowed_by: None,
        through: Vec::new(),
        paths: Vec::new(),
        behind: own(cx, object),
    })
}

/// The head's Service and ingress, as the cluster's own spec asks for them.
pub(super) fn ray<'i>(cx: &Cx<'i>, object: &'i Object) -> Vec<Entrance<'i>> {
    let Some(spec) = object.spec() else { return Vec::new() };
    let cluster = ["rayClusterSpec", "rayClusterConfig"].into_iter().find_map(|key| spec.get(key));
    let cluster = cluster.or_else(|| spec.at(&["jobTemplate", "rayClusterSpec"])).unwrap_or(spec);
    let head = cluster.get("headGroupSpec");
    let services = [
        head.and_then(|head| head.get("serviceType")),
        head.and_then(|head| head.at(&["headService", "spec", "type"])),
        spec.at(&["serveService", "spec", "type"]),
    ];
    let services = services.into_iter().flatten().filter_map(|at| match at.text() {
        Some("LoadBalancer") => Some((Means::LoadBalancer, at)),
        Some("NodePort") => Some((Means::NodePort, at)),
        _ => None,
    });
    let ingress = head.and_then(|head| head.get("enableIngress"));
    let ingress = ingress.filter(|at| at.means_bool() == Some(true)).map(|at| (Means::Ingress, at));
    // Annotations of the cluster, or of its head, go to the Service.
    let given = head.and_then(|head| head.at(&["headService", "metadata", "annotations"]));
    let narrowed_by = internal_annotation(object).or_else(|| given.and_then(internal_in));
    let entrance = |(means, at)| Entrance {
        object,
        at: Some(at),
        field: object.field(at),
        means,
        narrowed_by: narrowed_by.map(|at| (object, at)),
        through: Vec::new(),
        paths: Vec::new(),
        behind: own(cx, object),
    };
    services.chain(ingress).map(entrance).collect()
}

/// The object's own pods.
fn own<'i>(cx: &Cx<'i>, object: &'i Object) -> Behind<'i> {
    let mut ids = cx.inventory.ids_of(object.group(), &object.kind).iter();
    let id = ids.find(|id| std::ptr::eq(cx.inventory.object(**id), object));
    let pods = id.into_iter().flat_map(|id| cx.inventory.pods_of(*id)).collect();
    Behind { pods, is_sure: true, gap: None }
}
