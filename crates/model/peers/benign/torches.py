"""Checkpoints by torch's own writer, in its zip and its older form: torches.py FOLDER."""
import collections, pathlib, sys

import numpy as np
import torch
from torch import nn

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
torch.manual_seed(7)
layers = {
    "linear": nn.Linear(4, 3), "conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm1d(4), "embedding": nn.Embedding(10, 4),
    "lstm": nn.LSTM(4, 3), "attention": nn.MultiheadAttention(8, 2), "encoder": nn.TransformerEncoderLayer(8, 2, 16),
    "deep": nn.Sequential(*(nn.Linear(4, 4) for _ in range(6))),
}


def save(name, value):
    torch.save(value, out / f"{name}.pt")
    torch.save(value, out / f"{name}-legacy.pt", _use_new_zipfile_serialization=False)


for name, layer in layers.items():
    save(name, layer.state_dict())
    save(f"{name}-half", {key: value.half() for key, value in layer.state_dict().items() if value.is_floating_point()})
for of in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
           "complex128", "complex32", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
           "float8_e5m2fnuz", "float8_e8m0fnu"):
    save(f"tensor-{of}", torch.ones(2, 3).to(getattr(torch, of)))
base = torch.arange(24.0)
save("views", {"whole": base, "part": base[4:12], "turned": base.view(4, 6).t(), "steps": base[::2]})
save("parameter", nn.Parameter(torch.ones(3)))
save("sparse", torch.eye(4).to_sparse())
save("rows", torch.eye(4).to_sparse_csr())
save("quantized", torch.quantize_per_tensor(torch.ones(4), 0.1, 2, torch.qint8))
model = layers["linear"]
for name, make in (("sgd", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)), ("adam", lambda p: torch.optim.Adam(p)),
                   ("adamw", lambda p: torch.optim.AdamW(p, amsgrad=True))):
    optimizer = make(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    save(f"checkpoint-{name}", {
        "epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "best": float("inf"), "history": collections.defaultdict(list, loss=[0.3, 0.2]), "random": torch.get_rng_state(),
        "device": torch.device("cpu"), "shape": torch.Size([2, 3]), "dtype": torch.float32})
save("numpy-inside", {"mean": np.zeros(3), "step": np.int64(3), "w": torch.ones(2)})
save("lists", [torch.ones(2), (torch.zeros(1), {"a": torch.ones(1)})])
print(f"torch {torch.__version__}")
