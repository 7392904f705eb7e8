//! Objects -> joins: what a service or a job is built on, and who is built on a runtime or a shared configuration. A
//! flaw is written in one of them and belongs to all.

use std::collections::BTreeMap;

use crate::Inventory;
use crate::object::Object;
use crate::object::ObjectId;
use crate::yaml::NodeId;
use crate::yaml::Value;

/// What an object is built on.
#[derive(Clone, Debug)]
pub enum Base {
    /// It is in the set.
    Given(ObjectId),
    /// It is not: the value that names it, and the missing fact in words.
    Missing {
        /// Value that names it, in the object built on it.
        at: NodeId,
        /// `runtime vllm is not in the set`.
        fact: String,
    },
}

/// Objects and what they are built on. Holds ids only: it lives beside the objects.
#[derive(Debug, Default)]
pub struct Joins {
    bases: BTreeMap<ObjectId, Vec<Base>>,
    users: BTreeMap<ObjectId, Vec<ObjectId>>,
}

const KSERVE: &str = "serving.kserve.io";
const TRAINER: &str = "trainer.kubeflow.org";

/// Kinds that others are built on.
const BASES: [(&str, &str); 5] = [
    (KSERVE, "ClusterServingRuntime"),
    (KSERVE, "LLMInferenceServiceConfig"),
    (KSERVE, "ServingRuntime"),
    (TRAINER, "ClusterTrainingRuntime"),
    (TRAINER, "TrainingRuntime"),
];

/// Kinds that are built on them.
const USERS: [(&str, &str); 3] =
    [(KSERVE, "InferenceService"), (KSERVE, "LLMInferenceService"), (TRAINER, "TrainJob")];

impl Joins {
    /// Joins the objects of a set.
    pub(crate) fn new(inventory: &Inventory) -> Self {
        let lookup = Lookup::new(inventory);
        let mut joins = Self::default();
        for id in USERS.iter().flat_map(|(group, kind)| inventory.ids_of(group, kind)) {
            let bases = lookup.bases(inventory.object(*id));
            for base in &bases {
                if let Base::Given(base) = base {
                    joins.users.entry(*base).or_default().push(*id);
                }
            }
            joins.bases.insert(*id, bases);
        }
        joins
    }

    /// Objects that are built on something, each with all of it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ObjectId, &[Base])> {
        self.bases.iter().map(|(id, bases)| (*id, bases.as_slice()))
    }

    /// What an object is built on; nothing for kinds that are built on nothing else.
    pub fn bases(&self, id: ObjectId) -> &[Base] {
        self.bases.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Who is built on it, in source order.
    pub fn users(&self, id: ObjectId) -> &[ObjectId] {
        self.users.get(&id).map_or(&[], Vec::as_slice)
    }
}

struct Lookup<'i> {
    /// By kind, namespace and name; one identity may stand in several files.
    named: BTreeMap<(&'static str, Option<&'i str>, &'i str), Vec<ObjectId>>,
    /// Shared configurations by name: they live in the namespace of the operator, whatever that is called.
    configs: BTreeMap<&'i str, Vec<ObjectId>>,
    /// Runtimes that offer themselves for a model format, by namespace (None: for all) and format.
    offers: BTreeMap<(Option<&'i str>, &'i str), Vec<ObjectId>>,
}

impl<'i> Lookup<'i> {
    fn new(inventory: &'i Inventory) -> Self {
        let mut lookup = Self { named: BTreeMap::new(), configs: BTreeMap::new(), offers: BTreeMap::new() };
        for (group, kind) in BASES {
            for id in inventory.ids_of(group, kind) {
                let object = inventory.object(*id);
                let (namespace, name) = (object.namespace.as_deref(), &*object.name);
                lookup.named.entry((kind, namespace, name)).or_default().push(*id);
                if kind == "LLMInferenceServiceConfig" {
                    lookup.configs.entry(name).or_default().push(*id);
                }
                for format in offered(object) {
                    lookup.offers.entry((namespace, format)).or_default().push(*id);
                }
            }
        }
        lookup
    }

    fn bases(&self, object: &Object) -> Vec<Base> {
        let Some(spec) = object.spec() else { return Vec::new() };
        match &*object.kind {
            "InferenceService" => {
                let canaries = spec.get("canary").into_iter().flat_map(Value::items);
                let holders = std::iter::once(spec).chain(canaries);
                let models = holders.filter_map(|holder| holder.at(&["predictor", "model"]));
                models.flat_map(|model| self.runtime(object, model)).collect()
            }
            "LLMInferenceService" => {
                let references = spec.get("baseRefs").into_iter().flat_map(Value::items);
                let names = references.filter_map(|reference| reference.get("name"));
                names.flat_map(|name| self.config(object, name)).collect()
            }
            _ => spec.get("runtimeRef").map_or_else(Vec::new, |reference| {
                let kind = match reference.str_at("kind") {
                    Some("TrainingRuntime") => "TrainingRuntime",
                    _ => "ClusterTrainingRuntime",
                };
                reference.get("name").map_or_else(Vec::new, |name| self.by_name(object, name, &[kind]))
            }),
        }
    }

    /// The runtime that an InferenceService names, or the only one that offers itself for its model's format.
    fn runtime(&self, object: &Object, model: Value<'_>) -> Vec<Base> {
        if let Some(name) = model.get("runtime") {
            return self.by_name(object, name, &["ServingRuntime", "ClusterServingRuntime"]);
        }
        let Some(format) = model.at(&["modelFormat", "name"]) else { return Vec::new() };
        let wanted = format.text().unwrap_or("");
        // Runtimes of the namespace come before those of the cluster.
        let own = self.offers.get(&(object.namespace.as_deref(), wanted));
        match own.or_else(|| self.offers.get(&(None, wanted))).map(Vec::as_slice) {
            Some([only]) => vec![Base::Given(*only)],
            Some(_) => missing(format, format!("which of several runtimes serves {wanted} is not said")),
            None => missing(format, format!("no runtime that serves {wanted} is in the set")),
        }
    }

    fn config(&self, object: &Object, name: Value<'_>) -> Vec<Base> {
        let found = self.by_name(object, name, &["LLMInferenceServiceConfig"]);
        let elsewhere = name.text().and_then(|name| self.configs.get(name));
        match (found.as_slice(), elsewhere) {
            ([Base::Missing { .. }], Some(ids)) => ids.iter().map(|id| Base::Given(*id)).collect(),
            _ => found,
        }
    }

    fn by_name(&self, object: &Object, name: Value<'_>, kinds: &[&'static str]) -> Vec<Base> {
        let wanted = name.text().unwrap_or("");
        for kind in kinds {
            let namespace = if kind.starts_with("Cluster") { None } else { object.namespace.as_deref() };
            let found = self.named.get(&(*kind, namespace, wanted));
            if let Some(ids) = found {
                return ids.iter().map(|id| Base::Given(*id)).collect();
            }
        }
        missing(name, format!("{} {wanted} is not in the set", kinds.first().unwrap_or(&"object")))
    }
}

fn missing(at: Value<'_>, fact: String) -> Vec<Base> {
    vec![Base::Missing { at: at.id(), fact }]
}

/// Model formats that a runtime offers itself for without being named.
fn offered(runtime: &Object) -> impl Iterator<Item = &str> {
    let formats = runtime.body().at(&["spec", "supportedModelFormats"]).into_iter().flat_map(Value::items);
    formats
        .filter(|format| format.get("autoSelect").and_then(Value::means_bool) == Some(true))
        .filter_map(|format| format.get("name")?.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Vec<String> {
        let inventory = Inventory::from_text(text);
        let joins = inventory.joins();
        let bases = inventory.objects().flat_map(|(id, _)| joins.bases(id).to_vec());
        let shown = bases.map(|base| match base {
            Base::Given(id) => {
                assert!(!joins.users(id).is_empty());
                format!("{}/{}", inventory.object(id).kind, inventory.object(id).name)
            }
            Base::Missing { fact, .. } => fact,
        });
        shown.collect()
    }

    #[test]
    fn a_service_is_built_on_the_runtime_it_names_or_the_only_one_that_fits() {
        let service = |model: &str| {
            format!(
                "apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: s, namespace: ml}}
spec: {{predictor: {{model: {model}}}}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {{name: own, namespace: ml}}
spec: {{supportedModelFormats: [{{name: onnx, autoSelect: true}}, {{name: sklearn}}], containers: []}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: ClusterServingRuntime
metadata: {{name: shared}}
spec: {{supportedModelFormats: [{{name: onnx, autoSelect: true}}, {{name: torch, autoSelect: true}}], containers: []}}
"
            )
        };
        for (model, expected) in [
            ("{runtime: own}", "ServingRuntime/own"),
            ("{runtime: shared}", "ClusterServingRuntime/shared"),
            ("{runtime: gone}", "ServingRuntime gone is not in the set"),
            ("{modelFormat: {name: onnx}}", "ServingRuntime/own"),
            ("{modelFormat: {name: torch}}", "ClusterServingRuntime/shared"),
            ("{modelFormat: {name: sklearn}}", "no runtime that serves sklearn is in the set"),
        ] {
            assert_eq!(joined(&service(model)), [expected], "{model}");
        }
    }

    #[test]
    fn a_train_job_and_a_language_model_service_name_theirs() {
        let text = "apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: t, namespace: ml}
spec: {runtimeRef: {name: torch}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: torch}
spec: {template: {spec: {}}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: LLMInferenceService
metadata: {name: l, namespace: ml}
spec: {baseRefs: [{name: shared}, {name: gone}]}
---
apiVersion: serving.kserve.io/v1alpha1
kind: LLMInferenceServiceConfig
metadata: {name: shared, namespace: kserve}
spec: {template: {}}
";
        let expected = [
            "ClusterTrainingRuntime/torch",
            "LLMInferenceServiceConfig/shared",
            "LLMInferenceServiceConfig gone is not in the set",
        ];
        assert_eq!(joined(text), expected);
    }
}
