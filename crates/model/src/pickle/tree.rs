//! Room `model`, pickle: a stream -> the objects it would build, as a tree of its opcodes; for people who read. What decides
//! is [`super::machine`], which keeps far less; its facts say where streams begin and where arrays stand between opcodes.

use std::collections::HashMap;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_artifact::Window;

use super::compat;
use super::opcode::Opcode;
use crate::limits::Limits;

/// A value. A leaf is the opcode that stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// Nobody knows.
    #[default]
    Unknown,
    /// `None`, a truth value, a number, text, bytes, `()`: read at its place.
    Leaf(u64),
    /// The index of a part.
    Part(u32),
}

/// What is made of other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    List,
    Dict,
    Set,
    Frozen,
    Tuple,
    /// A name; its index.
    Global(u32),
    /// `callee(*arguments)`.
    Call,
    /// `class.__new__(class, *arguments)`.
    New,
    /// `class(*arguments)`, or without arguments `__new__` (INST, OBJ).
    Make,
    Persistent,
}

/// A value with what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// The opcode that made it.
    pub(crate) at: u64,
    /// Callee, class or id.
    pub(crate) head: Item,
    /// Arguments of a call, as a tuple.
    pub(crate) arguments: Item,
    /// Items; of dicts and objects keys and values by turns.
    pub(crate) items: Vec<Item>,
    /// Items that are not kept.
    pub(crate) more: u64,
    /// What BUILD put into it.
    pub(crate) state: Item,
    /// Bytes that joblib keeps behind it, as the machine has passed over them.
    pub(crate) data: Option<(u64, u64)>,
}

/// One stream, as far as it was followed.
pub(crate) struct Tree<'s> {
    pub(crate) window: Window<'s>,
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: HashMap<u64, Item>,
    parts: Vec<Part>,
    names: Vec<(String, String)>,
    by_name: HashMap<(String, String), u32>,
    /// Bytes of all names.
    name_bytes: usize,
    protocol: u8,
    /// Items of one container that are kept.
    keep: usize,
    /// Values that are kept in all.
    kept: usize,
    /// Ranges of arrays, by their first byte.
    arrays: &'s HashMap<u64, u64>,
    /// A limit was reached: what stands behind is not in the tree.
    pub(crate) is_cut: bool,
}

/// Most values of one tree, beside the memo's; 16 bytes each.
const VALUES: usize = 4 << 20;
/// Most parts; some 120 bytes each.
const PARTS: usize = 1 << 20;

impl<'s> Tree<'s> {
    pub(crate) fn new(source: &'s dyn Source, arrays: &'s HashMap<u64, u64>, keep: usize) -> Self {
        Self {
            window: Window::new(source, 0),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            parts: Vec::new(),
            names: Vec::new(),
            by_name: HashMap::new(),
            name_bytes: 0,
            protocol: 0,
            keep,
            kept: 0,
            arrays,
            is_cut: false,
        }
    }

    /// Follows the stream at `at` to its STOP and gives what it returns; none where it does not get there. `see` is shown
    /// each opcode before it acts, and ends it with false.
    pub(crate) fn run(
        &mut self,
        at: u64,
        mut see: impl FnMut(&mut Self, &Opcode) -> Result<bool, ReadError>,
    ) -> Result<Option<Item>, ReadError> {
        self.window.seek(at);
        while let Some(opcode) = Opcode::next(&mut self.window)? {
            if !see(self, &opcode)? {
                return Ok(None);
            }
            if opcode.code == b'.' {
                return Ok(Some(self.pop()));
            }
            self.step(&opcode)?;
            let values = self.kept + self.stack.len() + self.memo.len();
            self.is_cut |= values > VALUES || self.parts.len() > PARTS;
            if self.is_cut {
                return Ok(None);
            }
        }
        Ok(None)
    }

    pub(crate) fn part(&self, item: Item) -> Option<&Part> {
        let Item::Part(index) = item else { return None };
        usize::try_from(index).ok().and_then(|index| self.parts.get(index))
    }

    /// Module and name of a global, as the loader imports it.
    pub(crate) fn name(&self, item: Item) -> Option<(&str, &str)> {
        let Kind::Global(index) = self.part(item)?.kind else { return None };
        let (module, name) = usize::try_from(index).ok().and_then(|index| self.names.get(index))?;
        Some((module, name))
    }

    /// The name that the opcode at a place has looked up, as the loader imports it.
    pub(crate) fn looked_up(&self, at: u64) -> Option<(&str, &str)> {
        // Parts stand in the order of their opcodes; an INST makes three.
        let first = self.parts.partition_point(|part| part.at < at);
        let mut made = self.parts.get(first..)?.iter().take_while(|part| part.at == at);
        let index = first + made.position(|part| matches!(part.kind, Kind::Global(_)))?;
        self.name(Item::Part(u32::try_from(index).ok()?))
    }

    /// The opcode behind a leaf.
    pub(crate) fn leaf(&mut self, item: Item) -> Result<Option<Opcode>, ReadError> {
        let Item::Leaf(at) = item else { return Ok(None) };
        let here = self.window.at();
        self.window.seek(at);
        let opcode = Opcode::next(&mut self.window);
        self.window.seek(here);
        opcode
    }

    /// Items from the top of the stack down, `0` first.
    pub(crate) fn top(&self, below: usize) -> Item {
        self.stack.len().checked_sub(below + 1).and_then(|at| self.stack.get(at)).copied().unwrap_or_default()
    }

    /// What stands above the newest mark, and what below it.
    pub(crate) fn marked(&self) -> (Item, &[Item]) {
        let height = self.marks.last().copied().unwrap_or(0);
        let below = height.checked_sub(1).and_then(|at| self.stack.get(at)).copied();
        (below.unwrap_or_default(), self.stack.get(height..).unwrap_or_default())
    }

    fn pop(&mut self) -> Item {
        self.stack.pop().unwrap_or_default()
    }

    fn end_mark(&mut self) -> Vec<Item> {
        let height = self.marks.pop().unwrap_or(0).min(self.stack.len());
        self.stack.split_off(height)
    }

    fn add(&mut self, kind: Kind, at: u64, head: Item, arguments: Item, items: Vec<Item>) -> Item {
        let index = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let mut part =
            Part { kind, at, head, arguments, items: vec![], more: 0, state: Item::Unknown, data: None };
        self.kept += fill(&mut part, items, self.keep);
        self.parts.push(part);
        Item::Part(index)
    }

    fn push(&mut self, kind: Kind, at: u64, items: Vec<Item>) {
        let part = self.add(kind, at, Item::Unknown, Item::Unknown, items);
        self.stack.push(part);
    }

    fn push_call(&mut self, kind: Kind, at: u64, head: Item, arguments: Item) {
        let part = self.add(kind, at, head, arguments, vec![]);
        self.stack.push(part);
    }

    fn change(&mut self, target: Item, change: impl FnOnce(&mut Part) -> usize) {
        let Item::Part(index) = target else { return };
        if let Some(part) = usize::try_from(index).ok().and_then(|index| self.parts.get_mut(index)) {
            self.kept += change(part);
        }
    }

    fn put_items(&mut self, items: Vec<Item>) {
        let (target, keep) = (self.top(0), self.keep);
        self.change(target, |part| fill(part, items, keep));
    }

    /// Names are cut as [`super::lookup`] cuts them: a text that is memoized once is a name as often as the stream likes.
    fn global(&mut self, mut module: String, mut name: String, at: u64) {
        for text in [&mut module, &mut name] {
            text.truncate(text.floor_char_boundary(Limits::NAME));
        }
        let mapped = if self.protocol < 3 { compat::renamed(&module, &name) } else { None };
        let key = mapped.unwrap_or((module, name));
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let bytes = self.name_bytes + key.0.len() + key.1.len();
        let index = match self.by_name.get(&key) {
            Some(index) => *index,
            None if bytes > Limits::NAMES => {
                self.is_cut = true;
                return self.stack.push(Item::Unknown);
            }
            None => {
                self.name_bytes = bytes;
                self.by_name.insert(key.clone(), next);
                self.names.push(key);
                next
            }
        };
        self.push(Kind::Global(index), at, vec![]);
    }

    fn two_names(&self, opcode: &Opcode) -> Result<(String, String), ReadError> {
        let count = usize::try_from(opcode.len).unwrap_or(usize::MAX).min(2 * Limits::NAME + 1);
        let bytes = self.window.bytes_at(opcode.operand, count)?;
        let text = String::from_utf8_lossy(&bytes);
        let (module, name) = text.split_once('\n').unwrap_or((&text, ""));
        Ok((module.to_owned(), name.to_owned()))
    }

    fn text(&mut self, item: Item) -> Result<Option<String>, ReadError> {
        match self.leaf(item)? {
            Some(opcode) => opcode.as_text(&self.window),
            None => Ok(None),
        }
    }

    fn step(&mut self, opcode: &Opcode) -> Result<(), ReadError> {
        let at = opcode.at;
        match opcode.code {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.marks.last() {
                Some(mark) if *mark == self.stack.len() => _ = self.marks.pop(),
                _ => _ = self.stack.pop(),
            },
            b'1' => _ = self.end_mark(),
            b'2' => self.stack.push(self.top(0)),
            b'Q' | b'P' => {
                let id = if opcode.code == b'Q' { self.pop() } else { Item::Unknown };
                self.push_call(Kind::Persistent, at, id, Item::Unknown);
            }
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop(), self.pop());
                self.push_call(
                    if opcode.code == b'R' { Kind::Call } else { Kind::New },
                    at,
                    callee,
                    arguments,
                );
            }
            0x92 => {
                let (_keywords, arguments, class) = (self.pop(), self.pop(), self.pop());
                self.push_call(Kind::New, at, class, arguments);
            }
            b'i' => {
                let (module, name) = self.two_names(opcode)?;
                let items = self.end_mark();
                self.global(module, name, at);
                let class = self.pop();
                let arguments = self.add(Kind::Tuple, at, Item::Unknown, Item::Unknown, items);
                self.push_call(Kind::Make, at, class, arguments);
            }
            b'o' => {
                let mut items = self.end_mark();
                let class = if items.is_empty() { Item::Unknown } else { items.remove(0) };
                let arguments = self.add(Kind::Tuple, at, Item::Unknown, Item::Unknown, items);
                self.push_call(Kind::Make, at, class, arguments);
            }
            b'c' => {
                let (module, name) = self.two_names(opcode)?;
                self.global(module, name, at);
            }
            0x93 => {
                let (name, module) = (self.pop(), self.pop());
                match (self.text(module)?, self.text(name)?) {
                    (Some(module), Some(name)) => self.global(module, name, at),
                    _ => self.stack.push(Item::Unknown),
                }
            }
            0x82..=0x84 | 0x97 => self.stack.push(Item::Unknown),
            b'b' => self.build(opcode),
            b'a' => {
                let item = self.pop();
                self.put_items(vec![item]);
            }
            b's' => {
                let (value, key) = (self.pop(), self.pop());
                self.put_items(vec![key, value]);
            }
            b'e' | b'u' | 0x90 => {
                let items = self.end_mark();
                self.put_items(items);
            }
            b']' => self.push(Kind::List, at, vec![]),
            b'}' => self.push(Kind::Dict, at, vec![]),
            0x8f => self.push(Kind::Set, at, vec![]),
            b'l' | b'd' | b't' | 0x91 => {
                let items = self.end_mark();
                let kind = match opcode.code {
                    b'l' => Kind::List,
                    b'd' => Kind::Dict,
                    b't' => Kind::Tuple,
                    _ => Kind::Frozen,
                };
                self.push(kind, at, items);
            }
            0x85..=0x87 => {
                let count = usize::from(opcode.code - 0x84);
                let items = self.stack.split_off(self.stack.len().saturating_sub(count));
                self.push(Kind::Tuple, at, items);
            }
            b'g' | b'h' | b'j' => {
                let value = self.key(opcode)?.and_then(|key| self.memo.get(&key)).copied();
                self.stack.push(value.unwrap_or_default());
            }
            b'p' | b'q' | b'r' => {
                if let Some(key) = self.key(opcode)? {
                    self.memo.insert(key, self.top(0));
                }
            }
            0x94 => {
                self.memo.insert(self.memo.len() as u64, self.top(0));
            }
            0x80 => {
                self.protocol = self.window.bytes_at(opcode.operand, 1)?.first().copied().unwrap_or(0);
            }
            0x95 | 0x98 => {}
            _ => self.stack.push(Item::Leaf(at)),
        }
        Ok(())
    }

    fn key(&self, opcode: &Opcode) -> Result<Option<u64>, ReadError> {
        Ok(opcode.argument(&self.window)?.trim().parse().ok())
    }

    fn build(&mut self, opcode: &Opcode) {
        let state = self.pop();
        let end = self.arrays.get(&opcode.end).copied();
        if let Some(end) = end {
            self.window.seek(end);
        }
        let data = end.map(|end| (opcode.end, end));
        self.change(self.top(0), |part| {
            part.state = state;
            part.data = data;
            0
        });
    }
}

/// Adds items as far as there is room for them, and says how many were kept.
fn fill(part: &mut Part, items: Vec<Item>, keep: usize) -> usize {
    let room = keep.saturating_sub(part.items.len());
    let kept = items.len().min(room);
    part.more += (items.len() - kept) as u64;
    part.items.extend(items.into_iter().take(kept));
    kept
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;

    use super::*;
    use crate::testing::build::Stream;

    #[test]
    fn names_are_cut_and_end_the_tree_where_they_take_too_much() {
        let long = [&b"X\xa0\x0f\0\0"[..], &[b'n'; 4000], b"q\x000"].concat();
        let mut stream = Stream::protocol(4).raw(long);
        for number in 0..20_000 {
            stream = stream.text(&format!("{number:05}")).raw(b"h\x00\x930");
        }
        let bytes = stream.stop();
        let (source, arrays) = (Slice::new(bytes), HashMap::new());
        let mut tree = Tree::new(&source, &arrays, usize::MAX);
        assert_eq!(tree.run(0, |_, _| Ok(true)).unwrap(), None);
        assert!(tree.is_cut);
        let bytes: usize = tree.names.iter().map(|(module, name)| module.len() + name.len()).sum();
        assert!(bytes <= Limits::NAMES && bytes > Limits::NAMES / 2, "{bytes}");
        assert!(tree.names.iter().all(|(_, name)| name.len() == Limits::NAME));
    }
}
