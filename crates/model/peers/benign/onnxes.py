"""Graphs by onnx's own helpers: onnxes.py FOLDER."""
import pathlib, sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True)
rng = np.random.default_rng(7)


def value(name, shape=(1, 4), of=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, of, shape)


def save(name, nodes, initializers=(), inputs=("x",), outputs=("y",), opset=17, functions=(), opsets=()):
    graph = helper.make_graph(nodes, name, [value(n) for n in inputs], [value(n) for n in outputs], list(initializers))
    imports = [helper.make_opsetid("", opset), *opsets]
    model = helper.make_model(graph, opset_imports=imports, functions=list(functions), producer_name="ours")
    onnx.checker.check_model(model)
    onnx.save(model, out / f"{name}.onnx")
    return model


for op in ("Relu", "Sigmoid", "Tanh", "Softmax", "Exp", "Identity", "Neg", "Abs", "Sqrt", "Erf"):
    save(op.lower(), [helper.make_node(op, ["x"], ["y"])])
for opset in (9, 11, 13, 15, 18, 20):
    save(f"opset-{opset}", [helper.make_node("Add", ["x", "x"], ["y"])], opset=opset)
for of in ("float32", "float64", "float16", "int8", "int32", "int64", "uint8", "bool"):
    weights = numpy_helper.from_array(rng.integers(0, 2, (4, 4)).astype(of), "w")
    save(f"weights-{of}", [helper.make_node("Identity", ["x"], ["y"])], [weights])
for layers in (1, 3, 10):
    nodes, weights, last = [], [], "x"
    for n in range(layers):
        weights.append(numpy_helper.from_array(rng.random((4, 4)).astype("float32"), f"w{n}"))
        nodes += [helper.make_node("MatMul", [last, f"w{n}"], [f"m{n}"]), helper.make_node("Relu", [f"m{n}"], [f"h{n}"])]
        last = f"h{n}"
    save(f"layers-{layers}", [*nodes, helper.make_node("Identity", [last], ["y"])], weights)
branch = [helper.make_graph([helper.make_node("Identity", ["x"], [f"b{n}"])], f"branch{n}", [], [value(f"b{n}")]) for n in (0, 1)]
condition = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
save("branches", [condition, helper.make_node("If", ["c"], ["y"], then_branch=branch[0], else_branch=branch[1])])
double = helper.make_function("ours", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                              [helper.make_opsetid("", 17)])
named = save("metadata", [helper.make_node("Relu", ["x"], ["y"])])
helper.set_model_props(named, {"task": "classification", "labels": "cat,dog"})
onnx.save(named, out / "metadata.onnx")
large = helper.make_model(
    helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "outside", [value("x")], [value("y")],
                      [numpy_helper.from_array(rng.random((4, 4)).astype("float32"), "w")]))
onnx.save(large, out / "outside.onnx", save_as_external_data=True, location="outside.bin", size_threshold=0)
linear = helper.make_node("LinearClassifier", ["x"], ["l", "y"], domain="ai.onnx.ml", coefficients=[0.1] * 8, intercepts=[0.0, 1.0],
                          classlabels_ints=[0, 1], multi_class=0, post_transform="NONE")
save("classifier", [linear], outputs=("y",), opsets=[helper.make_opsetid("ai.onnx.ml", 3)])
print(f"onnx {onnx.__version__}")
