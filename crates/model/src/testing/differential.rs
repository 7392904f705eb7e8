//! Room `model`, tests: CPython as the judge. Whatever name any of its unpicklers looks up, ours has seen.

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
def recorder(base, seen):
    class Recorder(base):
        def find_class(self, module, name):
            seen.add((module, name))
            return Inert
        def persistent_load(self, id): return Inert()
    return Recorder
def names(data):
    seen = set()
    C, Python = recorder(pickle.Unpickler, seen), recorder(pickle._Unpickler, seen)
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
    for module, name in sorted(names(data.read(struct.unpack('<I', head)[0])), key=repr):
        if isinstance(module, str) and isinstance(name, str):
            try: (module + name).encode()
            except UnicodeEncodeError: continue # a lone surrogate names nothing
            out.append([module, name])
    print(json.dumps(out))
";

/// Counts pickles, and panics at the first name that was missed.
fn compare(seed: u64, count: usize) -> (usize, usize) {
    let mut random = Random::new(seed);
    let pickles: Vec<Vec<u8>> = (0..count).map(|_| random::pickle(&mut random)).collect();
    let printed = python::run(RECORDER, &python::frames(pickles.iter().map(Vec::as_slice)));
    let (mut lines, mut looked_up) = (0, 0);
    for (bytes, line) in pickles.iter().zip(printed.lines()) {
        lines += 1;
        let theirs: Vec<(String, String)> = serde_json::from_str(line).unwrap();
        let facts = pickle::read(&Slice::new(bytes.as_slice()), &Limits::default());
        for name in &theirs {
            looked_up += 1;
            let seen = facts.names.iter().any(|ours| ours.raw == *name);
            assert!(seen, "seed {seed}: {name:?} is missed in {:?}\n{bytes:02x?}", facts.names);
        }
    }
    assert_eq!(lines, count, "a line for each pickle");
    (lines, looked_up)
}

#[test]
#[ignore = "needs python3: loads random pickles with a recording find_class; RINGFENCE_PICKLES sets how many"]
fn no_name_that_cpython_looks_up_is_missed() {
    let wanted: Option<usize> = std::env::var("RINGFENCE_PICKLES").ok().map(|count| count.parse().unwrap());
    let (start, mut pickles, mut names, mut seed) = (Instant::now(), 0, 0, 1);
    // The short form, for every run of the tests, takes at most twenty seconds.
    while wanted.map_or(start.elapsed() < Duration::from_secs(10), |wanted| pickles < wanted) {
        let (more, looked_up) = compare(seed, 500);
        (pickles, names, seed) = (pickles + more, names + looked_up, seed + 1);
    }
    println!("{pickles} pickles, {names} names looked up by CPython, none missed");
    assert!(pickles >= 500 && names > pickles, "the generator writes streams that look names up");
}
