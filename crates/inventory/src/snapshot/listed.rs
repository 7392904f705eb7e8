//! Room `inventory`: what became of a list. "None of this kind" and "not allowed to look" are different facts.

use std::collections::BTreeSet;

use super::Want;

/// What became of one kind that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// API group, empty for core.
    pub group: String,
    /// Kind; `*`: every kind of a group whose discovery failed.
    pub kind: String,
    /// `rayclusters`.
    pub plural: String,
    /// Whether its objects may carry pods, or tell which kinds do.
    pub bears_pods: bool,
    /// Version that was asked; none: the cluster does not serve the kind.
    pub version: Option<String>,
    /// Objects received, those folded into others included.
    pub objects: u32,
    /// Where every object is known.
    pub extent: Extent,
    /// What is missing of what was asked for; none: nothing.
    pub gap: Option<Gap>,
}

/// Where every object of a kind is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// In the whole cluster; also when the kind is not served: there is none.
    Everywhere,
    /// In these namespaces; elsewhere absence proves nothing.
    Namespaces(BTreeSet<String>),
    /// Nowhere.
    Nowhere,
}

/// Something that was asked for and is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why, for machines.
    pub kind: GapKind,
    /// Cause and cure, in one line.
    pub message: String,
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// The user who asked may not list it.
    Forbidden,
    /// Some was received: a list broke off or expired in the middle.
    Partial,
    /// Nothing usable was received: unreachable, an error of the server, an answer that is none.
    Failed,
    /// The time limit was over before its turn.
    NotReached,
}

impl GapKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Forbidden, Self::Partial, Self::Failed, Self::NotReached];

    /// The word in machine forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::NotReached => "not-reached",
        }
    }
}

impl Listed {
    /// A kind of which every object is known.
    pub fn whole(want: &Want, version: Option<&str>) -> Self {
        Self {
            group: want.group.clone(),
            kind: want.kind.clone(),
            plural: want.plural.clone(),
            bears_pods: want.why.bears_pods(),
            version: version.map(str::to_owned),
            objects: 0,
            extent: Extent::Everywhere,
            gap: None,
        }
    }

    /// `rayclusters.ray.io`
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether everything asked for was answered.
    pub fn is_complete(&self) -> bool {
        self.gap.is_none()
    }

    /// Whether every object of the kind in `namespace` is known; None: of a kind without namespaces, or in all of them.
    pub fn is_whole_in(&self, namespace: Option<&str>) -> bool {
        match (&self.extent, namespace) {
            (Extent::Everywhere, _) => true,
            (Extent::Namespaces(known), Some(namespace)) => known.contains(namespace),
            (Extent::Namespaces(_), None) | (Extent::Nowhere, _) => false,
        }
    }
}
