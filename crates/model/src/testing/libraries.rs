//! Room `model`, tests: hostile pickles that need NumPy, joblib, pandas, SciPy or torch to act, each with the proof where the
//! library is at hand. They look up allowed names alone: what they hand those names is the attack. Payloads are harmless.

use ringfence_finding::Verdict;

use super::arrays;
use super::judge;
use super::python;
use super::states;
use super::values::build;
use super::values::bytes;
use super::values::call;
use super::values::dict;
use super::values::get;
use super::values::int;
use super::values::last;
use super::values::name;
use super::values::new;
use super::values::none;
use super::values::put;
use super::values::text;
use super::values::tuple;

/// What a loader does with such a file.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Act {
    /// It reads or writes outside of its memory, at the latest when the value is looked at.
    Crashes,
    /// It runs `os.system`.
    Runs,
    /// It opens the file `/etc/hosts`.
    Opens,
    /// Nothing that a guard sees: argued beside the fixture.
    Argued,
}

pub(super) struct Hostile {
    name: &'static str,
    /// `pickle`, or `joblib`, and what else has to be there.
    libraries: &'static str,
    act: Act,
    bytes: Vec<u8>,
    /// What is told of it.
    words: &'static str,
}

impl Hostile {
    pub(super) fn new(
        name: &'static str,
        libraries: &'static str,
        act: Act,
        value: &[u8],
        words: &'static str,
    ) -> Self {
        Self { name, libraries, act, bytes: [&b"\x80\x04"[..], value, b"."].concat(), words }
    }
}

pub(super) const METHOD: &str = "an attribute that the interpreter calls";
pub(super) const ODD: &str = "with arguments that no writer of models uses";

fn all() -> Vec<Hostile> {
    let of = |name, libraries, act, value: Vec<u8>, words| Hostile::new(name, libraries, act, &value, words);
    let mut all = vec![
        // NumPy gives the same dtype back: its second name gets flags that speak of objects, and joblib reads a pickle.
        of("dtype-by-two-names", "joblib", Act::Runs, dtype_alias(), ODD),
        of("objects-without-a-flag", "pickle numpy", Act::Crashes, lying_array("O8", 0), ODD),
        of("field-behind-its-item", "pickle numpy", Act::Crashes, lying_array("i8", 1 << 30), ODD),
        of("a-number-over-an-object", "pickle numpy", Act::Crashes, overlaid(), ODD),
        of("dtype-with-a-late-state", "pickle numpy", Act::Crashes, late_state(), ODD),
        // `scalar` of objects gives back what it is handed (NumPy, scalarapi.c, `array_scalar`): a second name for it.
        of(
            "scalar-of-objects",
            "pickle numpy",
            Act::Argued,
            call(name("numpy._core.multiarray", "scalar"), &[dtype("O8"), text("x")]),
            ODD,
        ),
        of("class-by-torch", "joblib torch", Act::Runs, class_by_torch(), METHOD),
        // The fourth argument of another function is set, too (torch/_utils.py, `_set_obj_state`).
        of(
            "class-of-a-parameter",
            "joblib torch",
            Act::Argued,
            call(
                name("torch._utils", "_rebuild_parameter_with_state"),
                &[none(), b"\x89".to_vec(), none(), dict(&[("__class__", int(1))])],
            ),
            METHOD,
        ),
        // Bytes that are taken for an object: `numpy.ndarray.__new__(ndarray, (1,), 'O', buffer)`, and with `buffer=`.
        of(
            "objects-from-a-buffer",
            "pickle numpy",
            Act::Crashes,
            call(builtin("list"), &[from_buffer()]),
            ODD,
        ),
        of("new-with-a-buffer", "pickle numpy", Act::Crashes, from_buffer(), ODD),
        of("new-with-keywords", "pickle numpy", Act::Crashes, from_keywords(), ODD),
        // The memory of the first array is freed under the second one.
        of("buffer-of-an-array", "pickle numpy", Act::Argued, buffer_of_array(), ODD),
        // `list.__init__` iterates over what it is handed, by methods of that.
        of(
            "base-that-is-handed-an-object",
            "pickle",
            Act::Argued,
            call(
                name("copyreg", "_reconstructor"),
                &[builtin("list"), builtin("list"), new(name("types", "SimpleNamespace"), &[])],
            ),
            ODD,
        ),
        // pandas writes where the file says, before it counts.
        of("places-outside-of-a-table", "pickle pandas", Act::Crashes, table_by_state(), ODD),
        // A call counts first; it would write there when the table is looked at.
        of("places-of-a-call", "pickle pandas", Act::Argued, table_by_call(), ODD),
        of("codes-outside-of-categories", "pickle pandas", Act::Crashes, categorical(), ODD),
        of("zone-in-a-file", "pickle pandas dateutil", Act::Opens, zone(), ODD),
        // `__getattr__` gives the item: `numpy.mean([1])` is called (SciPy's _util.py; harmless here).
        of(
            "items-for-a-dict",
            "pickle scipy.optimize",
            Act::Argued,
            [
                new(name("scipy.optimize._optimize", "OptimizeResult"), &[]),
                text("extend"),
                numpy("mean"),
                b"s(K\x01e".to_vec(),
            ]
            .concat(),
            ODD,
        ),
        // SciPy's `_ltisys.py`: `__new__` calls `to_tf` of what it is handed.
        of(
            "new-that-calls",
            "pickle scipy.signal",
            Act::Argued,
            new(
                transfer(),
                &[build(new(transfer(), &[]), dict(&[("to_tf", name("types", "SimpleNamespace"))]))],
            ),
            ODD,
        ),
    ];
    all.extend(arrays::hostile());
    all.extend(states::hostile());
    all
}

pub(super) fn builtin(attribute: &str) -> Vec<u8> {
    name("builtins", attribute)
}

fn transfer() -> Vec<u8> {
    name("scipy.signal._ltisys", "TransferFunctionContinuous")
}

pub(super) fn numpy(attribute: &str) -> Vec<u8> {
    name("numpy", attribute)
}

pub(super) fn dtype(of: &str) -> Vec<u8> {
    call(numpy("dtype"), &[text(of), b"\x89".to_vec(), b"\x88".to_vec()])
}

/// State of a dtype: fields, size and flags.
pub(super) fn state(fields: &[(&str, Vec<u8>)], size: i32, flags: i32) -> Vec<u8> {
    let names: Vec<_> = fields.iter().map(|(name, _)| text(name)).collect();
    let (names, fields) = if fields.is_empty() { (none(), none()) } else { (tuple(&names), dict(fields)) };
    let align = int(if size < 0 { -1 } else { 1 });
    tuple(&[int(3), text("|"), none(), names, fields, int(size), align, int(flags)])
}

pub(super) fn array(dtype: Vec<u8>, count: i32, items: &[u8]) -> Vec<u8> {
    let empty = tuple(&[int(0)]);
    let made = call(name("numpy._core.multiarray", "_reconstruct"), &[numpy("ndarray"), empty, bytes(b"b")]);
    build(made, tuple(&[int(1), tuple(&[int(count)]), dtype, b"\x89".to_vec(), bytes(items)]))
}

/// An array of one item of 8 bytes, whose one field is of the type that `of` names.
fn lying_array(of: &str, offset: i32) -> Vec<u8> {
    let fields = [("a", tuple(&[dtype(of), int(offset)]))];
    array(build(dtype("V8"), state(&fields, 8, 0)), 1, b"AAAAAAAA")
}

/// A field of a number in the place of one of an object; the number is set last.
fn overlaid() -> Vec<u8> {
    let fields = [("a", tuple(&[dtype("O8"), int(0)])), ("b", tuple(&[dtype("i8"), int(0)]))];
    let made = build(dtype("V8"), state(&fields, 8, 27));
    let item = [&b"]"[..], &tuple(&[text("x"), int(0x4141_4141)]), b"a"].concat();
    let array = array(made, 1, b"");
    let end = array.len() - bytes(b"").len() - 2;
    [&array[..end], &item, b"tb"].concat()
}

fn late_state() -> Vec<u8> {
    let fields = [("a", tuple(&[dtype("i8"), int(1 << 30)]))];
    let structure = put(dtype("V8"), 1);
    let array = put(array(structure, 1, b"AAAAAAAA"), 2);
    last(&[array, build(get(1), state(&fields, 1 << 30, 0)), get(2)])
}

fn wrapper(dtype: Vec<u8>, count: i32, align: Vec<u8>, body: &[u8]) -> Vec<u8> {
    let made = new(name("joblib.numpy_pickle", "NumpyArrayWrapper"), &[]);
    let state = dict(&[
        ("subclass", numpy("ndarray")),
        ("shape", tuple(&[int(count)])),
        ("order", text("C")),
        ("dtype", dtype),
        ("allow_mmap", b"\x89".to_vec()),
        ("numpy_array_alignment_bytes", align),
    ]);
    [build(made, state), body.to_vec()].concat()
}

fn dtype_alias() -> Vec<u8> {
    let plain = put(dtype("i8"), 50);
    let objects = tuple(&[int(3), text("<"), none(), none(), none(), int(-1), int(-1), int(63)]);
    let alias = build(call(numpy("dtype"), &[get(50), b"\x89".to_vec(), b"\x88".to_vec()]), objects);
    let pad = b"\x07\xff\xff\xff\xff\xff\xff\xff";
    let first = wrapper(dtype("i8"), 2, int(16), &[&pad[..], &[0xff; 16]].concat());
    let mut inner = b"\x80\x02cos\nsystem\n(S'echo hi'\ntR0".to_vec();
    while inner.len() % 8 != 6 {
        inner.extend(b"N0");
    }
    inner.extend(b"N.");
    let count = i32::try_from(inner.len() / 8).unwrap();
    last(&[plain, alias, first, wrapper(get(50), count, none(), &inner)])
}

pub(super) fn attributes() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("subclass", numpy("ndarray")),
        ("shape", tuple(&[int(1)])),
        ("order", text("C")),
        ("dtype", dtype("i8")),
        ("allow_mmap", b"\x89".to_vec()),
        ("numpy_array_alignment_bytes", none()),
    ]
}

/// An object, and behind it what is bytes for an unpickler, and for joblib an item of eight bytes and a payload.
pub(super) fn taken_for_a_wrapper(object: &[u8]) -> Vec<u8> {
    let payload = b"0cos\nsystem\n(S'echo hi'\ntR0N.";
    let len = u32::try_from(payload.len() + 3).unwrap();
    [object, b"B", &len.to_le_bytes(), b"AAA", payload].concat()
}

fn class_by_torch() -> Vec<u8> {
    let class = || name("argparse", "Namespace");
    let inner = tuple(&[class(), name("builtins", "object"), none()]);
    let wrapper = dict(&[("__class__", name("joblib.numpy_pickle", "NumpyArrayWrapper"))]);
    let state = tuple(&[none(), wrapper]);
    let make = name("copyreg", "_reconstructor");
    let object = call(name("torch._tensor", "_rebuild_from_type_v2"), &[make, class(), inner, state]);
    taken_for_a_wrapper(&build(object, dict(&attributes())))
}

fn from_buffer() -> Vec<u8> {
    new(numpy("ndarray"), &[tuple(&[int(1)]), dtype("O"), bytes(b"AAAAAAAA")])
}

fn from_keywords() -> Vec<u8> {
    let keywords = [("shape", tuple(&[int(1)])), ("dtype", dtype("O")), ("buffer", bytes(b"AAAAAAAA"))];
    [numpy("ndarray"), tuple(&[]), dict(&keywords), vec![0x92]].concat()
}

fn buffer_of_array() -> Vec<u8> {
    let first = put(new(numpy("ndarray"), &[tuple(&[int(100_000)]), dtype("i8")]), 1);
    let second = put(new(numpy("ndarray"), &[tuple(&[int(100_000)]), dtype("i8"), get(1)]), 2);
    let state = tuple(&[int(1), tuple(&[int(1)]), dtype("i8"), b"\x89".to_vec(), bytes(b"AAAAAAAA")]);
    last(&[first, second, build(get(1), state), get(2)])
}

pub(super) fn numbers(numbers: &[i64]) -> Vec<u8> {
    let items: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    array(dtype("i8"), i32::try_from(numbers.len()).unwrap(), &items)
}

fn index(data: Vec<u8>, more: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let attributes = dict(&[&[("data", data)], more].concat());
    call(name("pandas.core.indexes.base", "_new_Index"), &[name("pandas", "Index"), attributes])
}

/// Two columns of three numbers.
fn columns() -> Vec<u8> {
    let empty = tuple(&[int(0)]);
    let made = call(name("numpy._core.multiarray", "_reconstruct"), &[numpy("ndarray"), empty, bytes(b"b")]);
    let shape = tuple(&[int(2), int(3)]);
    build(made, tuple(&[int(1), shape, dtype("i8"), b"\x89".to_vec(), bytes(&[65; 48])]))
}

fn axes() -> Vec<u8> {
    let name = [("name", none())];
    [&b"]("[..], &index(numbers(&[0, 1]), &name), &index(numbers(&[0, 1, 2]), &name), b"e"].concat()
}

fn manager() -> Vec<u8> {
    name("pandas.core.internals.managers", "BlockManager")
}

fn table(manager: Vec<u8>) -> Vec<u8> {
    let flags = dict(&[("allows_duplicate_labels", b"\x88".to_vec())]);
    let state = [("_mgr", manager), ("_typ", text("dataframe")), ("attrs", b"}".to_vec()), ("_flags", flags)];
    build(new(name("pandas", "DataFrame"), &[]), dict(&state))
}

fn table_by_state() -> Vec<u8> {
    let block = dict(&[("values", columns()), ("mgr_locs", numbers(&[1 << 28, 1 << 29]))]);
    let of_version = dict(&[("axes", axes()), ("blocks", [&b"]"[..], &block, b"a"].concat())]);
    let versions = dict(&[("0.14.1", of_version)]);
    table(build(new(manager(), &[]), tuple(&[tuple(&[]), b"]".to_vec(), b"]".to_vec(), versions])))
}

fn table_by_call() -> Vec<u8> {
    let places = call(builtin("slice"), &[int(1 << 28), int((1 << 28) + 2), int(1)]);
    let block = call(name("pandas._libs.internals", "_unpickle_block"), &[columns(), places, int(2)]);
    table(call(manager(), &[tuple(&[block]), axes()]))
}

fn categorical() -> Vec<u8> {
    let made = name("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked");
    let made = call(made, &[name("pandas", "Categorical"), int(0x4f1_061f), none()]);
    let categories = index(numbers(&[1, 2]), &[("name", none())]);
    let attributes =
        [("categories", categories), ("_ordered", b"\x89".to_vec()), ("ordered", b"\x89".to_vec())];
    let of = build(new(name("pandas", "CategoricalDtype"), &[]), dict(&attributes));
    let codes = [0_i32, 1 << 29, 1 << 30].map(i32::to_le_bytes).concat();
    let state = tuple(&[of, array(dtype("i4"), 3, &codes), b"}".to_vec()]);
    call(builtin("list"), &[build(made, state)])
}

fn zone() -> Vec<u8> {
    let days = [&b"]"[..], &text("2020-01-01"), b"a"].concat();
    index(days, &[("dtype", text("datetime64[ns, dateutil//etc/hosts]"))])
}

#[test]
fn every_hostile_pickle_for_a_library_is_told() {
    for hostile in all() {
        let file = judge(&hostile.bytes);
        let told: Vec<&str> = file.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(file.verdict >= Verdict::Review, "{}: {:#?}", hostile.name, file);
        assert!(told.iter().any(|told| told.contains(hostile.words)), "{}: {told:?}", hostile.name);
    }
}

/// Loads each in a child and prints what it did; `absent` where a library is not there.
const LOAD: &str = r"
import importlib, io, os, pickle, struct, sys
def load(data, libraries):
    import numpy
    loads = importlib.import_module('joblib').load if 'joblib' in libraries else pickle.load
    def hook(name, args):
        if name in ('os.system', 'subprocess.Popen') or name == 'open' and '/etc/hosts' in str(args[0]):
            os.write(1, (name + '\n').encode())
            os._exit(3)
    sys.addaudithook(hook)
    try:
        value = loads(io.BytesIO(data))
        repr(value), list(value)
    except Exception: pass
    os._exit(0)
data, seen = sys.stdin.buffer, {0: 'none', 11: 'crashed', 6: 'crashed', 7: 'crashed'}
while head := data.read(4):
    libraries = data.read(struct.unpack('<I', head)[0]).decode().split()
    body = data.read(struct.unpack('<I', data.read(4))[0])
    try:
        for library in libraries: importlib.import_module(library)
    except ImportError:
        os.write(1, b'absent\n')
        continue
    if pid := os.fork():
        status = os.waitpid(pid, 0)[1]
        if status != 3 << 8: os.write(1, (seen.get(status, 'ended') + '\n').encode())
    else: load(body, ' '.join(libraries))
";

#[test]
#[ignore = "needs model-peers: loads each hostile pickle in a child that ends at its first act"]
fn libraries_do_what_their_pickles_say() {
    let acting: Vec<Hostile> = all().into_iter().filter(|hostile| hostile.act != Act::Argued).collect();
    let pieces = acting.iter().flat_map(|hostile| [hostile.libraries.as_bytes(), &hostile.bytes]);
    let printed = python::peers(LOAD, &python::frames(pieces));
    println!("{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), acting.len(), "{printed}");
    assert!(lines.contains(&"crashed"), "NumPy is there: {printed}");
    for (hostile, line) in acting.iter().zip(lines) {
        let expected = match hostile.act {
            Act::Crashes => "crashed",
            Act::Runs => "os.system",
            Act::Opens => "open",
            Act::Argued => "none",
        };
        assert!([expected, "absent"].contains(&line), "{}: {line}", hostile.name);
    }
}
