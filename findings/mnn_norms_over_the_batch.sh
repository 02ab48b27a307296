#!/usr/bin/env bash
# MNN 3.6.1, models converted from ONNX: where the axes of a reduction are an *input*, as they are since opset 18 (what exporters write
# today), five of nine reductions forget them and reduce over everything, the batch too. ReduceL2 is one: a network that ends in an L2
# norm gives features that are divided by the norm of the whole batch, so their length is about 1 / sqrt(crops in the batch); right for
# a batch of one, which is what one tries first. The converter says "Converted Success!".
# Seen: ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum and ReduceLogSumExp of a (3, 5) array along axis 1 are (3, 1) and right with
# opset 11 (axes are an attribute), (1, 1) with opset 18; ReduceSum, ReduceMean, ReduceMax and ReduceProd are right with both.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet MNN==3.6.1 numpy==2.4.6 onnx==1.22.0
cd "$folder"
mkdir first
printf '#!/bin/sh\nexit 1\n' > first/pip  # the converter calls pip (mnn_converter_calls_pip.sh)
chmod +x first/pip
PATH="$folder/first:$PATH" venv/bin/python - <<'P'
import subprocess

import MNN
import MNN.expr as F
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPERATIONS = "L1 L2 SumSquare LogSum LogSumExp Sum Mean Max Prod".split()
array = np.random.default_rng(0).random((3, 5), dtype=np.float32) + 0.5
exact = {
    "L1": np.abs(array).sum(1, keepdims=True),
    "L2": np.sqrt((array**2).sum(1, keepdims=True)),
    "SumSquare": (array**2).sum(1, keepdims=True),
    "LogSum": np.log(array.sum(1, keepdims=True)),
    "LogSumExp": np.log(np.exp(array).sum(1, keepdims=True)),
    "Sum": array.sum(1, keepdims=True),
    "Mean": array.mean(1, keepdims=True),
    "Max": array.max(1, keepdims=True),
    "Prod": array.prod(1, keepdims=True),
}
wrong = []
for operation in OPERATIONS:
    for opset in (11, 18):
        if opset == 11:
            node = helper.make_node("Reduce" + operation, ["x"], ["y"], axes=[1], keepdims=1)
            constants = []
        else:
            node = helper.make_node("Reduce" + operation, ["x", "axes"], ["y"], keepdims=1)
            constants = [numpy_helper.from_array(np.array([1], np.int64), "axes")]
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])]
        graph = helper.make_graph([node], "g", inputs, outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, "model.onnx")
        command = ["venv/bin/mnnconvert", "-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn", "--bizCode", "x"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert "Converted Success!" in done.stdout, done.stdout + done.stderr
        network = MNN.nn.load_module_from_file("model.mnn", ["x"], ["y"])
        result = np.array(network.forward(F.const(array, [3, 5], F.NCHW, F.float)).read())
        right = result.shape == (3, 1) and np.allclose(result, exact[operation], atol=1e-3)
        print(f"Reduce{operation}, opset {opset}: {result.shape}, {'right' if right else 'wrong'}")
        if not right:
            assert result.shape == (1, 1), result
            wrong.append((operation, opset))
assert wrong == [(each, 18) for each in OPERATIONS[:5]], f"changed: {wrong}"
P
