//! Room `model`, pickle: a tree of objects -> all of its parts, each with the way to it: `state.layers.0.weight`.

use std::collections::HashSet;
use std::rc::Rc;

use ringfence_artifact::ReadError;

use super::tree::Item;
use super::tree::Kind;
use super::tree::Tree;

/// Longest way that is written out, in bytes.
const WAY: usize = 256;

/// A part whose children are being gone through. Parts lie as deep in one another as there are opcodes: beyond [`WAY`] they
/// share one text.
struct Open {
    way: Rc<str>,
    part: Item,
    next: usize,
    /// The tuple of a call's arguments: what it holds has the way of the call.
    is_handed: bool,
}

/// What leads from a part to a child.
enum Edge {
    Key(Item),
    Place(usize),
    State,
    /// What a call is handed stands for what it gives.
    Arguments,
}

impl Tree<'_> {
    /// Every part that the value is made of, each once, the value itself first, with the way to it, in the order of the file.
    /// Ways go by keys and attributes; `see` is told of each and says whether to look into it.
    pub(crate) fn walk(
        &mut self,
        root: Item,
        mut see: impl FnMut(&mut Self, &str, Item) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut seen = HashSet::from([root]);
        let mut open = vec![];
        if self.part(root).is_some() && see(self, "", root)? {
            open.push(Open { way: "".into(), part: root, next: 0, is_handed: false });
        }
        while let Some(above) = open.last_mut() {
            let Some((edge, child)) = self.child(above.part, above.next) else {
                open.pop();
                continue;
            };
            above.next += 1;
            let Some(kind) = self.part(child).map(|part| part.kind) else { continue };
            // Before the way is written: one part can be an item as often as the file likes.
            if !seen.insert(child) {
                continue;
            }
            let way = match edge {
                Edge::Key(key) => joined(&above.way, &self.word(key)?),
                Edge::Place(at) if !above.is_handed => joined(&above.way, &at.to_string()),
                _ => Rc::clone(&above.way),
            };
            let is_handed = matches!(edge, Edge::Arguments) && kind == Kind::Tuple;
            if see(self, &way, child)? {
                open.push(Open { way, part: child, next: 0, is_handed });
            }
        }
        Ok(())
    }

    fn child(&self, part: Item, at: usize) -> Option<(Edge, Item)> {
        let part = self.part(part)?;
        let (pairs, _) = part.items.as_chunks::<2>();
        let is_sequence = matches!(part.kind, Kind::List | Kind::Set | Kind::Frozen | Kind::Tuple);
        let count = if is_sequence { part.items.len() } else { pairs.len() };
        match at.checked_sub(count) {
            None if is_sequence => part.items.get(at).map(|item| (Edge::Place(at), *item)),
            None => pairs.get(at).map(|[key, value]| (Edge::Key(*key), *value)),
            Some(0) => Some((Edge::State, part.state)),
            Some(1) => Some((Edge::Arguments, part.arguments)),
            Some(_) => None,
        }
    }

    /// A key as one part of a way.
    pub(crate) fn word(&mut self, key: Item) -> Result<String, ReadError> {
        let Some(opcode) = self.leaf(key)? else { return Ok("?".to_owned()) };
        match opcode.as_text(&self.window)? {
            Some(text) => Ok(text),
            None => opcode.argument(&self.window),
        }
    }
}

fn joined(way: &Rc<str>, word: &str) -> Rc<str> {
    if way.is_empty() && word.len() <= WAY {
        return word.into();
    }
    if way.len() + word.len() > WAY { Rc::clone(way) } else { format!("{way}.{word}").into() }
}
