//! Room `model`, tests: state that becomes attributes, by something that is no dict of the stream. Hostile ones are loaded with
//! those of `libraries.rs`; ordinary ones are clean as their libraries write them.

use ringfence_finding::Verdict;

use super::judge;
use super::libraries::Act;
use super::libraries::Hostile;
use super::libraries::METHOD;
use super::libraries::array;
use super::libraries::attributes;
use super::libraries::builtin;
use super::libraries::dtype;
use super::libraries::numbers;
use super::libraries::numpy;
use super::libraries::taken_for_a_wrapper;
use super::values::build;
use super::values::bytes;
use super::values::call;
use super::values::dict;
use super::values::int;
use super::values::name;
use super::values::new;
use super::values::none;
use super::values::text;
use super::values::tuple;

const UNSEEN: &str = "whose keys no opcode shows";
/// The file is opened as that of a zone.
const ZONE: &str = "datetime64[ns, dateutil//etc/hosts]";

pub(super) fn hostile() -> Vec<Hostile> {
    let of = |name, libraries, act, value: Vec<u8>, words| Hostile::new(name, libraries, act, &value, words);
    vec![
        // A dict of pairs becomes the attributes, `__class__` among them: joblib takes the object for its own.
        of("class-in-a-pair", "joblib scipy.interpolate", Act::Runs, class_by(by_pairs(&[])), UNSEEN),
        of("class-by-pandas", "joblib pandas", Act::Runs, class_by_pandas(), UNSEEN),
        // Whatever has `items()` does as well: a matrix, of what its dict holds (SciPy's _dok.py).
        of(
            "class-in-a-matrix",
            "joblib scipy.interpolate scipy.sparse",
            Act::Runs,
            class_by(matrix(&by_name())),
            UNSEEN,
        ),
        of("class-in-a-table", "joblib", Act::Argued, class_by(new(name("pandas", "Series"), &[])), UNSEEN),
        // Cython puts a third argument into the object as its state: `__setstate__` of the next BUILD.
        of(
            "state-as-an-argument",
            "pickle pandas",
            Act::Argued,
            call(
                name("pandas._libs.interval", "__pyx_unpickle_IntervalMixin"),
                &[name("pandas.arrays", "IntervalArray"), int(0), tuple(&[by_pairs(&[])])],
            ),
            UNSEEN,
        ),
        // It looks at the first three of any number of parts.
        of("state-of-many-parts", "pickle pandas dateutil", Act::Opens, method_in(15), UNSEEN),
        of("state-of-three-parts", "pickle pandas dateutil", Act::Opens, method_in(0), METHOD),
        // Keywords by a call: the zone stands in no dict of the stream.
        of("zone-by-pairs", "pickle pandas dateutil", Act::Opens, zone(), "no writer of models uses"),
    ]
}

/// What makes an object one of joblib's.
fn by_name() -> Vec<(&'static str, Vec<u8>)> {
    let class = ("__class__", name("joblib.numpy_pickle", "NumpyArrayWrapper"));
    [class].into_iter().chain(attributes()).collect()
}

fn pairs(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = items.iter().flat_map(|(key, value)| tuple(&[text(key), value.clone()])).collect();
    [&b"]("[..], &pairs, b"e"].concat()
}

/// The same, as pairs that a call makes a dict of.
fn by_pairs(before: &[(&str, Vec<u8>)]) -> Vec<u8> {
    call(builtin("dict"), &[pairs(&[before, &by_name()].concat())])
}

fn spline() -> Vec<u8> {
    new(name("scipy.interpolate._bsplines", "BSpline"), &[])
}

fn class_by(slots: Vec<u8>) -> Vec<u8> {
    taken_for_a_wrapper(&build(spline(), tuple(&[none(), slots])))
}

fn class_by_pandas() -> Vec<u8> {
    let flags = dict(&[("allows_duplicate_labels", b"\x88".to_vec())]);
    let before = [("_typ", text("dataframe")), ("_flags", flags)];
    taken_for_a_wrapper(&build(new(name("pandas", "DataFrame"), &[]), by_pairs(&before)))
}

/// A matrix of one item.
fn matrix(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let state = [
        ("_shape", tuple(&[int(1), int(1)])),
        ("maxprint", int(50)),
        ("dtype", dtype("i8")),
        ("_dict", dict(items)),
    ];
    build(new(name("scipy.sparse._dok", "dok_matrix"), &[]), dict(&state))
}

fn times(state: Vec<u8>) -> Vec<u8> {
    let class = name("pandas.arrays", "DatetimeArray");
    call(name("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"), &[class, int(0x4f1_061f), state])
}

/// `__setstate__` of the array is the type of times with a zone, and so many parts stand behind.
fn method_in(more: usize) -> Vec<u8> {
    let method = dict(&[("__setstate__", name("pandas", "DatetimeTZDtype"))]);
    let mut parts = vec![none(), array(dtype("i8"), 1, &[0; 8]), method];
    parts.extend(vec![int(0); more]);
    build(times(tuple(&parts)), text(ZONE))
}

fn zone() -> Vec<u8> {
    let days = [&b"]"[..], &text("2020-01-01"), b"a"].concat();
    let keywords = call(builtin("dict"), &[pairs(&[("data", days), ("dtype", text(ZONE))])]);
    call(name("pandas.core.indexes.base", "_new_Index"), &[name("pandas", "Index"), keywords])
}

#[test]
fn state_is_clean_where_its_keys_are_seen() {
    let new = |module: &str, class: &str| new(name(module, class), &[]);
    let attributes = || dict(&[("k", int(3))]);
    let items = |open: &[u8], close: &[u8], item: Vec<u8>| [open, &item, close].concat();
    let rotation = || new("scipy.spatial.transform._rotation", "Rotation");
    let generator = |state: &[Vec<u8>]| {
        let class = name("numpy.random._pcg64", "PCG64");
        let made = call(name("numpy.random._pickle", "__bit_generator_ctor"), &[class]);
        build(made, tuple(state))
    };
    let seed = || new("numpy.random.bit_generator", "SeedSequence");
    let sparse = || new("pandas.arrays", "SparseArray");
    let distance = || new("sklearn.metrics._dist_metrics", "EuclideanDistance64");
    for (what, value, expected) in [
        ("slots", build(spline(), tuple(&[none(), attributes()])), Verdict::Clean),
        ("both", build(spline(), tuple(&[attributes(), attributes()])), Verdict::Clean),
        ("slots by a list", build(spline(), tuple(&[none(), pairs(&[("k", int(3))])])), Verdict::Review),
        ("slots by an array", build(spline(), tuple(&[none(), numbers(&[1, 2])])), Verdict::Review),
        ("no slots", build(spline(), tuple(&[attributes(), none()])), Verdict::Clean),
        ("a rotation", build(rotation(), tuple(&[numbers(&[1]), b"\x88".to_vec()])), Verdict::Clean),
        ("a generator", generator(&[attributes(), seed()]), Verdict::Clean),
        ("no seed", generator(&[attributes(), matrix(&[])]), Verdict::Review),
        (
            "an array",
            build(times(none()), tuple(&[numbers(&[1]), dtype("i8"), b"}".to_vec()])),
            Verdict::Clean,
        ),
        (
            "and pairs",
            build(times(none()), tuple(&[numbers(&[1]), dtype("i8"), pairs(&[("k", int(3))])])),
            Verdict::Review,
        ),
        ("a type", build(times(none()), tuple(&[dtype("i8"), numbers(&[1])])), Verdict::Clean),
        ("behind it", build(times(none()), tuple(&[numbers(&[1]), dtype("i8")])), Verdict::Clean),
        (
            "a table in its place",
            build(times(none()), tuple(&[new("pandas", "Series"), numbers(&[1])])),
            Verdict::Review,
        ),
        ("elsewhere", build(spline(), tuple(&[dtype("i8"), numbers(&[1])])), Verdict::Review),
        ("a distance", build(distance(), tuple(&[int(2), numbers(&[1]), numbers(&[1])])), Verdict::Clean),
        ("bytes of old Python", array_of(call(builtin("bytes"), &[])), Verdict::Clean),
        ("attributes", build(sparse(), attributes()), Verdict::Clean),
        ("pairs in a list", build(sparse(), pairs(&[("k", int(3))])), Verdict::Review),
        (
            "pairs in a set",
            build(sparse(), items(b"\x8f(", b"\x90", tuple(&[text("k"), int(3)]))),
            Verdict::Review,
        ),
        ("pairs in a tuple", build(sparse(), tuple(&[tuple(&[text("k"), int(3)])])), Verdict::Review),
        ("two of them", build(sparse(), tuple(&vec![tuple(&[text("k"), int(3)]); 2])), Verdict::Review),
    ] {
        let file = judge(&[&b"\x80\x04"[..], &value, b"."].concat());
        assert_eq!(file.verdict, expected, "{what}: {file:#?}");
        let is_told = file.findings.iter().all(|finding| finding.message.contains(UNSEEN));
        assert!(is_told, "{what}: {file:#?}");
    }
}

/// An array of no items, as protocol 2 writes its bytes.
fn array_of(data: Vec<u8>) -> Vec<u8> {
    let empty = tuple(&[int(0)]);
    let make = name("numpy._core.multiarray", "_reconstruct");
    let made = call(make, &[numpy("ndarray"), empty.clone(), bytes(b"b")]);
    build(made, tuple(&[int(1), empty, dtype("i8"), b"\x89".to_vec(), data]))
}
