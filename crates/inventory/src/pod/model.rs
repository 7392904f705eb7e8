//! Which models, tokenizers, adapters and datasets a pod loads, and whether the reference can change under it.

use super::container::Container;
use super::view::Pod;
use crate::yaml::NodeId;

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// Hugging Face hub id or `hf://`.
    Hub,
    /// `s3://`.
    S3,
    /// `gs://`.
    Gcs,
    /// Azure blob storage.
    Azure,
    /// `oci://`.
    Oci,
    /// `http://` or `https://`.
    Http,
    /// `pvc://`.
    Pvc,
    /// A path.
    Local,
    /// A variable nobody resolves, or a form nobody knows.
    Unknown,
}

/// Whether the bytes behind a reference can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Immutable {
    /// OCI by digest, hub with a 40-hex revision, S3 with a version id, or no remote reference at all.
    Yes,
    /// A branch, a tag, or nothing.
    No,
    /// Depends on a value nobody gave.
    Unknown,
}

/// One reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Where from.
    pub source: ModelSource,
    /// As written, without the revision.
    pub name: String,
    /// As written.
    pub revision: Option<String>,
    /// Can it change?
    pub immutable: Immutable,
    /// Value to point at, in the pod's object.
    pub at: NodeId,
    /// It was read out of a shell string: medium confidence.
    pub in_shell: bool,
}

/// References of a pod.
pub(super) fn models(pod: Pod<'_>) -> Vec<ModelRef> {
    pod.containers().flat_map(of_container).collect()
}

fn of_container(_container: Container<'_>) -> Vec<ModelRef> {
    Vec::new()
}
