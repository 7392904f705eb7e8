//! Room `model`, tests: functions that make an object of the class that they are handed, and those that call it. What
//! they give is of that class: joblib reads an array behind each wrapper, however the wrapper was made.

use ringfence_finding::Verdict;

use super::build::Stream;
use super::judge;

/// Whoever does not know of the array behind it sees other opcodes than the loader.
const WRAPPER: (&str, &str) = ("joblib.numpy_pickle", "NumpyArrayWrapper");

/// Functions that make an object of their first argument, with what follows it.
const MAKERS: [(&str, &str, &[u8]); 10] = [
    ("numpy.ma.core", "_mareconstruct", b"cnumpy\nndarray\nK\0\x85S'b'\n"),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", b"K\x01N"),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", b"K\x01N"),
    ("pandas.core.indexes.base", "_new_Index", b"}"),
    ("pandas.core.indexes.datetimes", "_new_DatetimeIndex", b"}"),
    ("pandas.core.indexes.interval", "_new_IntervalIndex", b"}"),
    ("sklearn._loss._loss", "__pyx_unpickle_CyHalfMultinomialLoss", b"K\x01N"),
    ("sklearn.metrics._dist_metrics", "newObj", b""),
    ("sklearn.neighbors._ball_tree", "newObj", b""),
    ("sklearn.neighbors._kd_tree", "newObj", b""),
];

fn made(maker: (&str, &str, &[u8]), class: (&str, &str)) -> Stream {
    let stream = Stream::protocol(2).global(maker.0, maker.1).op(b'(').global(class.0, class.1);
    stream.raw(maker.2).raw(b"tR")
}

/// State of a wrapper of five bytes, which hide the opcode that would pass over the payload as bytes.
fn hides(stream: Stream) -> Vec<u8> {
    let payload = Stream::bare().global("posix", "system").call("echo hi").stop();
    let stream = stream.raw("}(").text("subclass").global("numpy", "ndarray");
    let stream = stream.text("shape").raw(b"K\x05\x85").text("order").text("C").text("dtype");
    let stream = stream.global("numpy", "dtype").text("u1").raw(b"\x89\x88\x87R(K\x03").text("|");
    let stream = stream.raw(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb").text("allow_mmap").raw(b"\x89ub");
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    stream.op(b'B').raw(len).raw(payload).stop()
}

#[test]
fn an_array_is_read_however_its_wrapper_was_made() {
    let plain = Stream::protocol(2).global(WRAPPER.0, WRAPPER.1).raw(b")\x81");
    for bytes in std::iter::once(plain).chain(MAKERS.map(|maker| made(maker, WRAPPER))).map(hides) {
        let file = judge(&bytes);
        let subjects: Vec<_> = file.findings.iter().filter_map(|found| found.subject.as_deref()).collect();
        assert_eq!(file.verdict, Verdict::Malicious, "{bytes:?}: {:#?}", file.findings);
        assert!(subjects.contains(&"posix.system"), "{subjects:?}");
    }
}

#[test]
fn an_array_in_another_folder_is_told_however_its_wrapper_was_made() {
    for maker in MAKERS {
        let stream = made(maker, ("joblib.numpy_pickle", "NDArrayWrapper")).raw("}(").text("filename");
        let file = judge(&stream.text("../../x.npy").text("allow_mmap").raw(b"\x89ub").stop());
        assert_eq!(file.verdict, Verdict::Malicious, "{maker:?}: {:#?}", file.findings);
        let words: Vec<_> = file.findings.iter().map(|found| found.message.as_str()).collect();
        assert!(words.contains(&"an array in another folder, ../../x.npy"), "{words:?}");
    }
}

#[test]
fn what_a_maker_makes_is_judged_as_made() {
    for maker in MAKERS {
        // Allowed to be looked up, and for nothing else.
        let file = judge(&made(maker, ("sklearn.cluster._kmeans", "_kmeans_single_lloyd")).stop());
        assert_eq!(file.verdict, Verdict::Review, "{maker:?}: {:#?}", file.findings);
        let text = Stream::protocol(2).global(maker.0, maker.1).op(b'(').text("x").raw(maker.2).raw(b"tR");
        assert_eq!(judge(&text.stop()).verdict, Verdict::Review, "{maker:?}");
    }
}

#[test]
fn what_libraries_make_stays_clean() {
    let [masked, seed, backed, index, dates, spans, loss, metric, ball, tree] = MAKERS;
    let tuple: &[u8] = b"(K\x01K\x02K\x03tb";
    for (maker, class, state) in [
        (masked, ("numpy.ma", "MaskedArray"), tuple),
        (masked, ("numpy.ma.core", "MaskedArray"), tuple),
        (seed, ("numpy.random.bit_generator", "SeedSequence"), tuple),
        (backed, ("pandas.arrays", "DatetimeArray"), tuple),
        (backed, ("pandas", "Categorical"), tuple),
        (index, ("pandas", "Index"), b""),
        (index, ("pandas", "MultiIndex"), b""),
        (index, ("pandas.core.indexes.base", "Index"), b""),
        (index, ("pandas.core.indexes.range", "RangeIndex"), b""),
        (dates, ("pandas", "DatetimeIndex"), b""),
        (dates, ("pandas", "TimedeltaIndex"), b""),
        (spans, ("pandas", "IntervalIndex"), b""),
        (loss, ("sklearn._loss._loss", "CyHalfMultinomialLoss"), b""),
        (metric, ("sklearn.metrics._dist_metrics", "EuclideanDistance64"), b"K\x02N\x86b"),
        (ball, ("sklearn.neighbors._ball_tree", "BallTree"), tuple),
        (tree, ("sklearn.neighbors._kd_tree", "KDTree"), tuple),
    ] {
        let file = judge(&made(maker, class).raw(state).stop());
        assert_eq!(file.verdict, Verdict::Clean, "{maker:?} {class:?}: {:#?}", file.findings);
    }
}
