//! Budgets of both readers, and why a document is not a tree.

use ringfence_finding::Reason;

/// Deepest nesting read. Kubernetes objects stay under 40; the rest is an attack on a reader.
pub(super) const MAX_DEPTH: usize = 128;
/// Nodes one document may hold: a 64 MiB dump of real objects has about 4 million.
pub(super) const MAX_NODES: usize = 8_000_000;
/// Nodes that expanded aliases may add: an alias bomb asks for 10^9.
pub(super) const MAX_ALIAS_NODES: usize = 250_000;
/// Bytes of text in them, for whoever reads a tree looks at each and may keep it: 30,000 aliases of one megabyte of text fit
/// in a file of one megabyte.
pub(super) const MAX_ALIAS_BYTES: usize = 16 << 20;

/// Why a document is not a tree. Offsets are bytes in the text given to the reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not YAML, or not JSON.
    #[error("{message}")]
    Syntax {
        /// Byte offset.
        at: usize,
        /// What was expected.
        message: String,
    },
    /// A mapping or list as a key: legal YAML, no Kubernetes object, and what `{{ .x }}` looks like.
    #[error("a mapping or list stands where a key is expected")]
    ComplexKey {
        /// Byte offset.
        at: usize,
    },
    /// Nested deeper than 128.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth {
        /// Byte offset.
        at: usize,
    },
    /// Aliases expand beyond 250,000 nodes or 16 MiB of text, or an anchor contains itself.
    #[error("aliases expand beyond {MAX_ALIAS_NODES} nodes or {MAX_ALIAS_BYTES} bytes")]
    AliasLimit {
        /// Byte offset.
        at: usize,
    },
    /// More than 8 million nodes.
    #[error("more than {MAX_NODES} values in one document")]
    Budget {
        /// Byte offset.
        at: usize,
    },
}

impl ParseError {
    /// Byte offset in the text given to the reader.
    pub fn at(&self) -> usize {
        match self {
            Self::Syntax { at, .. }
            | Self::ComplexKey { at }
            | Self::Depth { at }
            | Self::AliasLimit { at }
            | Self::Budget { at } => *at,
        }
    }

    /// The coverage reason it is counted under.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Syntax { .. } | Self::ComplexKey { .. } => Reason::Unparsable,
            Self::Depth { .. } => Reason::Depth,
            Self::AliasLimit { .. } => Reason::AliasLimit,
            Self::Budget { .. } => Reason::Budget,
        }
    }
}
