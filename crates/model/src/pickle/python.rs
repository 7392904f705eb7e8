//! Room `model`, pickle: values -> what Python's words for them are: `os.system('id')`. For people; it is cut where it is
//! long, and nothing is judged by it.

use ringfence_artifact::ReadError;

use super::opcode::Opcode;
use super::opcode::plain;
use super::tree::Item;
use super::tree::Kind;
use super::tree::Tree;

/// Letters of one line.
const LINE: usize = 400;
/// Letters of one literal.
const LITERAL: usize = 160;
/// Items of one container.
const ITEMS: usize = 8;
const DEPTH: usize = 6;

/// What an opcode is about to do, before it does it; none where that is no use of a name.
pub(super) fn act(tree: &mut Tree<'_>, opcode: &Opcode) -> Result<Option<String>, ReadError> {
    let mut line = Line { tree, text: String::new() };
    match opcode.code {
        b'R' => line.call(line.tree.top(1), line.tree.top(0), 0)?,
        0x81 => line.made(line.tree.top(1), line.tree.top(0), 0)?,
        0x92 => line.made(line.tree.top(2), line.tree.top(1), 0)?,
        b'o' => {
            let items = line.tree.marked().1.to_vec();
            if let Some((class, arguments)) = items.split_first() {
                line.item(*class, 0)?;
                line.list("(", arguments, 0, ")", 0)?;
            }
        }
        b'i' => {
            let name = opcode.argument(&line.tree.window)?;
            let items = line.tree.marked().1.to_vec();
            line.text += &name.replacen(' ', ".", 1);
            line.list("(", &items, 0, ")", 0)?;
        }
        b'b' => line.method(line.tree.top(1), "__setstate__", &[line.tree.top(0)])?,
        b'a' => line.method(line.tree.top(1), "append", &[line.tree.top(0)])?,
        b's' => line.assign(line.tree.top(2), line.tree.top(1), line.tree.top(0))?,
        b'e' | 0x90 | b'u' => {
            let (target, items) = line.tree.marked();
            let items = items.to_vec();
            match (opcode.code, items.as_slice()) {
                (b'u', [key, value, ..]) => line.assign(target, *key, *value)?,
                (b'u', _) => {}
                (code, items) => {
                    let name = if code == b'e' { "extend" } else { "update" };
                    line.item(target, 0)?;
                    line.text.push('.');
                    line.text.push_str(name);
                    line.text.push('(');
                    line.list("[", items, 0, "]", 0)?;
                    line.text.push(')');
                }
            }
        }
        b'c' => {
            let name = opcode.argument(&line.tree.window)?;
            let (module, name) = name.split_once(' ').unwrap_or((&name, ""));
            line.text = format!("from {module} import {name}");
        }
        0x93 => line.import()?,
        b'Q' => {
            line.text.push_str("persistent_load(");
            line.item(line.tree.top(0), 0)?;
            line.text.push(')');
        }
        _ => return Ok(None),
    }
    let mut text = line.text;
    if let Some((cut, _)) = text.char_indices().nth(LINE) {
        text.truncate(cut);
        text.push_str("...");
    }
    Ok((!text.is_empty()).then_some(text))
}

/// A line being written. It may grow beyond its length by the last literal.
struct Line<'t, 's> {
    tree: &'t mut Tree<'s>,
    text: String,
}

impl Line<'_, '_> {
    fn call(&mut self, callee: Item, arguments: Item, depth: usize) -> Result<(), ReadError> {
        self.item(callee, depth)?;
        self.arguments(arguments, &[], depth)
    }

    /// `Popen.__new__(Popen, ...)`: it is made, and not called.
    fn made(&mut self, class: Item, arguments: Item, depth: usize) -> Result<(), ReadError> {
        self.item(class, depth)?;
        self.text.push_str(".__new__");
        self.arguments(arguments, &[class], depth)
    }

    fn arguments(&mut self, arguments: Item, before: &[Item], depth: usize) -> Result<(), ReadError> {
        let tuple = self.tree.part(arguments).filter(|part| part.kind == Kind::Tuple);
        let tuple = tuple.map(|part| (part.items.clone(), part.more));
        let is_empty = self.tree.leaf(arguments)?.is_some_and(|opcode| opcode.code == b')');
        match tuple {
            Some((items, more)) => self.list("(", &[before, &items].concat(), more, ")", depth),
            None if is_empty => self.list("(", before, 0, ")", depth),
            None => {
                self.text.push_str("(*");
                self.item(arguments, depth + 1)?;
                self.text.push(')');
                Ok(())
            }
        }
    }

    fn method(&mut self, target: Item, name: &str, arguments: &[Item]) -> Result<(), ReadError> {
        self.item(target, 0)?;
        self.text.push('.');
        self.text.push_str(name);
        self.list("(", arguments, 0, ")", 0)
    }

    fn assign(&mut self, target: Item, key: Item, value: Item) -> Result<(), ReadError> {
        self.item(target, 0)?;
        self.list("[", &[key], 0, "]", 0)?;
        self.text.push_str(" = ");
        self.item(value, 0)
    }

    fn import(&mut self) -> Result<(), ReadError> {
        let mut part = |below| -> Result<String, ReadError> {
            let item = self.tree.top(below);
            let Some(opcode) = self.tree.leaf(item)? else { return Ok("?".to_owned()) };
            Ok(plain(&opcode.as_text(&self.tree.window)?.unwrap_or_else(|| "?".to_owned())))
        };
        let (name, module) = (part(0)?, part(1)?);
        self.text = format!("from {module} import {name}");
        Ok(())
    }

    fn list(
        &mut self,
        open: &str,
        items: &[Item],
        more: u64,
        close: &str,
        depth: usize,
    ) -> Result<(), ReadError> {
        self.text.push_str(open);
        for (index, item) in items.iter().take(ITEMS).enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.item(*item, depth + 1)?;
        }
        if items.len() > ITEMS || more > 0 {
            self.text.push_str(if items.is_empty() { "..." } else { ", ..." });
        }
        self.text.push_str(close);
        Ok(())
    }

    fn item(&mut self, item: Item, depth: usize) -> Result<(), ReadError> {
        if depth > DEPTH || self.text.len() > LINE {
            self.text.push_str("...");
            return Ok(());
        }
        if let Some(opcode) = self.tree.leaf(item)? {
            let literal = self.literal(&opcode)?;
            self.text.push_str(&literal);
            return Ok(());
        }
        let Some(part) = self.tree.part(item) else {
            self.text.push('?');
            return Ok(());
        };
        let (kind, head, arguments, more) = (part.kind, part.head, part.arguments, part.more);
        // One more than is shown says that there are more.
        let items: Vec<Item> = part.items.iter().take(2 * ITEMS + 2).copied().collect();
        match kind {
            Kind::Global(_) => {
                let name = self.tree.name(item).map(|(module, name)| format!("{module}.{name}"));
                self.text.push_str(&plain(&name.unwrap_or_default()));
                Ok(())
            }
            Kind::Call | Kind::Make => self.call(head, arguments, depth + 1),
            Kind::New => self.made(head, arguments, depth + 1),
            Kind::Persistent => {
                self.text.push_str("persistent_load");
                self.list("(", &[head], 0, ")", depth)
            }
            Kind::List => self.list("[", &items, more, "]", depth),
            Kind::Tuple if items.len() == 1 => self.list("(", &items, more, ",)", depth),
            Kind::Tuple => self.list("(", &items, more, ")", depth),
            Kind::Set => self.list("{", &items, more, "}", depth),
            Kind::Frozen => self.list("frozenset({", &items, more, "})", depth),
            Kind::Dict => self.dict(&items, more, depth),
        }
    }

    fn dict(&mut self, items: &[Item], more: u64, depth: usize) -> Result<(), ReadError> {
        self.text.push('{');
        let (pairs, _) = items.as_chunks::<2>();
        for (index, [key, value]) in pairs.iter().take(ITEMS).enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.item(*key, depth + 1)?;
            self.text.push_str(": ");
            self.item(*value, depth + 1)?;
        }
        if pairs.len() > ITEMS || more > 0 {
            self.text.push_str(", ...");
        }
        self.text.push('}');
        Ok(())
    }

    fn literal(&self, opcode: &Opcode) -> Result<String, ReadError> {
        let argument = opcode.argument(&self.tree.window)?;
        let mut text = match opcode.code {
            b'N' => "None".to_owned(),
            0x88 => "True".to_owned(),
            0x89 => "False".to_owned(),
            b')' => "()".to_owned(),
            b'I' if argument == "01" => "True".to_owned(),
            b'I' if argument == "00" => "False".to_owned(),
            b'L' => argument.trim_end_matches('L').to_owned(),
            0x96 => format!("bytearray({argument})"),
            _ => argument,
        };
        if let Some((cut, _)) = text.char_indices().nth(LITERAL) {
            text.truncate(cut);
            // The quote is closed, so that what follows is not taken for a part of it.
            if matches!(opcode.code, b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e) {
                let quote = if text.starts_with('"') { '"' } else { '\'' };
                text.push(quote);
            }
            text.push_str("...");
        }
        Ok(text)
    }
}
