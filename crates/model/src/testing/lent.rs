//! Room `model`, tests: arrays of NumPy whose memory something else looks at when it is freed. Harmless: nobody writes there.

use ringfence_finding::Verdict;

use super::judge;
use super::python;
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

/// Items that the allocator takes from the kernel and gives back to it: whoever looks at them then, crashes.
const MANY: i32 = 64 << 20;

const ARRAY: &[&str] = &["numpy.ndarray"];
const LOOKS: &[&str] = &["numpy.core.numeric._frombuffer"];
const BOTH: &[&str] = &["numpy.core.numeric._frombuffer", "numpy.ndarray"];
const MASKED: &[&str] = &["numpy.core.numeric._frombuffer", "numpy.ma.MaskedArray"];

/// An array without state.
fn made(count: i32) -> Vec<u8> {
    let arguments = [name("numpy", "ndarray"), tuple(&[int(count)]), bytes(b"b")];
    call(name("numpy.core.multiarray", "_reconstruct"), &arguments)
}

fn dtype(of: &str) -> Vec<u8> {
    call(name("numpy", "dtype"), &[text(of), b"\x89".to_vec(), b"\x88".to_vec()])
}

fn state(of: &str, items: Vec<u8>) -> Vec<u8> {
    tuple(&[int(1), tuple(&[int(1)]), dtype(of), b"\x89".to_vec(), items])
}

fn number() -> Vec<u8> {
    state("u1", bytes(b"A"))
}

fn view(buffer: Vec<u8>, count: i32) -> Vec<u8> {
    let arguments = [buffer, dtype("u1"), tuple(&[int(count)]), text("C")];
    call(name("numpy.core.numeric", "_frombuffer"), &arguments)
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [&b"]("[..], &items.concat(), b"e"].concat()
}

fn linear(attributes: &[(&str, Vec<u8>)]) -> Vec<u8> {
    build(new(name("sklearn.linear_model._base", "LinearRegression"), &[]), dict(attributes))
}

/// The state comes to what stands under key 1 when `call` has looked at it; the call's result is loaded.
fn late(made: Vec<u8>, call: Vec<u8>) -> Vec<u8> {
    last(&[put(made, 1), put(call, 2), build(get(1), number()), get(2)])
}

fn index() -> Vec<u8> {
    let class = name("pandas", "Index");
    call(
        name("pandas.core.indexes.base", "_new_Index"),
        &[class, dict(&[("data", get(1)), ("name", none())])],
    )
}

struct Lent {
    name: &'static str,
    value: Vec<u8>,
    /// The names that are told.
    told: &'static [&'static str],
    /// Whether NumPy crashes when it looks at the value.
    crashes: bool,
}

fn all() -> Vec<Lent> {
    let of = |name, value, told| Lent { name, value, told, crashes: false };
    let masked = [name("numpy.ma", "MaskedArray"), name("numpy", "ndarray"), tuple(&[int(9)]), text("b")];
    let masked = call(name("numpy.ma.core", "_mareconstruct"), &masked);
    // The array is doubled on the stack, and the memo holds a tuple of it.
    let doubled =
        [&made(9)[..], b"2\x85q\x010", &name("builtins", "list"), &get(1), b"\x85R0", &number(), b"b"];
    let scalar = call(name("numpy.core.multiarray", "scalar"), &[dtype("u1"), bytes(b"A")]);
    let with_state = last(&[put(build(made(0), number()), 1), view(get(1), 1)]);
    vec![
        Lent { crashes: true, ..of("a-view-of-an-array", late(made(MANY), view(get(1), MANY)), BOTH) },
        of("a-view-of-an-array-with-state", with_state, LOOKS),
        of("a-view-of-a-number", view(scalar, 1), LOOKS),
        of("a-view-of-a-masked-array", late(masked, view(get(1), 9)), MASKED),
        of("an-index-of-an-array", late(made(9), index()), ARRAY),
        of("an-attribute", late(made(9), linear(&[("coef_", get(1))])), ARRAY),
        of("an-item-of-an-attribute", late(made(9), linear(&[("coef_", list(&[get(1)]))])), ARRAY),
        of("an-argument-by-a-tuple", doubled.concat(), ARRAY),
    ]
}

fn pickle(value: &[u8]) -> Vec<u8> {
    [&b"\x80\x05"[..], value, b"."].concat()
}

#[test]
fn memory_that_something_else_looks_at_is_told() {
    for Lent { name, value, told, .. } in all() {
        let file = judge(&pickle(&value));
        assert_eq!(file.verdict, Verdict::Review, "{name}");
        assert!(file.findings.iter().all(|found| found.id.number == 103), "{name}: {:#?}", file.findings);
        let mut subjects: Vec<_> =
            file.findings.iter().filter_map(|found| found.subject.as_deref()).collect();
        subjects.sort_unstable();
        assert_eq!(subjects, told, "{name}: {:#?}", file.findings);
    }
}

#[test]
fn arrays_as_numpy_writes_them_stay_clean() {
    let array = || build(made(0), number());
    let bytearray = [&[0x96][..], &2_u64.to_le_bytes(), b"AB"].concat();
    for (name, value) in [
        ("a view of bytes", view(bytes(b"AB"), 2)),
        ("a view of a bytearray", last(&[put(bytearray, 1), view(get(1), 2)])),
        ("an array that stands twice", tuple(&[put(array(), 1), get(1), linear(&[("coef_", get(1))])])),
        ("one that holds itself", build(put(made(0), 1), state("O8", list(&[get(1)])))),
        (
            "one of objects that hold others",
            build(made(0), state("O8", list(&[linear(&[("coef_", array())])]))),
        ),
        ("none that ever gets state", list(&[put(made(0), 1), get(1)])),
    ] {
        let file = judge(&pickle(&value));
        assert_eq!(file.verdict, Verdict::Clean, "{name}: {:#?}", file.findings);
    }
}

/// Loads each and looks at all of it, in a child.
const LOOK: &str = r"
import io, os, pickle, struct, sys
import numpy
data = sys.stdin.buffer
while head := data.read(4):
    body = data.read(struct.unpack('<I', head)[0])
    if pid := os.fork():
        status = os.waitpid(pid, 0)[1]
        os.write(1, (('crashed' if status == 11 else 'none') + '\n').encode())
    else:
        numpy.asarray(pickle.loads(body)).sum()
        os._exit(0)
";

#[test]
#[ignore = "needs model-peers: looks at freed memory in a child that crashes"]
fn numpy_looks_at_memory_that_it_has_freed() {
    let crashing = all().into_iter().filter(|lent| lent.crashes);
    let bodies: Vec<_> = crashing.map(|lent| pickle(&lent.value)).collect();
    let printed = python::peers(LOOK, &python::frames(bodies.iter().map(Vec::as_slice)));
    assert_eq!(printed.lines().collect::<Vec<_>>(), vec!["crashed"; bodies.len()]);
}
