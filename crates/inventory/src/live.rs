//! Room `inventory`: a [`Snapshot`] -> an [`Inventory`], alone or under files that are laid over it. A live scan, the
//! replay of a saved one and `--on-cluster` all come through here.

use std::collections::HashSet;
use std::sync::Arc;

use ringfence_finding::Blind;
use ringfence_finding::Reason;

use crate::assemble::Inventory;
use crate::assemble::Options;
use crate::document::Document;
use crate::reader::Raw;
use crate::snapshot::About;
use crate::snapshot::GapKind;
use crate::snapshot::Item;
use crate::snapshot::Listed;
use crate::snapshot::Narrowed;
use crate::snapshot::Served;
use crate::snapshot::Snapshot;
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

impl Inventory {
    /// Everything that a cluster held.
    pub fn from_snapshot(snapshot: Snapshot, options: &Options) -> Self {
        Self::overlay(Input::default(), snapshot, options)
    }

    /// Files as if they were applied to a cluster: an object of theirs stands in the place of the cluster's own one of
    /// the same group, kind, namespace and name; everything else stays as it is. Files that name no namespace get that of
    /// the options, else the context's.
    pub fn overlay(input: Input, snapshot: Snapshot, options: &Options) -> Self {
        let Snapshot { about, served, lists, narrowed, items } = snapshot;
        let mut options = options.clone();
        options.namespace.get_or_insert_with(|| about.namespace.clone());
        let mut inventory = Self::default();
        inventory.set_scopes(&served);
        inventory.live = Some(Live { about, served, narrowed });
        inventory.add_files(input, &options);
        let written: HashSet<_> = inventory.objects().map(|(_, object)| object.identity()).collect();
        let written: HashSet<_> = written
            .into_iter()
            .map(|(group, kind, namespace, name)| {
                (group.to_owned(), kind.to_owned(), namespace.map(str::to_owned), name.to_owned())
            })
            .collect();
        for item in items {
            let identity = identity(&item);
            if !written.contains(&identity) {
                inventory.add_item(item, &options);
            }
        }
        inventory.note_lists(&lists);
        inventory.sight.set_lists(lists);
        inventory.finish(&options);
        inventory
    }

    /// The cluster behind it; none: files only.
    pub fn live(&self) -> Option<&Live> {
        self.live.as_ref()
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
        let raw = Raw {
            node: root.id(),
            api_version: text("apiVersion"),
            kind: text("kind"),
            document: Arc::clone(&document),
        };
        let id = self.add_tree(raw, options);
        if item.copies > 1 {
            self.copies.insert(id, item.copies);
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
            let name = if listed.group.is_empty() {
                listed.plural.clone()
            } else {
                format!("{}.{}", listed.plural, listed.group)
            };
            let message = format!("{name}: {}", gap.message);
            self.coverage.blind.push(Blind { reason, location: None, message });
        }
        self.coverage.lists = count(lists);
    }
}

fn count(lists: &[Listed]) -> ringfence_finding::Lists {
    let served = lists.iter().filter(|one| one.version.is_some());
    let mut total = ringfence_finding::Lists::default();
    for listed in served {
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

/// Group, kind, namespace and name.
type Identity = (String, String, Option<String>, String);

fn identity(item: &Item) -> Identity {
    let root = item.tree.root();
    let version = root.str_at("apiVersion").unwrap_or("");
    let metadata = |key: &str| root.at(&["metadata", key]).and_then(Value::text).map(str::to_owned);
    (
        version.split_once('/').map_or("", |(group, _)| group).to_owned(),
        root.str_at("kind").unwrap_or("").to_owned(),
        metadata("namespace"),
        metadata("name").unwrap_or_default(),
    )
}
