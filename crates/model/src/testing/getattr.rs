//! Room `model`, tests: `getattr` in pickles. CPython writes a time zone by one that is known; everything near it stays
//! *malicious*.

use ringfence_finding::Verdict;

use super::build::Stream;
use super::judge;

fn p4() -> Stream {
    Stream::protocol(4)
}

/// `getattr` and the class it is asked for, the arguments not closed yet.
fn asks() -> Stream {
    p4().stack_global("builtins", "getattr").stack_global("zoneinfo", "ZoneInfo")
}

/// `getattr(ZoneInfo, "_unpickle")`, which stands on the stack.
fn gets() -> Stream {
    asks().text("_unpickle").raw(b"\x86R")
}

fn verdict(stream: Stream) -> Verdict {
    let bytes = stream.stop();
    let file = judge(&bytes);
    assert!(file.gaps.is_empty(), "{file:#?}");
    file.verdict
}

#[test]
fn a_zone_is_told_as_the_method_that_makes_it() {
    let file = judge(&gets().text("Europe/Berlin").raw(b"K\x01\x86R").stop());
    assert_eq!((file.verdict, file.findings.len()), (Verdict::Clean, 0), "{file:#?}");
    let names: Vec<_> = file.lookups.iter().map(|name| (name.name.as_str(), name.uses.as_slice())).collect();
    assert_eq!(names, [("ZoneInfo", &["import"][..]), ("ZoneInfo._unpickle", &["import", "call"])]);
}

#[test]
fn what_the_memo_holds_is_followed() {
    let zone = |stream: Stream| stream.text("UTC").raw(b"\x89\x86R0");
    // All three parts by way of the memo, as often as it likes.
    let parts = p4()
        .stack_global("builtins", "getattr")
        .raw(b"q\x000")
        .stack_global("zoneinfo", "ZoneInfo")
        .raw(b"q\x010")
        .text("_unpickle")
        .raw(b"q\x020");
    // Each `getattr` on the stack counts, the one that is only memoized and dropped too.
    assert_eq!(verdict(zone(parts.raw(b"h\0h\x01h\x02\x86R")).op(b'N')), Verdict::Malicious);
    let first = asks().raw(b"q\x01").text("_unpickle").raw(b"q\x02\x86q\x03Rq\x04");
    let again = zone(first).raw(b"h\x01");
    assert_eq!(verdict(again), Verdict::Clean);
    let memoized = p4().stack_global("builtins", "getattr").raw(b"q\0").stack_global("zoneinfo", "ZoneInfo");
    let memoized = zone(memoized.raw(b"q\x01").text("_unpickle").raw(b"q\x02\x86R"));
    for (get, expected) in [
        (&b"h\0h\x01h\x02\x86R"[..], Verdict::Clean),
        (b"j\0\0\0\0j\x01\0\0\0j\x02\0\0\0\x86R", Verdict::Clean),
        (b"g0\ng1\ng2\n\x86R", Verdict::Clean),
        // The name in the memo is another by now.
        (b"\x8c\x05utcofq\x020h\0h\x01h\x02\x86R", Verdict::Malicious),
        (b"h\0h\x01h\0\x86R", Verdict::Malicious),
        // A second `getattr` that is handed on, wherever to.
        (b"h\0", Verdict::Malicious),
        (b"h\0h\x01h\x02\x86Rh\0\x85", Verdict::Malicious),
        (b"]h\0a", Verdict::Malicious),
        (b"}\x8c\x01fh\0s", Verdict::Malicious),
        (b"h\x002h\x01h\x02\x86R", Verdict::Malicious),
        (b"g0\n", Verdict::Malicious),
        (b"j\0\0\0\0", Verdict::Malicious),
    ] {
        assert_eq!(verdict(memoized.clone().raw(get)), expected, "{}", get.escape_ascii());
    }
}

#[test]
fn every_other_getattr_is_malicious() {
    let get = || p4().stack_global("builtins", "getattr");
    let call = |stream: Stream| stream.raw(b"\x86R").text("UTC").raw(b"K\x01\x86R");
    let str_of = |text| Stream::bare().stack_global("builtins", "str").call(text).0;
    let hostile = [
        ("another attribute", call(asks().text("no_cache"))),
        ("a dunder", call(asks().text("__init_subclass__"))),
        ("a path of attributes", call(asks().text("_unpickle.__func__"))),
        ("an attribute without a name", call(asks().text(""))),
        ("an attribute with a blank", call(asks().text("_unpickle "))),
        ("another class", call(get().stack_global("collections", "OrderedDict").text("_unpickle"))),
        ("another module", call(get().stack_global("zoneinfo._zoneinfo", "ZoneInfo").text("_unpickle"))),
        ("a path to the class", call(get().stack_global("zoneinfo", "sys.ZoneInfo").text("_unpickle"))),
        ("a function that runs programs", call(get().stack_global("zoneinfo", "os").text("system"))),
        (
            "a class that a call gave",
            call(get().stack_global("builtins", "object").raw(b")R").text("_unpickle")),
        ),
        (
            "a class that was made anew",
            call(get().stack_global("zoneinfo", "ZoneInfo").raw(b")\x81").text("_unpickle")),
        ),
        (
            "a class that was changed",
            call(get().stack_global("zoneinfo", "ZoneInfo").raw(b"}b").text("_unpickle")),
        ),
        ("a text that a call gave", call(asks().raw(str_of("_unpickle")))),
        ("bytes", call(asks().raw(b"C\x09_unpickle"))),
        ("text of Python 2", call(asks().raw(b"U\x09_unpickle"))),
        ("nothing asked for", asks().raw(b"\x85R")),
        ("a default as well", asks().text("_unpickle").raw(b"N\x87R")),
        (
            "arguments that are a list",
            get().op(b']').stack_global("zoneinfo", "ZoneInfo").op(b'a').text("_unpickle").raw(b"aR"),
        ),
        ("getattr of itself", get().stack_global("builtins", "getattr").text("__call__").raw(b"\x86R")),
        ("looked up alone", get()),
        ("looked up and dropped", get().raw(b"0N")),
        ("called by OBJ", p4().op(b'(').raw(&asks().0[2..]).text("_unpickle").op(b'o')),
        (
            "called by INST",
            p4().op(b'(').stack_global("zoneinfo", "ZoneInfo").text("_unpickle").raw("ibuiltins\ngetattr\n"),
        ),
        ("made by NEWOBJ", asks().text("_unpickle").raw(b"\x86\x81")),
        (
            "handed to another",
            p4().stack_global("collections", "defaultdict").stack_global("builtins", "getattr").raw(b"\x85R"),
        ),
        (
            "by its name in Python 2",
            call(
                p4().stack_global("__builtin__", "getattr")
                    .stack_global("zoneinfo", "ZoneInfo")
                    .text("_unpickle"),
            ),
        ),
        ("a good one and a bad one", call(gets().raw(b"0").raw(&asks().0[2..]).text("from_file"))),
        ("a good one and one left", gets().raw(b"0").raw(&get().0[2..])),
        ("state for the method", gets().raw(b"}b")),
        ("state for getattr", call(get().raw(b"}b").stack_global("zoneinfo", "ZoneInfo").text("_unpickle"))),
    ];
    for (what, stream) in hostile {
        let file = judge(&stream.stop());
        assert_eq!(file.verdict, Verdict::Malicious, "{what}: {file:#?}");
    }
}

#[test]
fn a_zone_is_made_of_its_name_and_a_bool() {
    let make = |key: &str| gets().text(key).raw(b"\x88\x86R");
    for key in ["UTC", "Etc/GMT+5", "America/Port-au-Prince", "America/Argentina/La_Rioja"] {
        assert_eq!(verdict(make(key)), Verdict::Clean, "{key}");
    }
    for key in
        ["", "/etc/passwd", "../../etc/passwd", "Europe/../../x", "C:\\x", "a//b", "a/", "./UTC", "posix.UTC"]
    {
        assert_eq!(verdict(make(key)), Verdict::Review, "{key}");
    }
    assert_eq!(verdict(gets().raw(b"NK\x01\x86R")), Verdict::Review, "no key");
    assert_eq!(verdict(gets().text("UTC").raw(b"K\x02\x86R")), Verdict::Review, "no bool");
    assert_eq!(verdict(gets().text("UTC").raw(b"\x85R")), Verdict::Review, "one argument");
    assert_eq!(verdict(gets().text("UTC").raw(b"\x88\x86R}b")), Verdict::Malicious, "state for a zone");
}
