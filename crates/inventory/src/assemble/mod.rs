//! Files -> one inventory: objects with namespaces and parents, pods, what was seen and what was not.

mod add;
mod finish;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ringfence_finding::Coverage;
use ringfence_finding::FoundBy;
use ringfence_finding::ResourceRef;

use crate::definitions::Definitions;
use crate::joins::Joins;
use crate::live::Identity;
use crate::live::Live;
use crate::live::Running;
use crate::namespace::Namespace;
use crate::namespace::NamespaceTable;
use crate::nodes::Offer;
use crate::object::Object;
use crate::object::ObjectId;
use crate::owners::Owners;
use crate::pod::Pod;
use crate::pod::PodView;
use crate::pod::Schemas;
use crate::pod::Scope;
use crate::sight::Sight;
use crate::source::Input;
use crate::yaml::Value;

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
    /// Running pods behind a template, in a live cluster or a dump of one.
    pub(crate) running: HashMap<ObjectId, Running>,
    /// Running pods that were not kept, since their maker's template says the same.
    pub(crate) behind: HashMap<Identity, Running>,
    /// Custom kinds whose definition was seen and needed.
    pub(crate) schemas: Schemas,
    /// Definitions that the files hold and that were passed over.
    definitions: Definitions,
    /// Objects of a cluster: how many of one maker say the same, where only one of them was kept.
    pub(crate) copies: HashMap<ObjectId, Running>,
    /// Schemas of custom kinds that a cluster told.
    pub(crate) learned: Schemas,
    /// Whether kinds have namespaces, as a cluster says.
    scopes: HashMap<(Box<str>, Box<str>), bool>,
    pub(crate) live: Option<Live>,
    /// Nodes with accelerators.
    pub(crate) offers: Vec<Offer>,
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
        let mut inventory = Self::default();
        inventory.add_files(input, options);
        inventory.finish(options);
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
        self.running.get(&id).map(|running| running.pods)
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

    /// Whether pods found this way are less sure than a table row.
    pub fn is_guess(found_by: FoundBy) -> bool {
        found_by == FoundBy::Structural
    }
}
