//! Room `model`, pickle: streams at given places of a carrier's layout, one unpickler after another, and what each returns.

use ringfence_artifact::Source;

use super::end::End;
use super::facts::Facts;
use super::facts::FaultKind;
use super::machine::Dialect;
use super::machine::Frames;
use super::machine::Machine;
use super::value::Value;
use crate::limits::Limits;

/// Reads streams of one source.
pub(crate) struct Session<'s> {
    machine: Machine<'s>,
}

impl<'s> Session<'s> {
    pub(crate) fn new(source: &'s dyn Source, dialect: Dialect, limits: &'s Limits) -> Self {
        let mut machine = Machine::new(source, Frames::Flat, limits);
        machine.dialect = dialect;
        Self { machine }
    }

    /// Reads the stream at `at`: what it returns, and the byte behind its STOP. None where it does not reach STOP as every
    /// loader does; what was seen until then is in the facts. `keep` is how many items of its lists are looked at.
    pub(crate) fn stream(&mut self, at: u64, keep: usize) -> Option<(Value, u64)> {
        self.machine.fresh();
        self.machine.kept.begin(keep);
        let end = self.machine.run(at);
        let whole = matches!(end, End::Stop) && !self.machine.straddles && !self.machine.facts.ends_loading();
        whole.then(|| (self.machine.result, self.machine.window.at()))
    }

    /// Items of a list that the last stream has made.
    pub(crate) fn items(&self, list: Value) -> Option<Vec<Value>> {
        self.machine.kept.of(list).map(<[Value]>::to_vec)
    }

    /// Items of a tuple; none where it is none or a long one.
    pub(crate) fn tuple(&self, tuple: Value) -> Option<Vec<Value>> {
        let Value::Tuple { start, len, .. } = tuple else { return None };
        let cells = self.machine.cells_of(start, len);
        (cells.len() == usize::from(len)).then(|| cells.to_vec())
    }

    pub(crate) fn text(&mut self, value: Value) -> Option<String> {
        self.machine.text_of(value).ok().flatten()
    }

    /// The name behind a global, as the loader imports it.
    pub(crate) fn name(&self, value: Value) -> Option<&str> {
        let Value::Global(index) = value else { return None };
        let name = usize::try_from(index).ok().and_then(|index| self.machine.facts.names.get(index))?;
        Some(name.imported().1)
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.machine.facts
    }

    /// Tells that what a stream returned is not what the layout has there.
    pub(crate) fn odd(&mut self, at: u64, words: &str) {
        self.machine.facts.fault(FaultKind::Layout, at, || words.to_owned());
    }

    pub(crate) fn into_facts(self) -> Facts {
        self.machine.into_facts()
    }
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;

    use super::*;
    use crate::pickle::facts::Use;

    #[test]
    fn attributes_are_looked_at_in_every_stream() {
        // The first stream looks the class up; `__setstate__` calls the attribute of the second one.
        let class = &b"csklearn.isotonic\nIsotonicRegression\n"[..];
        let bytes = [class, b".", class, b")\x81}X\x08\0\0\0_build_fNsb."].concat();
        let (source, limits) = (Slice::new(bytes), Limits::default());
        let mut session = Session::new(&source, Dialect::TorchLegacy, &limits);
        let (_, at) = session.stream(0, 0).unwrap();
        let odd = |session: &Session<'_>| {
            session.facts().names[0].uses().find(|(what, _)| *what == Use::OddArguments).map(|(_, at)| at)
        };
        assert_eq!(odd(&session), None);
        let (_, end) = session.stream(at, 0).unwrap();
        assert_eq!(odd(&session), Some(end - 2), "at BUILD");
    }
}
