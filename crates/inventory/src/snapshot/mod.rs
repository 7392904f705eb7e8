//! Room `inventory`: what a cluster held at one moment -> an [`Inventory`](crate::Inventory). Knows no client: a
//! cluster fills it (feature `cluster`), a saved file fills it, and from there on both are one path.

#[cfg(feature = "cluster")]
mod fold;
mod listed;
mod load;
mod plan;
#[cfg(feature = "cluster")]
mod prune;
mod save;
mod shape;

use std::collections::BTreeSet;

#[cfg(feature = "cluster")]
pub(crate) use fold::Folder;
pub use listed::Extent;
pub use listed::Gap;
pub use listed::GapKind;
pub use listed::Listed;
pub use load::SavedError;
pub use plan::Want;
pub use plan::Why;
pub use plan::plan;
#[cfg(feature = "cluster")]
pub(crate) use prune::prune;
pub use save::Redact;
pub use save::write_redacted;
pub(crate) use shape::controller;
pub(crate) use shape::says_the_same;

use crate::pod::Schemas;
use crate::yaml::ParseError;
use crate::yaml::Tree;
use crate::yaml::read_json;

/// What a cluster held at one moment, with what it could not show.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Which cluster, and when.
    pub about: About,
    /// Resources that it serves, by group and kind.
    pub served: Vec<Served>,
    /// What became of every kind that was wanted, by group and kind.
    pub lists: Vec<Listed>,
    /// To what the user narrowed it.
    pub narrowed: Narrowed,
    /// APIs that do not say what they serve, of which nothing is wanted, and kinds that nobody knows: in words.
    pub silent: Vec<String>,
    /// Custom kinds that their definitions say may carry pods.
    pub schemas: Schemas,
    /// What a saved file lost on its way: lines that could not be read, in words.
    pub lost: Vec<String>,
    pub(crate) items: Vec<Item>,
}

/// Which cluster, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// URL of the server, without credentials.
    pub server: String,
    /// Context of the kubeconfig; none inside a pod.
    pub context: Option<String>,
    /// `gitVersion` of `/version`: `v1.36.4`.
    pub version: Option<String>,
    /// The server's own clock at the first answer, as its `Date` header says it.
    pub date: Option<String>,
    /// Namespace of objects that name none: the context's.
    pub namespace: String,
}

/// To what the user narrowed it. Outside, absence proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Namespaces (`--namespace`); empty: all.
    pub namespaces: BTreeSet<String>,
    /// Label selector on kinds that bear pods (`--selector`).
    pub selector: Option<String>,
}

/// A resource that the cluster serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// API group, empty for core.
    pub group: String,
    /// `RayCluster`.
    pub kind: String,
    /// `rayclusters`.
    pub plural: String,
    /// Whether its objects have a namespace.
    pub namespaced: bool,
    /// Versions, the preferred one first.
    pub versions: Vec<String>,
    /// What may be done with it, as the API says it: `get`, `list`, ...
    pub verbs: Vec<String>,
}

/// One object, without the parts that nobody reads.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its body; `source` is JSON on one line that starts with version and kind.
    pub(crate) tree: Tree,
    /// Objects of the same maker that say the same, this one included.
    pub(crate) copies: u32,
    /// Nodes that they run on.
    pub(crate) nodes: BTreeSet<Box<str>>,
}

impl Snapshot {
    /// Number of objects kept; those that say the same as another of the same maker count once.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds no object.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds one object, JSON with version and kind, as a cluster would have sent it.
    ///
    /// # Errors
    /// With the byte offset, when it is no JSON.
    pub fn add(&mut self, object: &str) -> Result<(), ParseError> {
        if let Some((tree, _)) = read_json(object)? {
            self.items.push(Item { tree, copies: 1, nodes: BTreeSet::new() });
        }
        Ok(())
    }

    /// The resource of a kind, when the cluster serves it.
    pub fn served(&self, group: &str, kind: &str) -> Option<&Served> {
        self.served.iter().find(|one| one.group == group && one.kind == kind)
    }

    /// What became of a wanted kind.
    pub fn list(&self, group: &str, kind: &str) -> Option<&Listed> {
        self.lists.iter().find(|one| one.group == group && one.kind == kind)
    }
}
