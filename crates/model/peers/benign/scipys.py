"""Matrices, interpolators and what else people keep, by SciPy: scipys.py FOLDER."""
import pathlib, pickle, sys

import numpy as np
import scipy
from scipy import interpolate, optimize, signal, sparse, spatial

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
rng = np.random.default_rng(7)
dense = (rng.random((6, 8)) > 0.7) * rng.random((6, 8))
values = {}
for form in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
    matrix = getattr(sparse, f"{form}_matrix")(dense)
    array = getattr(sparse, f"{form}_array")(dense)
    values[f"{form}-matrix"], values[f"{form}-array"] = matrix, array
    if form in ("csr", "csc", "coo", "bsr", "dia"):
        sparse.save_npz(out / f"{form}.npz", matrix)
        sparse.save_npz(out / f"{form}-plain.npz", array, compressed=False)
x, y = np.linspace(0, 1, 9), rng.random(9)
points = rng.random((12, 3))
values |= {
    "spline": interpolate.make_interp_spline(x, y),
    "cubic": interpolate.CubicSpline(x, y),
    "pchip": interpolate.PchipInterpolator(x, y),
    "akima": interpolate.Akima1DInterpolator(x, y),
    "polynomial": interpolate.PPoly(rng.random((4, 8)), x),
    "grid": interpolate.RegularGridInterpolator((x, x), rng.random((9, 9))),
    "rotation": spatial.transform.Rotation.from_rotvec([[0, 0, 0.1], [0, 0.2, 0]]),
    "tree": spatial.KDTree(points),
    "result": optimize.minimize(lambda v: float((v**2).sum()), np.ones(2), method="BFGS"),
    "filter": signal.butter(3, 0.2, output="sos"),
    "system": signal.TransferFunction([1], [1, 2]),
}
for name, value in values.items():
    for protocol in (4, 5):
        (out / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
print(f"SciPy {scipy.__version__}")
