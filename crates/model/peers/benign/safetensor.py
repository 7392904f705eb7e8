"""Weights by safetensors's own writer: safetensor.py FOLDER."""
import json, pathlib, sys

import numpy as np
import safetensors
from safetensors.numpy import save_file

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
rng = np.random.default_rng(7)
for of in ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"):
    save_file({"w": rng.integers(0, 2, (3, 4)).astype(of)}, out / f"{of}.safetensors")
for layers in (1, 2, 7, 40):
    weights = {}
    for n in range(layers):
        weights[f"model.layers.{n}.attn.weight"] = rng.random((8, 8)).astype("float32")
        weights[f"model.layers.{n}.attn.bias"] = rng.random(8).astype("float32")
    save_file(weights, out / f"layers-{layers}.safetensors", metadata={"format": "pt", "layers": str(layers)})
save_file({"scalar": np.ones((), "float32"), "empty": np.zeros((0, 4), "float32")}, out / "shapes.safetensors")
save_file({"größe.名": np.zeros(3, "float32")}, out / "names.safetensors", metadata={"text": 'line\n"quoted" ß'})
save_file({}, out / "nothing.safetensors")
shards = {"metadata": {"total_size": 128}, "weight_map": {}}
for number in (1, 2):
    name = f"model-{number:05}-of-00002.safetensors"
    save_file({f"part.{number}": rng.random(8)}, out / name, metadata={"format": "pt"})
    shards["weight_map"][f"part.{number}"] = name
(out / "model.safetensors.index.json").write_text(json.dumps(shards, indent=2))
print(f"safetensors {safetensors.__version__}")
