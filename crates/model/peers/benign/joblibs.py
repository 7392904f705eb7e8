"""Models and arrays by joblib's own writer, with every compressor: joblibs.py FOLDER."""
import pathlib, sys

import joblib
import numpy as np

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
rng = np.random.default_rng(7)
objects = {
    "array": rng.random((20, 30)),
    "fortran": np.asfortranarray(rng.random((7, 5))),
    "several": {"w": rng.random((4, 4)), "b": rng.random(4), "name": "layer", "steps": [1, 2]},
    "record": np.array([(1, 2.5, "a"), (2, 3.5, "b")], dtype=[("n", "i4"), ("x", "f8"), ("t", "U3")]),
    "stages": [{"mean": rng.random(3), "std": rng.random(3)}, np.arange(6, dtype=">i4").reshape(2, 3), "ridge"],
    "objects": np.array([{"a": 1}, "two", None], dtype=object),
    "texts": np.array(["cat", "dog"], dtype=np.dtypes.StringDType()),
    "plain": {"labels": ["cat", "dog"], "threshold": 0.5},
}
for name, value in objects.items():
    joblib.dump(value, out / f"{name}.joblib")
    for protocol in (2, 4):
        joblib.dump(value, out / f"{name}-{protocol}.joblib", protocol=protocol)
    for codec in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4"):
        joblib.dump(value, out / f"{name}.joblib.{codec}", compress=(codec, 3))
print(f"joblib {joblib.__version__}")
