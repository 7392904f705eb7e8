//! The tree: nodes in one vector, text borrowed from the source where it stands there unchanged.

use std::ops::Range;

use super::error::MAX_NODES;
use super::value::Value;

/// A node of one tree. Meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

/// What a node is. The style of a scalar decides how its text resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mapping,
    Sequence,
    /// Plain YAML scalar or a JSON literal: its text decides its type.
    Plain,
    /// Quoted, block, tagged `!!str` or decoded from `!!binary`: text.
    Text,
    /// Explicit `!!int`, `!!float`, `!!bool`, `!!null` or `!!timestamp` on any style: resolved like a plain one.
    Typed,
}

/// Where the text of a scalar stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    Source { start: u32, end: u32 },
    Owned { start: u32, end: u32 },
}

/// No node: ids are indexes and a tree never holds this many.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) parent: u32,
    /// Next item or entry of the same parent.
    pub(super) next: u32,
    /// First item or entry.
    pub(super) child: u32,
    /// Key node, when the parent is a mapping.
    pub(super) key: u32,
    /// Bytes in the source; for an expanded alias those of the anchor, where the value is written.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) text: Text,
}

/// One key written twice in one mapping. Appliers keep the last; the reader cannot know which was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Bytes of the key that is hidden.
    pub hidden: Range<usize>,
    /// Bytes of the key that wins.
    pub wins: Range<usize>,
}

/// One document.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) source: Box<str>,
    /// Text that does not stand in the source as such: escapes resolved, lines folded, keys made canonical.
    pub(super) owned: String,
    pub(super) nodes: Vec<Node>,
    pub(super) root: u32,
    pub(super) duplicates: Vec<Duplicate>,
    pub(super) has_aliases: bool,
    /// Texts that hold a document of their own and were opened, by id: the scalar, and the root of what it says.
    pub(super) opened: Vec<(u32, u32)>,
}

impl Tree {
    /// The text the tree was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Top value of the document.
    pub fn root(&self) -> Value<'_> {
        self.value(NodeId(self.root))
    }

    /// A view on a node of this tree.
    pub fn value(&self, id: NodeId) -> Value<'_> {
        Value { tree: self, id }
    }

    /// Keys written twice, in source order.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// Whether aliases or merges were expanded: such values stand elsewhere in the text than the collection they are in.
    pub fn has_aliases(&self) -> bool {
        self.has_aliases
    }

    /// Text of scalars that does not stand in the source as such (escapes resolved, lines folded), run together.
    pub fn resolved_text(&self) -> &str {
        &self.owned
    }

    /// Lays what the text of a scalar says, read as a document, beside that scalar: its values stand where the text
    /// stands, and their paths go on from it. Walks from the root do not meet them; [`Value::opened`] does.
    /// False: the tree would become too large, `inner` was not read from that text, or a later one was opened before.
    pub(crate) fn open(&mut self, host: NodeId, inner: &Self) -> bool {
        let at = *self.node(host);
        let fits = self.nodes.len().saturating_add(inner.nodes.len()) <= MAX_NODES;
        let is_next = self.opened.last().is_none_or(|(last, _)| *last < host.0);
        if !fits || !is_next || self.text(at.text) != &*inner.source {
            return false;
        }
        let sum = |a: u32, b: u32| a.saturating_add(b);
        let (Ok(base), Ok(owned)) = (u32::try_from(self.nodes.len()), u32::try_from(self.owned.len())) else {
            return false;
        };
        let shift = |id: u32| if id == NONE { NONE } else { sum(base, id) };
        let of_source = |start: u32, end: u32| match at.text {
            Text::Source { start: from, .. } => Text::Source { start: sum(from, start), end: sum(from, end) },
            Text::Owned { start: from, .. } => Text::Owned { start: sum(from, start), end: sum(from, end) },
        };
        self.nodes.extend(inner.nodes.iter().map(|node| Node {
            kind: node.kind,
            parent: shift(node.parent),
            next: shift(node.next),
            child: shift(node.child),
            key: shift(node.key),
            start: at.start,
            end: at.end,
            text: match node.text {
                Text::Source { start, end } => of_source(start, end),
                Text::Owned { start, end } => Text::Owned { start: sum(owned, start), end: sum(owned, end) },
            },
        }));
        self.owned.push_str(&inner.owned);
        let root = sum(base, inner.root);
        if let Some(top) = self.nodes.get_mut(root as usize) {
            (top.parent, top.key, top.next) = (at.parent, at.key, NONE);
        }
        self.has_aliases |= inner.has_aliases;
        self.opened.push((host.0, root));
        true
    }

    /// Number of nodes, keys included: what the budgets count.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        // Ids come from this tree only; a foreign one reads the root instead of ending the scan.
        self.nodes.get(id.0 as usize).or_else(|| self.nodes.first()).unwrap_or(&EMPTY)
    }

    pub(super) fn text(&self, text: Text) -> &str {
        let (from, start, end) = match text {
            Text::Source { start, end } => (&*self.source, start, end),
            Text::Owned { start, end } => (self.owned.as_str(), start, end),
        };
        from.get(start as usize..end as usize).unwrap_or("")
    }
}

static EMPTY: Node = Node {
    kind: Kind::Plain,
    parent: NONE,
    next: NONE,
    child: NONE,
    key: NONE,
    start: 0,
    end: 0,
    text: Text::Owned { start: 0, end: 0 },
};
