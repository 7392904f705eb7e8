//! Jobs of any kind in, where each keeps its settings out: shared by controls on deadlines and on cleaning up.

use ringfence_inventory::Object;
use ringfence_inventory::ObjectId;
use ringfence_inventory::yaml::Value;

use crate::cx::Cx;
use crate::hit::Hit;

/// Kinds that end by themselves.
pub(crate) const JOBS: &[(&str, &str)] = &[
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("kubeflow.org", "PyTorchJob"),
    ("kubeflow.org", "TFJob"),
    ("kubeflow.org", "MPIJob"),
    ("kubeflow.org", "XGBoostJob"),
    ("kubeflow.org", "PaddleJob"),
    ("kubeflow.org", "JAXJob"),
    ("trainer.kubeflow.org", "TrainJob"),
    ("ray.io", "RayJob"),
    ("ray.io", "RayCronJob"),
    ("jobset.x-k8s.io", "JobSet"),
    ("argoproj.io", "Workflow"),
    ("argoproj.io", "CronWorkflow"),
];

/// A hit for a setting that is missing, shown at the mapping that would hold it, when there is one below
/// the object's spec.
pub(crate) fn absent<'i>(object: &'i Object, path: &[&str], name: &str, message: &str) -> Hit<'i> {
    let keys: Vec<&str> = ["spec"].iter().chain(path).copied().collect();
    let holder = object.body().at(&keys).filter(|_| !path.is_empty());
    let hit = match holder {
        Some(holder) => Hit::at(object, holder, message),
        None => Hit::absent(object, message),
    };
    hit.missing(format!("{}.{name}", keys.join(".")))
}

/// The template that a Workflow names, if it names one: its id, or the fact that it is missing.
pub(crate) fn workflow_template(
    cx: &Cx<'_>,
    object: &Object,
    spec: Value<'_>,
) -> Option<Result<ObjectId, String>> {
    let holder = if &*object.kind == "CronWorkflow" { spec.get("workflowSpec") } else { Some(spec) };
    let reference = holder.and_then(|holder| holder.get("workflowTemplateRef"));
    let reference = reference.filter(|_| object.group() == "argoproj.io")?;
    let name = reference.get("name").and_then(Value::text).unwrap_or("");
    let cluster = reference.get("clusterScope").and_then(Value::means_bool) == Some(true);
    let kind = if cluster { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
    let found = cx.inventory.ids_of("argoproj.io", kind).iter().find(|id| {
        let template = cx.inventory.object(**id);
        &*template.name == name && (cluster || template.namespace == object.namespace)
    });
    Some(found.copied().ok_or_else(|| format!("{kind} {name} is not in the set")))
}
