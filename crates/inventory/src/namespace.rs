//! Namespaces: every one that any object names exists, whether its own object was given or not.

use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::object::ObjectId;

/// One namespace.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its own object; None: it was not given, and its labels but the name are unknown.
    pub object: Option<ObjectId>,
    /// Objects in it, embedded ones included.
    pub objects: Vec<ObjectId>,
    /// Indexes of its pods in [`crate::Inventory::pods`].
    pub(crate) pods: Vec<usize>,
    /// The same by each label written on them, key and value.
    pub(crate) by_label: HashMap<(Box<str>, Box<str>), Vec<usize>>,
    /// Those whose operator adds labels that are not written.
    pub(crate) open_labels: Vec<usize>,
}

/// All namespaces by name; the key None is the pseudo namespace of objects that name none.
#[derive(Clone, Debug, Default)]
pub struct NamespaceTable(pub(crate) BTreeMap<Option<Box<str>>, Namespace>);

impl NamespaceTable {
    /// Names and namespaces, sorted; the pseudo namespace first.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, &Namespace)> {
        self.0.iter().map(|(name, namespace)| (name.as_deref(), namespace))
    }

    /// One by name.
    pub fn named(&self, name: Option<&str>) -> Option<&Namespace> {
        self.0.get(&name.map(Box::from))
    }
}
