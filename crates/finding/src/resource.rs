//! Which object: API version, kind, namespace, name, and the owner it was created from.

use std::fmt;

use serde::Serialize;

/// Names one object. Names are foreign text: printers escape them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// As written, such as `ray.io/v1`.
    pub api_version: String,
    /// Such as `RayCluster`.
    pub kind: String,
    /// None for cluster-scoped kinds and objects that name no namespace.
    pub namespace: Option<String>,
    /// `metadata.name`, or `metadata.generateName` as written.
    pub name: String,
    /// The object this one is embedded in, if it did not stand alone.
    pub owner: Option<Box<Self>>,
}

impl ResourceRef {
    /// API group, empty for core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `namespace/name`, or the name alone: short form for screens where the kind is clear.
    pub fn short(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for ResourceRef {
    /// `Kind/namespace/name`, or `Kind/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}
