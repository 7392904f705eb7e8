//! Room `model`, pickle: places that were judged -> the opcodes around them, and what they do there in Python's words.
//!
//! A second reading of the streams that something was found in; the first one keeps nothing of this.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;

use ringfence_artifact::ReadError;
use ringfence_artifact::Source;
use ringfence_finding::ModelOpcode;

use super::facts::Facts;
use super::opcode::Opcode;
use super::opcode::plain;
use super::python;
use super::tree::Tree;

/// Opcodes that are gone through again for one file, its members included.
pub(crate) const OPCODES: u64 = 20_000_000;
/// Items of containers that a line may show.
const ITEMS: usize = 20;
/// Streams before a place that it may be a part of.
const STREAMS_BACK: usize = 3;
/// Opcodes that are shown before a look-up: two texts, both memoized, stand before a STACK_GLOBAL.
const BEFORE: usize = 4;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The look-up, or the opcode itself.
    pub(crate) look_up: u64,
    /// The opcode that uses the name.
    pub(crate) act: u64,
}

/// What was made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Explained {
    pub(crate) python: Option<String>,
    pub(crate) trace: Vec<ModelOpcode>,
}

/// Reads again what leads to the places. What cannot be followed stays empty; `left` is how many opcodes may still be gone
/// through.
pub(crate) fn explain(
    source: &dyn Source,
    facts: &Facts,
    places: &[Place],
    left: &mut u64,
) -> Vec<Explained> {
    let mut explained = vec![Explained::default(); places.len()];
    let arrays: HashMap<u64, u64> = facts.arrays.iter().copied().collect();
    let none = HashMap::new();
    let mut starts = facts.starts.clone();
    starts.sort_unstable();
    starts.dedup();
    // As joblib reads it, then as a loader that takes its arrays for opcodes.
    for arrays in [&arrays, &none] {
        // An array of objects is a stream inside of another: behind it the outer one goes on.
        for back in 1..=STREAMS_BACK {
            let is_open = |at: usize| explained.get(at).is_some_and(|known| known.trace.is_empty());
            let mut open: BTreeMap<u64, Vec<(usize, Around)>> = BTreeMap::new();
            for (at, place) in places.iter().enumerate().filter(|(at, _)| is_open(*at)) {
                let before = starts.partition_point(|start| *start <= place.look_up);
                let start = before.checked_sub(back).and_then(|start| starts.get(start));
                if let Some(start) = start {
                    open.entry(*start).or_default().push((at, Around::new(*place)));
                }
            }
            for (start, mut open) in open {
                // A source that cannot be read any more has been told of already.
                let _ = follow(source, arrays, start, &mut open, left);
                for (at, around) in open {
                    if let Some(slot) = explained.get_mut(at) {
                        *slot = around.into_explained();
                    }
                }
            }
        }
    }
    explained
}

fn follow(
    source: &dyn Source,
    arrays: &HashMap<u64, u64>,
    start: u64,
    open: &mut [(usize, Around)],
    left: &mut u64,
) -> Result<(), ReadError> {
    let mut tree = Tree::new(source, arrays, ITEMS);
    let mut recent = VecDeque::with_capacity(ModelOpcode::TRACE);
    tree.run(start, |tree, opcode| {
        *left = left.saturating_sub(1);
        let mut is_wanted = *left > 0;
        if is_wanted {
            is_wanted = false;
            for (_, around) in open.iter_mut().filter(|(_, around)| !around.is_done()) {
                around.see(tree, opcode, &recent)?;
                is_wanted |= !around.is_done();
            }
        }
        if recent.len() == ModelOpcode::TRACE - 1 {
            recent.pop_front();
        }
        recent.push_back(*opcode);
        Ok(is_wanted)
    })?;
    for (_, around) in open.iter_mut() {
        around.read(&mut tree)?;
    }
    Ok(())
}

/// Opcodes around one place, while they go by.
struct Around {
    place: Place,
    python: Option<String>,
    /// Around the look-up.
    first: Vec<Opcode>,
    /// Up to the use.
    last: Vec<Opcode>,
    trace: Vec<ModelOpcode>,
}

impl Around {
    fn new(place: Place) -> Self {
        Self { place, python: None, first: vec![], last: vec![], trace: vec![] }
    }

    fn is_done(&self) -> bool {
        self.first.len() >= ModelOpcode::TRACE && !self.last.is_empty()
    }

    fn see(
        &mut self,
        tree: &mut Tree<'_>,
        opcode: &Opcode,
        recent: &VecDeque<Opcode>,
    ) -> Result<(), ReadError> {
        let before = |count: usize| recent.iter().skip(recent.len().saturating_sub(count)).copied();
        if opcode.at == self.place.look_up && self.first.is_empty() {
            self.first = before(BEFORE).chain([*opcode]).collect();
        } else if !self.first.is_empty() && self.first.len() < ModelOpcode::TRACE {
            self.first.push(*opcode);
        }
        if opcode.at == self.place.act && self.last.is_empty() {
            self.last = before(ModelOpcode::TRACE - 1).chain([*opcode]).collect();
            self.python = python::act(tree, opcode)?;
        }
        Ok(())
    }

    /// Both in one list of at most [`ModelOpcode::TRACE`]: from the look-up to the use, or the neighbours of each.
    fn read(&mut self, tree: &mut Tree<'_>) -> Result<(), ReadError> {
        let Place { look_up, act } = self.place;
        let has = |list: &[Opcode], at| list.iter().any(|opcode: &Opcode| opcode.at == at);
        let chosen: Vec<Opcode> = if has(&self.first, act) || self.last.is_empty() {
            self.first.clone()
        } else if has(&self.last, look_up) || self.first.is_empty() {
            self.last.clone()
        } else {
            let half = ModelOpcode::TRACE / 2;
            let from =
                self.first.iter().position(|opcode| opcode.at == look_up).unwrap_or(0).saturating_sub(2);
            let ahead = self.first.iter().skip(from).take(half);
            ahead.chain(self.last.iter().skip(self.last.len().saturating_sub(half))).copied().collect()
        };
        for opcode in chosen {
            let argument = match opcode.code {
                0x93 => tree.name_at(opcode.at).unwrap_or_default(),
                _ => opcode.argument(&tree.window)?,
            };
            self.trace.push(ModelOpcode {
                offset: opcode.at,
                bytes: opcode.end - opcode.at,
                name: opcode.name,
                argument: cut(argument),
                matters: opcode.at == look_up || opcode.at == act,
            });
        }
        Ok(())
    }

    fn into_explained(self) -> Explained {
        Explained { python: self.python, trace: self.trace }
    }
}

fn cut(argument: String) -> String {
    match argument.char_indices().nth(ModelOpcode::ARGUMENT) {
        None => argument,
        Some(_) => argument.chars().take(ModelOpcode::ARGUMENT - 3).chain("...".chars()).collect(),
    }
}

impl Tree<'_> {
    /// Module and name that the STACK_GLOBAL at a place has looked up.
    fn name_at(&self, at: u64) -> Option<String> {
        let (module, name) = self.looked_up(at)?;
        Some(plain(&format!("{module} {name}")))
    }
}

#[cfg(test)]
mod tests {
    use ringfence_artifact::Slice;
    use ringfence_finding::ModelFinding;
    use ringfence_finding::ModelOpcode;

    use super::Place;
    use super::explain;
    use crate::Limits;
    use crate::testing::build::Stream;
    use crate::testing::judge;

    fn first(bytes: &[u8]) -> ModelFinding {
        judge(bytes).findings.into_iter().next().unwrap()
    }

    fn python(bytes: &[u8]) -> String {
        first(bytes).python.unwrap()
    }

    fn lines(trace: &[ModelOpcode]) -> Vec<String> {
        let mark = |opcode: &ModelOpcode| if opcode.matters { "> " } else { "" };
        let line = |opcode: &ModelOpcode| {
            format!("{}{:#x} {} {}", mark(opcode), opcode.offset, opcode.name, opcode.argument)
        };
        trace.iter().map(|opcode| line(opcode).trim_end().to_owned()).collect()
    }

    #[test]
    fn the_call_is_told_in_pythons_words() {
        let os = || Stream::protocol(4).stack_global("os", "system");
        let popen = || Stream::protocol(4).stack_global("subprocess", "Popen");
        for (bytes, words) in [
            (b"cos\nsystem\n(S'id'\ntR.".to_vec(), "os.system('id')"),
            (b"(S'id'\nios\nsystem\n.".to_vec(), "os.system('id')"),
            (b"(cos\nsystem\nS'id'\no.".to_vec(), "os.system('id')"),
            (b"c__builtin__\neval\n(V1+1\ntR.".to_vec(), "builtins.eval('1+1')"),
            (os().text("it's \"x\"\n\u{202e}").raw(b"\x85R").stop(), "os.system('it\\'s \"x\"\\n\\u202e')"),
            (
                popen().raw(b"](").text("sh").text("-c").raw(b"K\x07e\x85R").stop(),
                "subprocess.Popen(['sh', '-c', 7])",
            ),
            (popen().raw(b"}").text("shell").raw(b"\x88s\x85R").stop(), "subprocess.Popen({'shell': True})"),
            (popen().raw(b")\x81").stop(), "subprocess.Popen.__new__(subprocess.Popen)"),
            (os().raw(b"G?\xf8\0\0\0\0\0\0NC\x01\xff\x87R").stop(), "os.system(1.5, None, b'\\xff')"),
            (
                Stream::protocol(4).raw(b"Nq\x010").stack_global("os", "popen").raw(b"h\x01\x85R").stop(),
                "os.popen(None)",
            ),
            (os().raw(b"K\x01R").stop(), "os.system(*1)"),
            (os().stop(), "from os import system"),
            (os().raw(b"}").text("x").raw(b"K\x01sb").stop(), "os.system.__setstate__({'x': 1})"),
            (
                Stream::protocol(4).stack_global("sys", "modules").text("a").raw(b"K\x01s").stop(),
                "sys.modules['a'] = 1",
            ),
            (
                os().raw(b"(").raw(b"K\x01".repeat(12)).raw(b"tR").stop(),
                "os.system(1, 1, 1, 1, 1, 1, 1, 1, ...)",
            ),
        ] {
            assert_eq!(python(&bytes), words, "{}", String::from_utf8_lossy(&bytes));
        }
        // An argument that another call makes.
        let inner = os().stack_global("base64", "b64decode").raw(b"C\x04aWQ=\x85R\x85R").stop();
        assert_eq!(python(&inner), "os.system(base64.b64decode(b'aWQ='))");
    }

    #[test]
    fn the_trace_shows_ten_opcodes_with_the_look_up_and_the_call() {
        let text = lines(&first(b"cos\nsystem\n(S'id'\ntR.").trace);
        assert_eq!(
            text,
            [
                "> 0x0 GLOBAL os system",
                "0xb MARK",
                "0xc STRING 'id'",
                "0x12 TUPLE",
                "> 0x13 REDUCE",
                "0x14 STOP"
            ]
        );
        let many = Stream::protocol(4)
            .raw(b"N0".repeat(8))
            .text("os")
            .raw(b"\x94")
            .text("system")
            .raw(b"\x94\x93\x94");
        let trace = first(&many.text("id").raw(b"\x94\x85\x94R\x94.").0).trace;
        let text = lines(&trace);
        assert_eq!(text.len(), ModelOpcode::TRACE);
        assert_eq!(
            (text[3].as_str(), text[9].as_str()),
            ("> 0x20 STACK_GLOBAL os system", "> 0x29 REDUCE"),
            "{text:?}"
        );
        assert!(trace.windows(2).all(|pair| pair[0].offset + pair[0].bytes == pair[1].offset));
        // Far apart: what stands around each.
        let far = Stream::protocol(4).stack_global("os", "system").raw(b"N0".repeat(50)).call("id").stop();
        let text = lines(&first(&far).trace);
        assert_eq!(
            (text[2].as_str(), text[9].as_str()),
            ("> 0xe STACK_GLOBAL os system", "> 0x78 REDUCE"),
            "{text:?}"
        );
        let long = Stream::protocol(4)
            .stack_global("os", "system")
            .raw([&b"X\x00\x01\0\0"[..], &[b'a'; 256]].concat());
        let found = first(&long.raw(b"\x85R.").0);
        assert!(found.trace.iter().all(|opcode| opcode.argument.chars().count() <= ModelOpcode::ARGUMENT));
        assert_eq!(found.python.unwrap(), format!("os.system('{}'...)", "a".repeat(159)));
    }

    #[test]
    fn later_streams_and_those_behind_breaks_and_arrays_are_explained_too() {
        let evil = b"cos\nsystem\n(S'id'\ntR.";
        for before in [&b"\x80\x02N."[..], b"\x80\x02N.\xff\xff\xff\0junk", b"\x80\x02N\xff"] {
            let bytes = [before, evil].concat();
            let file = judge(&bytes);
            let found = file.findings.iter().find(|found| found.id.number == 101).unwrap();
            assert_eq!(found.python.as_deref(), Some("os.system('id')"), "{before:?}: {:?}", file.findings);
            assert_eq!(found.trace[0].offset, found.place.offset.min(found.trace[0].offset));
            assert!(found.trace.iter().any(|opcode| opcode.offset == found.place.offset && opcode.matters));
        }
    }

    #[test]
    fn members_share_the_opcodes_that_are_gone_through_again() {
        let bytes = b"cos\nsystem\n(S'id'\ntR.";
        let (source, limits) = (Slice::new(&bytes[..]), Limits::default());
        let facts = crate::pickle::read(&source, &limits);
        let place = Place { look_up: 0, act: 0x13 };
        let mut left = 8;
        let mut python = || explain(&source, &facts, &[place], &mut left).remove(0).python;
        assert_eq!((python().as_deref(), python()), (Some("os.system('id')"), None));
    }

    #[test]
    fn keys_are_masked_before_anything_is_cut() {
        let key = ringfence_secret::synthetic::key("huggingface", 3).unwrap();
        for pad in [0, 40, 60, 70, 140] {
            let text = format!("{}{key}", "a ".repeat(pad / 2));
            let found = first(&Stream::protocol(4).stack_global("os", "system").call(&text).stop());
            let shown = format!("{:?}", (found.python, found.trace));
            let window = |at: usize| &key[at..at + 9];
            assert!((4..key.len() - 9).all(|at| !shown.contains(window(at))), "{pad}: {shown}");
        }
    }

    #[test]
    fn a_stream_of_many_opcodes_does_not_cost_more_than_it_may() {
        let mut bytes = b"\x80\x04](".to_vec();
        bytes.extend(b"N".repeat(500_000));
        bytes.extend(b"e0\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.");
        assert_eq!(python(&bytes), "os.system('id')");
        // Nested deeper than anyone shows, and than a stack would hold.
        let deep =
            [&b"\x80\x04cos\nsystem\n"[..], &b"]".repeat(200_000), &b"a".repeat(199_999), b"\x85R."].concat();
        assert!(python(&deep).starts_with("os.system([[[["), "{}", python(&deep));
    }
}
