//! Files -> one inventory: objects with namespaces and parents, pods, what was seen and what was not.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use ringfence_finding::Blind;
use ringfence_finding::Coverage;
use ringfence_finding::FoundBy;
use ringfence_finding::KindCount;
use ringfence_finding::Location;
use ringfence_finding::Reason;
use ringfence_finding::ResourceRef;

use crate::definitions::Again;
use crate::definitions::Definitions;
use crate::joins::Base;
use crate::joins::Joins;
use crate::namespace::Namespace;
use crate::namespace::NamespaceTable;
use crate::object::Object;
use crate::object::ObjectId;
use crate::object::is_cluster_scoped;
use crate::owners::Owners;
use crate::pod;
use crate::pod::Pod;
use crate::pod::PodView;
use crate::pod::Schemas;
use crate::pod::Scope;
use crate::reader;
use crate::reader::FileContent;
use crate::reader::Raw;
use crate::sight::Sight;
use crate::source::Content;
use crate::source::Input;
use crate::source::load;
use crate::yaml::Value;

/// Levels of objects inside objects that are opened.
const MAX_EMBEDDED_LEVELS: usize = 4;
/// Embedded objects one file may hold.
const MAX_EMBEDDED: usize = 10_000;

/// How to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespace of objects that name none.
    pub namespace: Option<String>,
    /// The set is a part: nothing may be concluded from absence.
    pub partial: bool,
    /// Globs over paths to leave out (`*` inside a name, `**` across folders).
    pub exclude: Vec<String>,
    /// Bytes of the largest file that is read.
    pub max_file_size: u64,
    /// Raised by one for every file read, for whoever shows progress.
    pub done: Option<Arc<AtomicUsize>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespace: None, partial: false, exclude: Vec::new(), max_file_size: 64 << 20, done: None }
    }
}

/// Everything seen, ready to be judged.
#[derive(Debug, Default)]
pub struct Inventory {
    objects: Vec<Object>,
    views: Vec<PodView>,
    by_kind: BTreeMap<(Box<str>, Box<str>), Vec<ObjectId>>,
    pods_of: HashMap<ObjectId, Vec<usize>>,
    with_duplicates: BTreeSet<ObjectId>,
    owners: Owners,
    joins: Joins,
    /// Running pods behind a template, in a dump of a live cluster.
    running: HashMap<ObjectId, u32>,
    /// Custom kinds whose definition was seen and needed.
    pub(crate) schemas: Schemas,
    /// Namespaces by name.
    pub namespaces: NamespaceTable,
    /// What the source could show.
    pub sight: Sight,
    /// What was looked at.
    pub coverage: Coverage,
}

impl Inventory {
    /// Reads the files of `input`, in parallel; the result does not depend on their order of arrival.
    pub fn read(input: Input, options: &Options) -> Self {
        let contents: Vec<(Arc<str>, FileContent, Option<Again>, bool)> = input
            .files
            .into_par_iter()
            .map(|(file, content)| {
                let (content, again, read) = read_guarded(&file, content, options.max_file_size);
                if let Some(done) = &options.done {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                (file, content, again, read)
            })
            .collect();
        let mut inventory = Self::default();
        inventory.sight.partial = options.partial;
        inventory.coverage.files.seen = input.seen;
        inventory.coverage.blind = input.blind;
        let mut definitions = Definitions::default();
        for (file, mut content, again, read) in contents {
            let spots = std::mem::take(&mut content.schemas);
            inventory.add_file(&file, content, options);
            inventory.coverage.files.read += u32::from(read);
            if let Some(again) = again {
                definitions.add(file, again, spots);
            }
        }
        inventory.learn(definitions, options);
        inventory.index(options);
        inventory.find_owners();
        inventory.find_pods();
        inventory.coverage.blind.sort();
        inventory.coverage.blind.dedup();
        inventory
    }

    /// Reads one text, as a test or a single request has it.
    pub fn from_text(text: &str) -> Self {
        Self::read(Input::from_bytes("-", text.as_bytes().to_vec()), &Options::default())
    }

    /// All objects, in source order; embedded ones follow the object they stand in.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = (ObjectId, &Object)> {
        self.objects.iter().enumerate().map(|(index, object)| (ObjectId(index), object))
    }

    /// One object. Ids come from this inventory.
    #[expect(clippy::indexing_slicing, reason = "ids are handed out by this inventory only")]
    pub fn object(&self, id: ObjectId) -> &Object {
        &self.objects[id.0]
    }

    /// Objects of one group and kind, in source order.
    pub fn objects_of(&self, group: &str, kind: &str) -> impl Iterator<Item = &Object> {
        self.ids_of(group, kind).iter().map(|id| self.object(*id))
    }

    /// Their ids.
    pub fn ids_of(&self, group: &str, kind: &str) -> &[ObjectId] {
        self.by_kind.get(&(Box::from(group), Box::from(kind))).map_or(&[], Vec::as_slice)
    }

    /// What services and jobs are built on.
    pub fn joins(&self) -> &Joins {
        &self.joins
    }

    /// All pod templates, in source order.
    pub fn pods(&self) -> impl ExactSizeIterator<Item = Pod<'_>> {
        self.views.iter().map(|view| Pod { inventory: self, view })
    }

    /// Pod templates that stand in one object.
    pub fn pods_of(&self, id: ObjectId) -> impl Iterator<Item = Pod<'_>> {
        let indexes = self.pods_of.get(&id).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.views.get(*index)).map(|view| Pod { inventory: self, view })
    }

    /// Pod templates of one namespace.
    pub fn pods_in<'i>(&'i self, namespace: &'i Namespace) -> impl Iterator<Item = Pod<'i>> {
        let views = namespace.pods.iter().filter_map(|index| self.views.get(*index));
        views.map(|view| Pod { inventory: self, view })
    }

    /// Pods of a namespace that a plain selector (`key: value` pairs) may select: those that carry its first pair, and
    /// those whose labels an operator completes. The selector still has to be asked.
    pub fn pods_behind<'i>(&'i self, namespace: &'i Namespace, selector: Value<'_>) -> Vec<Pod<'i>> {
        let Some((key, value)) = selector.entries().next() else { return self.pods_in(namespace).collect() };
        let pair = (Box::from(key), Box::from(value.text().unwrap_or("")));
        let carry = namespace.by_label.get(&pair).map_or(&[][..], Vec::as_slice);
        let mut indexes: Vec<usize> = carry.iter().chain(&namespace.open_labels).copied().collect();
        indexes.sort_unstable();
        indexes.dedup();
        let views = indexes.into_iter().filter_map(|index| self.views.get(index));
        views.map(|view| Pod { inventory: self, view }).collect()
    }

    /// Whether a namespace holds an AI workload of confidence medium or more.
    pub fn is_ai_namespace(&self, namespace: &Namespace) -> bool {
        self.pods_in(namespace).any(|pod| pod.ai().scope >= Scope::Medium)
    }

    /// The outermost object of the set whose controller made this one (a Deployment of a pod); none for one that
    /// somebody applied, or whose owner starts no pods itself, as a forged reference may name.
    pub fn made_by(&self, id: ObjectId) -> Option<ObjectId> {
        self.owners.top(id).filter(|maker| self.pods_of.contains_key(maker))
    }

    /// Running pods that a template has made, when the set holds them.
    pub fn running_pods(&self, id: ObjectId) -> Option<u32> {
        self.running.get(&id).copied()
    }

    /// Whether a key is written twice somewhere in the object's document: a pass on it proves nothing.
    pub fn has_duplicate_keys(&self, id: ObjectId) -> bool {
        self.with_duplicates.contains(&id)
    }

    /// Names an object with the objects it is embedded in.
    pub fn reference(&self, object: &Object) -> ResourceRef {
        let mut reference = object.reference();
        reference.owner = object.parent.map(|parent| Box::new(self.reference(self.object(parent))));
        reference
    }

    fn add_file(&mut self, file: &Arc<str>, content: FileContent, options: &Options) {
        let FileContent { objects, documents, mut blind, schemas: _ } = content;
        let total = &mut self.coverage.documents;
        total.found += documents.found;
        total.parsed += documents.parsed;
        total.failed += documents.failed;
        total.template += documents.template;
        total.not_kubernetes += documents.not_kubernetes;
        total.empty += documents.empty;
        total.schema_only += documents.schema_only;
        let mut embedded = 0_usize;
        let mut limited = false;
        // Depth first, so that embedded objects follow the one they stand in.
        let mut work: Vec<(Raw, Option<ObjectId>, usize)> =
            objects.into_iter().rev().map(|raw| (raw, None, 0)).collect();
        while let Some((raw, parent, level)) = work.pop() {
            let id = ObjectId(self.objects.len());
            let inside = self.add_object(raw, parent, options);
            if inside.is_empty() {
                continue;
            }
            if level >= MAX_EMBEDDED_LEVELS || embedded.saturating_add(inside.len()) > MAX_EMBEDDED {
                limited = true;
                continue;
            }
            embedded = embedded.saturating_add(inside.len());
            work.extend(inside.into_iter().rev().map(|raw| (raw, Some(id), level.saturating_add(1))));
        }
        if limited {
            let message = format!(
                "objects inside objects are opened {MAX_EMBEDDED_LEVELS} levels deep and {MAX_EMBEDDED} a file; split the file"
            );
            let location =
                Location { file: Arc::clone(file), document: 0, line: 1, column: 1, start: 0, end: 0 };
            blind.push(Blind { reason: Reason::EmbeddedLimit, location: Some(location), message });
        }
        self.coverage.blind.extend(blind);
    }

    /// Adds one object and returns those embedded in it.
    fn add_object(&mut self, raw: Raw, parent: Option<ObjectId>, options: &Options) -> Vec<Raw> {
        let Raw { document, node, api_version, kind } = raw;
        let body = document.tree.value(node);
        let text = |keys: &[&str]| body.at(keys).and_then(Value::text).map(Box::<str>::from);
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let namespace = if is_cluster_scoped(group, &kind) {
            None
        } else {
            text(&["metadata", "namespace"]).or_else(|| options.namespace.as_deref().map(Box::from))
        };
        let name =
            text(&["metadata", "name"]).or_else(|| text(&["metadata", "generateName"])).unwrap_or_default();
        let (objects, texts) = pod::embedded(group, &kind, body);
        let mut inside: Vec<Raw> = objects
            .into_iter()
            .filter_map(|value| {
                Some(Raw {
                    document: Arc::clone(&document),
                    node: value.id(),
                    api_version: value.str_at("apiVersion")?.into(),
                    kind: value.str_at("kind")?.into(),
                })
            })
            .collect();
        for value in texts {
            let content = reader::read_text(&document, value);
            inside.extend(content.objects);
            self.coverage.blind.extend(content.blind);
        }
        if !document.tree.duplicates().is_empty() {
            self.with_duplicates.insert(ObjectId(self.objects.len()));
        }
        let id = ObjectId(self.objects.len());
        self.objects.push(Object { document, node, id, parent, api_version, kind, namespace, name });
        inside
    }

    /// Schemas of kinds that the table does not answer for, from the definitions among the files.
    fn learn(&mut self, definitions: Definitions, options: &Options) {
        let learned = definitions.learn(&self.objects, options.max_file_size);
        self.coverage.blind.extend(learned.blind);
        self.schemas = learned.schemas;
        for object in &mut self.objects {
            let schema = self.schemas.get(object.group(), &object.kind);
            if schema.is_some_and(|schema| !schema.namespaced) {
                object.namespace = None;
            }
        }
    }

    /// Whether objects of this kind have no namespace: by the kind's definition, else by name.
    fn is_cluster_scoped(&self, object: &Object) -> bool {
        let (group, kind) = (object.group(), &*object.kind);
        self.schemas
            .get(group, kind)
            .map_or_else(|| is_cluster_scoped(group, kind), |schema| !schema.namespaced)
    }

    fn index(&mut self, options: &Options) {
        let mut places: HashMap<(&str, &str, Option<&str>, &str), &Arc<str>> = HashMap::new();
        for (index, object) in self.objects.iter().enumerate() {
            let id = ObjectId(index);
            let kind = (Box::from(object.group()), object.kind.clone());
            self.sight.kinds.insert(kind.clone());
            self.by_kind.entry(kind).or_default().push(id);
            if !self.is_cluster_scoped(object) {
                self.namespaces.0.entry(object.namespace.clone()).or_default().objects.push(id);
            }
            if object.is("", "Namespace") {
                self.namespaces.0.entry(Some(object.name.clone())).or_default().object = Some(id);
            }
            if object.parent.is_some() || object.name.is_empty() {
                continue;
            }
            let identity = (object.group(), &*object.kind, object.namespace.as_deref(), &*object.name);
            let other = places.entry(identity).or_insert(&object.document.file);
            if **other != object.document.file {
                let words = format!("{} {}", object.kind, object.reference().short());
                self.sight.overlaid.entry(object.namespace.clone()).or_insert(words);
            }
        }
        for identity in self.sight.overlaid.values() {
            let message = format!(
                "{identity} stands in several files (overlays?): absence proves nothing in its namespace; scan one overlay"
            );
            self.coverage.blind.push(Blind { reason: Reason::Assumption, location: None, message });
        }
        if !options.partial && !self.objects.is_empty() {
            let message = "the files are taken as everything in their namespaces; --partial if they are not";
            self.coverage.blind.push(Blind {
                reason: Reason::Assumption,
                location: None,
                message: message.to_owned(),
            });
        }
    }

    fn find_owners(&mut self) {
        self.owners = Owners::of(&self.objects);
        for id in self.ids_of("", "Pod").to_vec() {
            if let Some(top) = self.owners.top(id) {
                let running = self.running.entry(top).or_insert(0);
                *running = running.saturating_add(1);
            }
        }
    }

    fn find_pods(&mut self) {
        let (objects, schemas) = (&self.objects, &self.schemas);
        let views: Vec<Vec<PodView>> = (0..objects.len())
            .into_par_iter()
            .map(|index| {
                let Some(object) = objects.get(index) else { return Vec::new() };
                let mut root = ObjectId(index);
                while let Some(parent) = objects.get(root.0).and_then(|object| object.parent) {
                    root = parent;
                }
                let schema = schemas.get(object.group(), &object.kind);
                pod::find(object, ObjectId(index), root, schema)
            })
            .collect();
        self.views = views.into_iter().flatten().collect();
        for (index, view) in self.views.iter().enumerate() {
            self.pods_of.entry(view.object).or_default().push(index);
        }
        let facts: Vec<_> =
            self.views.par_iter().map(|view| pod::facts(Pod { inventory: self, view })).collect();
        for (view, facts) in self.views.iter_mut().zip(facts) {
            view.ai = facts;
        }
        let mut namespaces = std::mem::take(&mut self.namespaces);
        for (index, pod) in self.pods().enumerate() {
            let namespace = namespaces.0.entry(pod.namespace().map(Box::from)).or_default();
            namespace.pods.push(index);
            let labels = pod.labels();
            if !labels.seen {
                namespace.open_labels.push(index);
            }
            for (key, value) in labels.written.into_iter().flat_map(Value::entries) {
                let pair = (Box::from(key), Box::from(value.text().unwrap_or("")));
                namespace.by_label.entry(pair).or_default().push(index);
            }
        }
        self.namespaces = namespaces;
        self.find_joins();
        let rejected: Vec<Blind> = self.pods().flat_map(pod::would_be_rejected).collect();
        self.coverage.blind.extend(rejected);
        self.note_what_is_not_applied();
        self.count_kinds();
    }

    fn find_joins(&mut self) {
        self.joins = Joins::new(self);
        let mut missing = Vec::new();
        for (id, bases) in self.joins.all() {
            let object = self.object(id);
            for base in bases {
                if let Base::Missing { at, fact } = base {
                    let message =
                        format!("{fact}: what it adds to this {} is unknown; scan it too", object.kind);
                    let location = Some(object.location(object.value(*at)));
                    missing.push(Blind { reason: Reason::UnresolvedJoin, location, message });
                }
            }
        }
        self.coverage.blind.extend(missing);
    }

    /// What changes pods on their way into the cluster is not applied to the pods as written.
    fn note_what_is_not_applied(&mut self) {
        let changers = [
            ("kubeflow.org", "PodDefault"),
            ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ]
        .into_iter()
        .flat_map(|(group, kind)| self.objects_of(group, kind))
        .map(|object| (object, "changes other pods and is not applied to them"));
        let patched = self.pods().filter(|pod| pod.closed_patch().is_some()).map(|pod| {
            (pod.object(), "has a podSpecPatch that cannot be read, so it is not applied to its pods")
        });
        let notes: Vec<Blind> = changers
            .chain(patched)
            .map(|(object, words)| Blind {
                reason: Reason::Assumption,
                location: None,
                message: format!("{} {} {words}", object.kind, object.reference().short()),
            })
            .collect();
        self.coverage.blind.extend(notes);
    }

    fn count_kinds(&mut self) {
        for view in &self.views {
            *self.coverage.pod_templates.entry(view.found_by).or_insert(0) += 1;
        }
        for ((group, kind), ids) in &self.by_kind {
            let pods: usize = ids.iter().map(|id| self.pods_of.get(id).map_or(0, Vec::len)).sum();
            let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            self.coverage.kinds.push(KindCount {
                group: group.to_string(),
                kind: kind.to_string(),
                objects: count(ids.len()),
                pods: count(pods),
            });
            if pods == 0 && !pod::is_without_pods(group) {
                self.coverage.no_pod_path.insert(format!("{kind}.{group}"), count(ids.len()));
            }
        }
        for (group, kind) in [("", "Node"), ("storage.k8s.io", "StorageClass")] {
            if !self.sight.has(group, kind) {
                self.coverage.not_seen.push(format!("{kind} objects"));
            }
        }
    }

    /// Whether pods found this way are less sure than a table row.
    pub fn is_guess(found_by: FoundBy) -> bool {
        found_by == FoundBy::Structural
    }
}

/// Reads one file; a panic in a reader loses that file and is reported. Second: how to have its bytes again, if
/// definitions in it were passed over.
fn read_guarded(file: &Arc<str>, content: Content, limit: u64) -> (FileContent, Option<Again>, bool) {
    let (bytes, path) = match content {
        Content::Bytes(bytes) => (Ok(bytes), None),
        Content::File(path) => (load(&path, limit), Some(path)),
    };
    let lost = |reason: Reason, message: String| {
        let location = Location { file: Arc::clone(file), document: 0, line: 1, column: 1, start: 0, end: 0 };
        let blind = vec![Blind { reason, location: Some(location), message }];
        (FileContent { blind, ..FileContent::default() }, None, false)
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err((reason, message)) => return lost(reason, message),
    };
    match panic::catch_unwind(|| reader::read(file, &bytes)) {
        Ok(content) => {
            let read = !content.blind.iter().any(|blind| blind.reason == Reason::Encoding);
            let again = (!content.schemas.is_empty()).then(|| match path.filter(|path| path.is_file()) {
                Some(path) => Again::File(path),
                None => Again::Bytes(bytes),
            });
            (content, again, read)
        }
        Err(_) => {
            lost(Reason::Internal, "the reader failed on this file; report it with the file".to_owned())
        }
    }
}
