//! Where something stands: file, document, line, column, bytes; and the few lines around it, already masked.

use std::sync::Arc;

use serde::Serialize;

/// A place in a source. Lines and columns count from 1; columns count characters, as editors do. In a cluster there are
/// neither: an object there is named by its path and revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Location {
    /// Path as the user gave or reached it; `-` for standard input.
    pub file: Arc<str>,
    /// Document inside the file, from 0.
    pub document: u32,
    /// Line in the file, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte in the file (of its UTF-8 form).
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// `metadata.resourceVersion` of an object of a live cluster; line, column and bytes then say nothing.
    #[serde(rename = "resourceVersion", skip_serializing_if = "Option::is_none")]
    pub revision: Option<Arc<str>>,
}

impl Location {
    /// A source as a whole.
    pub fn whole(source: impl Into<Arc<str>>) -> Self {
        Self { file: source.into(), document: 0, line: 1, column: 1, start: 0, end: 0, revision: None }
    }

    /// An object of a live cluster, by a path of its own (`cluster/ml/RayCluster/train`) and its revision.
    pub fn live(path: impl Into<Arc<str>>, revision: impl Into<Arc<str>>) -> Self {
        Self { revision: Some(revision.into()), ..Self::whole(path) }
    }

    /// Whether it stands in a live cluster: there are no lines to show.
    pub fn is_live(&self) -> bool {
        self.revision.is_some()
    }
}

/// Lines around a place, masked, with the range to point at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snippet {
    /// Line number of the first line.
    pub first_line: u32,
    /// The lines, values of secrets masked.
    pub text: String,
    /// First byte to point at, in `text`.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}
