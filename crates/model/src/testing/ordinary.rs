//! Room `model`, tests: pickles as CPython's own library writes them, in every protocol; none may be other than clean.

use ringfence_finding::Verdict;

use super::judge;
use super::python;

/// Writes ordinary objects in protocols 0 to 5 by both picklers, each with its length before it.
const WRITER: &str = r"
import argparse, collections, datetime, decimal, fractions, io, pathlib, pickle, re, struct, sys, types, uuid, zoneinfo
zones = ['UTC', 'Europe/Berlin', 'America/Argentina/La_Rioja', 'Etc/GMT+5']
shared = ['x' * 300, b'y' * 300]
objects = [
    None, True, 0, -1, 255, 65536, 1 << 40, -(1 << 70), 1 << 3000, 1.5, float('inf'), 'text', 'größe 日本', '\ud800 alone',
    'line\nfeed \\ back', b'bytes', b'', bytearray(b'array'), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1], {}, {'a': 1},
    set(), {1, 2}, frozenset({3}), shared, [shared, shared], {'nested': [{'deep': ({'x': [1, 2]},)}]},
    list(range(3000)), {str(n): n for n in range(3000)}, {'w' + str(n): [n, -n, n / 7] for n in range(500)},
    'long ' * 20000, b'long ' * 20000, 1j, slice(1, 2), range(7), object(),
    collections.OrderedDict(a=1, b=2), collections.defaultdict(list, a=[1]), collections.defaultdict(int),
    collections.deque([1, 2], 5), collections.Counter('abca'),
    datetime.datetime(2026, 1, 2, 3, 4), datetime.date(2026, 1, 2), datetime.timedelta(1), datetime.time(1),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal('1.5'), fractions.Fraction(1, 3),
    *(datetime.datetime(2026, 1, 2, tzinfo=make(zone)) for make in (zoneinfo.ZoneInfo, zoneinfo.ZoneInfo.no_cache) for zone in zones),
    [zoneinfo.ZoneInfo(zone) for zone in zones * 2], zoneinfo.ZoneInfo,
    uuid.UUID(int=7), pathlib.PurePosixPath('a/b'), re.compile('a+'), argparse.Namespace(lr=0.1, name='run'),
    types.SimpleNamespace(a=1), [collections.OrderedDict(a=1), collections.OrderedDict(b=2)],
]
for protocol in range(6):
    for make in (lambda value: pickle.dumps(value, protocol), lambda value: pickle._dumps(value, protocol)):
        for value in objects:
            try: data = make(value)
            except Exception: continue
            sys.stdout.buffer.write((data.hex() + '\n').encode())
";

#[test]
#[ignore = "needs python3: writes ordinary pickles with CPython's own library"]
fn what_cpythons_library_writes_is_clean() {
    let printed = python::run(WRITER, b"");
    let (mut count, mut zones) = (0, 0);
    for line in printed.lines() {
        let bytes = python::bytes(line);
        let file = judge(&bytes);
        assert_eq!(
            file.verdict,
            Verdict::Clean,
            "{:?}\n{:?}",
            file.findings,
            String::from_utf8_lossy(&bytes)
        );
        assert_eq!(file.explained, file.bytes);
        zones += usize::from(file.lookups.iter().any(|name| name.name == "ZoneInfo._unpickle"));
        count += 1;
    }
    println!("{count} pickles, all clean");
    assert!(count >= 500 && zones >= 100, "{count}, {zones} of them with zones");
}
