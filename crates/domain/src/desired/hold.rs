//! Room `domain`: what a domain has written so far, by its status -> which namespaces and nodes it stands in. The controller
//! notes a write there before it writes, and nobody else may write it. A label proves nothing: others put one on too.

use std::collections::BTreeSet;

use kube::ResourceExt as _;

use crate::names;
use crate::spec::SecurityDomain;

/// Where something of a domain was written, by name.
#[derive(Debug, PartialEq)]
pub(crate) struct Record<'a> {
    pub(crate) namespaces: BTreeSet<&'a str>,
    pub(crate) nodes: BTreeSet<&'a str>,
}

impl<'a> Record<'a> {
    /// What the status says; none of a domain that goes and has removed all it wrote.
    pub(crate) fn of(domain: &'a SecurityDomain) -> Option<Self> {
        let is_gone = domain.metadata.deletion_timestamp.is_some()
            && !domain.finalizers().iter().any(|it| it == names::FINALIZER);
        let status = domain.status.as_ref().filter(|_| !is_gone)?;
        let entries = || status.inventory.iter();
        let objects = entries().filter(|it| it.namespaces.is_empty()).flat_map(|it| &it.objects);
        // With its taint behind another slash.
        let nodes = objects.filter_map(|it| it.strip_prefix("Node/")?.split('/').next());
        Some(Self {
            namespaces: entries().flat_map(|it| &it.namespaces).map(String::as_str).collect(),
            nodes: nodes.collect(),
        })
    }
}
