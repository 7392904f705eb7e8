//! Room `model`, tests: CPython as the judge. Whatever name any of its unpicklers looks up, ours has seen.

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use ringfence_artifact::Slice;

use super::python;
use super::random;
use super::random::Random;
use crate::Limits;
use crate::pickle;

/// Loads each pickle in four ways with a `find_class` that records and gives something inert; prints the names.
const RECORDER: &str = r"
import io, json, pickle, resource, struct, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
sys.setrecursionlimit(10000)
class Meta(type):
    def __setitem__(*a): pass
class Inert(metaclass=Meta):
    def __new__(cls, *a, **k): return object.__new__(cls)
    def __init__(*a, **k): pass
    def __call__(*a, **k): return Inert()
    def none(*a, **k): pass
    append = extend = add = __setitem__ = __setstate__ = none
    def __reduce__(*a): return (int, ())
seen = set()
class Records:
    def find_class(self, module, name):
        seen.add((module, name))
        return Inert
    def persistent_load(self, id): return Inert()
class C(Records, pickle.Unpickler): pass
class Python(Records, pickle._Unpickler): pass
def names(data):
    seen.clear()
    for load in (lambda: C(io.BytesIO(data)).load(), lambda: C(io.BufferedReader(io.BytesIO(data))).load(),
                 lambda: C(Whole(data)).load(), lambda: Python(io.BytesIO(data)).load()):
        try: load()
        except Exception: pass
    return seen
class Whole(io.BytesIO):
    # Everything at once, as pickle.loads has it.
    def peek(self, n): return self.getvalue()[self.tell():]
data = sys.stdin.buffer
while head := data.read(4):
    out = []
    for module, name in names(data.read(struct.unpack('<I', head)[0])):
        if isinstance(module, str) and isinstance(name, str):
            try: (module + name).encode()
            except UnicodeEncodeError: continue # a lone surrogate names nothing
            out.append([module, name])
    print(json.dumps(out))
";

/// Pickles of one seed: a miss is found again by its seed.
const OF_A_SEED: usize = 500;
/// Seeds that one child judges: its start costs as much as a hundred pickles.
const AT_ONCE: u64 = 40;

/// How many pickles were judged, how many names CPython looked up in them, and those that ours has not seen.
#[derive(Default)]
struct Compared {
    pickles: usize,
    names: usize,
    missed: Vec<String>,
}

impl Compared {
    fn with(&mut self, seeds: Range<u64>) {
        let of_seed = |seed| {
            let mut random = Random::new(seed);
            (0..OF_A_SEED).map(move |_| (seed, random::pickle(&mut random)))
        };
        let pickles: Vec<(u64, Vec<u8>)> = seeds.flat_map(of_seed).collect();
        let printed =
            python::run(RECORDER, &python::frames(pickles.iter().map(|(_, bytes)| bytes.as_slice())));
        assert_eq!(printed.lines().count(), pickles.len(), "a line for each pickle");
        for ((seed, bytes), line) in pickles.iter().zip(printed.lines()) {
            let theirs: Vec<(String, String)> = serde_json::from_str(line).unwrap();
            let facts = pickle::read(&Slice::new(bytes.as_slice()), &Limits::default());
            for name in &theirs {
                if !facts.names.iter().any(|ours| ours.raw == *name) {
                    self.missed.push(format!("seed {seed}: {name:?} in {:?}\n{bytes:02x?}", facts.names));
                }
            }
            self.names += theirs.len();
        }
        self.pickles += pickles.len();
    }
}

/// The short form of every run of the tests takes twenty seconds; `cargo xtask bench pickles` sets how many, and from which
/// seed on.
#[test]
#[ignore = "needs python3: loads random pickles with a recording find_class"]
fn no_name_that_cpython_looks_up_is_missed() {
    let number = |name| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let (wanted, mut seed) = (number("RINGFENCE_PICKLES"), number("RINGFENCE_PICKLES_FROM").unwrap_or(1));
    let at_once = if wanted.is_some() { AT_ONCE } else { 1 };
    let (start, mut compared) = (Instant::now(), Compared::default());
    while wanted
        .map_or(start.elapsed() < Duration::from_secs(20), |wanted| (compared.pickles as u64) < wanted)
    {
        compared.with(seed..seed + at_once);
        seed += at_once;
        if wanted.is_some() && compared.pickles % 200_000 == 0 {
            println!("{} pickles, up to seed {seed}, {} missed", compared.pickles, compared.missed.len());
        }
    }
    let Compared { pickles, names, missed } = compared;
    println!("{pickles} pickles, {names} names looked up by CPython, {} missed", missed.len());
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(pickles >= OF_A_SEED && names > pickles, "the generator writes streams that look names up");
}
