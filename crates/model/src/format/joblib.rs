//! Room `model`, format `joblib`: a pickle with arrays between its opcodes (see `pickle/joblib.rs`), often compressed as a
//! whole; before 0.10 a `ZF` file (see `walk/stream.rs`) or arrays in files of their own. Here are the tests of all of it.

use ringfence_finding::ModelFile;
use ringfence_finding::Verdict;

use crate::container::stream::Codec;
use crate::container::stream::tests::pack;
use crate::testing::build::Stream;
use crate::testing::judge;
use crate::testing::python;

const EVIL: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";

/// A wrapper as joblib 1.2 and later writes it, up to its BUILD.
fn wrapper(stream: Stream, shape: &[u8], dtype: &str, flags: u8) -> Stream {
    let shape = shape
        .iter()
        .fold(stream_of("shape", start(stream)).raw(b"("), |stream, size| stream.raw([b'K', *size]));
    let dtype =
        shape.raw(b"t").text("dtype").stack_global("numpy", "dtype").text(dtype).raw(b"\x89\x88\x87R");
    let state = dtype
        .raw(b"(K\x03")
        .text("<")
        .raw([&b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK"[..], &[flags]].concat());
    stream_of("numpy_array_alignment_bytes", state.raw(b"tb")).raw(b"K\x10ub")
}

fn start(stream: Stream) -> Stream {
    let stream = stream.stack_global("joblib.numpy_pickle", "NumpyArrayWrapper").raw(b")\x81}(");
    let stream = stream.text("subclass").stack_global("numpy", "ndarray").text("order").text("C");
    stream.text("allow_mmap").raw(b"\x89")
}

fn stream_of(key: &str, stream: Stream) -> Stream {
    stream.text(key)
}

/// `{"w": array, "n": 7}` with an array of 2 x 3 floats.
pub(crate) fn dump(data: &[u8]) -> Vec<u8> {
    let stream = wrapper(Stream::protocol(4).raw(b"}(").text("w"), &[2, 3], "f8", 0);
    stream.raw(b"\x03\xff\xff\xff").raw(data).text("n").raw(b"K\x07u").stop()
}

/// `{"w": array, "n": 7}` with an array of three objects, which are this pickle.
pub(crate) fn objects(pickle: &[u8]) -> Vec<u8> {
    objects_as("O8", 63, pickle)
}

fn objects_as(dtype: &str, flags: u8, pickle: &[u8]) -> Vec<u8> {
    let stream = wrapper(Stream::protocol(4).raw(b"}(").text("w"), &[3], dtype, flags);
    stream.raw(pickle).text("n").raw(b"K\x07u").stop()
}

/// Items that a loader without joblib takes for opcodes: a string hides the first, and the payload runs.
fn opcodes() -> Vec<u8> {
    let mut data = b"0\x8c\x02os\x8c\x06system\x93\x8c\x07echo hi\x85R0N".to_vec();
    data.resize(48, b'0');
    data
}

/// Without alignment (joblib before 1.2) the items come at once.
pub(crate) fn taken_for_opcodes() -> Vec<u8> {
    let bare = Stream::protocol(4).raw(b"}(").text("w");
    let bare = start(bare).text("shape").raw(b"K\x02K\x03\x86").text("dtype").stack_global("numpy", "dtype");
    bare.text("f8").raw(b"\x89\x88\x87Rub").raw(opcodes()).text("n").raw(b"K\x07u").stop()
}

/// A wrapper of so many bytes, and these.
pub(crate) fn behind_a_wrapper(data: &[u8]) -> Vec<u8> {
    let shape = [b'K', u8::try_from(data.len()).unwrap(), 0x85];
    let stream = attributes(bare_wrapper().raw(b"}"), &shape, |stream| dtype(stream, ONE, 1));
    stream.raw(b"b").raw(data).stop()
}

/// An array in a file of its own (joblib before 0.10).
pub(crate) fn elsewhere(name: &str) -> Vec<u8> {
    let stream = Stream::protocol(2).stack_global("joblib.numpy_pickle", "NDArrayWrapper").raw(b")\x81}(");
    let stream = stream.text("filename").text(name).text("subclass").stack_global("numpy", "ndarray");
    stream.text("allow_mmap").raw(b"\x89ub").stop()
}

fn told(file: &ModelFile) -> String {
    let findings = file.findings.iter().map(|found| format!("{}: {}", found.id.number, found.message));
    let gaps = file.gaps.iter().map(|gap| format!("{}: {}", gap.reason, gap.message));
    findings.chain(gaps).collect::<Vec<_>>().join("; ")
}

#[test]
fn arrays_between_opcodes_are_passed_over_and_every_byte_is_explained() {
    let good = dump(&[0x3f; 48]);
    let file = judge(&good);
    assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{}", told(&file));
    assert_eq!(file.formats, ["pickle", "joblib"]);
    for codec in [Codec::Zlib, Codec::Gzip, Codec::Bzip2, Codec::Lzma, Codec::Xz, Codec::Lz4] {
        let packed = judge(&pack(codec, &good));
        assert_eq!((packed.verdict, packed.explained), (Verdict::Clean, packed.bytes), "{}", told(&packed));
    }
    for end in 1..good.len() {
        assert_ne!(judge(&good[..end]).verdict, Verdict::Clean, "first {end} bytes");
    }
    for len in [47, 49] {
        assert_ne!(judge(&dump(&vec![0x3f; len])).verdict, Verdict::Clean, "{len} bytes for 48");
    }
}

#[test]
fn what_a_loader_without_joblib_makes_of_an_array_is_judged_too() {
    // `pickle.load` takes the padding and the items for opcodes.
    let data = opcodes();
    let stream = wrapper(Stream::protocol(4).raw(b"}(").text("w"), &[2, 3], "f8", 0);
    let hidden = stream.raw(b"\x03N0N").raw(&data).text("n").raw(b"K\x07u").stop();
    let file = judge(&hidden);
    // The length of the padding is no opcode, so a loader ends there; as no padding it is told.
    assert_eq!(file.verdict, Verdict::Review, "{}", told(&file));
    assert!(told(&file).contains("padding that holds something"), "{}", told(&file));
    let stream = wrapper(Stream::protocol(4).raw(b"}(").text("w"), &[2, 3], "f8", 0);
    let padding = [&[b'('][..], &[0xff; 40]].concat();
    let file = judge(&stream.raw(&padding).raw(&data).text("n").raw(b"K\x07u").stop());
    assert_eq!(file.verdict, Verdict::Clean, "the second byte of the padding is no opcode: {}", told(&file));
    let file = judge(&taken_for_opcodes());
    assert_eq!(file.verdict, Verdict::Malicious, "{}", told(&file));
    assert!(told(&file).starts_with("101: calls os.system"), "{}", told(&file));
}

#[test]
fn the_end_of_a_padded_array_is_judged_as_joblib_before_1_2_reads_it() {
    // It reads the padding and 32 of the 48 bytes as the items, and runs the rest: memo 5 becomes another name.
    let told_of = |hidden: &[u8; 16]| {
        let known = Stream::protocol(4).stack_global("builtins", "list").raw(b"q\x050");
        let padded = wrapper(known, &[4], "i8", 0).raw(b"\x0f").raw([0xff; 15]).raw([0; 16]).raw(hidden);
        judge(&padded.raw(b"0h\x05").call("echo hi").stop())
    };
    let clean = told_of(&[0; 16]);
    assert!(!told(&clean).contains("os.system"), "{}", told(&clean));
    let file = told_of(b"cos\nsystem\nq\x050N0");
    assert_eq!(file.verdict, Verdict::Malicious, "{}", told(&file));
    assert!(told(&file).contains("calls os.system"), "{}", told(&file));
}

#[test]
fn an_array_of_objects_is_a_pickle_of_its_own() {
    let objects = |dtype, flags, pickle: &[u8]| judge(&objects_as(dtype, flags, pickle));
    let inner = Stream::protocol(5).raw(b"](K\x01K\x02e").stop();
    let clean = objects("O8", 63, &inner);
    assert_eq!((clean.verdict, clean.explained), (Verdict::Clean, clean.bytes), "{}", told(&clean));
    let evil = objects("O8", 63, EVIL);
    assert_eq!(evil.verdict, Verdict::Malicious, "{}", told(&evil));
    assert_ne!(objects("O8", 63, &inner[..inner.len() - 1]).verdict, Verdict::Clean);
    // A structure whose flags speak of objects and whose fields do not.
    let lies = objects("V16", 1, &inner);
    assert!(told(&lies).contains("whose dtype cannot be followed"), "{}", told(&lies));
    assert!(lies.verdict >= Verdict::Review);
}

#[test]
fn what_cannot_be_followed_is_review() {
    let bytes = |change: &dyn Fn(Stream) -> Stream| change(Stream::protocol(4)).raw([0x3f; 48]).stop();
    let plain = |stream: Stream, shape: &[u8], dtype: &str| {
        let stream = start(stream).text("shape").raw(shape).text("dtype").stack_global("numpy", "dtype");
        stream.text(dtype).raw(b"\x89\x88\x87R")
    };
    for (words, file) in [
        ("whose shape", bytes(&|stream| plain(stream, b"N", "f8").raw(b"ub"))),
        ("whose shape", bytes(&|stream| plain(stream, b"K\x02J\xff\xff\xff\xff\x86", "f8").raw(b"ub"))),
        // 2^32 x 2^32: NumPy's product is 0, and what follows are opcodes.
        (
            "whose shape",
            bytes(&|stream| {
                let large = b"\x8a\x05\0\0\0\0\x01";
                plain(stream, &[&large[..], large, b"\x86"].concat(), "f8").raw(b"ub")
            }),
        ),
        ("whose dtype", bytes(&|stream| plain(stream, b"K\x06\x85", "x9").raw(b"ub"))),
        ("no size", bytes(&|stream| plain(stream, b"K\x06\x85", "S0").raw(b"ub"))),
        ("no writer leaves", bytes(&|stream| plain(stream, b"K\x06\x85", "f8").text("read").raw(b"Nub"))),
        (
            "not in the file",
            bytes(&|stream| stream.stack_global("joblib.numpy_pickle", "NumpyArrayWrapper").raw(b")\x81Nb")),
        ),
        ("inside of a frame", {
            let frame = plain(Stream::protocol(4).frame(4000), b"K\x06\x85", "f8").raw(b"ub");
            frame.raw([0x3f; 4000]).stop()
        }),
    ] {
        let file = judge(&file);
        assert!(told(&file).contains(words), "{words}: {}", told(&file));
        assert!(file.verdict >= Verdict::Review, "{words}: {}", told(&file));
    }
}

/// `NumpyArrayWrapper` without state, and a key with its value for one.
fn bare_wrapper() -> Stream {
    Stream::protocol(4).stack_global("joblib.numpy_pickle", "NumpyArrayWrapper").raw(b")\x81")
}

/// `numpy.dtype(text)` by the arguments that stand on the stack, with a state whose items are of `size` bytes.
fn dtype(stream: Stream, arguments: &[u8], size: u8) -> Stream {
    let made = stream.stack_global("numpy", "dtype").raw(arguments).raw(b"R(K\x03").text("|");
    made.raw([b"NNNK", &[size][..], b"K\x01K\0tb"].concat())
}

/// Attributes of a wrapper for so many items.
fn attributes(stream: Stream, shape: &[u8], dtype: impl Fn(Stream) -> Stream) -> Stream {
    let stream = stream.raw("(").text("subclass").stack_global("numpy", "ndarray").text("order").text("C");
    let stream = dtype(stream.text("allow_mmap").raw(b"\x89").text("shape").raw(shape).text("dtype"));
    stream.raw("u")
}

const ONE: &[u8] = b"\x8c\x02V1\x89\x88\x87";

#[test]
fn an_array_of_another_size_than_it_seems_is_review() {
    let one = |stream| dtype(stream, ONE, 1);
    let whole = |stream: Stream| stream.raw(b"b").raw([0xff; 4]).stop();
    let good = attributes(bare_wrapper().raw(b"}"), b"K\x04\x85", one);
    let file = judge(&whole(good));
    assert_eq!(file.verdict, Verdict::Clean, "{}", told(&file));
    for (words, bytes) in [
        // NumPy takes the size from the state.
        (
            "whose dtype",
            whole(attributes(bare_wrapper().raw(b"}"), b"K\x04\x85", |stream| dtype(stream, ONE, 2))),
        ),
        // Two of them from one tuple of arguments: the state of the other is not that of the first.
        (
            "whose dtype",
            whole(attributes(bare_wrapper().raw(b"}"), b"K\x04\x85", |stream| {
                let tuple = [ONE, b"q\x07"].concat();
                dtype(dtype(stream, &tuple, 2).raw(b"q\x080"), b"h\x07", 1).raw(b"0h\x08")
            })),
        ),
        // The second state leaves the alignment of the first.
        ("state twice", {
            let first = attributes(bare_wrapper().raw(b"q\x05}"), b"K\0\x85", one);
            whole(attributes(first.raw(b"b\x000h\x05}"), b"K\x04\x85", one))
        }),
        // So many containers that nobody remembers the first attributes.
        ("not in the file", {
            let first = bare_wrapper().raw(b"}(").text("numpy_array_alignment_bytes").raw(b"K\x10u");
            whole(attributes(first.raw(b"]Na0".repeat(1100)), b"K\x04\x85", one))
        }),
        // Filled before anybody asked.
        ("not in the file", {
            let early = attributes(Stream::protocol(4).raw(b"}"), b"K\x04\x85", one).raw(b"q\x05");
            let wrapper = early.stack_global("joblib.numpy_pickle", "NumpyArrayWrapper").raw(b")\x81h\x05");
            whole(wrapper)
        }),
        ("without one of its attributes", whole(bare_wrapper().raw(b"}"))),
        ("whose shape", {
            let shape = [&b"I0x"[..], &vec![b'0'; 1 << 20], b"4\n\x85"].concat();
            whole(attributes(bare_wrapper().raw(b"}"), &shape, one))
        }),
    ] {
        let file = judge(&bytes);
        assert!(told(&file).contains(words), "{words}: {}", told(&file));
        assert!(file.verdict >= Verdict::Review, "{words}: {}", told(&file));
    }
    // As long as numbers may be.
    let zeros = [&b"I0x"[..], &[b'0'; 5000], b"4\n\x85"].concat();
    let file = judge(&whole(attributes(bare_wrapper().raw(b"}"), &zeros, one)));
    assert_eq!(file.verdict, Verdict::Clean, "{}", told(&file));
}

#[test]
#[ignore = "needs model-peers: NumPy reads the dtypes"]
fn numpy_takes_the_size_from_the_state() {
    let script =
        "import pickle, sys; print([made.itemsize for made in pickle.loads(sys.stdin.buffer.read())])";
    let long: &[u8] = b"\x8c\x05V1000\x89\x88\x87q\x07";
    let two = dtype(dtype(Stream::protocol(4), long, 1), b"h\x07", 2);
    assert_eq!(python::peers(script, &two.raw(b"\x86").stop()), "[1, 2]\n");
}

#[test]
fn no_error_of_ours_hides_what_a_loader_without_joblib_looks_up() {
    let file = judge(&behind_a_wrapper(&[b"I1\nNb0", EVIL].concat()));
    assert_eq!(file.verdict, Verdict::Malicious, "{}", told(&file));
    // The same, read by frames.
    let data = [&b"\x95\x03\0\0\0\0\0\0\0J\x01\x02\0\0\xff\x000"[..], EVIL].concat();
    let file = judge(&behind_a_wrapper(&data));
    assert_eq!(file.verdict, Verdict::Malicious, "{}", told(&file));
}

#[test]
fn arrays_in_other_files_are_a_gap_and_elsewhere_malicious() {
    let file = |name: &str| judge(&elsewhere(name));
    assert_eq!(file("m.pkl_01.npy").verdict, Verdict::Incomplete, "{}", told(&file("m.pkl_01.npy")));
    for name in ["/etc/passwd", "../x.npy", "a\\b"] {
        assert_eq!(file(name).verdict, Verdict::Malicious, "{}", told(&file(name)));
    }
}

#[test]
fn zf_files_hold_a_pickle() {
    let zfile = |length: usize, pickle: &[u8], blank: &str| {
        let header = format!("ZF{:<19}{blank}", format!("{length:#x}"));
        [header.as_bytes(), &pack(Codec::Zlib, pickle)].concat()
    };
    let good = dump(&[0x3f; 48]);
    for blank in ["", " "] {
        let file = judge(&zfile(good.len(), &good, blank));
        assert_eq!((file.verdict, file.explained), (Verdict::Clean, file.bytes), "{}", told(&file));
        assert_eq!(file.formats, ["joblib-zfile"]);
        let evil = judge(&zfile(EVIL.len(), EVIL, blank));
        assert_eq!(evil.findings[0].place.path, "x!/content");
    }
    let long = judge(&zfile(good.len() + 1, &good, ""));
    assert!(told(&long).contains("123: a length"), "{}", told(&long));
    let whole = zfile(good.len(), &good, "");
    for end in 1..whole.len() {
        assert_ne!(judge(&whole[..end]).verdict, Verdict::Clean, "first {end} bytes");
    }
}
