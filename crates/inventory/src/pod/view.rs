//! One pod template, whatever kind it hides in.

use std::collections::HashSet;

use ringfence_finding::FoundBy;

use super::ai::AiFacts;
use super::container::Container;
use super::container::Role;
use crate::Inventory;
use crate::object::Object;
use crate::object::ObjectId;
use crate::selector::Labels;
use crate::yaml::NodeId;
use crate::yaml::Value;

/// Where the parts of a pod stand in its object. Kept small: one per template, nothing copied.
#[derive(Clone, Debug)]
pub(crate) struct PodView {
    /// Object in whose body the template is written.
    pub(crate) object: ObjectId,
    /// Object the user applied: the outermost parent.
    pub(crate) root: ObjectId,
    /// Mapping with `metadata`, when the kind has one for its pods.
    pub(crate) template: Option<NodeId>,
    /// Mappings with pod-level fields, the first that has a field wins (an Argo template, then its workflow's spec).
    pub(crate) layers: Vec<NodeId>,
    /// Containers of every role, in order.
    pub(crate) containers: Vec<(Role, NodeId)>,
    /// What a patch of the PodSpec lays over pod-level fields, the strongest first.
    pub(crate) patches: Vec<NodeId>,
    /// What a patch lays over a container, sorted by container, the strongest of each first.
    pub(crate) overlays: Vec<(NodeId, NodeId)>,
    /// A patch that nobody could read: it may change everything.
    pub(crate) closed_patch: Option<NodeId>,
    pub(crate) found_by: FoundBy,
    /// The kind cannot express pod fields: its operator builds the pod.
    pub(crate) built_by_operator: bool,
    /// Pods of this template at a time, by the kind's replica fields.
    pub(crate) replicas: u32,
    pub(crate) ai: AiFacts,
}

/// A pod-level field.
#[derive(Clone, Copy, Debug)]
pub enum Field<'i> {
    /// Written.
    Set(Value<'i>),
    /// Not written, though the kind could.
    Unset,
    /// The kind cannot say it: its operator builds the pod.
    CannotSay,
}

/// A pod template with everything needed to judge it. Copy it freely.
#[derive(Clone, Copy)]
pub struct Pod<'i> {
    pub(crate) inventory: &'i Inventory,
    pub(crate) view: &'i PodView,
}

impl<'i> Pod<'i> {
    /// The set it belongs to.
    pub fn inventory(self) -> &'i Inventory {
        self.inventory
    }

    /// Object in whose body the template is written: places and fields refer to it.
    pub fn object(self) -> &'i Object {
        self.inventory.object(self.view.object)
    }

    /// Id of [`Pod::object`].
    pub fn object_id(self) -> ObjectId {
        self.view.object
    }

    /// Object the user applied; results are grouped on it.
    pub fn root(self) -> &'i Object {
        self.inventory.object(self.view.root)
    }

    /// Namespace it will run in; None when nobody says.
    pub fn namespace(self) -> Option<&'i str> {
        // An embedded object without a namespace runs where its parent lives.
        self.object().namespace.as_deref().or(self.root().namespace.as_deref())
    }

    /// How it was found: a structural match is less sure than a table row.
    pub fn found_by(self) -> FoundBy {
        self.view.found_by
    }

    /// Whether the kind cannot express pod fields (container-like kinds).
    pub fn built_by_operator(self) -> bool {
        self.view.built_by_operator
    }

    /// Pods of this template at a time, by the kind's replica fields.
    pub fn replicas(self) -> u32 {
        self.view.replicas
    }

    /// What makes it AI, and how sure that is.
    pub fn ai(self) -> &'i AiFacts {
        &self.view.ai
    }

    /// A pod-level field (`hostNetwork`, `volumes`, `nodeName`...).
    pub fn field(self, name: &str) -> Field<'i> {
        match self.get(name) {
            Some(value) => Field::Set(value),
            None if self.view.built_by_operator => Field::CannotSay,
            None => Field::Unset,
        }
    }

    /// A pod-level field, when it is written.
    pub fn get(self, name: &str) -> Option<Value<'i>> {
        self.levels().find_map(|level| level.get(name))
    }

    /// Volumes of every layer; one of a stronger layer hides those of its name.
    pub fn volumes(self) -> impl Iterator<Item = Value<'i>> {
        let mut seen = HashSet::new();
        let lists = self.levels().filter_map(|level| level.get("volumes"));
        lists.flat_map(Value::items).filter(move |volume| {
            volume.get("name").and_then(Value::text).is_none_or(|name| seen.insert(name))
        })
    }

    /// A patch of this pod that could not be read, as it depends on parameters: what the pod will be is unknown.
    pub fn closed_patch(self) -> Option<Value<'i>> {
        self.view.closed_patch.map(|node| self.object().value(node))
    }

    /// Patches, then layers: the strongest first.
    fn levels(self) -> impl Iterator<Item = Value<'i>> {
        let object = self.object();
        self.view.patches.iter().chain(&self.view.layers).map(move |level| object.value(*level))
    }

    /// The object it is written in, then those it is embedded in, up to the root.
    pub(super) fn chain(self) -> impl Iterator<Item = &'i Object> {
        std::iter::successors(Some(self.object()), move |object| {
            object.parent.map(|parent| self.inventory.object(parent))
        })
    }

    /// Labels of the template as written.
    pub(super) fn written_labels(self) -> Option<Value<'i>> {
        self.metadata("labels")
    }

    /// Mappings with pod-level fields, the strongest first.
    pub(super) fn layers(self) -> impl Iterator<Item = Value<'i>> {
        let object = self.object();
        self.view.layers.iter().map(move |layer| object.value(*layer))
    }

    /// Whether no other template of its object comes before it: facts told once for all of them go with this one.
    pub(super) fn is_first_of_object(self) -> bool {
        self.inventory
            .pods_of(self.view.object)
            .next()
            .is_some_and(|first| std::ptr::eq(first.view, self.view))
    }

    /// The mapping to point at when the pod as a whole is meant.
    pub fn body(self) -> Value<'i> {
        let object = self.object();
        self.view.layers.first().map_or(object.body(), |layer| object.value(*layer))
    }

    /// Containers of every role: init, sidecar, ephemeral ones run too.
    pub fn containers(self) -> impl Iterator<Item = Container<'i>> {
        self.view.containers.iter().map(move |(role, node)| Container {
            pod: self,
            role: *role,
            value: self.object().value(*node),
        })
    }

    /// A label of the pod template.
    pub fn label(self, key: &str) -> Option<&'i str> {
        self.metadata("labels")?.get(key)?.text()
    }

    /// An annotation of the pod template.
    pub fn annotation(self, key: &str) -> Option<&'i str> {
        self.metadata("annotations")?.get(key)?.text()
    }

    /// Labels as a selector meets them. Labels that an operator adds are not written: then they are unknown.
    pub fn labels(self) -> Labels<'i> {
        let seen = self.view.found_by == FoundBy::Core;
        Labels { written: self.metadata("labels"), synthetic: None, seen }
    }

    fn metadata(self, part: &str) -> Option<Value<'i>> {
        self.object().value(self.view.template?).at(&["metadata", part])
    }

    /// GPUs (or other accelerators) one pod of this template asks for: the sum over its main containers, or the
    /// largest init container if that is more, as the scheduler counts.
    pub fn accelerators(self) -> u32 {
        let (mut main, mut init) = (0_u32, 0_u32);
        for container in self.containers() {
            let count = container.accelerator_count();
            match container.role {
                Role::Init if !container.is_sidecar() => init = init.max(count),
                _ => main = main.saturating_add(count),
            }
        }
        main.max(init)
    }

    /// Whether any container asks for an accelerator, by limit, request or claim.
    pub fn needs_accelerator(self) -> bool {
        self.containers().any(|container| container.accelerator_need() != super::Need::Nothing)
    }
}

impl std::fmt::Debug for Pod<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pod").field("object", &self.object().reference()).finish_non_exhaustive()
    }
}
