//! Room `model`, tests: arrays of NumPy as writers leave them, and hostile ones: state with fewer items than places.

use ringfence_finding::Verdict;

use super::judge;
use super::libraries::Act;
use super::libraries::Hostile;
use super::libraries::ODD;
use super::libraries::array;
use super::libraries::dtype;
use super::libraries::numpy;
use super::libraries::state;
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

/// Each proved by NumPy, where it crashes.
pub(super) fn hostile() -> Vec<Hostile> {
    let of_texts = |count| of(tuple(&[int(count)]), strings(&[]), list(&[text("a")]));
    let of = |name, act, value: Vec<u8>| Hostile::new(name, "pickle numpy", act, &value, ODD);
    let count = 1 << 20;
    // Two items are put over the only one: `list[0] = None`, twice.
    let over = [list(&[none()]), b"(K\0NK\0Nu".to_vec()].concat();
    vec![
        of("fewer-items-than-places", Act::Crashes, objects(tuple(&[int(count)]), list(&[none()]))),
        of("places-of-two-axes", Act::Crashes, objects(tuple(&[int(1 << 10), int(1 << 10)]), list(&[]))),
        of("items-over-items", Act::Argued, objects(tuple(&[int(5)]), over)),
        of(
            "items-of-a-call",
            Act::Crashes,
            objects(tuple(&[int(count)]), call(name("builtins", "list"), &[tuple(&[])])),
        ),
        of("fewer-items-of-an-old-file", Act::Crashes, {
            let state = tuple(&[tuple(&[int(count)]), dtype("O8"), b"\x89".to_vec(), list(&[])]);
            build(made(), state)
        }),
        of("fewer-texts-than-places", Act::Crashes, of_texts(count)),
        of("fewer-items-behind-a-mask", Act::Crashes, masked(count, dtype("O8"), list(&[]))),
    ]
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [&b"]("[..], &items.concat(), b"e"].concat()
}

fn made() -> Vec<u8> {
    let empty = tuple(&[int(0)]);
    call(name("numpy._core.multiarray", "_reconstruct"), &[numpy("ndarray"), empty, bytes(b"b")])
}

fn objects(shape: Vec<u8>, items: Vec<u8>) -> Vec<u8> {
    of(shape, dtype("O8"), items)
}

fn of(shape: Vec<u8>, dtype: Vec<u8>, items: Vec<u8>) -> Vec<u8> {
    build(made(), tuple(&[int(1), shape, dtype, b"\x89".to_vec(), items]))
}

fn masked(count: i32, dtype: Vec<u8>, items: Vec<u8>) -> Vec<u8> {
    filled(count, dtype, items, none())
}

/// A masked array with what stands for its masked items.
fn filled(count: i32, dtype: Vec<u8>, items: Vec<u8>, fill: Vec<u8>) -> Vec<u8> {
    let class = name("numpy.ma", "MaskedArray");
    let arguments = [class, numpy("ndarray"), tuple(&[int(0)]), text("b")];
    let made = call(name("numpy.ma.core", "_mareconstruct"), &arguments);
    let shape = tuple(&[int(count)]);
    build(made, tuple(&[int(1), shape, dtype, b"\x89".to_vec(), items, bytes(&[0, 1]), fill]))
}

fn verdict(value: &[u8]) -> Verdict {
    judge(&[&b"\x80\x04"[..], value, b"."].concat()).verdict
}

#[test]
fn records_and_times_are_clean_as_their_writers_leave_them() {
    let record = |size: i32| {
        let fields = [("a", tuple(&[dtype("i8"), int(0)])), ("b", tuple(&[dtype("f4"), int(8)]))];
        let of = call(numpy("dtype"), &[numpy("record"), b"\x89".to_vec(), b"\x88".to_vec()]);
        array(build(of, state(&fields, size, 16)), 1, &[0; 12])
    };
    let timestamp = |zone: Vec<u8>| {
        call(name("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"), &[int(0), none(), zone, int(9)])
    };
    let utc = call(name("datetime", "timezone"), &[call(name("datetime", "timedelta"), &[int(0)])]);
    for (value, expected) in [
        (record(12), Verdict::Clean),
        (record(11), Verdict::Review), // the last field ends behind the item
        (timestamp(utc), Verdict::Clean),
        (timestamp(text("dateutil//etc/hosts")), Verdict::Review),
        (timestamp(new(name("types", "SimpleNamespace"), &[])), Verdict::Review),
        (
            new(name("sklearn.impute._iterative", "_ImputerTriplet"), &[int(1), none(), none()]),
            Verdict::Clean,
        ),
        (new(name("argparse", "Namespace"), &[int(1)]), Verdict::Review),
        (call(name("pandas", "Interval"), &[int(1), int(2), text("right")]), Verdict::Clean),
    ] {
        assert_eq!(verdict(&value), expected, "{}", String::from_utf8_lossy(&value));
    }
}

#[test]
fn arrays_of_objects_are_clean_with_an_item_for_each_place() {
    let two = || list(&[none(), list(&[int(1), int(2), int(3)])]);
    for (value, expected) in [
        (objects(tuple(&[int(2)]), two()), Verdict::Clean),
        (objects(tuple(&[int(1), int(2)]), two()), Verdict::Clean),
        (objects(tuple(&[]), list(&[none()])), Verdict::Clean),
        (objects(tuple(&[int(0), int(7)]), list(&[])), Verdict::Clean),
        (masked(2, dtype("O8"), two()), Verdict::Clean),
        (objects(tuple(&[int(3)]), two()), Verdict::Review),
        (objects(tuple(&[int(1)]), two()), Verdict::Review),
        (objects(tuple(&[int(-1), int(-2)]), two()), Verdict::Review),
        // Protocol 2 writes no bytes as a call.
        (of(tuple(&[int(0)]), dtype("i8"), call(name("builtins", "bytes"), &[])), Verdict::Clean),
    ] {
        assert_eq!(verdict(&value), expected, "{}", String::from_utf8_lossy(&value));
    }
}

#[test]
fn texts_are_clean_as_their_dtype_gives_them() {
    let pandas = || name("pandas", "NA");
    let of_texts = |items: &[Vec<u8>]| of(tuple(&[int(2)]), strings(&[]), list(items));
    let nothing = || new(name("types", "SimpleNamespace"), &[]);
    let number = || [&b"G"[..], &f64::NAN.to_be_bytes()].concat();
    for (value, expected) in [
        (of_texts(&[text("a"), text("b")]), Verdict::Clean),
        (of(tuple(&[int(2)]), strings(&[none()]), list(&[text("a"), none()])), Verdict::Clean),
        (of(tuple(&[int(1)]), strings(&[number()]), list(&[number()])), Verdict::Clean),
        (of(tuple(&[int(1)]), strings(&[pandas()]), list(&[pandas()])), Verdict::Clean),
        (masked(2, strings(&[]), list(&[text("a"), text("b")])), Verdict::Clean),
        (filled(1, strings(&[]), list(&[text("a")]), text("-")), Verdict::Clean),
        (filled(1, strings(&[]), list(&[text("a")]), nothing()), Verdict::Review),
        (list(&[strings(&[]), strings(&[text("-")])]), Verdict::Clean),
        (of_texts(&[text("a")]), Verdict::Review),
        (of_texts(&[text("a"), nothing()]), Verdict::Review),
        (of_texts(&[text("a"), list(&[nothing()])]), Verdict::Review),
        (of_texts(&[text("a"), name("numpy", "mean")]), Verdict::Review),
        (strings(&[nothing()]), Verdict::Review),
        (strings(&[none(), none()]), Verdict::Review),
        // The list is older than the dtype: nobody has looked at its items.
        (last(&[put(list(&[text("a"), nothing()]), 1), of_again(1)]), Verdict::Review),
        (build(strings(&[]), state(&[], 16, 0)), Verdict::Malicious),
        // By its letter, and as an argument, where items of any class are written out.
        (of(tuple(&[int(1)]), dtype("T"), list(&[nothing()])), Verdict::Review),
        (call(name("numpy._core.multiarray", "scalar"), &[strings(&[]), nothing()]), Verdict::Review),
        (
            call(
                name("pandas.core.indexes.base", "_new_Index"),
                &[
                    name("pandas", "Index"),
                    dict(&[("data", list(&[nothing()])), ("dtype", strings(&[])), ("name", none())]),
                ],
            ),
            Verdict::Review,
        ),
    ] {
        assert_eq!(verdict(&value), expected, "{}", String::from_utf8_lossy(&value));
    }
}

/// A `StringDType`, with what stands for a missing text.
fn strings(missing: &[Vec<u8>]) -> Vec<u8> {
    let function = name("numpy._core._internal", "_convert_to_stringdtype_kwargs");
    call(function, &[&[b"\x88".to_vec()], missing].concat())
}

/// Texts of a list that the memo has.
fn of_again(key: u8) -> Vec<u8> {
    of(tuple(&[int(2)]), strings(&[]), get(key))
}
