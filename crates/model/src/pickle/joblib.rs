//! Room `model`, pickle: arrays of joblib. Behind the BUILD of a `NumpyArrayWrapper` the bytes of the array stand in the
//! middle of the stream: where it is aligned a length and so many bytes of padding, then the items as dtype and shape say;
//! an array of objects is a pickle of its own.
//!
//! A loader without joblib takes those bytes for opcodes, so that one file means two things: both are read.

use std::collections::HashMap;
use std::collections::HashSet;

use super::effect::Effect;
use super::end::End;
use super::end::Halt;
use super::end::Step;
use super::facts::FaultKind;
use super::facts::Unread;
use super::facts::Use;
use super::machine::Machine;
use super::machine::NO_FRAME;
use super::state::ATTRIBUTES;
use super::value::Value;
use super::waiting::Waiting;

/// Attributes of a wrapper.
const KEYS: [&str; 6] = ["subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"];
/// What is known of the arrays of a stream.
#[derive(Debug, Default)]
pub(super) struct Arrays {
    /// Whether items of a dtype hold objects, by the first cell of its arguments; none where its state does not say so.
    pub(super) objects: HashMap<u32, Option<bool>>,
    /// Dtypes, by the same, with what was done before they were made.
    pub(super) made: HashMap<u32, u64>,
    /// Calls and states so far, but those that make dtypes.
    pub(super) acts: u64,
    /// Arrays of NumPy that have no state yet.
    pub(super) waiting: Waiting,
    /// Whether bytes were passed over as those of an array.
    pub(super) passed: bool,
    /// Whether padding was passed over.
    pub(super) padded: bool,
    reader: Reader,
}

/// Who reads the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reader {
    /// joblib before 1.2, which knows nothing of padding.
    Early,
    #[default]
    Joblib,
    /// A loader that knows nothing of joblib.
    Plain,
}

/// What follows the wrapper.
enum Body {
    Raw { bytes: u64, padded: bool },
    Pickle,
}

impl Arrays {
    /// For the next stream of the same file.
    pub(super) fn clear(&mut self) {
        self.objects.clear();
        self.made.clear();
        self.waiting.clear();
    }

    pub(super) fn ignore(&mut self) {
        self.reader = Reader::Plain;
    }

    pub(super) fn take_no_padding(&mut self) {
        self.reader = Reader::Early;
    }
}

impl Machine<'_> {
    /// A name was looked up: from the first wrapper on, what dicts hold is kept.
    pub(super) fn expect_arrays(&mut self, effect: Effect) {
        if matches!(effect, Effect::ArrayWrapper | Effect::FileWrapper) && self.arrays.reader != Reader::Plain
        {
            self.keep_at_least(ATTRIBUTES);
        }
    }

    /// State was put into an object: of a dtype its flags, of a wrapper what stands behind it.
    pub(super) fn built(&mut self, class: u32, args: u32, state: Value, is_second: bool) -> Step {
        match self.effect_of(class) {
            Effect::Dtype => self.built_dtype(class, args, state, is_second),
            Effect::ArrayWrapper if self.arrays.reader != Reader::Plain => self.array(state, is_second),
            Effect::FileWrapper if self.arrays.reader != Reader::Plain => {
                self.file(state);
                Ok(())
            }
            Effect::Table => {
                self.used(class, Use::OddArguments);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Passes over the array behind a wrapper.
    fn array(&mut self, state: Value, is_second: bool) -> Step {
        if self.frame_end != NO_FRAME && self.frame_end != self.window.at() {
            // joblib has the rest of the frame in memory, and reads the array behind it.
            let at = self.at;
            self.facts.fault(FaultKind::Layout, at, || "an array of joblib inside of a frame".to_owned());
            return Ok(());
        }
        self.frame_end = NO_FRAME;
        self.pop();
        self.stack.push(Value::Bytes);
        self.arrays.passed = true;
        let start = self.window.at();
        let body = if is_second { Err("that gets state twice") } else { self.body(state)? };
        match body {
            Ok(Body::Raw { bytes, padded }) => {
                self.arrays.padded |= padded;
                if padded && self.arrays.reader != Reader::Early {
                    self.padding()?;
                }
                self.pass_on(bytes)?;
            }
            Ok(Body::Pickle) => self.nested()?,
            Err(why) => {
                let at = self.at;
                self.facts.fault(FaultKind::Layout, at, || format!("an array of joblib {why}"));
            }
        }
        self.facts.arrays.push((start, self.window.at()));
        Ok(())
    }

    /// What the state of a wrapper says, or why it cannot be followed.
    fn body(&mut self, state: Value) -> Step<Result<Body, &'static str>> {
        let Some(entries) = self.entries(state) else {
            return Ok(Err("whose attributes are not in the file"));
        };
        let (mut shape, mut dtype, mut aligned, mut seen) = (None, None, false, HashSet::new());
        for (key, value) in entries {
            let Some(key) = self.text_of(key)? else { return Ok(Err("with attributes without names")) };
            match key.as_str() {
                "shape" => shape = Some(value),
                "dtype" => dtype = Some(value),
                "numpy_array_alignment_bytes" => match value {
                    Value::None | Value::Int(_) => aligned = value != Value::None,
                    _ => return Ok(Err("whose alignment cannot be followed")),
                },
                "subclass" => {
                    if let Value::Global(class) = value {
                        self.used(class, Use::New);
                    }
                }
                key if KEYS.contains(&key) => {}
                // `read` would be called in place of the wrapper's own.
                _ => return Ok(Err("with attributes that no writer leaves")),
            }
            seen.insert(key);
        }
        // The last one is younger: joblib 1.1 wrote none, and aligned nothing.
        if KEYS.iter().take(KEYS.len() - 1).any(|key| !seen.contains(*key)) {
            return Ok(Err("without one of its attributes"));
        }
        let Some(count) = shape.and_then(|shape| self.count(shape)) else {
            return Ok(Err("whose shape cannot be followed"));
        };
        // It has objects, as joblib sees it.
        if dtype.is_some_and(|dtype| self.is_strings(dtype)) {
            return Ok(Ok(Body::Pickle));
        }
        let Some((item, objects)) = self.item(dtype)? else {
            return Ok(Err("whose dtype cannot be followed"));
        };
        if objects {
            return Ok(Ok(Body::Pickle));
        }
        Ok(match count.checked_mul(item) {
            // NumPy divides by the size of an item, and fails.
            _ if item == 0 => Err("whose items have no size"),
            None => Err("beyond all measure"),
            Some(bytes) => Ok(Body::Raw { bytes, padded: aligned }),
        })
    }

    /// A length and so many bytes of 0xff.
    fn padding(&mut self) -> Step {
        let [len] = self.take()?;
        let at = self.pass_on(len.into())?;
        let bytes = self.window.bytes_at(at, len.into())?;
        if bytes.iter().any(|byte| *byte != 0xff) {
            self.facts.fault(FaultKind::Layout, at, || "padding that holds something".to_owned());
        }
        Ok(())
    }

    /// An array of objects: a stream with an unpickler of its own, which knows nothing of joblib.
    fn nested(&mut self) -> Step {
        let outer = (std::mem::take(&mut self.stack), std::mem::take(&mut self.memo), self.protocol);
        let reader = std::mem::replace(&mut self.arrays.reader, Reader::Plain);
        let scorers = std::mem::take(&mut self.scorers);
        (self.protocol, self.frame_end) = (0, NO_FRAME);
        let end = self.run(self.window.at());
        (self.stack, self.memo, self.protocol) = outer;
        (self.arrays.reader, self.scorers) = (reader, scorers);
        self.frame_end = NO_FRAME;
        match end {
            End::Stop => Ok(()),
            End::Source | End::Truncated(_) => Err(Halt::Truncated),
            End::BadOpcode(_) => Err(Halt::BadOpcode),
            End::GivenUp => Err(Halt::Budget("bytes of an array of objects")),
        }
    }

    /// An array in another file, which joblib looks for beside this one.
    fn file(&mut self, state: Value) {
        self.pop();
        self.stack.push(Value::Bytes);
        let at = self.at;
        let names = self.entries(state).unwrap_or_default();
        let mut name = None;
        for (key, value) in names {
            if self.text_of(key).ok().flatten().as_deref() == Some("filename") {
                name = self.text_of(value).ok().flatten();
            }
        }
        match name {
            Some(name) if name.contains(['/', '\\']) || name == ".." => {
                self.facts.fault(FaultKind::OtherFile, at, || format!("an array in another folder, {name}"));
            }
            Some(_) => self.facts.unread(Unread::OutOfBand { at }),
            None => {
                let words = || "an array of joblib in a file that is not named".to_owned();
                self.facts.fault(FaultKind::Layout, at, words);
            }
        }
    }
}
