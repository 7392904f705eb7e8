//! What the source could show at all: "none of this kind" and "nobody gave any" are different facts.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Whether all objects of a kind in a namespace were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The scanned set is judged as if it were the whole namespace (or cluster): absence is evidence, confidence
    /// medium.
    SetOnly,
    /// Some may be missing, with the reason: absence proves nothing.
    Partial(String),
    /// None was given, with the words for it: "no Node objects given".
    None(String),
}

/// Answers [`Seen`] for a source of files.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Kinds of which at least one object is in the set.
    pub(crate) kinds: BTreeSet<(Box<str>, Box<str>)>,
    /// Namespaces in which one identity stands in several files (overlays side by side), with the identity.
    pub(crate) overlaid: BTreeMap<Option<Box<str>>, String>,
    /// The user said that the set is a part (`--partial`).
    pub(crate) partial: bool,
}

impl Sight {
    /// Whether all objects of a namespaced kind in `namespace` were seen.
    pub fn namespaced(&self, namespace: Option<&str>) -> Seen {
        if self.partial {
            return Seen::Partial("the set was given as partial".to_owned());
        }
        match self.overlaid.get(&namespace.map(Box::from)) {
            Some(identity) => Seen::Partial(format!("{identity} stands in several files; scan one overlay")),
            None => Seen::SetOnly,
        }
    }

    /// Whether all objects of a cluster-scoped kind were seen. A folder of manifests rarely holds nodes or storage
    /// classes: none given is unknown, not absent.
    pub fn cluster(&self, group: &str, kind: &str) -> Seen {
        if !self.has(group, kind) {
            return Seen::None(format!("no {kind} objects given"));
        }
        if self.partial {
            return Seen::Partial("the set was given as partial".to_owned());
        }
        Seen::SetOnly
    }

    /// Whether any object of this kind is in the set.
    pub fn has(&self, group: &str, kind: &str) -> bool {
        self.kinds.contains(&(Box::from(group), Box::from(kind)))
    }
}
