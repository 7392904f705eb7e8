//! What the source could show at all: "none of this kind" and "nobody gave any" are different facts.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::snapshot::Extent;
use crate::snapshot::Listed;

/// Whether all objects of a kind in a namespace were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A cluster answered with all of them: absence is evidence.
    All,
    /// The scanned set is judged as if it were the whole namespace (or cluster): absence is evidence, confidence
    /// medium.
    SetOnly,
    /// Some may be missing, with the reason: absence proves nothing.
    Partial(String),
    /// None was given, with the words for it: "no Node objects given".
    None(String),
}

impl Seen {
    /// Why absence proves nothing; none: it does.
    pub fn doubt(&self) -> Option<&str> {
        match self {
            Self::All | Self::SetOnly => None,
            Self::Partial(why) | Self::None(why) => Some(why),
        }
    }
}

/// What a cluster answered, by group and kind.
type Answers = BTreeMap<(Box<str>, Box<str>), Listed>;

/// Answers [`Seen`].
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Kinds of which at least one object is in the set.
    pub(crate) kinds: BTreeSet<(Box<str>, Box<str>)>,
    /// Namespaces in which one identity stands in several files (overlays side by side), with the identity.
    pub(crate) overlaid: BTreeMap<Option<Box<str>>, String>,
    /// The user said that the set is a part (`--partial`).
    pub(crate) partial: bool,
    /// What a cluster answered; none: files only.
    lists: Option<Answers>,
}

impl Sight {
    /// Takes what a cluster answered.
    pub(crate) fn set_lists(&mut self, lists: Vec<Listed>) {
        let keyed = lists.into_iter().map(|one| ((one.group.as_str().into(), one.kind.as_str().into()), one));
        self.lists = Some(keyed.collect());
    }

    /// What a cluster answered, by group and kind; nothing when files were read.
    pub fn lists(&self) -> impl Iterator<Item = &Listed> {
        self.lists.iter().flat_map(BTreeMap::values)
    }

    /// Whether all objects of a namespaced kind in `namespace` were seen.
    pub fn namespaced(&self, group: &str, kind: &str, namespace: Option<&str>) -> Seen {
        if let Some(seen) = self.listed(group, kind, namespace) {
            return seen;
        }
        if self.partial {
            return Seen::Partial("the set was given as partial".to_owned());
        }
        match self.overlaid.get(&namespace.map(Box::from)) {
            Some(identity) => Seen::Partial(format!("{identity} stands in several files; scan one overlay")),
            None => Seen::SetOnly,
        }
    }

    /// Whether all objects of a cluster-scoped kind were seen, or of a namespaced one in all namespaces. A folder of
    /// manifests rarely holds nodes or storage classes: none given is unknown, not absent.
    pub fn cluster(&self, group: &str, kind: &str) -> Seen {
        if let Some(seen) = self.listed(group, kind, None) {
            return seen;
        }
        if !self.is_given(group, kind) {
            return Seen::None(format!("no {kind} objects given"));
        }
        if self.partial {
            return Seen::Partial("the set was given as partial".to_owned());
        }
        Seen::SetOnly
    }

    /// Whether the source supplies this kind: any object of it, or a cluster's answer that there is none.
    pub fn has(&self, group: &str, kind: &str) -> bool {
        self.is_given(group, kind) || matches!(self.listed(group, kind, None), Some(Seen::All))
    }

    /// Lists of a cluster that were not answered whole; none for files.
    pub fn gaps(&self) -> impl Iterator<Item = (&Listed, &str)> {
        let lists = self.lists.iter().flat_map(BTreeMap::values);
        lists.filter_map(|listed| Some((listed, listed.gap.as_ref()?.message.as_str())))
    }

    /// Why a cluster did not show all objects of this kind that were asked for; none: it did, or files were read.
    pub fn gap(&self, group: &str, kind: &str) -> Option<&str> {
        let lists = self.lists.as_ref()?;
        let find = |kind: &str| lists.get(&(Box::from(group), Box::from(kind)));
        Some(find(kind)?.gap.as_ref()?.message.as_str())
    }

    fn is_given(&self, group: &str, kind: &str) -> bool {
        self.kinds.contains(&(Box::from(group), Box::from(kind)))
    }

    /// A cluster's answer; none: no cluster was asked.
    fn listed(&self, group: &str, kind: &str, namespace: Option<&str>) -> Option<Seen> {
        let lists = self.lists.as_ref()?;
        let find = |kind: &str| lists.get(&(Box::from(group), Box::from(kind)));
        let Some(listed) = find(kind).or_else(|| find("*")) else {
            return Some(Seen::None(format!("{kind} objects were not asked for")));
        };
        if listed.is_whole_in(namespace) {
            return Some(Seen::All);
        }
        let why = match &listed.gap {
            Some(gap) => format!("{kind} objects: {}", gap.message),
            None => format!("{kind} objects outside of the chosen namespaces were not asked for"),
        };
        let is_nothing = listed.objects == 0 && listed.extent == Extent::Nowhere;
        Some(if is_nothing { Seen::None(why) } else { Seen::Partial(why) })
    }
}
