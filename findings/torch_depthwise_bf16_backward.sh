#!/usr/bin/env bash
# bf16 halves what a convolution has to read and write, and on a processor with AVX-512 bf16 torch's dense convolutions run
# about twice as fast in it. One would expect depthwise convolutions to gain, or at least not to lose. In torch 2.13.0 (CPU,
# x86-64) the backward pass of a depthwise 5x5 takes several times as long in bf16 as in float32, while that of a depthwise 3x3
# with stride 1 takes half as long. Nothing warns. So autocast can slow the training of networks with both (EfficientNet,
# MNASNet), although their dense layers gain.
#
# Seen with torch 2.13.0 (CPU), numpy 2.4.6, Python 3.11, one thread, an AMD EPYC with avx512_bf16; 48 maps of 1152 x 8 x 4,
# channels last, backward pass in bf16 over float32:
#   5x5: 3.7 times as long
#   3x3: 0.4 times as long
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install -q torch==2.13.0 numpy==2.4.6
cat > backward.py <<'PY'
import statistics
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)


def seconds(side, dtype):
    x = torch.randn(48, 1152, 8, 4).to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(1152, 1, side, side, dtype=dtype, requires_grad=True)
    taken = []
    for _ in range(7):
        y = torch.nn.functional.conv2d(x, weight, padding=side // 2, groups=1152)
        grad = torch.ones_like(y)
        start = time.perf_counter()
        torch.autograd.grad(y, (x, weight), grad)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


ratios = {side: seconds(side, torch.bfloat16) / seconds(side, torch.float32) for side in (5, 3)}
for side, ratio in ratios.items():
    print(f"{side}x{side}: {ratio:.1f} times as long")
raise SystemExit(not (ratios[5] > 1.5 and ratios[5] > 2 * ratios[3]))
PY
v/bin/python backward.py
