//! Room `model`, inspection: pickles -> the tensors and arrays that they would build, with the way to each, and simple
//! values of the object on top. What is shown is what the file says; whether it may be loaded is judged elsewhere.

use std::collections::HashMap;
use std::collections::HashSet;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_finding::ModelTensor;

use super::Book;
use super::tensor;
use crate::format::npy;
use crate::format::torch;
use crate::pickle::Facts;
use crate::pickle::tree::Item;
use crate::pickle::tree::Kind;
use crate::pickle::tree::Tree;

/// Streams of one source that are followed.
const STREAMS: usize = 1000;
/// Dimensions of one tensor.
const DIMENSIONS: usize = 64;
/// Attributes of one object that are looked through; joblib's wrapper has six. Many objects can share one dict of them.
const ATTRIBUTES: usize = 32;

/// Tells the book of everything in the streams of a source. `base` is the place of storages by their key, where they are
/// in the same stream.
pub(crate) fn objects(
    source: &dyn Source,
    facts: &Facts,
    storages: &HashMap<String, u64>,
    book: &mut Book,
) -> Result<(), ReadError> {
    if !book.is_open() {
        return Ok(());
    }
    let arrays: HashMap<u64, u64> = facts.arrays.iter().copied().collect();
    if facts.starts.len() > STREAMS {
        book.cut();
    }
    for start in facts.starts.iter().take(STREAMS) {
        let mut tree = Tree::new(source, &arrays, usize::MAX);
        let root = tree.run(*start, |_, _| Ok(true))?;
        if let Some(root) = root {
            values(&mut tree, root, book)?;
            tree.walk(root, |tree, way, item| {
                let found = Reader { tree, storages }.of(item)?;
                if let Some(mut found) = found {
                    way.clone_into(&mut found.name);
                    book.tensor(found);
                    return Ok(false);
                }
                Ok(true)
            })?;
        }
        if tree.is_cut {
            book.cut();
        }
    }
    Ok(())
}

/// Numbers and texts that stand in the dict on top, and in those that it holds. A dict that stands under many keys is gone
/// through once, and nothing more is read when the book is full: a small file can refer to one dict as often as it likes.
fn values(tree: &mut Tree<'_>, root: Item, book: &mut Book) -> Result<(), ReadError> {
    let mut seen = HashSet::from([root]);
    let mut open = vec![(None, root)];
    while let Some((above, dict)) = open.pop() {
        let mut at = 0;
        while let Some([key, value]) = pair(tree, dict, at) {
            at += 1;
            match (key, value) {
                (Item::Leaf(_), Item::Leaf(_)) if book.is_full() => book.more_entries(1),
                (Item::Leaf(_), Item::Leaf(_)) => entry(tree, above, key, value, book)?,
                (Item::Leaf(_), Item::Part(_)) if above.is_none() && seen.insert(value) => {
                    open.push((Some(key), value));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A key of a dict with its value; none behind the last, and where there is no dict.
fn pair(tree: &Tree<'_>, dict: Item, at: usize) -> Option<[Item; 2]> {
    let part = tree.part(dict).filter(|part| part.kind == Kind::Dict)?;
    part.items.as_chunks::<2>().0.get(at).copied()
}

fn entry(
    tree: &mut Tree<'_>,
    above: Option<Item>,
    key: Item,
    value: Item,
    book: &mut Book,
) -> Result<(), ReadError> {
    let mut way = tree.word(key)?;
    if let Some(above) = above {
        way = [tree.word(above)?, way].join(".");
    }
    let Some(value) = tree.leaf(value)? else { return Ok(()) };
    let words = match value.code {
        b'N' => "None".to_owned(),
        0x88 => "True".to_owned(),
        0x89 => "False".to_owned(),
        b')' => "()".to_owned(),
        _ => value.argument(&tree.window)?,
    };
    book.entry(&way, &words);
    Ok(())
}

struct Reader<'t, 's> {
    tree: &'t mut Tree<'s>,
    /// First byte of each storage, by its key.
    storages: &'t HashMap<String, u64>,
}

impl Reader<'_, '_> {
    /// The tensor that a value is; none where it is something else.
    fn of(&mut self, item: Item) -> Result<Option<ModelTensor>, ReadError> {
        let Some(part) = self.tree.part(item) else { return Ok(None) };
        if !matches!(part.kind, Kind::Call | Kind::New) {
            return Ok(None);
        }
        let (head, arguments, state, data) = (part.head, part.arguments, part.state, part.data);
        let Some((module, name)) = self.tree.name(head) else { return Ok(None) };
        match (module, name) {
            ("torch._utils", name) if is_rebuild(name) => self.torch(arguments, name == "_rebuild_tensor_v3"),
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let items = self.items(arguments);
                let [function, _, inner, ..] = items.as_slice() else { return Ok(None) };
                let is_tensor = self.tree.name(*function).is_some_and(|(_, name)| is_rebuild(name));
                if is_tensor { self.torch(*inner, false) } else { Ok(None) }
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                let items = self.items(state);
                let [_, shape, dtype, ..] = items.as_slice() else { return Ok(None) };
                self.array(*shape, *dtype, None)
            }
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => {
                let items = self.items(arguments);
                let [_, dtype, shape, ..] = items.as_slice() else { return Ok(None) };
                self.array(*shape, *dtype, None)
            }
            (_, "NumpyArrayWrapper") => {
                let (shape, dtype) = (self.attribute(state, "shape")?, self.attribute(state, "dtype")?);
                let at = match (data, self.attribute(state, "numpy_array_alignment_bytes")?) {
                    // A length and so many bytes of padding stand before the items.
                    (Some((start, _)), Item::Leaf(_)) => {
                        let padding = self.tree.window.bytes_at(start, 1)?.first().copied().unwrap_or(0);
                        Some(start + 1 + u64::from(padding))
                    }
                    (data, _) => data.map(|(start, _)| start),
                };
                self.array(shape, dtype, at)
            }
            _ => Ok(None),
        }
    }

    fn torch(&mut self, arguments: Item, has_dtype: bool) -> Result<Option<ModelTensor>, ReadError> {
        let items = self.items(arguments);
        let [storage, offset, size, _stride, rest @ ..] = items.as_slice() else { return Ok(None) };
        let Some(id) = self.tree.part(*storage).filter(|part| part.kind == Kind::Persistent) else {
            return Ok(None);
        };
        let id = self.items(id.head);
        let [_, class, key, ..] = id.as_slice() else { return Ok(None) };
        let Some((_, class)) = self.tree.name(*class) else { return Ok(None) };
        let mut dtype = class.trim_end_matches("Storage").to_ascii_lowercase();
        let mut item = torch::item_size(class).unwrap_or(0);
        if has_dtype && let Some((_, name)) = rest.get(2).and_then(|dtype| self.tree.name(*dtype)) {
            (dtype, item) = (name.to_owned(), torch::dtype_size(name).unwrap_or(0));
        }
        let Some(shape) = self.numbers(*size)? else { return Ok(None) };
        let key = match self.tree.leaf(*key)? {
            Some(key) => key.as_text(&self.tree.window)?.unwrap_or_default(),
            None => String::new(),
        };
        let offset = self.number(*offset)?.and_then(|offset| offset.checked_mul(item));
        let mut found = of_shape(dtype, shape, item);
        let base = self.storages.get(&key).copied();
        found.offset = base.zip(offset).and_then(|(base, offset)| base.checked_add(offset));
        Ok(Some(found))
    }

    fn array(&mut self, shape: Item, dtype: Item, at: Option<u64>) -> Result<Option<ModelTensor>, ReadError> {
        let Some(part) = self.tree.part(dtype) else { return Ok(None) };
        let (arguments, state) = (part.arguments, part.state);
        let Some(text) = self.items(arguments).first().copied() else { return Ok(None) };
        let Some(text) = self.text(text)? else { return Ok(None) };
        let order = match self.items(state).get(1).copied() {
            Some(order) => self.text(order)?.unwrap_or_default(),
            None => String::new(),
        };
        let Some(shape) = self.numbers(shape)? else { return Ok(None) };
        let item = npy::item_of(&text).map_or(0, |(size, _)| size);
        let mut found = of_shape(format!("{order}{text}"), shape, item);
        found.offset = at;
        Ok(Some(found))
    }

    /// Items of a tuple.
    fn items(&self, item: Item) -> Vec<Item> {
        let tuple = self.tree.part(item).filter(|part| part.kind == Kind::Tuple);
        tuple.map(|part| part.items.iter().take(DIMENSIONS).copied().collect()).unwrap_or_default()
    }

    fn numbers(&mut self, item: Item) -> Result<Option<Vec<u64>>, ReadError> {
        let is_empty = self.tree.leaf(item)?.is_some_and(|opcode| opcode.code == b')');
        let is_tuple = self.tree.part(item).is_some_and(|part| part.kind == Kind::Tuple);
        if !is_empty && !is_tuple {
            return Ok(None);
        }
        self.items(item).into_iter().map(|item| self.number(item)).collect()
    }

    fn number(&mut self, item: Item) -> Result<Option<u64>, ReadError> {
        let Some(opcode) = self.tree.leaf(item)? else { return Ok(None) };
        Ok(opcode.as_number(&self.tree.window)?.and_then(|number| u64::try_from(number).ok()))
    }

    fn text(&mut self, item: Item) -> Result<Option<String>, ReadError> {
        match self.tree.leaf(item)? {
            Some(opcode) => opcode.as_text(&self.tree.window),
            None => Ok(None),
        }
    }

    /// What a dict has under a key.
    fn attribute(&mut self, dict: Item, key: &str) -> Result<Item, ReadError> {
        let pairs = self.tree.part(dict).map_or(&[][..], |part| part.items.as_chunks::<2>().0);
        let has_more = pairs.len() > ATTRIBUTES;
        let pairs: Vec<_> = pairs.iter().take(ATTRIBUTES).copied().collect();
        for [name, value] in pairs {
            if self.text(name)?.as_deref() == Some(key) {
                return Ok(value);
            }
        }
        self.tree.is_cut |= has_more;
        Ok(Item::Unknown)
    }
}

fn is_rebuild(name: &str) -> bool {
    matches!(name, "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_qtensor")
}

fn of_shape(dtype: String, shape: Vec<u64>, item: u64) -> ModelTensor {
    let items = shape.iter().try_fold(1_u64, |items, size| items.checked_mul(*size));
    let bytes = items.and_then(|items| items.checked_mul(item)).unwrap_or(u64::MAX);
    tensor(String::new(), dtype, shape, bytes)
}
