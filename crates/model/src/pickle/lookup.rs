//! Room `model`, pickle: names. GLOBAL, INST and STACK_GLOBAL look one up; equal names share an index.

use std::collections::HashMap;

use super::compat;
use super::effect::Effect;
use super::end::Halt;
use super::end::Step;
use super::facts::FaultKind;
use super::facts::Name;
use super::facts::Storage;
use super::facts::Use;
use super::machine::Dialect;
use super::machine::Machine;
use super::operand::Line;
use super::value::Coding;
use super::value::Value;
use super::value::decode;
use crate::limits::Limits;

/// What is known of names by their index.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_key: HashMap<Box<[u8]>, u32>,
    pub(super) effects: Vec<Effect>,
    key: Vec<u8>,
    /// Bytes of all names.
    pub(super) bytes: usize,
    storages: HashMap<(u32, String), u32>,
}

impl Machine<'_> {
    pub(super) fn global_line(&mut self) -> Step {
        let (module, name) = self.two_lines()?;
        let index = self.look_up(&module, &name);
        self.stack.push(Value::Global(index));
        Ok(())
    }

    pub(super) fn inst_line(&mut self) -> Step {
        let (module, name) = self.two_lines()?;
        let class = self.look_up(&module, &name);
        let height = self.end_mark();
        self.instance(Value::Global(class), height);
        Ok(())
    }

    fn two_lines(&mut self) -> Step<(String, String)> {
        let (module, name) = (self.line_or_rest()?, self.line_or_rest()?);
        if module.whole && name.whole {
            return Ok((self.name_line(module)?, self.name_line(name)?));
        }
        // Without its line feed the C unpickler stops; the pure-Python one takes the last byte for it.
        let cut =
            |line: Line| if line.whole { line } else { Line { len: line.len.saturating_sub(1), ..line } };
        let (module, name) = (self.name_line(cut(module))?, self.name_line(cut(name))?);
        self.look_up(&module, &name);
        Err(Halt::Truncated)
    }

    fn name_line(&mut self, line: Line) -> Step<String> {
        if line.len > Limits::NAME as u64 {
            self.long_name();
        }
        let bytes = self.line_bytes(line, Limits::NAME as u64)?;
        if std::str::from_utf8(&bytes).is_err() || bytes.is_empty() {
            let at = self.at;
            self.facts.fault(FaultKind::Broken, at, || "a name that is empty or not UTF-8".to_owned());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[cold]
    fn long_name(&mut self) {
        let at = self.at;
        self.facts.fault(FaultKind::LongName, at, || format!("a name of more than {} bytes", Limits::NAME));
    }

    pub(super) fn stack_global(&mut self) -> Step {
        let (name, module) = (self.pop(), self.pop());
        let (module_text, name_text) = (self.text_of(module)?, self.text_of(name)?);
        if let (Some(module), Some(name)) = (module_text, name_text) {
            let index = self.look_up(&module, &name);
            self.stack.push(Value::Global(index));
            return Ok(());
        }
        let at = self.at;
        // What a call gives may be text that nobody can foresee; everything else is an error in the loader.
        let computed = |value| matches!(value, Value::Object { .. } | Value::Persistent(_));
        if computed(module) || computed(name) {
            self.facts.fault(FaultKind::ComputedName, at, || "a name that is made while loading".to_owned());
        } else {
            self.facts.fault(FaultKind::Broken, at, || "a look-up of something that is not text".to_owned());
        }
        self.stack.push(Value::Unknown);
        Ok(())
    }

    /// Text as a name; long text is cut, and told.
    pub(super) fn text_of(&mut self, value: Value) -> Step<Option<String>> {
        let Value::Text { at, len, coding } = value else { return Ok(None) };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > Limits::NAME {
            self.long_name();
        }
        let bytes = self.window.bytes_at(at, len.min(Limits::NAME))?;
        Ok(Some(decode(&bytes, coding).unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned())))
    }

    /// `find_class`: counts the look-up and gives the name's index.
    fn look_up(&mut self, module: &str, name: &str) -> u32 {
        let index = self.name(module, name, self.protocol < 3, self.protocol >= 4);
        self.looked_up(index);
        self.passes(index);
        index
    }

    /// `getattr(name, "attribute")`: the look-up of a dotted name, as protocol 4 writes it. CPython's pickler writes methods
    /// and nested classes so, each time with a text of the stream's own. Everything else that `getattr` is handed is none.
    pub(super) fn attribute(&mut self, getter: u32, arguments: Value) -> Option<u32> {
        let Value::Tuple { start, len: 2, .. } = arguments else { return None };
        let &[Value::Global(class), text] = self.cells_of(start, 2) else { return None };
        let Value::Text { len, coding: Coding::Raw | Coding::Utf8, .. } = text else { return None };
        if self.effect_of(getter) != Effect::Gets || usize::try_from(len).ok()? > Limits::NAME {
            return None;
        }
        let attribute = self.text_of(text).ok().flatten()?;
        let of = usize::try_from(class).ok().and_then(|class| self.facts.names.get(class))?;
        let (module, class) = of.imported();
        if !module.split('.').all(is_identifier) || !is_identifier(class) || !is_identifier(&attribute) {
            return None;
        }
        let (module, dotted) = (module.to_owned(), format!("{class}.{attribute}"));
        let index = self.name(&module, &dotted, false, true);
        self.looked_up(index);
        if let Some(name) = usize::try_from(index).ok().and_then(|index| self.facts.names.get_mut(index)) {
            name.is_got = true;
        }
        self.facts.strays = self.facts.strays.saturating_sub(1);
        Some(index)
    }

    /// A name comes to the stack: from where it goes is not followed, but each `getattr` there has to be called at once.
    #[inline]
    pub(super) fn passes(&mut self, index: u32) {
        if self.effect_of(index) == Effect::Gets {
            self.facts.strays += 1;
        }
    }

    /// The index of a name; equal ones share it.
    fn name(&mut self, module: &str, name: &str, maps: bool, walks: bool) -> u32 {
        let mut key = std::mem::take(&mut self.index.key);
        key.clear();
        key.extend_from_slice(module.as_bytes());
        key.push(0);
        key.extend_from_slice(name.as_bytes());
        key.push(u8::from(maps) << 1 | u8::from(walks));
        let known = self.index.by_key.get(key.as_slice()).copied();
        let index = known.unwrap_or_else(|| {
            let mapped = if maps { compat::renamed(module, name) } else { None };
            let mut name = Name::new((module.to_owned(), name.to_owned()), mapped, walks);
            let index = u32::try_from(self.facts.names.len()).unwrap_or(u32::MAX);
            let (module, attribute) = name.imported();
            let effect = Effect::of(module, attribute);
            name.gets = effect == Effect::Gets;
            self.index.effects.push(effect);
            self.expect_arrays(effect);
            self.expect_attributes(name.imported().0);
            self.facts.names.push(name);
            self.index.bytes = self.index.bytes.saturating_add(key.len());
            self.index.by_key.insert(key.clone().into_boxed_slice(), index);
            index
        });
        self.index.key = key;
        index
    }

    fn looked_up(&mut self, index: u32) {
        self.used(index, Use::Import);
        if self.tainted {
            self.used(index, Use::Tainted);
        }
    }

    pub(super) fn used(&mut self, index: u32, what: Use) {
        self.used_at(index, what, self.at);
    }

    pub(super) fn used_at(&mut self, index: u32, what: Use, at: u64) {
        if let Some(name) = usize::try_from(index).ok().and_then(|index| self.facts.names.get_mut(index)) {
            name.used(what, at);
        }
    }

    /// EXT1, EXT2, EXT4: the registry of the loading process decides what that is.
    pub(super) fn extension(&mut self, code: i64) {
        let at = self.at;
        self.facts.fault(FaultKind::Extension, at, || format!("extension code {code}"));
        self.stack.push(Value::Unknown);
    }

    pub(super) fn persistent_line(&mut self) -> Step {
        let line = self.line()?;
        let at = self.at;
        let bytes = self.line_bytes(line, Limits::NAME as u64)?;
        if !bytes.is_ascii() {
            // Both unpicklers stop there: a ZIP, whose first byte is this opcode, is a pickle where a line of ASCII follows.
            self.facts.fault(FaultKind::Broken, at, || "a persistent id that is not ASCII".to_owned());
        } else if self.dialect == Dialect::TorchTar {
            let number = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
            self.numbered(number);
        } else {
            self.facts.fault(FaultKind::Persistent, at, || "a persistent id in a line of text".to_owned());
        }
        self.stack.push(Value::Persistent(None));
        Ok(())
    }

    /// A persistent id: `("storage", class, key, device, items, ...)` as torch writes it, or something unknown.
    pub(super) fn persistent(&mut self, id: Value) -> Step {
        if let Some(class) = self.class_of_module(id)? {
            self.push_again(class);
            return Ok(());
        }
        let storage = match id {
            Value::Int(_) | Value::Text { .. } if self.dialect == Dialect::TorchTar => {
                let number = if let Value::Int(number) = id { Some(number) } else { None };
                let text = self.text_of(id)?;
                self.numbered(number.or_else(|| text?.trim().parse().ok()));
                self.stack.push(Value::Persistent(None));
                return Ok(());
            }
            Value::Tuple { start, len: len @ 5..=6, .. } => self.storage_id(start, len)?,
            _ => None,
        };
        if storage.is_none() {
            let at = self.at;
            self.facts
                .fault(FaultKind::Persistent, at, || "a persistent id that names no storage".to_owned());
        }
        self.stack.push(Value::Persistent(storage));
        Ok(())
    }

    /// The number of a tensor or storage in another member of the archive.
    fn numbered(&mut self, number: Option<i64>) {
        let at = self.at;
        match number {
            Some(number) => self.facts.numbers.push(number),
            None => {
                self.facts
                    .fault(FaultKind::Persistent, at, || "a persistent id that is no number".to_owned());
            }
        }
    }

    /// `("module", class, file, source)`, or without its first part: torch gives the class back, and compares its source.
    fn class_of_module(&mut self, id: Value) -> Step<Option<Value>> {
        let Value::Tuple { start, len, .. } = id else { return Ok(None) };
        let (tag, class) = match (self.dialect, self.cells_of(start, len)) {
            (Dialect::TorchLegacy, &[tag, class @ Value::Global(_), _, _]) => (Some(tag), class),
            (Dialect::TorchTar, &[class @ Value::Global(_), _, _]) => (None, class),
            _ => return Ok(None),
        };
        let is_module = match tag {
            Some(tag) => self.text_of(tag)?.as_deref() == Some("module"),
            None => true,
        };
        Ok(is_module.then_some(class))
    }

    fn storage_id(&mut self, start: u32, len: u16) -> Step<Option<u32>> {
        let &[tag, class, key, _device, items, ref view @ ..] = self.cells_of(start, len) else {
            return Ok(None);
        };
        let is_view = !matches!(view, [] | [Value::None]);
        let (Value::Global(class), Value::Int(items)) = (class, items) else { return Ok(None) };
        if self.text_of(tag)?.as_deref() != Some("storage") {
            return Ok(None);
        }
        let Some(key) = self.text_of(key)? else { return Ok(None) };
        if is_view {
            let at = self.at;
            self.facts.fault(FaultKind::Persistent, at, || "a storage that is a view of another".to_owned());
        }
        self.used(class, Use::Persistent);
        let next = u32::try_from(self.facts.storages.len()).unwrap_or(u32::MAX);
        // One key with two sizes or classes is two storages: each is held against the file.
        let index = *self.index.storages.entry((class, format!("{key}\0{items}"))).or_insert(next);
        if index == next {
            self.facts.storages.push(Storage { class, key, items });
        }
        Ok(Some(index))
    }
}

/// Whether attributes and modules can be called that, without a dot.
fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_alphanumeric() || char == '_')
}
