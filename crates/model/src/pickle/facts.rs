//! Room `model`, pickle: what a stream does, without judgement: names with their uses, faults, storages.

use crate::keys::Keys;
use crate::limits::Limits;

/// What is done with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Use {
    /// Looked up.
    Import,
    /// Called with arguments (REDUCE, INST, OBJ), or by a callee that calls what it is handed.
    Call,
    /// Made without its initialiser (NEWOBJ, NEWOBJ_EX).
    New,
    /// Called without arguments by INST or OBJ: `new` for a class, a call for everything else.
    Make,
    /// State is put into an object of it (BUILD).
    Build,
    /// Items are put into an object of it (SETITEM, APPEND, ADDITEMS).
    Mutate,
    /// Class of a persistent id.
    Persistent,
    /// Called with arguments that the policy's entry was not written for.
    OddArguments,
    /// State or items are put into the thing itself, which this stream did not make.
    Foreign,
    /// Looked up behind a change of something that this stream did not make: it may be anything.
    Tainted,
    /// What it gave is called.
    CallOfResult,
}

impl Use {
    /// All uses, in the order of their bits.
    pub const ALL: [Self; 11] = [
        Self::Import,
        Self::Call,
        Self::New,
        Self::Make,
        Self::Build,
        Self::Mutate,
        Self::Persistent,
        Self::OddArguments,
        Self::Foreign,
        Self::Tainted,
        Self::CallOfResult,
    ];

    /// Those that a policy's entry can name.
    pub const IN_POLICIES: [Self; 6] =
        [Self::Import, Self::Call, Self::New, Self::Build, Self::Mutate, Self::Persistent];

    /// The word in policies and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Call => "call",
            Self::New => "new",
            Self::Make => "make",
            Self::Build => "build",
            Self::Mutate => "mutate",
            Self::Persistent => "persistent",
            Self::OddArguments => "odd-arguments",
            Self::Foreign => "foreign",
            Self::Tainted => "tainted",
            Self::CallOfResult => "call-of-result",
        }
    }
}

/// A word that is no use of a policy's entry.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no use `{0}`: there are import, call, new, build, mutate and persistent")]
pub struct ParseUseError(String);

impl std::str::FromStr for Use {
    type Err = ParseUseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = Self::IN_POLICIES.into_iter().find(|what| what.as_str() == text);
        what.ok_or_else(|| ParseUseError(text.to_owned()))
    }
}

/// A name that is looked up, and where each use of it stands first.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// As the stream writes it: what an overridden `find_class` is given.
    pub(crate) raw: (String, String),
    /// As the loader imports it, where protocols 0 to 2 rename it.
    pub(crate) mapped: Option<(String, String)>,
    /// Whether dots in the name are walked as attributes (protocol 4 and up).
    pub(crate) walks: bool,
    /// Whether it is `getattr`, by which a stream may reach any attribute.
    pub(crate) gets: bool,
    /// Whether `getattr` has looked it up, as an attribute of a name.
    pub(crate) is_got: bool,
    first: [u64; Use::ALL.len()],
}

/// No use of this kind.
const NEVER: u64 = u64::MAX;

impl Name {
    pub(crate) fn new(raw: (String, String), mapped: Option<(String, String)>, walks: bool) -> Self {
        Self { raw, mapped, walks, gets: false, is_got: false, first: [NEVER; Use::ALL.len()] }
    }

    /// The name as the loader imports it.
    pub(crate) fn imported(&self) -> (&str, &str) {
        let (module, name) = self.mapped.as_ref().unwrap_or(&self.raw);
        (module, name)
    }

    pub(crate) fn used(&mut self, what: Use, at: u64) {
        if let Some(first) = self.first.get_mut(what as usize) {
            *first = at.min(*first);
        }
    }

    /// Each use with the opcode where it stands first.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (Use, u64)> {
        Use::ALL.into_iter().zip(self.first).filter(|(_, at)| *at != NEVER)
    }

    pub(crate) fn first(&self, what: Use) -> Option<u64> {
        self.uses().find(|(each, _)| *each == what).map(|(_, at)| at)
    }
}

/// Something that is not as a writer of pickles leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FaultKind {
    /// Bytes that are no opcode, an operand that cannot be read, a stack that is too short.
    Broken,
    /// No STOP.
    NoStop,
    /// An operand runs past the end of the stream.
    Truncated,
    /// A frame that does not end on an opcode, lies in another, or runs past the end.
    Frame,
    /// A key of the memo that is missing or negative.
    Memo,
    /// EXT1, EXT2, EXT4: a name that only the loading process knows.
    Extension,
    /// STACK_GLOBAL on something that is computed while loading.
    ComputedName,
    /// `type` with bases and attributes.
    MakesClass,
    /// An attribute of an object that the interpreter looks up and calls: `__setstate__`.
    Method,
    /// State that becomes attributes whose names no opcode shows.
    State,
    /// A name that nobody could have written by hand.
    LongName,
    /// A call of something that is not a name.
    CallOfValue,
    /// A stream or array that is not what the layout around it has there.
    Layout,
    /// State or items go into something that no opcode of this stream made.
    ForeignTarget,
    /// A second stream behind STOP.
    Stacked,
    /// Another file is read, in another folder.
    OtherFile,
    /// Bytes behind STOP.
    Trailing,
    /// A persistent id that is none of a storage.
    Persistent,
    /// A view that reads outside of its storage.
    View,
    /// State or items go into a tensor or storage.
    IntoStorage,
}

/// The first place of a fault and how often it is there.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) at: u64,
    pub(crate) count: u64,
    pub(crate) detail: String,
}

/// Why something was not followed to its end.
#[derive(Clone, Debug)]
pub(crate) enum Unread {
    /// A limit was reached.
    Budget { at: u64, what: &'static str },
    /// The source could not be read.
    Read { at: u64, error: ringfence_artifact::ReadError },
    /// Data that is handed to the loader beside the stream.
    OutOfBand { at: u64 },
    /// Bytes that are neither opcodes nor padding.
    Unexplained { at: u64, bytes: u64 },
}

/// A tensor's storage as its persistent id describes it.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    /// Index of the class.
    pub(crate) class: u32,
    pub(crate) key: String,
    /// Number of items.
    pub(crate) items: i64,
}

/// Everything that was seen in one source.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) names: Vec<Name>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) unread: Vec<Unread>,
    pub(crate) storages: Vec<Storage>,
    /// How often `getattr` stood on the stack for something else than to look up an attribute that is a name of its own here.
    pub(crate) strays: u64,
    /// Persistent ids that are numbers.
    pub(crate) numbers: Vec<i64>,
    /// Keys of providers in its texts.
    pub(crate) keys: Keys,
    pub(crate) opcodes: u64,
    /// Bytes that opcodes and their operands account for.
    pub(crate) explained: u64,
    /// Two loaders look different names up, because they take frames differently.
    pub(crate) readings_differ: bool,
    /// Bytes of arrays stand between opcodes.
    pub(crate) has_arrays: bool,
    /// Some of them begin with padding.
    pub(crate) has_padding: bool,
    /// Where streams begin, and where reading went on behind a broken place.
    pub(crate) starts: Vec<u64>,
    /// Ranges of arrays between opcodes.
    pub(crate) arrays: Vec<(u64, u64)>,
    /// Ranges that are explained.
    pub(crate) spans: Vec<(u64, u64)>,
}

/// Places where streams begin that are kept: what stands in later ones is judged, and not shown opcode by opcode.
const STARTS: usize = 100_000;

impl FaultKind {
    /// Whether a loader stops there.
    fn ends_loading(self) -> bool {
        matches!(self, Self::Broken | Self::NoStop | Self::Truncated | Self::Memo)
    }
}

impl Facts {
    /// Whether a loader would have stopped by now.
    pub(crate) fn ends_loading(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind.ends_loading())
    }

    /// Counts a fault; the first of each kind keeps its words.
    pub(crate) fn fault(&mut self, kind: FaultKind, at: u64, detail: impl FnOnce() -> String) {
        match self.faults.iter_mut().find(|fault| fault.kind == kind) {
            Some(fault) => fault.count += 1,
            None => self.faults.push(Fault { kind, at, count: 1, detail: detail() }),
        }
    }

    pub(crate) fn begins(&mut self, at: u64) {
        if self.starts.len() < STARTS {
            self.starts.push(at);
        }
    }

    /// A range is explained.
    pub(crate) fn explains(&mut self, start: u64, end: u64) {
        if let Some(last) = self.spans.last_mut().filter(|(_, last)| *last == start) {
            last.1 = end;
        } else if self.spans.len() < STARTS && start < end {
            self.spans.push((start, end));
        }
    }

    pub(crate) fn unread(&mut self, unread: Unread) {
        if self.unread.len() < Limits::GAPS {
            self.unread.push(unread);
        }
    }
}
