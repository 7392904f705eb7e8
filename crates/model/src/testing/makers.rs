//! Room `model`, tests: functions that make an object of the class that they are handed, and those that call it. What
//! they give is of that class: joblib reads an array behind each wrapper, however the wrapper was made. And state that
//! a class of scikit-learn would call.

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

/// The wrapper, made by its class, and by the first maker.
pub(super) fn plain() -> Stream {
    Stream::protocol(2).global(WRAPPER.0, WRAPPER.1).raw(b")\x81")
}

pub(super) fn masked() -> Stream {
    made(MAKERS[0], WRAPPER)
}

/// State of a wrapper of five bytes, which hide the opcode that would pass over the payload as bytes.
pub(super) fn hides(stream: Stream) -> Vec<u8> {
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
    for bytes in std::iter::once(plain()).chain(MAKERS.map(|maker| made(maker, WRAPPER))).map(hides) {
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

/// Builders of NumPy's generators: each calls a name that it is handed.
const CALLERS: [&str; 3] = ["__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"];
const RANDOM: &str = "numpy.random._pickle";

#[test]
fn what_a_builder_of_generators_is_handed_is_called() {
    for caller in CALLERS {
        let start = || Stream::protocol(2).global(RANDOM, caller);
        for stream in [
            // `chi2("x")`
            start().text("x").global("sklearn.feature_selection._univariate_selection", "chi2").raw(b"\x86R"),
            // `TrainingArguments()`, which has an initialiser
            start().global("transformers.training_args", "TrainingArguments").raw(b"\x85R"),
            // A call of what is not known.
            start().text("x").global("argparse", "Namespace").raw(b")\x81\x86R"),
        ] {
            let file = judge(&stream.stop());
            let numbers: Vec<u16> = file.findings.iter().map(|found| found.id.number).collect();
            assert_eq!(
                (file.verdict, numbers),
                (Verdict::Review, vec![103]),
                "{caller}: {:#?}",
                file.findings
            );
        }
    }
}

#[test]
fn generators_as_numpy_writes_them_stay_clean() {
    let state = b"}X\x01\0\0\0aK\x01sb";
    for (module, name) in [
        ("numpy.random._mt19937", "MT19937"),
        ("numpy.random._pcg64", "PCG64"),
        ("numpy.random._pcg64", "PCG64DXSM"),
        ("numpy.random._philox", "Philox"),
        ("numpy.random._sfc64", "SFC64"),
    ] {
        for outer in ["__generator_ctor", "__randomstate_ctor"] {
            // From NumPy 1.24 on, and before.
            let new = Stream::protocol(2).global(RANDOM, outer).global(RANDOM, "__bit_generator_ctor");
            let new = new.global(module, name).raw(b"\x85R").raw(state).raw(b"\x85R").raw(state);
            let old = Stream::protocol(2).global(RANDOM, outer).text(name);
            let old = old.global(RANDOM, "__bit_generator_ctor").raw(b"\x86R").raw(state);
            for stream in [new, old] {
                let file = judge(&stream.stop());
                assert_eq!(file.verdict, Verdict::Clean, "{outer} {name}: {:#?}", file.findings);
            }
        }
    }
}

const KERNEL: (&str, &str) = ("sklearn.gaussian_process.kernels", "RBF");
const LINEAR: (&str, &str) = ("sklearn.linear_model._base", "LinearRegression");
const ISOTONIC: (&str, &str) = ("sklearn.isotonic", "IsotonicRegression");
const TREE: (&str, &str) = ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor");

#[test]
fn state_that_an_estimator_would_call_is_told() {
    let of = |class: (&str, &str)| Stream::protocol(2).global(class.0, class.1).raw(b")\x81");
    let holder = |stream: Stream| stream.global("types", "SimpleNamespace").raw(b")\x81}");
    let mean = |stream: Stream, key| stream.text(key).global("numpy", "mean").op(b's');
    let held = |class, key| of(class).op(b'}').text(key).global("types", "SimpleNamespace").raw(b")\x81sb");
    let early = mean(Stream::protocol(2).op(b'}'), "_build_f").raw(b"q\x010");
    for (class, stream) in [
        // The setter of `theta` calls `self.get_params`, which the first state has replaced.
        (KERNEL, mean(of(KERNEL).op(b'}'), "get_params").op(b'}').text("theta").raw(b"]s\x86b")),
        // `BaseEstimator.__setstate__` calls `state.pop`.
        (LINEAR, mean(holder(of(LINEAR)), "pop").raw(b"bb")),
        // joblib's unpickler, which is Python's own, calls `state.items`, of the first of two as well.
        (KERNEL, mean(holder(of(KERNEL)), "items").raw(b"bb")),
        (KERNEL, mean(holder(of(KERNEL)), "items").raw(b"bN\x86b")),
        (LINEAR, of(LINEAR).global("numpy", "mean").op(b'b')),
        // It compares and prints the version.
        (LINEAR, held(LINEAR, "_sklearn_version")),
        // `self._build_f` is looked up on the object; what it takes for arrays, and `nodes.astype`, are asked.
        (ISOTONIC, mean(of(ISOTONIC).op(b'}'), "_build_f").op(b'b')),
        (ISOTONIC, early.global(ISOTONIC.0, ISOTONIC.1).raw(b")\x81h\x01b")),
        (ISOTONIC, held(ISOTONIC, "X_thresholds_")),
        (ISOTONIC, held(ISOTONIC, "y_thresholds_")),
        (TREE, held(TREE, "nodes")),
    ] {
        let file = judge(&stream.stop());
        let found: Vec<_> =
            file.findings.iter().map(|found| (found.id.number, found.subject.as_deref())).collect();
        let subject = format!("{}.{}", class.0, class.1);
        assert_eq!(found, [(103, Some(subject.as_str()))], "{:#?}", file.findings);
        assert_eq!(file.verdict, Verdict::Review);
    }
}

#[test]
fn attributes_of_an_estimator_stay_clean() {
    for class in [KERNEL, LINEAR] {
        for state in [&b"}X\x01\0\0\0aK\x01sb"[..], b"(X\x01\0\0\0aK\x01db", b"}N\x86b"] {
            let stream = Stream::protocol(2).global(class.0, class.1).raw(b")\x81").raw(state);
            let file = judge(&stream.stop());
            assert_eq!(file.verdict, Verdict::Clean, "{class:?}: {:#?}", file.findings);
        }
    }
}

#[test]
fn calls_that_are_handed_each_other_take_no_stack() {
    let depth = 300_000;
    let stream = Stream::protocol(2).global("torch", "Size").raw(b"q\x010");
    let stream = stream.global("torch._tensor", "_rebuild_from_type_v2").raw(b"q\0");
    let stream = stream.raw(b"h\0h\x01".repeat(depth)).op(b')').raw(b"\x87".repeat(depth)).op(b'R');
    let file = judge(&stream.stop());
    assert_eq!(file.verdict, Verdict::Review, "{:#?}", file.findings);
    let subjects: Vec<_> = file.findings.iter().filter_map(|found| found.subject.as_deref()).collect();
    assert!(subjects.contains(&"torch._tensor._rebuild_from_type_v2"), "{subjects:?}");
}

#[test]
fn nothing_is_allowed_that_calls_what_it_holds() {
    for (module, name) in [
        ("sklearn.gaussian_process.kernels", "PairwiseKernel"),
        ("sklearn.linear_model._logistic", "_LbfgsCallbackBridge"),
        ("sklearn.linear_model._stochastic_gradient", "_ValidationScoreCallback"),
        ("sklearn.metrics._scorer", "_PassthroughScorer"),
        ("sklearn.metrics._scorer", "_Scorer"),
    ] {
        let file = judge(&Stream::protocol(2).global(module, name).raw(b")\x81").stop());
        assert_eq!(file.verdict, Verdict::Review, "{module}.{name}: {:#?}", file.findings);
    }
}
