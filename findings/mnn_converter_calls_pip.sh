#!/usr/bin/env bash
# MNN 3.6.1: each call of `mnnconvert` without the package `aliyun-log-python-sdk`, which MNN does not declare, runs
# `pip install -U aliyun-log-python-sdk`: nobody is asked, and it is the first `pip` on the PATH, which need not be that of the
# environment whose mnnconvert is called. There it adds a dozen packages to another Python, and is still missing here, so the next
# call does it again. (The package is what the converter reports its use with.) Without a network the conversion works as well.
# Seen: each of two calls asks for it, of a `pip` that is not the environment's; the model is there both times.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet MNN==3.6.1 numpy==2.4.6 onnx==1.22.0
cd "$folder"
mkdir first
printf '#!/bin/sh\necho "$@" >> %s/asked\nexit 1\n' "$folder" > first/pip  # writes down what it is asked and installs nothing
chmod +x first/pip
venv/bin/python - <<'P'
from onnx import TensorProto, helper, save

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), "model.onnx")
P
for call in 1 2; do
    rm -f model.mnn asked
    PATH="$folder/first:$PATH" venv/bin/mnnconvert -f ONNX --modelFile model.onnx --MNNModel model.mnn --bizCode x > out 2>&1 || true
    test -s model.mnn
    asked=$(sort -u asked)
    echo "call $call: pip $asked"
    test "$asked" = "install -U aliyun-log-python-sdk"
done
