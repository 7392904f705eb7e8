//! Room `inventory`: a [`Snapshot`] -> an [`Inventory`], alone or under files that are laid over it. A live scan, the
//! replay of a saved one and `--on-cluster` all come through here.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use ringfence_finding::Blind;
use ringfence_finding::Lists;
use ringfence_finding::Reason;

use crate::assemble::Inventory;
use crate::assemble::Options;
use crate::document::Document;
use crate::object::ObjectId;
use crate::reader::Raw;
use crate::snapshot::About;
use crate::snapshot::GapKind;
use crate::snapshot::Item;
use crate::snapshot::Listed;
use crate::snapshot::Narrowed;
use crate::snapshot::Served;
use crate::snapshot::Snapshot;
use crate::snapshot::controller;
use crate::snapshot::says_the_same;
use crate::source::Input;
use crate::yaml::Value;

/// What is known about the cluster behind an inventory, beside its objects.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Which cluster, and when.
    pub about: About,
    /// Resources that it serves.
    pub served: Vec<Served>,
    /// To what the user narrowed it.
    pub narrowed: Narrowed,
}

impl Live {
    /// The resource of a kind, when the cluster serves it.
    pub fn served(&self, group: &str, kind: &str) -> Option<&Served> {
        self.served.iter().find(|one| one.group == group && one.kind == kind)
    }

    /// Whether the cluster serves a version of a group: `("admissionregistration.k8s.io", "v1")`.
    pub fn serves_version(&self, group: &str, version: &str) -> bool {
        self.served.iter().any(|one| one.group == group && one.versions.iter().any(|known| known == version))
    }
}

/// Running pods that say the same, behind one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pub(crate) pods: u32,
    pub(crate) nodes: BTreeSet<Box<str>>,
}

impl Inventory {
    /// Everything that a cluster held.
    pub fn from_snapshot(snapshot: Snapshot, options: &Options) -> Self {
        Self::overlay(Input::default(), snapshot, options)
    }

    /// Files as if they were applied to a cluster: an object of theirs stands in the place of the cluster's own one of
    /// the same group, kind, namespace and name, and of what that one has made; everything else stays as it is. Files
    /// that name no namespace get that of the options, else the context's.
    pub fn overlay(input: Input, snapshot: Snapshot, options: &Options) -> Self {
        let Snapshot { about, served, lists, narrowed, silent, schemas, lost, items } = snapshot;
        let mut options = options.clone();
        options.namespace.get_or_insert_with(|| about.namespace.clone());
        let mut inventory = Self::default();
        inventory.set_scopes(&served);
        inventory.live = Some(Live { about, served, narrowed });
        inventory.add_files(input, &options);
        let written: HashSet<Identity> =
            inventory.objects().map(|(_, object)| owned(object.identity())).collect();
        let sorted = sort(items, &written);
        for item in sorted.kept {
            inventory.add_item(item, &options);
        }
        inventory.behind = sorted.behind;
        inventory.note_replaced(sorted.replaced);
        inventory.note_lists(&lists);
        let silent = silent.into_iter().map(|cause| Blind::new(Reason::Assumption, cause));
        let lost = lost.into_iter().map(|cause| Blind::new(Reason::Unparsable, cause));
        inventory.coverage.blind.extend(silent.chain(lost));
        inventory.sight.set_lists(lists);
        inventory.learned = schemas;
        inventory.finish(&options);
        inventory
    }

    /// The cluster behind it; none: files only.
    pub fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// Nodes on which the pods behind an object run, as far as a cluster told.
    pub fn nodes_of(&self, id: ObjectId) -> impl Iterator<Item = &str> {
        self.running.get(&id).into_iter().flat_map(|running| &running.nodes).map(|node| &**node)
    }

    fn add_item(&mut self, item: Item, options: &Options) {
        let (_, kind, namespace, name) = identity(&item);
        let path = match namespace {
            Some(namespace) => format!("cluster/{namespace}/{kind}/{name}"),
            None => format!("cluster/{kind}/{name}"),
        };
        let document = Arc::new(Document::of_cluster(path.into(), item.tree));
        let root = document.tree.root();
        let text = |key: &str| root.get(key).and_then(Value::text).unwrap_or("").into();
        let (node, api_version, kind) = (root.id(), text("apiVersion"), text("kind"));
        let id = self.add_tree(Raw { node, api_version, kind, document: Arc::clone(&document) }, options);
        self.copies.insert(id, Running { pods: item.copies, nodes: item.nodes });
    }

    fn note_replaced(&mut self, pods: u32) {
        if pods > 0 {
            let cause = format!("{pods} running pods of objects in the files are taken as replaced");
            self.coverage.blind.push(Blind::new(Reason::Assumption, cause));
        }
    }

    /// Counts the lists, and tells what is missing of them.
    fn note_lists(&mut self, lists: &[Listed]) {
        for listed in lists {
            let Some(gap) = &listed.gap else { continue };
            let reason = match gap.kind {
                GapKind::Forbidden => Reason::ListForbidden,
                GapKind::Partial | GapKind::Failed | GapKind::NotReached => Reason::ListPartial,
            };
            // A list tells cause and cure in one: the rule that is missing is made with the refusal.
            let cause = format!("{}: {}", listed.resource(), gap.message);
            self.coverage.blind.push(Blind::new(reason, cause));
        }
        self.coverage.lists = count(lists);
    }
}

/// Lists that were asked, or had to be.
fn count(lists: &[Listed]) -> Lists {
    let mut total = Lists::default();
    for listed in lists.iter().filter(|one| one.version.is_some() || one.gap.is_some()) {
        total.asked = total.asked.saturating_add(1);
        let counter = match listed.gap.as_ref().map(|gap| gap.kind) {
            None => &mut total.answered,
            Some(GapKind::Forbidden) => &mut total.forbidden,
            Some(_) => &mut total.partial,
        };
        *counter = counter.saturating_add(1);
    }
    total
}

/// Objects of a cluster, without those that others tell about.
struct Sorted {
    kept: Vec<Item>,
    /// Pods that say what the template of their maker says, by the maker.
    behind: HashMap<Identity, Running>,
    /// Pods whose maker the files replace.
    replaced: u32,
}

/// Steps from a pod to who made it: its set, the set's Deployment, an operator's kind above.
const MAX_STEPS: usize = 8;

fn sort(items: Vec<Item>, written: &HashSet<Identity>) -> Sorted {
    let mut at: HashMap<Identity, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        at.insert(identity(item), index);
    }
    let mut behind: HashMap<Identity, Running> = HashMap::new();
    let (mut left_out, mut replaced) = (HashSet::new(), 0_u32);
    for (index, item) in items.iter().enumerate() {
        if written.contains(&identity(item)) {
            left_out.insert(index);
            continue;
        }
        let is_pod = item.tree.root().str_at("kind") == Some("Pod");
        let mut next = maker(item);
        for _ in 0..MAX_STEPS {
            let Some(owner) = next else { break };
            if written.contains(&owner) {
                left_out.insert(index);
                replaced = replaced.saturating_add(if is_pod { item.copies } else { 0 });
                break;
            }
            let Some(made_by) = at.get(&owner).and_then(|index| items.get(*index)) else { break };
            if is_pod && let Some(template) = made_by.tree.root().at(&["spec", "template"]) {
                if says_the_same(item.tree.root(), template, &claims(made_by)) {
                    let running = behind.entry(owner).or_default();
                    running.pods = running.pods.saturating_add(item.copies);
                    running.nodes.extend(item.nodes.iter().cloned());
                    left_out.insert(index);
                }
                break;
            }
            next = maker(made_by);
        }
    }
    let kept = items.into_iter().enumerate().filter(|(index, _)| !left_out.contains(index));
    Sorted { kept: kept.map(|(_, item)| item).collect(), behind, replaced }
}

/// Names of the claim templates of a StatefulSet.
fn claims(item: &Item) -> Vec<&str> {
    let claims = item.tree.root().at(&["spec", "volumeClaimTemplates"]).into_iter().flat_map(Value::items);
    claims.filter_map(|claim| claim.at(&["metadata", "name"])?.text()).collect()
}

/// Group, kind, namespace and name.
pub(crate) type Identity = (String, String, Option<String>, String);

pub(crate) fn owned((group, kind, namespace, name): (&str, &str, Option<&str>, &str)) -> Identity {
    (group.to_owned(), kind.to_owned(), namespace.map(str::to_owned), name.to_owned())
}

fn identity(item: &Item) -> Identity {
    let root = item.tree.root();
    let metadata = |key: &str| root.at(&["metadata", key]).and_then(Value::text);
    let (group, kind) = (group(root.str_at("apiVersion").unwrap_or("")), root.str_at("kind").unwrap_or(""));
    owned((group, kind, metadata("namespace"), metadata("name").unwrap_or("")))
}

/// Who made it, by its controller reference: in its own namespace.
fn maker(item: &Item) -> Option<Identity> {
    let root = item.tree.root();
    let reference = controller(root)?;
    let namespace = root.at(&["metadata", "namespace"]).and_then(Value::text);
    Some(owned((
        group(reference.str_at("apiVersion")?),
        reference.str_at("kind")?,
        namespace,
        reference.str_at("name")?,
    )))
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
