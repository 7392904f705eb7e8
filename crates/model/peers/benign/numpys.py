"""Arrays by NumPy's own writers, in every type of item, as .npy, .npz and pickle: numpys.py FOLDER."""
import pathlib, pickle, sys

import numpy as np

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
rng = np.random.default_rng(7)
types = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
         "complex64", "complex128", ">f4", ">i8", "S5", "U7", "M8[s]", "m8[ns]", "V6"]
shapes = [(), (0,), (5,), (3, 4), (2, 3, 4)]
arrays = {}
for number, of in enumerate(types):
    shape = shapes[number % len(shapes)]
    raw = rng.integers(0, 2, size=shape)
    array = np.zeros(shape, of) if of in ("V6", "M8[s]", "m8[ns]") else raw.astype(of)
    arrays[of.strip(">").replace("[", "-").replace("]", "") + ("-big" if of[0] == ">" else "")] = array
arrays["fortran"] = np.asfortranarray(rng.random((4, 5)))
arrays["record"] = np.array([(1, 2.5, "a"), (2, 3.5, "b")], dtype=[("n", "i4"), ("x", "f8"), ("t", "U3")])
arrays["aligned"] = np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True))
for name, array in arrays.items():
    np.save(out / f"{name}.npy", array)
    for protocol in (2, 4, 5):
        (out / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(array, protocol))
np.save(out / "objects.npy", np.array([{"a": 1}, [2], "three", None], dtype=object), allow_pickle=True)
np.savez(out / "weights.npz", w=rng.random((8, 8)), b=rng.random(8))
np.savez_compressed(out / "packed.npz", **{f"layer{n}": rng.random((4, 4)) for n in range(5)})
np.savez(out / "objects.npz", vocabulary=np.array(["a", {"b": 1}], dtype=object))
texts = np.dtypes.StringDType
others = {
    "texts": np.array(["a", "ß", "a text that is too long for its place"], dtype=texts()),
    "missing-texts": np.array([["a", np.nan], [np.nan, "b"]], dtype=texts(na_object=np.nan)),
    "masked-texts": np.ma.masked_array(np.array(["a", "b"], dtype=texts()), mask=[0, 1]),
    "scalars": [np.float32(1.5), np.int64(7), np.bool_(True), np.datetime64("2026-01-01"), np.str_("x")],
    "dtypes": [np.dtype("f4"), np.dtype([("a", "i4")]), np.dtype("M8[us]")],
    "masked": np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
    "generator": np.random.default_rng(1),
    "legacy-generator": np.random.RandomState(3),
    "philox": np.random.Generator(np.random.Philox(5)),
    "state": {"mean": np.zeros(4), "std": np.ones(4), "step": np.int64(3)},
}
for name, value in others.items():
    for protocol in (2, 4, 5):
        (out / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
print(f"NumPy {np.__version__}")
