"""Ordinary pickles by CPython's own library, every protocol, both picklers: pickles.py FOLDER."""
import argparse, collections, datetime, decimal, fractions, pathlib, pickle, re, sys, types, uuid

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
shared = ["x" * 300, b"y" * 300]
objects = {
    "vocabulary": {f"token{n}": n for n in range(3000)},
    "labels": ["cat", "dog", "größe", "日本"],
    "history": [{"epoch": n, "loss": 1 / (n + 1), "lr": 0.1} for n in range(50)],
    "arguments": argparse.Namespace(lr=0.1, name="run", layers=[64, 64]),
    "settings": types.SimpleNamespace(seed=1, device="cpu"),
    "ordered": collections.OrderedDict(a=1, b=collections.OrderedDict(c=[1, 2])),
    "counts": collections.Counter("abracadabra"),
    "groups": collections.defaultdict(list, a=[1], b=[2]),
    "queue": collections.deque([1, 2, 3], 5),
    "times": [datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc), datetime.date(2026, 1, 2),
              datetime.timedelta(days=1), datetime.time(1, 2)],
    "numbers": [decimal.Decimal("1.5"), fractions.Fraction(1, 3), 1 << 300, -1.5, 1j, float("inf")],
    "names": [pathlib.PurePosixPath("a/b"), uuid.UUID(int=7), re.compile("a+b")],
    "bytes": [b"raw" * 500, bytearray(b"array")],
    "sets": [{1, 2, 3}, frozenset("abc"), slice(1, 2), range(9)],
    "shared": [shared, shared, shared[0]],
    "nested": {"deep": [({"x": [1, (2, [3])]},)] * 3},
}
for name, value in objects.items():
    for protocol in range(6):
        for kind, dumps in (("c", pickle.dumps), ("py", pickle._dumps)):
            try:
                data = dumps(value, protocol)
            except Exception as error:  # a bytearray has no form in some protocols of the Python pickler
                print(f"left out: {name}, protocol {protocol}, {kind}: {error}", file=sys.stderr)
                continue
            (out / f"{name}-{protocol}-{kind}.pkl").write_bytes(data)
print(f"CPython {sys.version.split()[0]}")
