#!/usr/bin/env bash
# Whoever gives BoxMOT an appearance model as an ONNX file would expect it to run with the onnxruntime that is installed.
# BoxMOT 25.0.0 asks for exactly onnxruntime 1.24.3 when it opens the file, and for nothing when it is installed (onnxruntime
# is an extra). Another version counts as missing: on the first update of a tracker, in the middle of a running program, it
# calls pip and puts 1.24.3 in the place of the newer one. What was imported before stays in memory: the process computes
# with 1.32.0 while the disk holds 1.24.3, and the next start computes with the older one. Nothing fails, and the exit code is
# 0; a warning is logged. Whatever else in the environment needs the newer version has lost it.
# Way out: install onnxruntime==1.24.3 beside BoxMOT, or pass features of one's own as Detections(embeddings=...).
#
# Seen with boxmot 25.0.0, onnxruntime 1.32.0, onnx 1.23.2, torch 2.13.0, Python 3.11:
#   before: 1.32.0 on disk
#   after:  1.24.3 on disk, 1.32.0 in memory, 1 track row of 8 numbers
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install -q boxmot==25.0.0 onnxruntime==1.32.0 onnx==1.23.2 torch==2.13.0 torchvision==0.28.0
cat > track.py <<'PY'
import importlib.metadata

import numpy as np
import onnx
import onnxruntime
from boxmot import BotSort
from onnx import TensorProto, helper

# The smallest appearance model: the mean of each colour over the left and the right half of a crop.
nodes = [helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[256, 64], strides=[256, 64])]
nodes.append(helper.make_node("Flatten", ["means"], ["features"]))
taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 256, 128])
given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 6])
model = helper.make_model(
    helper.make_graph(nodes, "means", [taken], [given]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
)
onnx.save(model, "means.onnx")

before = importlib.metadata.version("onnxruntime")
frame = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
rows = BotSort(reid_weights="means.onnx").update(np.array([[20, 20, 120, 280, 0.9, 0]], np.float32), frame)
after = importlib.metadata.version("onnxruntime")
print(f"before: {before} on disk")
print(f"after:  {after} on disk, {onnxruntime.__version__} in memory, {rows.shape[0]} track row of {rows.shape[1]} numbers")
assert (before, after, onnxruntime.__version__) == ("1.32.0", "1.24.3", "1.32.0"), "the behaviour has changed"
assert rows.shape == (1, 8), "the behaviour has changed"
PY
v/bin/python track.py | grep -E "^(before|after)"
