//! Room `inventory`, live: a wanted kind, met with what the server serves -> where and how to ask for it.

use super::access::Ask;
use super::list::Listing;
use super::list::tree_of;
use crate::snapshot::Extent;
use crate::snapshot::Folder;
use crate::snapshot::Gap;
use crate::snapshot::Listed;
use crate::snapshot::Served;
use crate::snapshot::Want;
use crate::snapshot::Why;
use crate::yaml::Tree;

/// A kind that is wanted and served.
#[derive(Clone, Debug)]
pub(super) struct Target {
    group: String,
    kind: String,
    plural: String,
    version: String,
    pub(super) namespaced: bool,
    why: Why,
}

impl Target {
    pub(super) fn of(want: &Want, served: &[Served]) -> Option<Self> {
        let is_listed = |one: &&Served| {
            one.group == want.group && one.kind == want.kind && one.verbs.iter().any(|verb| verb == "list")
        };
        let served = served.iter().find(is_listed)?;
        Some(Self {
            group: want.group.clone(),
            kind: want.kind.clone(),
            plural: served.plural.clone(),
            version: served.versions.first()?.clone(),
            namespaced: served.namespaced,
            why: want.why,
        })
    }

    pub(super) fn is_pods(&self) -> bool {
        self.group.is_empty() && self.kind == "Pod"
    }

    /// Whether metadata is enough.
    pub(super) fn is_owner_only(&self) -> bool {
        self.why == Why::Owner
    }

    /// The RBAC rule that lets it be listed.
    pub(super) fn rule(&self) -> String {
        format!("{{apiGroups: [\"{}\"], resources: [{}], verbs: [list]}}", self.group, self.plural)
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn root(&self) -> String {
        let prefix = if self.group.is_empty() { "/api" } else { "/apis" };
        format!("{prefix}/{}", self.api_version())
    }

    /// Path of one object of a kind without namespaces.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.root(), self.plural)
    }

    pub(super) fn listing(&self, ask: &Ask, namespace: Option<&str>) -> Listing {
        let place = namespace.map_or_else(String::new, |name| format!("namespaces/{name}/"));
        // What says nothing about pods of its own is not narrowed by the labels of pods.
        let is_labelled = matches!(self.why, Why::Pods | Why::Owner);
        Listing {
            path: format!("{}/{place}{}", self.root(), self.plural),
            api_version: self.api_version(),
            kind: self.kind.clone(),
            metadata_only: self.is_owner_only(),
            label_selector: ask.selector.clone().filter(|_| is_labelled),
            field_selector: None,
            page: ask.page,
        }
    }

    pub(super) fn listed(&self, objects: u32, extent: Extent, gap: Option<Gap>) -> Listed {
        Listed {
            group: self.group.clone(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
            bears_pods: self.why.bears_pods(),
            version: Some(self.version.clone()),
            objects,
            extent,
            gap,
        }
    }

    /// Takes one object that was asked for by name.
    pub(super) fn take(&self, tree: &Tree, folder: &mut Folder) -> Result<(), String> {
        let tree = tree_of(tree.source(), (&self.api_version(), &self.kind), false)?;
        folder.take(tree);
        Ok(())
    }
}
