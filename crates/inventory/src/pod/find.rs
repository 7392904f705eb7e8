//! Object -> pod views: the table first, then the kind's own schema where the table gives nothing, then the shape for
//! what neither names, because kinds gain and move their fields.

use std::collections::HashSet;

use ringfence_finding::FoundBy;

use super::ai::AiFacts;
use super::container::Role;
use super::patch;
use super::replicas::replicas;
use super::schema::KindSchema;
use super::schema::SchemaShape;
use super::schema::Step;
use super::structural;
use super::table;
use super::table::Shape;
use super::view::PodView;
use crate::object::Object;
use crate::object::ObjectId;
use crate::yaml::NodeId;
use crate::yaml::Value;

/// Kinds that hold the shape of a pod without starting one.
const NEVER: &[(&str, &str)] =
    &[("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "Event"), ("metrics.k8s.io", "PodMetrics")];

/// Pods that `object` starts; `schema` is that of its kind, if its definition was seen.
pub(crate) fn find(
    object: &Object,
    id: ObjectId,
    root: ObjectId,
    schema: Option<&KindSchema>,
) -> Vec<PodView> {
    let (group, kind) = (object.group(), &*object.kind);
    if NEVER.contains(&(group, kind)) {
        return Vec::new();
    }
    let body = object.body();
    let mut found = Finder { body, id, root, views: Vec::new() };
    let is_custom = !table::is_of_kubernetes(group);
    if let Some(row) = table::row_of(group, kind) {
        found.row(row, if is_custom { FoundBy::Table } else { FoundBy::Core });
        match group {
            "argoproj.io" => found.lone_patch(),
            "ray.io" => found.runtime_environment(),
            _ => {}
        }
        // The API server drops fields that a kind of its own does not have; a custom kind may have moved or gained one.
        if !is_custom && !found.views.is_empty() {
            return found.views;
        }
    }
    if found.views.is_empty() {
        found.schema(schema);
    }
    let known: HashSet<NodeId> =
        found.views.iter().flat_map(|view| &view.containers).map(|(_, node)| *node).collect();
    for spec in structural::pod_specs(body) {
        if !containers_of(spec).iter().any(|(_, node)| known.contains(node)) {
            found.spec(spec, FoundBy::Structural);
        }
    }
    found.views
}

/// Whether the table alone tells where the pods of an object are: a row names them, or the object is of a group without
/// pods, or it says nothing.
pub(crate) fn is_answered_by_the_table(object: &Object) -> bool {
    let (group, kind) = (object.group(), &*object.kind);
    if table::is_without_pods(group) || NEVER.contains(&(group, kind)) {
        return true;
    }
    let Some(row) = table::row_of(group, kind) else { return false };
    let mut found = Finder { body: object.body(), id: object.id, root: object.id, views: Vec::new() };
    found.row(row, FoundBy::Table);
    let says = |part: Value<'_>| {
        !matches!(part.key(), Some("metadata" | "status")) && part.children().next().is_some()
    };
    !found.views.is_empty() || !object.body().children().any(says)
}

/// One step of a way down, of a table's pattern or of a schema's path.
pub(super) enum Hop<'p> {
    Key(&'p str),
    Every,
}

/// Steps of a pattern of the table.
pub(super) fn hops(pattern: &str) -> impl Iterator<Item = Hop<'_>> {
    pattern.split('.').flat_map(|step| {
        let end = step.find(['[', '{']).unwrap_or(step.len());
        let (key, every) = step.split_at_checked(end).unwrap_or((step, ""));
        let every = every.len() / "[*]".len();
        std::iter::once(Hop::Key(key)).chain((0..every).map(|_| Hop::Every))
    })
}

/// Values at the end of a way down, in source order.
fn resolve<'t, 'p>(body: Value<'t>, hops: impl Iterator<Item = Hop<'p>>) -> Vec<Value<'t>> {
    hops.fold(vec![body], |values, hop| match hop {
        Hop::Key(key) => values.into_iter().filter_map(|value| value.get(key)).collect(),
        Hop::Every => values.into_iter().flat_map(Value::children).collect(),
    })
}

struct Finder<'t> {
    body: Value<'t>,
    id: ObjectId,
    root: ObjectId,
    views: Vec<PodView>,
}

impl<'t> Finder<'t> {
    fn row(&mut self, row: &table::Row, by: FoundBy) {
        for (shape, pattern) in row.paths {
            for value in resolve(self.body, hops(pattern)) {
                self.shape(*shape, value, by);
            }
        }
    }

    fn schema(&mut self, schema: Option<&KindSchema>) {
        for (shape, path) in schema.into_iter().flat_map(|schema| &schema.paths) {
            let hops = path.0.iter().map(|step| match step {
                Step::Key(key) => Hop::Key(key),
                Step::Items | Step::Values => Hop::Every,
            });
            for value in resolve(self.body, hops) {
                match shape {
                    SchemaShape::Spec => self.shape(Shape::Spec, value, FoundBy::CrdSchema),
                    SchemaShape::Part => self.shape(Shape::Part, value, FoundBy::CrdSchema),
                }
            }
        }
    }

    fn shape(&mut self, shape: Shape, value: Value<'t>, by: FoundBy) {
        match shape {
            Shape::Template | Shape::Patch => {
                if let Some(spec) = value.get("spec").filter(|spec| spec.is_mapping()) {
                    self.add(Some(value), vec![spec], containers_of(spec), by);
                    if let Some(view) = self.views.last_mut().filter(|_| shape == Shape::Patch) {
                        view.built_by_operator = true;
                    }
                }
            }
            Shape::SpecPatch => {
                if value.is_mapping() {
                    self.add(None, vec![value], containers_of(value), by);
                    if let Some(view) = self.views.last_mut() {
                        view.built_by_operator = true;
                    }
                }
            }
            Shape::Spec => {
                if value.is_mapping() {
                    self.spec(value, by);
                }
            }
            Shape::InlineSpec => self.inline(value, by),
            Shape::Part => self.part(value, false),
            Shape::MorePart => self.part(value, true),
            Shape::ArgoTemplate => self.argo(value, by),
        }
    }

    /// A bare PodSpec; labels stand in `metadata` beside it when its parent is a template or the object itself.
    fn spec(&mut self, spec: Value<'t>, by: FoundBy) {
        let template =
            spec.parent().filter(|parent| parent.get("metadata").is_some() && spec.key() == Some("spec"));
        self.add(template, vec![spec], containers_of(spec), by);
    }

    /// PodSpec fields inline, and one container under a name of its own: KServe's `model` or a framework (`sklearn`,
    /// `vllm`), Dynamo's `mainContainer`.
    fn inline(&mut self, value: Value<'t>, by: FoundBy) {
        let mut containers = containers_of(value);
        let own = value.entries().filter(|(key, part)| {
            part.is_mapping()
                && (matches!(*key, "model" | "mainContainer")
                    || part.get("storageUri").is_some()
                    || (part.get("runtimeVersion").is_some() || part.get("protocolVersion").is_some()))
        });
        containers.extend(own.map(|(_, part)| (Role::Main, part.id())));
        if !containers.is_empty() || value.get("workerSpec").is_some() {
            self.add(None, vec![value], containers, by);
        }
        if let Some(worker) = value.get("workerSpec").filter(|worker| worker.is_mapping()) {
            self.add(None, vec![worker], containers_of(worker), by);
        }
    }

    /// A part counts when it says what a container says.
    fn part(&mut self, value: Value<'t>, same_pod: bool) {
        let says = [
            "image",
            "repository",
            "env",
            "command",
            "args",
            "resources",
            "resourcesPerNode",
            "extraArgs",
            "storageUri",
        ];
        if !value.is_mapping() || !says.iter().any(|key| value.get(key).is_some()) {
            return;
        }
        // A driver with a pod template of its own is already there.
        if value.at(&["template", "spec"]).is_some() {
            return;
        }
        if let Some(view) = self.views.last_mut().filter(|_| same_pod) {
            view.containers.push((Role::Part, value.id()));
            return;
        }
        self.add(None, vec![value], vec![(Role::Part, value.id())], FoundBy::ContainerLike);
        if let Some(view) = self.views.last_mut() {
            view.built_by_operator = true;
        }
    }

    fn argo(&mut self, template: Value<'t>, by: FoundBy) {
        let mut containers = Vec::new();
        for key in ["container", "script"] {
            containers
                .extend(template.get(key).filter(|one| one.is_mapping()).map(|one| (Role::Main, one.id())));
        }
        let set = template.at(&["containerSet", "containers"]);
        containers.extend(set.into_iter().flat_map(Value::items).map(|one| (Role::Main, one.id())));
        for (key, role) in [("initContainers", Role::Init), ("sidecars", Role::Main)] {
            containers
                .extend(template.get(key).into_iter().flat_map(Value::items).map(|one| (role, one.id())));
        }
        if containers.is_empty() {
            return;
        }
        // Pod fields of a template come before those of its workflow.
        let mut layers = vec![template];
        let mut next = template.parent();
        while let Some(level) = next {
            if level.get("templates").is_some() {
                layers.push(level);
            }
            next = if level.id() == self.body.id() { None } else { level.parent() };
        }
        let patches = patch::of_argo(&layers);
        self.add(Some(template), layers, containers, by);
        if let Some(view) = self.views.last_mut() {
            patch::lay(view, &patches);
        }
    }

    /// The patch of a Workflow whose templates stand in another object: what it leaves out is said there.
    fn lone_patch(&mut self) {
        if !self.views.is_empty() {
            return;
        }
        let specs = [&["spec"][..], &["spec", "workflowSpec"]].into_iter();
        let mut opened = specs.filter_map(|path| self.body.at(path)?.get("podSpecPatch")?.opened());
        if let Some(patch) = opened.next() {
            self.add(None, vec![patch], containers_of(patch), FoundBy::Table);
            if let Some(view) = self.views.last_mut() {
                view.built_by_operator = true;
            }
        }
    }

    /// Variables of a Ray job's processes: they start in the containers of its cluster.
    fn runtime_environment(&mut self) {
        let texts = [&["spec"][..], &["spec", "jobTemplate"]].into_iter();
        let mut opened = texts.filter_map(|path| self.body.at(path)?.get("runtimeEnvYAML")?.opened());
        if let (Some(environment), Some(head)) = (opened.next(), self.views.first_mut()) {
            head.containers.push((Role::Process, environment.id()));
        }
    }

    fn add(
        &mut self,
        template: Option<Value<'t>>,
        layers: Vec<Value<'t>>,
        containers: Vec<(Role, NodeId)>,
        found_by: FoundBy,
    ) {
        let counted_from = template.or_else(|| layers.first().copied()).unwrap_or(self.body);
        self.views.push(PodView {
            object: self.id,
            root: self.root,
            template: template.map(Value::id),
            replicas: replicas(self.body, counted_from),
            layers: layers.into_iter().map(Value::id).collect(),
            containers,
            patches: Vec::new(),
            overlays: Vec::new(),
            closed_patch: None,
            found_by,
            built_by_operator: false,
            ai: AiFacts::default(),
        });
    }
}

pub(super) fn containers_of(spec: Value<'_>) -> Vec<(Role, NodeId)> {
    let lists = [
        ("initContainers", Role::Init),
        ("containers", Role::Main),
        ("ephemeralContainers", Role::Ephemeral),
    ];
    let mut all = Vec::new();
    for (key, role) in lists {
        let items = spec.get(key).into_iter().flat_map(Value::items).filter(|item| item.is_mapping());
        all.extend(items.map(|item| (role, item.id())));
    }
    all
}
