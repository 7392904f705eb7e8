"""Tables by pandas's own writer, in every kind of column and with every compressor: pandases.py FOLDER."""
import pathlib, sys

import numpy as np
import pandas as pd

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
days = pd.date_range("2026-01-01", periods=4, freq="D")
frames = {
    "numbers": pd.DataFrame({"i": [1, 2, 3], "f": [1.5, 2.5, np.nan], "b": [True, False, True]}),
    "texts": pd.DataFrame({"t": ["a", "ß", "日本"], "o": pd.Series(["x", None, "y"], dtype=object)}),
    "category": pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], categories=["a", "b", "c"], ordered=True)}),
    "times": pd.DataFrame({"d": days, "z": days.tz_localize("UTC"), "e": days.tz_localize("Europe/Berlin"),
                           "delta": days - days[0]}),
    "by-time": pd.Series(range(4), index=days, name="value"),
    "period": pd.Series(range(4), index=pd.period_range("2026-01", periods=4, freq="M")),
    "interval": pd.Series(range(3), index=pd.interval_range(0, 3)),
    "nullable": pd.DataFrame({"i": pd.array([1, None, 3], dtype="Int64"), "b": pd.array([True, None, False], dtype="boolean"),
                              "s": pd.array(["a", None, "c"], dtype="string"), "f": pd.array([1.5, None, 2], dtype="Float64")}),
    "sparse": pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 1, 2])}),
    "multi": pd.DataFrame({"v": range(4)}, index=pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", "y"])),
    "series": pd.Series([1.5, 2.5], name="weights", index=["a", "b"]),
    "index": pd.Index(["a", "b", "c"], name="features"),
    "empty": pd.DataFrame(),
}
for name, frame in frames.items():
    for protocol in (2, 4, 5):
        pd.to_pickle(frame, out / f"{name}-{protocol}.pkl", protocol=protocol)
    for ending in ("gz", "bz2", "xz", "tar", "zip", "zst"):
        if name in ("numbers", "multi"):
            pd.to_pickle(frame, out / f"{name}.pkl.{ending}")
print(f"pandas {pd.__version__}")
