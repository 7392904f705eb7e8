//! Events of either reader -> tree, under budgets on depth, nodes and aliases.

use std::collections::HashMap;
use std::ops::Range;

use super::error::MAX_ALIAS_BYTES;
use super::error::MAX_ALIAS_NODES;
use super::error::MAX_DEPTH;
use super::error::MAX_NODES;
use super::error::ParseError;
use super::scalar::Scalar;
use super::scalar::float_key;
use super::tree::Duplicate;
use super::tree::Kind;
use super::tree::NONE;
use super::tree::Node;
use super::tree::NodeId;
use super::tree::Text;
use super::tree::Tree;

/// Mappings up to this size find duplicates by comparing, larger ones by hashing.
const SMALL_MAPPING: usize = 16;

/// A collection being filled.
struct Frame {
    node: u32,
    last: u32,
    /// Key read, value awaited.
    key: u32,
    entries: usize,
    /// Keys of a large mapping by text; built when it grows past [`SMALL_MAPPING`].
    keys: Option<HashMap<Box<str>, u32>>,
}

/// Builds one tree.
pub(super) struct Builder {
    tree: Tree,
    frames: Vec<Frame>,
    anchors: HashMap<usize, u32>,
    /// Entries whose content a later duplicate replaced -> a node that keeps the first content.
    moved: HashMap<u32, u32>,
    aliased: usize,
    alias_bytes: usize,
}

impl Builder {
    pub(super) fn new(source: &str) -> Self {
        let tree = Tree {
            source: source.into(),
            owned: String::new(),
            nodes: Vec::with_capacity(source.len() / 12),
            root: NONE,
            duplicates: Vec::new(),
            has_aliases: false,
            opened: Vec::new(),
        };
        Self {
            tree,
            frames: Vec::new(),
            anchors: HashMap::new(),
            moved: HashMap::new(),
            aliased: 0,
            alias_bytes: 0,
        }
    }

    /// The tree, or None for a document without any node.
    pub(super) fn finish(mut self) -> Option<Tree> {
        self.tree.nodes.shrink_to_fit();
        self.tree.has_aliases = self.aliased > 0;
        (self.tree.root != NONE).then_some(self.tree)
    }

    /// Whether the next scalar is a key of the innermost mapping.
    fn awaits_key(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.key == NONE && self.kind(frame.node) == Kind::Mapping)
    }

    fn kind(&self, id: u32) -> Kind {
        self.tree.node(NodeId(id)).kind
    }

    pub(super) fn open(&mut self, mapping: bool, anchor: usize, at: usize) -> Result<(), ParseError> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(ParseError::Depth { at });
        }
        if self.awaits_key() {
            return Err(ParseError::ComplexKey { at });
        }
        let kind = if mapping { Kind::Mapping } else { Kind::Sequence };
        let id = self.push(kind, at..at, Text::Owned { start: 0, end: 0 })?;
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.frames.push(Frame { node: id, last: NONE, key: NONE, entries: 0, keys: None });
        Ok(())
    }

    /// Closes the innermost collection. `end` is None where the reader only knows the next token's start (a block
    /// collection): then the last child's end counts.
    pub(super) fn close(&mut self, end: Option<usize>) -> Result<(), ParseError> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let last = (frame.last != NONE).then(|| self.tree.node(NodeId(frame.last)).end);
        let end = end.and_then(|end| u32::try_from(end).ok()).or(last);
        if let (Some(end), Some(node)) = (end, self.tree.nodes.get_mut(frame.node as usize)) {
            node.end = end.max(node.start);
        }
        self.attach(frame.node)
    }

    /// `text` as the reader resolved it; kept as a slice of the source where it stands there unchanged.
    pub(super) fn scalar(
        &mut self,
        kind: Kind,
        text: &str,
        range: Range<usize>,
        anchor: usize,
    ) -> Result<(), ParseError> {
        let awaits_key = self.awaits_key();
        let stored = if awaits_key { self.store_key(kind, text, &range) } else { self.store(text, &range) };
        let id = self.push(kind, range, stored)?;
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        if awaits_key {
            if let Some(frame) = self.frames.last_mut() {
                frame.key = id;
            }
            return Ok(());
        }
        self.attach(id)
    }

    pub(super) fn alias(&mut self, anchor: usize, at: usize) -> Result<(), ParseError> {
        let Some(&target) = self.anchors.get(&anchor) else {
            return Err(ParseError::Syntax { at, message: "alias without an anchor before it".to_owned() });
        };
        let target = self.moved.get(&target).copied().unwrap_or(target);
        if self.frames.iter().any(|frame| frame.node == target) {
            return Err(ParseError::AliasLimit { at });
        }
        if self.awaits_key() {
            let node = *self.tree.node(NodeId(target));
            if matches!(node.kind, Kind::Mapping | Kind::Sequence) {
                return Err(ParseError::ComplexKey { at });
            }
            self.repeat(node.text, at)?;
            let id = self.push(node.kind, node.start as usize..node.end as usize, node.text)?;
            if let Some(frame) = self.frames.last_mut() {
                frame.key = id;
            }
            return Ok(());
        }
        let copy = self.copy(target, at)?;
        self.attach(copy)
    }

    /// Copies a subtree: the copy has parents of its own, and the places of the original, where the value is written.
    fn copy(&mut self, target: u32, at: usize) -> Result<u32, ParseError> {
        let root = self.copy_one(target, NONE, at)?;
        let mut work = vec![(target, root)];
        while let Some((from, to)) = work.pop() {
            let mut child = self.tree.node(NodeId(from)).child;
            let mut previous = NONE;
            while child != NONE {
                let made = self.copy_one(child, to, at)?;
                self.link(to, previous, made);
                work.push((child, made));
                previous = made;
                child = self.tree.node(NodeId(child)).next;
            }
        }
        Ok(root)
    }

    fn copy_one(&mut self, from: u32, parent: u32, at: usize) -> Result<u32, ParseError> {
        self.aliased = self.aliased.saturating_add(1);
        if self.aliased > MAX_ALIAS_NODES {
            return Err(ParseError::AliasLimit { at });
        }
        let node = *self.tree.node(NodeId(from));
        self.repeat(node.text, at)?;
        if node.key != NONE {
            self.repeat(self.tree.node(NodeId(node.key)).text, at)?;
        }
        let id = self.push(node.kind, node.start as usize..node.end as usize, node.text)?;
        if let Some(made) = self.tree.nodes.get_mut(id as usize) {
            made.parent = parent;
            made.key = node.key;
        }
        Ok(id)
    }

    /// Counts text that stands in the tree once more.
    fn repeat(&mut self, text: Text, at: usize) -> Result<(), ParseError> {
        let (Text::Source { start, end } | Text::Owned { start, end }) = text;
        self.alias_bytes = self.alias_bytes.saturating_add(end.saturating_sub(start) as usize);
        if self.alias_bytes > MAX_ALIAS_BYTES { Err(ParseError::AliasLimit { at }) } else { Ok(()) }
    }

    fn link(&mut self, parent: u32, previous: u32, child: u32) {
        if let Some(node) = self.tree.nodes.get_mut(child as usize) {
            node.parent = parent;
        }
        if previous == NONE {
            if let Some(node) = self.tree.nodes.get_mut(parent as usize) {
                node.child = child;
            }
        } else if let Some(node) = self.tree.nodes.get_mut(previous as usize) {
            node.next = child;
        }
    }

    fn push(&mut self, kind: Kind, range: Range<usize>, text: Text) -> Result<u32, ParseError> {
        let at = range.start;
        if self.tree.nodes.len() >= MAX_NODES {
            return Err(ParseError::Budget { at });
        }
        let index = |value: usize| u32::try_from(value).map_err(|_| ParseError::Budget { at });
        let (id, start, end) = (index(self.tree.nodes.len())?, index(range.start)?, index(range.end)?);
        self.tree.nodes.push(Node {
            kind,
            parent: NONE,
            next: NONE,
            child: NONE,
            key: NONE,
            start,
            end,
            text,
        });
        Ok(id)
    }

    fn store(&mut self, text: &str, range: &Range<usize>) -> Text {
        // Quoted text stands one byte further in.
        for skip in [0, 1] {
            let start = range.start.saturating_add(skip);
            let end = start.saturating_add(text.len());
            if self.tree.source.get(start..end) == Some(text)
                && let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end))
            {
                return Text::Source { start, end };
            }
        }
        self.own(text)
    }

    fn own(&mut self, text: &str) -> Text {
        let start = u32::try_from(self.tree.owned.len()).unwrap_or(NONE);
        self.tree.owned.push_str(text);
        Text::Owned { start, end: u32::try_from(self.tree.owned.len()).unwrap_or(NONE) }
    }

    /// Keys are text in JSON: `yes:` is the key `true`, `0x10:` is `16`.
    fn store_key(&mut self, kind: Kind, text: &str, range: &Range<usize>) -> Text {
        if kind == Kind::Text {
            return self.store(text, range);
        }
        match Scalar::resolve(text) {
            Scalar::Str(_) => self.store(text, range),
            Scalar::Null => self.own("null"),
            Scalar::Bool(value) => self.own(if value { "true" } else { "false" }),
            Scalar::Int(value) => self.own(&value.to_string()),
            Scalar::UInt(value) => self.own(&value.to_string()),
            Scalar::Float(value) => self.own(&float_key(value)),
        }
    }

    /// Hangs a finished node under the innermost open collection.
    fn attach(&mut self, id: u32) -> Result<(), ParseError> {
        let Some(frame) = self.frames.last() else {
            self.tree.root = id;
            return Ok(());
        };
        let (parent, key) = (frame.node, frame.key);
        if key == NONE {
            self.append(parent, id);
            return Ok(());
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.key = NONE;
        }
        if self.is_merge(key) {
            return self.merge(id);
        }
        if let Some(node) = self.tree.nodes.get_mut(key as usize) {
            node.parent = parent;
        }
        self.insert(id, key, true);
        Ok(())
    }

    fn is_merge(&self, key: u32) -> bool {
        let node = self.tree.node(NodeId(key));
        node.kind == Kind::Plain && self.tree.text(node.text) == "<<"
    }

    fn append(&mut self, parent: u32, id: u32) {
        let previous = self.frames.last().map_or(NONE, |frame| frame.last);
        self.link(parent, previous, id);
        if let Some(frame) = self.frames.last_mut() {
            frame.last = id;
            frame.entries = frame.entries.saturating_add(1);
        }
    }

    /// `<<: {..}` or `<<: [{..}, {..}]`: entries of the merged mapping become entries here, earlier list items win.
    fn merge(&mut self, value: u32) -> Result<(), ParseError> {
        // The merged mapping may carry an anchor of its own: its entries are copied, never moved.
        let at = self.tree.node(NodeId(value)).start as usize;
        let value = self.copy(value, at)?;
        match self.kind(value) {
            Kind::Mapping => self.merge_mapping(value),
            Kind::Sequence => {
                for item in self.children(value).into_iter().rev() {
                    self.merge_mapping(item);
                }
            }
            _ => {
                let message = "`<<` needs a mapping or a list of mappings".to_owned();
                return Err(ParseError::Syntax { at, message });
            }
        }
        Ok(())
    }

    fn merge_mapping(&mut self, mapping: u32) {
        if self.kind(mapping) != Kind::Mapping {
            return;
        }
        for entry in self.children(mapping) {
            let key = self.tree.node(NodeId(entry)).key;
            if let Some(node) = self.tree.nodes.get_mut(entry as usize) {
                node.next = NONE;
            }
            self.insert(entry, key, false);
        }
    }

    fn children(&self, parent: u32) -> Vec<u32> {
        let mut all = Vec::new();
        let mut child = self.tree.node(NodeId(parent)).child;
        while child != NONE {
            all.push(child);
            child = self.tree.node(NodeId(child)).next;
        }
        all
    }

    /// Adds an entry to the innermost mapping. An entry of the same key is replaced; a written one twice is reported.
    fn insert(&mut self, id: u32, key: u32, written: bool) {
        if let Some(node) = self.tree.nodes.get_mut(id as usize) {
            node.key = key;
        }
        let Some(frame) = self.frames.last() else { return };
        let parent = frame.node;
        match self.find(key) {
            None => {
                self.append(parent, id);
                self.remember(key, id);
            }
            Some(old) => self.replace(parent, old, id, written),
        }
    }

    fn find(&self, key: u32) -> Option<u32> {
        let frame = self.frames.last()?;
        let wanted = self.tree.text(self.tree.node(NodeId(key)).text);
        if let Some(keys) = &frame.keys {
            return keys.get(wanted).copied();
        }
        let mut child = self.tree.node(NodeId(frame.node)).child;
        while child != NONE {
            let node = self.tree.node(NodeId(child));
            if self.tree.text(self.tree.node(NodeId(node.key)).text) == wanted {
                return Some(child);
            }
            child = node.next;
        }
        None
    }

    fn remember(&mut self, key: u32, id: u32) {
        let Some(frame) = self.frames.last() else { return };
        if frame.keys.is_none() && frame.entries <= SMALL_MAPPING {
            return;
        }
        let text = |id: u32| -> Box<str> { self.tree.text(self.tree.node(NodeId(id)).text).into() };
        let added = if frame.keys.is_some() {
            vec![(text(key), id)]
        } else {
            let entries = self.children(frame.node);
            entries.into_iter().map(|entry| (text(self.tree.node(NodeId(entry)).key), entry)).collect()
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.keys.get_or_insert_with(HashMap::new).extend(added);
        }
    }

    /// Puts the content of `new` in the place of `old`, so that one key keeps one entry: the last wins, as appliers
    /// have it. Moving the content instead of relinking keeps this independent of the mapping's size.
    fn replace(&mut self, parent: u32, old: u32, new: u32, written: bool) {
        let range = |builder: &Self, entry: u32| {
            let key = builder.tree.node(NodeId(builder.tree.node(NodeId(entry)).key));
            key.start as usize..key.end as usize
        };
        if written && !self.is_merged(parent, old) {
            self.tree.duplicates.push(Duplicate { hidden: range(self, old), wins: range(self, new) });
        }
        let hidden = *self.tree.node(NodeId(old));
        if !self.anchors.is_empty() && !self.moved.contains_key(&old) {
            // An alias may still ask for the hidden value.
            let kept = u32::try_from(self.tree.nodes.len()).unwrap_or(NONE);
            self.tree.nodes.push(hidden);
            self.moved.insert(old, kept);
        }
        let content = *self.tree.node(NodeId(new));
        if let Some(node) = self.tree.nodes.get_mut(old as usize) {
            *node = Node { parent: hidden.parent, next: hidden.next, ..content };
        }
        for child in self.children(old) {
            if let Some(node) = self.tree.nodes.get_mut(child as usize) {
                node.parent = old;
            }
        }
    }

    /// Whether an entry came through `<<`: then its key stands outside the mapping's own text.
    fn is_merged(&self, parent: u32, entry: u32) -> bool {
        let node = self.tree.node(NodeId(entry));
        self.tree.node(NodeId(node.key)).parent != parent
    }
}
