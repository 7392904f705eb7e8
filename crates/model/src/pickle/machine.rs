//! Room `model`, pickle: bytes -> the loader's moves, without loading anything. Follows CPython 3.11's C unpickler:
//! stack, marks and memo as there, names by `find_class`, frames ignored or taken as blocks.
//!
//! An error does not end it: the loader stops there, but what stands behind is looked at as well.

use ringfence_artifact::Source;
use ringfence_artifact::Window;

use super::container::Size;
use super::end::End;
use super::end::Halt;
use super::end::Step;
use super::facts::Facts;
use super::facts::FaultKind;
use super::facts::Unread;
use super::joblib::Arrays;
use super::kept::Kept;
use super::lookup::Index;
use super::memo::Memo;
use super::scorer::Scorers;
use super::stack::Stack;
use super::state::Keys;
use super::value::Coding;
use super::value::Container;
use super::value::Value;
use crate::limits::Limits;

/// How frames are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    /// `pickle.loads`: their bounds mean nothing.
    Flat,
    /// `pickle.load` of a file without `peek`: an operand that crosses the end of a frame loses the rest of it.
    Blocks,
}

/// Whose persistent ids the stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Storages of a torch archive, or nobody's.
    #[default]
    Torch,
    /// The form of torch before 1.6: classes of modules with their source as well.
    TorchLegacy,
    /// The form of torch before 0.1.10: numbers of tensors and storages, classes with their source.
    TorchTar,
}

/// One unpickler over one source.
pub(crate) struct Machine<'s> {
    pub(super) window: Window<'s>,
    pub(super) stack: Stack,
    pub(super) memo: Memo,
    /// Items of tuples.
    pub(super) cells: Vec<Value>,
    /// Symbolic sizes of containers.
    pub(super) sizes: Vec<Size>,
    pub(super) index: Index,
    pub(super) facts: Facts,
    pub(super) limits: &'s Limits,
    pub(super) protocol: u8,
    /// The opcode being run.
    pub(super) at: u64,
    /// Whether something that this stream did not make was changed.
    pub(super) tainted: bool,
    pub(super) frames: Frames,
    pub(super) frame_end: u64,
    /// An operand has crossed the end of a frame: the two readings of frames differ.
    pub(crate) straddles: bool,
    pub(super) dialect: Dialect,
    /// What STOP has returned.
    pub(super) result: Value,
    pub(super) kept: Kept,
    pub(super) arrays: Arrays,
    pub(super) keys: Keys,
    pub(super) scorers: Scorers,
}

/// No frame is open.
pub(super) const NO_FRAME: u64 = u64::MAX;
/// Budgets of values are looked at once in so many opcodes.
pub(super) const CHECK_EVERY: u64 = 4096;

impl<'s> Machine<'s> {
    pub(crate) fn new(source: &'s dyn Source, frames: Frames, limits: &'s Limits) -> Self {
        Self {
            window: Window::new(source, 0),
            stack: Stack::with_room(),
            memo: Memo::with_room(),
            cells: Vec::new(),
            sizes: Vec::new(),
            index: Index::default(),
            facts: Facts::default(),
            limits,
            protocol: 0,
            at: 0,
            tainted: false,
            frames,
            frame_end: NO_FRAME,
            straddles: false,
            dialect: Dialect::default(),
            result: Value::Unknown,
            kept: Kept::default(),
            arrays: Arrays::default(),
            keys: Keys::default(),
            scorers: Scorers::default(),
        }
    }

    /// Forgets stack and memo: each stream has an unpickler of its own. Names and faults stay.
    pub(crate) fn fresh(&mut self) {
        self.stack.clear();
        self.memo.clear();
        self.cells.clear();
        self.sizes.clear();
        self.kept.clear();
        self.arrays.clear();
        self.keys.clear();
        self.scorers = Scorers::default();
        self.protocol = 0;
        self.frame_end = NO_FRAME;
    }

    pub(crate) fn into_facts(self) -> Facts {
        self.facts
    }

    /// Runs from `at` to the end of the stream, or to the first byte that cannot be run.
    pub(crate) fn run(&mut self, at: u64) -> End {
        self.facts.begins(at);
        self.run_by::<true>(at)
    }

    /// The same, opcode by opcode where `BURSTS` is false.
    pub(super) fn run_by<const BURSTS: bool>(&mut self, at: u64) -> End {
        self.window.seek(at);
        let mut next_check = self.facts.opcodes + CHECK_EVERY;
        loop {
            if BURSTS {
                self.burst(next_check.saturating_sub(self.facts.opcodes));
                self.pass_frame();
            }
            self.at = self.window.at();
            let result = match self.window.byte() {
                Ok(Some(opcode)) => self.step(opcode),
                Ok(None) => {
                    self.facts
                        .fault(FaultKind::NoStop, self.at, || "the stream ends without STOP".to_owned());
                    return End::Source;
                }
                Err(error) => Err(Halt::Read(error)),
            };
            self.facts.opcodes += 1;
            match result {
                Ok(()) => {}
                Err(Halt::Stop) => {
                    self.close_frame();
                    self.close_scorers();
                    return End::Stop;
                }
                Err(halt) => return self.halted(halt),
            }
            self.pass_frame();
            if self.facts.opcodes >= next_check {
                next_check += CHECK_EVERY;
                if let Some(what) = self.over_budget() {
                    return self.halted(Halt::Budget(what));
                }
            }
        }
    }

    /// Goes on behind a byte that could not be run, with the stack as it is.
    pub(crate) fn resume(&mut self, at: u64) -> End {
        self.stack.push(Value::Unknown);
        self.frame_end = NO_FRAME;
        self.run(at)
    }

    pub(super) fn halted(&mut self, halt: Halt) -> End {
        let at = self.at;
        match halt {
            Halt::Truncated => {
                // As a block, the frame gives the operand another length, which may not run past the end.
                self.straddles |= self.frame_end != NO_FRAME;
                self.facts.fault(FaultKind::Truncated, at, || "an operand runs past the end".to_owned());
                End::Truncated(at)
            }
            Halt::BadOpcode => {
                self.facts.fault(FaultKind::Broken, at, || "a byte that is no opcode".to_owned());
                End::BadOpcode(at)
            }
            Halt::Budget(what) => {
                self.facts.unread(Unread::Budget { at, what });
                End::GivenUp
            }
            Halt::Read(error) => {
                self.facts.unread(Unread::Read { at, error });
                End::GivenUp
            }
            Halt::Stop => End::Stop,
        }
    }

    pub(super) fn over_budget(&self) -> Option<&'static str> {
        // A symbolic size takes eight bytes, a value sixteen.
        let kept = self.kept.len() + self.keys.len();
        let values = self.stack.len() + self.memo.len() + self.cells.len() + kept + self.sizes.len() / 2;
        if self.facts.opcodes > self.limits.opcodes {
            Some("opcodes")
        } else if values > self.limits.values {
            Some("values on stack and in memo")
        } else if self.facts.names.len() >= self.limits.names || self.index.bytes > Limits::NAMES {
            Some("names")
        } else {
            None
        }
    }

    #[expect(clippy::too_many_lines, reason = "one line for each opcode, in the order of pickle.py")]
    #[inline]
    pub(super) fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            b'(' => self.stack.mark(),
            b'.' => {
                self.result = self.pop();
                return Err(Halt::Stop);
            }
            b'0' => {
                if !self.stack.pop_or_mark() {
                    self.underflow();
                }
            }
            b'1' => {
                let height = self.end_mark();
                self.stack.cut(height);
            }
            b'2' => {
                let top = self.top();
                self.shares(top);
                self.push_again(top);
            }
            b'F' => self.float_line()?,
            b'I' => self.int_line()?,
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(number.into()));
            }
            b'K' => {
                let [number] = self.take()?;
                self.stack.push(Value::Int(number.into()));
            }
            b'L' => self.long_line()?,
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(number.into()));
            }
            b'N' => self.stack.push(Value::None),
            b'P' => self.persistent_line()?,
            b'Q' => {
                let id = self.pop();
                self.persistent(id)?;
            }
            b'R' => {
                let (arguments, callee) = (self.pop(), self.pop());
                self.reduce(callee, arguments);
            }
            b'S' => self.string_line()?,
            b'T' => {
                let count = self.signed_count()?;
                self.text(count, Coding::Plain)?;
            }
            b'U' => {
                let [count] = self.take()?;
                self.text(count.into(), Coding::Plain)?;
            }
            b'V' => self.unicode_line()?,
            b'X' => {
                let count = u32::from_le_bytes(self.take()?);
                self.text(count.into(), Coding::Utf8)?;
            }
            0x8c => {
                let [count] = self.take()?;
                self.text(count.into(), Coding::Utf8)?;
            }
            0x8d => {
                let count = u64::from_le_bytes(self.take()?);
                self.text(count, Coding::Utf8)?;
            }
            b'B' => {
                let count = u32::from_le_bytes(self.take()?);
                self.bytes(count.into(), Value::Bytes)?;
            }
            b'C' => {
                let [count] = self.take()?;
                self.bytes(count.into(), Value::Bytes)?;
            }
            0x8e => {
                let count = u64::from_le_bytes(self.take()?);
                self.bytes(count, Value::Bytes)?;
            }
            0x96 => {
                let count = u64::from_le_bytes(self.take()?);
                self.bytes(count, Value::Fresh { kind: Container::Array, size: u32::MAX })?;
            }
            0x97 => {
                self.facts.unread(Unread::OutOfBand { at: self.at });
                self.stack.push(Value::Unknown);
            }
            0x98 => {
                let top = self.top();
                if top == Value::Unknown {
                    self.facts.unread(Unread::OutOfBand { at: self.at });
                }
            }
            b'a' => {
                let height = self.stack.height().saturating_sub(1);
                self.fill(height, false)?;
            }
            b's' => {
                let height = self.stack.height().saturating_sub(2);
                self.fill(height, true)?;
            }
            b'u' => {
                let height = self.end_mark();
                self.fill(height, true)?;
            }
            b'e' | 0x90 => {
                let height = self.end_mark();
                self.fill(height, false)?;
            }
            b']' => self.container(Container::List),
            b'}' => self.container(Container::Dict),
            0x8f => self.container(Container::Set),
            b')' => self.stack.push(Value::Tuple { start: 0, len: 0, size: 1 }),
            b'l' => self.container_from_mark(Container::List)?,
            b'd' => self.container_from_mark(Container::Dict)?,
            0x91 => self.container_from_mark(Container::Frozen)?,
            b't' => {
                let height = self.end_mark();
                self.tuple(height)?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                self.short_tuple(count)?;
            }
            b'b' => {
                let (state, target) = (self.pop(), self.top());
                self.build(target, state)?;
            }
            b'c' => self.global_line()?,
            b'i' => self.inst_line()?,
            b'o' => self.object(),
            0x81 => {
                let (arguments, class) = (self.pop(), self.pop());
                self.new_object(class, arguments, None);
            }
            0x92 => {
                let (keywords, arguments, class) = (self.pop(), self.pop(), self.pop());
                self.new_object(class, arguments, Some(keywords));
            }
            0x93 => self.stack_global()?,
            0x82 => {
                let [code] = self.take()?;
                self.extension(code.into());
            }
            0x83 => {
                let code = u16::from_le_bytes(self.take()?);
                self.extension(code.into());
            }
            0x84 => {
                let code = i32::from_le_bytes(self.take()?);
                self.extension(code.into());
            }
            b'g' => {
                let key = self.memo_key()?;
                self.get(key);
            }
            b'h' => {
                let [key] = self.take()?;
                self.get(Some(key.into()));
            }
            b'j' => {
                let key = u32::from_le_bytes(self.take()?);
                self.get(Some(key.into()));
            }
            b'p' => {
                let key = self.memo_key()?;
                self.put(key);
            }
            b'q' => {
                let [key] = self.take()?;
                self.put(Some(key.into()));
            }
            b'r' => {
                let key = u32::from_le_bytes(self.take()?);
                self.put(Some(key.into()));
            }
            0x94 => {
                let top = self.top();
                self.memo.push(top);
            }
            0x80 => {
                let [protocol] = self.take()?;
                if protocol > 5 {
                    let at = self.at;
                    self.facts.fault(FaultKind::Broken, at, || format!("protocol {protocol} does not exist"));
                } else {
                    self.protocol = protocol;
                }
            }
            0x88 => self.stack.push(Value::Int(1)),
            0x89 => self.stack.push(Value::Int(0)),
            0x8a => {
                let [count] = self.take()?;
                self.long(count.into())?;
            }
            0x8b => {
                let count = self.signed_count()?;
                self.long(count)?;
            }
            0x95 => {
                let len = u64::from_le_bytes(self.take()?);
                self.frame(len)?;
            }
            b'G' => {
                self.take::<8>()?;
                self.stack.push(Value::Number);
            }
            _ => return Err(Halt::BadOpcode),
        }
        Ok(())
    }
}
