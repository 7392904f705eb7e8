//! Room `model`, pickle: a file -> its streams, one behind another, and what stands between and behind them.

use ringfence_artifact::Source;
use ringfence_artifact::Window;

use super::end::End;
use super::facts::Facts;
use super::facts::FaultKind;
use super::facts::Name;
use super::facts::Unread;
use super::joblib::Arrays;
use super::machine::Frames;
use super::machine::Machine;
use super::search;
use super::strict::Trial;
use crate::limits::Limits;

/// Bad bytes that are passed over one by one before the next beginning of a stream is searched for.
const TOLERATED: u32 = 64;
/// Opcodes of a trial run.
const TRIAL: u64 = 64;
/// Streams that are looked for in one file; more of them are a budget.
const STREAMS: u32 = 100_000;

/// Reads `source` as pickles. Where frames allow two readings both are made, and their facts are joined.
pub(crate) fn read(source: &dyn Source, limits: &Limits) -> Facts {
    let (mut flat, straddles) = read_as(source, Frames::Flat, limits);
    if straddles {
        let (blocks, _) = read_as(source, Frames::Blocks, limits);
        flat = join(flat, blocks);
    }
    if flat.has_arrays {
        let padded = flat.has_padding;
        flat = join_plain(flat, source, limits, Arrays::ignore);
        if padded {
            // joblib before 1.2 takes the end of a padded array for opcodes.
            flat = join_plain(flat, source, limits, Arrays::take_no_padding);
        }
    }
    flat
}

/// What a loader without joblib, or with another one, makes of arrays inside of the stream: names that it looks up before its
/// first error.
fn join_plain(mut facts: Facts, source: &dyn Source, limits: &Limits, less: fn(&mut Arrays)) -> Facts {
    let plain = |frames| {
        let mut machine = Machine::new(source, frames, limits);
        less(&mut machine.arrays);
        machine.plainly(0);
        (machine.straddles, machine.into_facts())
    };
    let (straddles, mut plain_facts) = plain(Frames::Flat);
    if straddles {
        plain_facts = join(plain_facts, plain(Frames::Blocks).1);
    }
    let plain = plain_facts;
    let mut names = plain.names;
    // An array of objects names `dtype` by way of its own memo: in the memo around it some other text stands there, and no
    // module of that name.
    let is_shifted = |name: &Name| name.raw.1 == "dtype" && !name.raw.0.contains('.');
    names.retain(|name| {
        let known = facts.names.iter().any(|known| known.raw == name.raw);
        known || is_plausible(name) && !is_shifted(name)
    });
    facts.opcodes += plain.opcodes;
    facts.strays = facts.strays.saturating_add(plain.strays);
    join_names(&mut facts, names);
    for unread in plain.unread {
        facts.unread(unread);
    }
    // What numbers are as opcodes is broken soon; these need names, and order.
    let made = [FaultKind::MakesClass, FaultKind::Method, FaultKind::OtherFile];
    for fault in plain.faults.into_iter().filter(|fault| made.contains(&fault.kind)) {
        if !facts.faults.iter().any(|known| known.kind == fault.kind) {
            facts.faults.push(fault);
        }
    }
    facts
}

fn read_as(source: &dyn Source, frames: Frames, limits: &Limits) -> (Facts, bool) {
    let mut machine = Machine::new(source, frames, limits);
    let explained = Chain { machine: &mut machine, source, bad: 0, explained: 0 }.run();
    let straddles = machine.straddles;
    let (has_arrays, has_padding) = (machine.arrays.passed, machine.arrays.padded);
    let mut facts = machine.into_facts();
    (facts.has_arrays, facts.has_padding) = (has_arrays, has_padding);
    facts.explained = explained;
    (facts, straddles)
}

struct Chain<'m, 's> {
    machine: &'m mut Machine<'s>,
    source: &'s dyn Source,
    bad: u32,
    explained: u64,
}

impl Chain<'_, '_> {
    fn run(&mut self) -> u64 {
        let (mut start, mut streams) = (0, 0);
        let mut end = self.machine.run(start);
        loop {
            let at = self.machine.window.at();
            match end {
                End::GivenUp => return self.explains(start, self.machine.at),
                End::Source => return self.explains(start, at),
                End::Stop => {
                    self.explains(start, at);
                    streams += 1;
                    let Some(next) = self.behind(at) else { return self.explained };
                    if streams > STREAMS {
                        self.machine.facts.unread(Unread::Budget { at, what: "streams" });
                        return self.explained;
                    }
                    start = next;
                    self.machine.fresh();
                    end = self.machine.run(start);
                }
                End::BadOpcode(bad) | End::Truncated(bad) => {
                    self.explains(start, bad);
                    let Some(next) = self.after_bad_byte(bad) else { return self.explained };
                    start = next;
                    end = self.machine.resume(next);
                }
            }
        }
    }

    /// Counts a range as explained; all of them.
    fn explains(&mut self, start: u64, end: u64) -> u64 {
        self.machine.facts.explains(start, end);
        self.explained += end.saturating_sub(start);
        self.explained
    }

    /// Where to go on behind a byte that could not be run; what is passed over is not explained.
    fn after_bad_byte(&mut self, bad: u64) -> Option<u64> {
        self.bad += 1;
        let next = if self.bad <= TOLERATED {
            Some(bad + 1).filter(|next| *next < self.source.len())
        } else {
            self.search(bad + 1)
        };
        let until = next.unwrap_or(self.source.len());
        self.machine.facts.unread(Unread::Unexplained { at: bad, bytes: until - bad });
        next
    }

    /// What stands behind STOP: padding, another stream, or junk with or without a stream in it.
    fn behind(&mut self, at: u64) -> Option<u64> {
        let Some(first) = self.past_zeros(at) else {
            self.explains(at, self.source.len());
            return None;
        };
        if first == at && is_pickle_at(self.source, at) {
            self.machine.facts.fault(FaultKind::Stacked, at, || "another stream behind STOP".to_owned());
            return Some(at);
        }
        self.machine.facts.fault(FaultKind::Trailing, first, || "bytes behind STOP".to_owned());
        let next = self.search(first);
        let until = next.unwrap_or(self.source.len());
        self.explains(at, first);
        self.machine.facts.unread(Unread::Unexplained { at: first, bytes: until - first });
        next
    }

    fn past_zeros(&mut self, at: u64) -> Option<u64> {
        let window = &mut self.machine.window;
        window.seek(at);
        loop {
            let here = match window.peek(64 << 10) {
                Ok([]) => return None,
                Ok(here) => here,
                Err(error) => {
                    self.machine.facts.unread(Unread::Read { at, error });
                    return None;
                }
            };
            let zeros = here.iter().take_while(|byte| **byte == 0).count();
            let all = zeros == here.len();
            window.skip(zeros as u64);
            if !all {
                return Some(window.at());
            }
        }
    }

    fn search(&mut self, at: u64) -> Option<u64> {
        match search::next(&mut self.machine.window, at) {
            Ok(next) => next,
            Err(error) => {
                self.machine.facts.unread(Unread::Read { at, error });
                None
            }
        }
    }
}

/// Whether the source is a pickle: a header and an opcode, or a trial run that looks a name up, even behind faults or in a
/// later stream, reaches STOP at the end of the source, or comes far without a fault.
pub(crate) fn is_pickle(source: &dyn Source) -> bool {
    is_pickle_at(source, 0)
}

fn is_pickle_at(source: &dyn Source, at: u64) -> bool {
    let mut window = Window::new(source, at);
    if let Ok([0x80, 0..=5, opcode, ..]) = window.peek(3)
        && search::is_opcode(*opcode)
    {
        return true;
    }
    let (is_one, straddles) = tried(source, at, Frames::Flat);
    is_one || straddles && tried(source, at, Frames::Blocks).0
}

/// Whether a trial run meets a name, comes far or to the end of the source, and whether frames allow another one.
fn tried(source: &dyn Source, at: u64, frames: Frames) -> (bool, bool) {
    let limits = Limits { opcodes: TRIAL, ..Limits::default() };
    let mut machine = Machine::new(source, frames, &limits);
    let trial = machine.trial(at, TRIAL);
    let facts = &machine.facts;
    let is_one = facts.names.iter().any(is_plausible)
        || facts.faults.iter().any(|fault| fault.kind == FaultKind::Extension)
        || !facts.ends_loading() && trial != Trial::Broken;
    (is_one, machine.straddles)
}

/// Whether a module and name could be imported at all: prose that begins with `c` has blanks and commas in it.
fn is_plausible(name: &Name) -> bool {
    let part = |text: &str| {
        !text.is_empty() && text.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '.'))
    };
    part(&name.raw.0) && part(&name.raw.1)
}

/// Facts of two readings of the same bytes.
fn join(mut first: Facts, second: Facts) -> Facts {
    first.readings_differ |= first.names.len() != second.names.len();
    first.readings_differ |= join_names(&mut first, second.names);
    first.has_arrays |= second.has_arrays;
    first.has_padding |= second.has_padding;
    first.strays = first.strays.saturating_add(second.strays);
    for fault in second.faults {
        if !first.faults.iter().any(|known| known.kind == fault.kind) {
            first.faults.push(fault);
        }
    }
    for unread in second.unread {
        first.unread(unread);
    }
    first.explained = first.explained.min(second.explained);
    first
}

/// Adds names and their uses; whether some are new.
fn join_names(facts: &mut Facts, names: Vec<Name>) -> bool {
    let before = facts.names.len();
    for name in names {
        let known = facts.names.iter_mut().find(|known| known.raw == name.raw && known.walks == name.walks);
        if let Some(known) = known {
            name.uses().for_each(|(what, at)| known.used(what, at));
            known.is_got |= name.is_got;
        } else {
            facts.names.push(name);
        }
    }
    facts.names.len() > before
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;

    use super::*;

    #[test]
    fn the_length_of_a_frame_may_cross_the_end_of_another() {
        // A reader of blocks drops the byte 8a with the first frame, reads a length of nine, and has `m` for the rest of a line.
        let frames = b"\x80\x04N\x95\x03\0\0\0\0\0\0\0N\x95\x8a\x09\0\0\0\0\0\0\0cos\nsystem\n.";
        let facts = read(&Slice::new(&frames[..]), &Limits::default());
        let names: Vec<&(String, String)> = facts.names.iter().map(|name| &name.raw).collect();
        assert!(names.contains(&&("os".to_owned(), "m".to_owned())), "{names:?}");
    }

    #[test]
    fn a_name_behind_what_is_no_error_makes_a_pickle() {
        let frame = b"\x95\x03\0\0\0\0\0\0\0J\x01\x02\0\0\xff\0";
        // State that the pure-Python unpickler alone passes over, streams before it, an operand that crosses a frame.
        for before in
            [&b""[..], b"I1\nNb", b"I1\n)b", b"I1\n}b", b"I1\nK\0b", b"]NN\x86b", b"N.", b"N.I1\n.", frame]
        {
            let bytes = [before, b"cos\nsystem\n(S'id'\ntR."].concat();
            assert!(is_pickle(&Slice::new(bytes)), "{before:02x?}");
        }
        // The id ends every unpickler, and so does what is no opcode.
        for bytes in [&b"P\xff\ncos\nsystem\n"[..], b"N.\ncos\nsystem\n", b"In short: no\n", b"N.B. nothing"]
        {
            assert!(!is_pickle(&Slice::new(bytes)), "{bytes:02x?}");
        }
    }
}
