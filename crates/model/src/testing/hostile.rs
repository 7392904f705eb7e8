//! Room `model`, tests: a hostile pickle for each class of threat, its benign twin where there is one, and the proof
//! that CPython runs the payload. Payloads are harmless: `echo`, or less.

use ringfence_finding::Verdict;

use super::build::Stream;
use super::judge;
use super::python;

/// A hostile pickle.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdict: Verdict,
    /// The class that must be among the findings.
    pub(crate) number: u16,
    /// The event of CPython's audit hook that shows the effect; empty where the effect is argued beside the fixture.
    event: &'static str,
}

/// Every hostile pickle.
pub(crate) fn all() -> Vec<Hostile> {
    use Verdict::Malicious;
    use Verdict::Review;
    let echo = || Stream::protocol(4).stack_global("os", "system").call("echo hi");
    let os = |name, bytes| Hostile { name, bytes, verdict: Malicious, number: 101, event: "os.system" };
    let of = |name, bytes, verdict, number, event| Hostile { name, bytes, verdict, number, event };
    let p2 = || Stream::protocol(2);
    let p4 = || Stream::protocol(4);
    vec![
        os("stack-global", echo().stop()),
        os("global", Stream::bare().raw("cposix\nsystem\n(S'echo hi'\ntR.").0),
        os("escaped-text", p4().raw("V\\u006fs\nS'\\x73ystem'\n").op(0x93).call("echo hi").stop()),
        os("module-of-a-module", p4().stack_global("random", "_os.system").call("echo hi").stop()),
        os("inst", Stream::bare().raw("(S'echo hi'\nios\nsystem\n.").0),
        os("obj", Stream::bare().raw("(cos\nsystem\nS'echo hi'\no.").0),
        os("result-popped", echo().raw("0N").stop()),
        os("no-stop", echo().0),
        os("broken-after-payload", echo().raw("\u{7f}\u{7f}\u{7f}").0),
        os("late-protocol", Stream::bare().global("os", "system").raw(b"\x80\x04").call("echo hi").stop()),
        of(
            "commands-of-python-2",
            p2().global("commands", "getoutput").call("echo hi").stop(),
            Malicious,
            101,
            "subprocess.Popen",
        ),
        // Looked up and not called here: whoever holds the result calls it, and no ordinary file names these.
        of(
            "sub-module",
            p4().stack_global("asyncio.unix_events", "_UnixSubprocessTransport").stop(),
            Malicious,
            101,
            "",
        ),
        of("never-called", p4().stack_global("subprocess", "Popen").stop(), Malicious, 101, ""),
        of(
            "eval",
            p2().global("__builtin__", "eval").raw("X\x04\0\0\x001+1\n").raw(b"\x85R.").0,
            Malicious,
            101,
            "exec",
        ),
        of("pip", p4().stack_global("pip._internal.cli.main", "main").stop(), Malicious, 101, ""),
        of("unknown-name", p4().stack_global("acme.layers", "Block").raw(b")\x81").stop(), Review, 102, ""),
        of("unknown-call", p4().stack_global("fractions", "gcd").raw(b")R").stop(), Review, 102, ""),
        of("other-use", p4().stack_global("numpy", "dtype").raw(b")\x81").stop(), Review, 103, ""),
        of(
            "odd-encoding",
            p2().global("_codecs", "encode").text("x").text("rot13").raw(b"\x86R").stop(),
            Review,
            103,
            "import",
        ),
        of(
            "dotted",
            p4().stack_global("logging", "os.system").call("echo hi").stop(),
            Malicious,
            101,
            "os.system",
        ),
        // The globals of a module, `__builtins__` among them, for whatever comes next.
        of(
            "dunder",
            p4().stack_global("collections", "OrderedDict.__init__.__globals__").stop(),
            Malicious,
            104,
            "",
        ),
        of("nested-class", p4().stack_global("acme", "Outer.Inner").raw(b")\x81").stop(), Review, 104, ""),
        of(
            "computed-name",
            p4().stack_global("builtins", "str").call("os").text("system").op(0x93).call("echo hi").stop(),
            Malicious,
            104,
            "os.system",
        ),
        // A class whose methods the file may choose, `__reduce__` or `__del__` among them.
        of(
            "class-made",
            p4().stack_global("builtins", "type").text("X").raw(b")}\x87R").stop(),
            Malicious,
            104,
            "",
        ),
        // State for a module replaces its attributes: the harmless name that is looked up next is `os.system`.
        of("module-changed", foreign(), Malicious, 105, "os.system"),
        // CPython refuses it for a class written in C; of one written in Python each method may be replaced.
        of(
            "attribute-set",
            p4().stack_global("collections", "OrderedDict").raw(b"}").text("x").raw(b"K\x01sb").stop(),
            Malicious,
            105,
            "",
        ),
        // torch is no peer: its storages and tensors take items.
        of("items-into-tensor", p2().global("torch", "Size").raw(b")RK\0K\x01s.").0, Malicious, 105, ""),
        of("extension", p2().raw(b"\x82\x01)R.").0, Review, 106, ""),
        of("second-stream", [p4().op(b'N').stop(), echo().stop()].concat(), Malicious, 107, "os.system"),
        // No unpickler passes over the junk: whoever knows where the stream begins starts behind it.
        of(
            "behind-junk",
            [p4().op(b'N').stop(), b"junk junk".to_vec(), echo().stop()].concat(),
            Malicious,
            101,
            "",
        ),
        of("garbage", p4().raw(b"N\xfe\xff\xfe").stop(), Review, 108, ""),
        of("frames-differ", straddle(), Malicious, 109, "os.system"),
        of("memo-missing", p2().raw(b"h\x07.").0, Review, 110, ""),
        of("memo-overwritten", overwritten(), Malicious, 101, "os.system"),
        of("persistent-line", Stream::bare().raw("Pos\n.").0, Review, 116, ""),
        of("persistent-line-broken", p4().raw(b"P\xff\n.").0, Review, 108, ""),
        // State that is None goes nowhere, whatever it is for: no error.
        os("state-of-none", Stream::bare().raw("I1\nNb0cos\nsystem\n(S'echo hi'\ntR.").0),
        os("two-states-of-none", Stream::bare().raw(b"I1\nN}\x86b0cos\nsystem\n(S'echo hi'\ntR.").0),
        os("number-until-nul", Stream::bare().raw("I5\0x\n0cos\nsystem\n(S'echo hi'\ntR.").0),
        os("float-until-nul", Stream::bare().raw("F1\0zz\n0cos\nsystem\n(S'echo hi'\ntR.").0),
        os("vertical-tab", Stream::bare().raw("I\x0b3\np3\x0b\n0cos\nsystem\n(S'echo hi'\ntR.").0),
        // What loads the second stream of a text; the first is `None`.
        of(
            "second-stream-of-text",
            Stream::bare().raw("N.cos\nsystem\n(S'echo hi'\ntR.").0,
            Malicious,
            101,
            "os.system",
        ),
        of("frame-around-a-pickle", framed_text(), Malicious, 101, "os.system"),
        // BUILD looks `__setstate__` up on the object: the first state puts it there, the second is its argument.
        of("setstate-of-an-object", set_state(b"}"), Malicious, 104, "os.system"),
        of("setstate-by-setattr", set_state(b"N}"), Malicious, 104, "os.system"),
        // Of this class; with one of the file's choice in place of `None` it is another object.
        of(
            "class-by-setattr",
            p4().stack_global("types", "SimpleNamespace")
                .raw(b")\x81N}")
                .text("__class__")
                .raw(b"Ns\x86b.")
                .0,
            Malicious,
            104,
            "",
        ),
        // SciPy is no peer: `__getattr__` of its dicts gives items, and BUILD asks for `__setstate__`.
        of(
            "setstate-of-a-dict-with-attributes",
            p4().stack_global("scipy.optimize._optimize", "OptimizeResult")
                .raw(b")\x81")
                .raw("V\\u005f_setstate__\n")
                .stack_global("collections", "Counter")
                .raw(b"sK\x01b.")
                .0,
            Malicious,
            104,
            "",
        ),
        // From Python 3.13 on a mapping, or pairs, become its attributes.
        of(
            "setstate-by-a-call",
            p4().stack_global("types", "SimpleNamespace")
                .op(b'}')
                .text("__setstate__")
                .stack_global("collections", "Counter")
                .raw(b"s\x85RK\x01b.")
                .0,
            Malicious,
            104,
            "",
        ),
        of(
            "attributes-by-a-call",
            p4().stack_global("types", "SimpleNamespace").raw(b"]\x85R.").0,
            Review,
            103,
            "",
        ),
        of(
            "state-twice",
            p4().stack_global("types", "SimpleNamespace").raw(b")\x81}b}b.").0,
            Review,
            103,
            "",
        ),
        of(
            "state-that-is-an-object",
            p4().stack_global("types", "SimpleNamespace")
                .raw(b")\x81")
                .stack_global("collections", "OrderedDict")
                .raw(b")Rb.")
                .0,
            Review,
            103,
            "",
        ),
        // `base.__init__` of what is no plain class is called with the state.
        of(
            "base-with-an-initialiser",
            p2().global("copyreg", "_reconstructor")
                .global("collections", "OrderedDict")
                .global("argparse", "Namespace")
                .raw(b"N\x87R.")
                .0,
            Review,
            103,
            "",
        ),
        of(
            "called-result",
            p4().stack_global("collections", "OrderedDict").raw(b")R)R").stop(),
            Review,
            103,
            "",
        ),
    ]
}

fn foreign() -> Vec<u8> {
    // `random._os` is the module: its attribute `echo` becomes `os.system`, and is looked up under its harmless name.
    Stream::protocol(4)
        .stack_global("random", "_os")
        .raw(b"}")
        .text("echo")
        .stack_global("random", "_os.system")
        .raw(b"sb0")
        .stack_global("os", "echo")
        .call("echo hi")
        .stop()
}

/// An operand that crosses the end of its frame: `load` of a file without `peek` goes on behind the frame.
fn straddle() -> Vec<u8> {
    let harmless = Stream::bare().raw([0x8c, 200]).0;
    let payload = Stream::bare().raw(b"0").stack_global("os", "system").call("echo hi").stop();
    let mut stream =
        Stream::protocol(4).frame(u64::try_from(harmless.len() + 3).unwrap()).raw(&harmless).raw(b"abc");
    // Blocks: 200 bytes are taken behind the frame, then the payload runs. Flat: they start inside of it.
    stream = stream.raw(vec![b'x'; 197]).raw(b"N.x").raw(&payload);
    stream.0
}

/// An operand that crosses the end of its frame, before any name: whoever takes frames for blocks reads on behind it.
fn framed_text() -> Vec<u8> {
    let frame = Stream::bare().frame(3).raw(b"J\x01\x02\0\0\xff\0");
    frame.raw("0cos\nsystem\n(S'echo hi'\ntR.").0
}

fn set_state(state: &[u8]) -> Vec<u8> {
    let object = Stream::protocol(4).stack_global("types", "SimpleNamespace").raw(b")\x81").raw(state);
    let full = object.text("__setstate__").stack_global("os", "system").op(b's');
    let built = if state.len() > 1 { full.raw(b"\x86b") } else { full.op(b'b') };
    built.text("echo hi").raw(b"b.").0
}

/// MEMOIZE writes to the number of entries, which an earlier PUT has taken: `math` becomes `os`.
fn overwritten() -> Vec<u8> {
    let stream = Stream::protocol(4).text("math").raw([b'q', 1]).text("os").op(0x94);
    stream.raw([b'h', 1]).text("system").op(0x93).call("echo hi").stop()
}

#[test]
fn every_hostile_pickle_is_judged_for_its_own_reason() {
    for hostile in all() {
        let file = judge(&hostile.bytes);
        let numbers: Vec<u16> = file.findings.iter().map(|finding| finding.id.number).collect();
        assert_eq!(file.verdict, hostile.verdict, "{}: {:#?}", hostile.name, file);
        assert!(numbers.contains(&hostile.number), "{}: {:#?}", hostile.name, file);
    }
}

#[test]
fn a_prefix_of_a_hostile_pickle_is_never_clean() {
    for hostile in all() {
        for end in 1..hostile.bytes.len() {
            let start = &hostile.bytes[..end];
            if start.ends_with(b"N.") && matches!(end, 2 | 4) {
                continue; // a whole pickle of its own
            }
            let file = judge(start);
            assert_ne!(file.verdict, Verdict::Clean, "{}, first {end} bytes", hostile.name);
        }
    }
}

#[test]
fn what_is_forgotten_again_counts_for_the_budget() {
    let has_budget = |file: &ringfence_finding::ModelFile, what: &str| {
        let is_it = |gap: &ringfence_finding::ModelGap| {
            gap.reason == ringfence_finding::GapReason::Budget && gap.message.contains(what)
        };
        file.gaps.iter().any(is_it)
    };
    // Each list leaves its size behind, though it is popped at once.
    let lists = Stream::protocol(2).raw(b"]0".repeat(20_000)).raw(b"N").stop();
    let limits = crate::Limits { values: 1000, ..crate::Limits::default() };
    assert!(has_budget(&super::judge_within(&lists, &limits), "values"));
    assert_eq!(judge(&lists).verdict, Verdict::Clean);
    // Names are few, and long.
    let long = "x".repeat(1000);
    let names =
        (0..20_000).fold(Stream::bare(), |stream, at| stream.global(&format!("m{at}"), &long).op(b'0'));
    assert!(has_budget(&judge(&names.raw(b"N").stop()), "names"));
}

/// Ends the child at the first event that an ordinary pickle does not cause, and prints it. Stream after stream is loaded, as
/// torch's old files and logs of pickles are read.
const GUARD: &str = r"
import io, os, pickle, struct, sys
def load(data, event):
    armed = True
    def hook(name, args):
        if armed and (name == event or name in ('os.system', 'subprocess.Popen', 'socket.connect')):
            os.write(1, (name + '\n').encode())
            os._exit(0)
    sys.addaudithook(hook)
    file = io.BytesIO(data)
    try:
        while True: pickle.Unpickler(file).load()
    except Exception: pass
    armed = False
    os.write(1, b'none\n')
    os._exit(0)
data = sys.stdin.buffer
while head := data.read(4):
    event = data.read(struct.unpack('<I', head)[0]).decode()
    body = data.read(struct.unpack('<I', data.read(4))[0])
    if pid := os.fork(): os.waitpid(pid, 0)
    else: load(body, event)
";

#[test]
#[ignore = "needs python3: loads each hostile pickle in a child that ends at its first act"]
fn the_payloads_run_in_cpython() {
    let acting: Vec<Hostile> = all().into_iter().filter(|hostile| !hostile.event.is_empty()).collect();
    let pieces = acting.iter().flat_map(|hostile| [hostile.event.as_bytes(), &hostile.bytes]);
    let printed = python::run(GUARD, &python::frames(pieces));
    let seen: Vec<(&str, &str)> = acting.iter().map(|hostile| hostile.name).zip(printed.lines()).collect();
    let expected: Vec<(&str, &str)> = acting.iter().map(|hostile| (hostile.name, hostile.event)).collect();
    assert_eq!(seen, expected);
}
