//! Definition of a custom kind (CRD) -> where its objects carry pods: a schema that has the shape of a PodSpec, or of
//! one container, says so before any object exists. Pure: a tree in, paths out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use ringfence_finding::Reason;

use crate::yaml::Value;

/// Schema nodes walked in one definition.
const MAX_NODES: usize = 2_000_000;
/// Levels of fields below an object.
const MAX_DEPTH: usize = 40;
/// Paths kept of one definition: real kinds have a few dozen at most.
const MAX_PATHS: usize = 1_000;

/// Fields of a PodSpec (Kubernetes 1.36, `core/v1`): below them no other pod starts.
const POD_FIELDS: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
    "workloadRef",
];

/// One step of a path from the object down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(Box<str>),
    /// Every item of a list.
    Items,
    /// Every value of a mapping.
    Values,
}

/// Steps from the object down; shown as `spec.workers[*].template.spec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaPath(pub(crate) Vec<Step>);

impl fmt::Display for SchemaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Items => f.write_str("[*]")?,
                Step::Values => f.write_str("{*}")?,
            }
        }
        Ok(())
    }
}

impl SchemaPath {
    /// Its steps as words: `.key`, `[]` for every item, `{}` for every value.
    pub(crate) fn steps(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|step| match step {
            Step::Key(key) => format!(".{key}"),
            Step::Items => "[]".to_owned(),
            Step::Values => "{}".to_owned(),
        })
    }

    /// The inverse.
    pub(crate) fn of_steps<'s>(steps: impl Iterator<Item = &'s str>) -> Self {
        let step = |word: &str| match word {
            "[]" => Step::Items,
            "{}" => Step::Values,
            key => Step::Key(key.strip_prefix('.').unwrap_or(key).into()),
        };
        Self(steps.map(step).collect())
    }
}

/// What a schema has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaShape {
    /// A PodSpec: a list of containers with name, image and more.
    Spec,
    /// Image, environment and resources of one container; the operator builds the pod.
    Part,
}

/// What a walk could not see, with cause and cure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaGap {
    /// [`Reason::NoSchema`], [`Reason::Budget`] or [`Reason::Depth`].
    pub reason: Reason,
    /// One line for the user.
    pub message: String,
}

/// A custom kind as its definition has it.
#[derive(Clone, Debug)]
pub struct KindSchema {
    /// API group.
    pub group: Box<str>,
    /// Kind.
    pub kind: Box<str>,
    /// As URLs and RBAC rules name it.
    pub plural: Box<str>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Versions that the API server answers for, in the order of the definition.
    pub served: Vec<Box<str>>,
    /// Where served versions carry pods, each once, in the order of the definition.
    pub paths: Vec<(SchemaShape, SchemaPath)>,
    /// Where served versions take fields that no schema names.
    pub opaque: Vec<SchemaPath>,
    /// What the walk could not see.
    pub gaps: Vec<SchemaGap>,
}

impl KindSchema {
    /// Reads a `CustomResourceDefinition`, `v1` or the older `v1beta1`; None when it names no group or kind.
    pub fn from_crd(crd: Value<'_>) -> Option<Self> {
        Self::within(crd, MAX_NODES)
    }

    /// The same with a budget of schema nodes.
    fn within(crd: Value<'_>, max_nodes: usize) -> Option<Self> {
        let spec = crd.get("spec")?;
        let group = spec.get("group")?.text()?;
        let names = spec.get("names")?;
        let kind = names.get("kind")?.text()?;
        let plural = names.get("plural").and_then(Value::text).unwrap_or_default();
        let mut schema = Self {
            group: group.into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced: spec.str_at("scope") != Some("Cluster"),
            served: Vec::new(),
            paths: Vec::new(),
            opaque: Vec::new(),
            gaps: Vec::new(),
        };
        // v1beta1 allowed one schema for all versions, and a single version without a list.
        let shared = spec.at(&["validation", "openAPIV3Schema"]);
        let is_old = crd.str_at("apiVersion") == Some("apiextensions.k8s.io/v1beta1");
        let keeps_unknown = spec.get("preserveUnknownFields").and_then(Value::means_bool).unwrap_or(is_old);
        let is_served =
            |version: &Value<'_>| version.get("served").and_then(Value::means_bool) != Some(false);
        let listed = spec.get("versions").into_iter().flat_map(Value::items).filter(is_served);
        let mut versions: Vec<(&str, Option<Value<'_>>)> = listed
            .filter_map(|version| {
                let own = version.at(&["schema", "openAPIV3Schema"]);
                Some((version.get("name")?.text()?, own.or(shared)))
            })
            .collect();
        if let Some(single) = spec.get("version").and_then(Value::text).filter(|_| versions.is_empty()) {
            versions.push((single, shared));
        }
        let mut walk =
            Walk { left: max_nodes, steps: Vec::new(), seen: BTreeSet::new(), schema: &mut schema };
        for (name, root) in versions {
            walk.schema.served.push(name.into());
            walk.version(name, root, keeps_unknown);
        }
        Some(schema)
    }

    /// Whether its objects may carry pods: at a known path, or where anything may stand.
    pub fn may_bear_pods(&self) -> bool {
        !self.paths.is_empty() || !self.opaque.is_empty() || !self.gaps.is_empty()
    }

    /// `WizardFleet.magic.example.com`.
    fn name(&self) -> String {
        format!("{}.{}", self.kind, self.group)
    }

    fn gap(&mut self, reason: Reason, message: String) {
        if self.gaps.iter().all(|gap| gap.reason != reason) {
            self.gaps.push(SchemaGap { reason, message });
        }
    }
}

/// Custom kinds by group and kind.
#[derive(Clone, Debug, Default)]
pub struct Schemas(BTreeMap<(Box<str>, Box<str>), KindSchema>);

impl Schemas {
    /// Adds a kind. The same kind again (overlays, a chart beside the manifests it was made from) adds what it has
    /// more.
    pub fn add(&mut self, schema: KindSchema) {
        let identity = (schema.group.clone(), schema.kind.clone());
        let Some(known) = self.0.get_mut(&identity) else {
            self.0.insert(identity, schema);
            return;
        };
        extend(&mut known.served, schema.served);
        extend(&mut known.paths, schema.paths);
        extend(&mut known.opaque, schema.opaque);
        extend(&mut known.gaps, schema.gaps);
    }

    /// The kind's schema, if its definition was seen.
    pub fn get(&self, group: &str, kind: &str) -> Option<&KindSchema> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(Box::from(group), Box::from(kind)))
    }

    /// All kinds, sorted by group and kind.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &KindSchema> {
        self.0.values()
    }
}

/// Adds what is not there yet.
fn extend<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !known.contains(&one) && known.len() < MAX_PATHS {
            known.push(one);
        }
    }
}

struct Walk<'s, 't> {
    /// Schema nodes that may still be walked.
    left: usize,
    /// From the object to the schema node at hand.
    steps: Vec<Hop<'t>>,
    /// Paths already told, by another version perhaps; None: opaque.
    seen: BTreeSet<(Option<SchemaShape>, SchemaPath)>,
    schema: &'s mut KindSchema,
}

#[derive(Clone, Copy)]
enum Hop<'t> {
    Key(&'t str),
    Items,
    Values,
}

impl<'t> Walk<'_, 't> {
    fn version(&mut self, version: &str, root: Option<Value<'t>>, keeps_unknown: bool) {
        let before = self.schema.opaque.len();
        match root {
            Some(root) => self.node(root),
            None => self.found(None),
        }
        if keeps_unknown && root.is_some() {
            self.found(None);
        }
        // Nothing below the object, or nothing below its spec, is named.
        let added = self.schema.opaque.get(before..).unwrap_or_default();
        let is_blank = |path: &SchemaPath| match path.0.as_slice() {
            [] => true,
            [Step::Key(key)] => &**key == "spec",
            _ => false,
        };
        if self.schema.paths.is_empty() && added.iter().any(is_blank) {
            let message = format!(
                "the definition of {} names no fields for {version}: pods of its objects are found by their shape \
                 alone; scan the full CRD",
                self.schema.name()
            );
            self.schema.gap(Reason::NoSchema, message);
        }
    }

    /// Deeper only up to [`MAX_DEPTH`] fields, so the stack is bounded.
    fn node(&mut self, node: Value<'t>) {
        let Some(left) = self.left.checked_sub(1) else {
            let message = format!(
                "the schema of {} has more than {MAX_NODES} parts: pods below the rest are found by their shape alone",
                self.schema.name()
            );
            return self.schema.gap(Reason::Budget, message);
        };
        self.left = left;
        if self.steps.len() > MAX_DEPTH {
            let message = format!(
                "the schema of {} is nested deeper than {MAX_DEPTH} levels: pods below are found by their shape alone",
                self.schema.name()
            );
            return self.schema.gap(Reason::Depth, message);
        }
        let (mut properties, mut items, mut values, mut keeps_unknown) = (None, None, None, false);
        for (key, value) in node.entries() {
            match key {
                "properties" => properties = Some(value),
                "items" => items = Some(value),
                "additionalProperties" if value.is_mapping() => values = Some(value),
                "additionalProperties" | "x-kubernetes-preserve-unknown-fields" => {
                    keeps_unknown |= value.means_bool() == Some(true);
                }
                _ => {}
            }
        }
        let properties = properties.filter(|properties| properties.is_mapping());
        let is_pod = properties.is_some_and(is_pod_spec);
        if is_pod {
            self.found(Some(SchemaShape::Spec));
        }
        if properties.is_some_and(is_part) {
            self.found(Some(SchemaShape::Part));
        }
        if keeps_unknown {
            self.found(None);
        }
        let is_root = self.steps.is_empty();
        for (name, property) in properties.into_iter().flat_map(Value::entries) {
            // Status repeats what exists; metadata is that of any object.
            let is_passed = (is_root && matches!(name, "apiVersion" | "kind" | "metadata" | "status"))
                || (is_pod && POD_FIELDS.contains(&name));
            if !is_passed && property.is_mapping() {
                self.below(Hop::Key(name), property);
            }
        }
        if let Some(items) = items.filter(|items| items.is_mapping()) {
            self.below(Hop::Items, items);
        }
        if let Some(values) = values {
            self.below(Hop::Values, values);
        }
    }

    fn below(&mut self, hop: Hop<'t>, node: Value<'t>) {
        self.steps.push(hop);
        self.node(node);
        self.steps.pop();
    }

    fn found(&mut self, shape: Option<SchemaShape>) {
        if self.seen.len() >= MAX_PATHS {
            let message = format!(
                "the schema of {} has pods at more than {MAX_PATHS} places: the rest is found by its shape alone",
                self.schema.name()
            );
            return self.schema.gap(Reason::Budget, message);
        }
        let path = self.path();
        if self.seen.insert((shape, path.clone())) {
            match shape {
                Some(shape) => self.schema.paths.push((shape, path)),
                None => self.schema.opaque.push(path),
            }
        }
    }

    fn path(&self) -> SchemaPath {
        let steps = self.steps.iter().map(|hop| match hop {
            Hop::Key(key) => Step::Key(Box::from(*key)),
            Hop::Items => Step::Items,
            Hop::Values => Step::Values,
        });
        SchemaPath(steps.collect())
    }
}

/// A list of containers: named, with an image, and with something that only a container says.
fn is_pod_spec(properties: Value<'_>) -> bool {
    ["containers", "initContainers"].into_iter().any(|key| {
        let item = properties.at(&[key, "items", "properties"]);
        item.is_some_and(|item| {
            ["name", "image"].into_iter().all(|key| item.get(key).is_some())
                && ["env", "command", "args", "resources"].into_iter().any(|key| item.get(key).is_some())
        })
    })
}

/// Image, environment and resources in one mapping: an operator makes a container of it.
fn is_part(properties: Value<'_>) -> bool {
    ["image", "env", "resources"].into_iter().all(|key| properties.get(key).is_some())
}

#[cfg(test)]
mod tests;
