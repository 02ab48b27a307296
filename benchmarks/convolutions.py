"""Our depthwise convolutions beside torch's: each such layer of a network, forward and backward, in both precisions.

Run: python -m benchmarks.convolutions [BACKBONE [HEIGHT WIDTH]]   (efficientnet_lite0 128 64, if not said; on the CPU)

What `DepthwiseConv2d` leaves to torch is timed with our kernels as well: its table is made of this one. Times are
processor time, in which other programs show less; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor, nn

from iics.cli.machine import machine_line
from iics.layers.depthwise import DepthwiseConv2d
from iics.memory import keep_freed_memory
from iics.models.backbone import build_network

CROPS = 48
"""Of a step of stage 1: six cameras, eight crops of each."""


@dataclass(frozen=True)
class Place:
    """A depthwise layer and the map it gets."""

    channels: int
    height: int
    width: int
    side: int
    stride: int
    pads_by_size: bool
    layer: DepthwiseConv2d

    def __str__(self) -> str:
        edges = ", uneven edges" if self.pads_by_size else ""
        return f"{self.channels} x {self.height} x {self.width}, {self.side}x{self.side}, stride {self.stride}{edges}"


@dataclass(frozen=True)
class LayerTimes:
    """Milliseconds of one layer: forward, and forward with backward."""

    ours: tuple[float, float]
    torchs: tuple[float, float]
    is_ours: bool


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "efficientnet_lite0"
    height, width = (int(side) for side in sys.argv[2:4]) if len(sys.argv) > 3 else (128, 64)
    print(f"<!-- {machine_line(keeps_freed_memory=keep_freed_memory())}; {name}, {CROPS} crops of {height}x{width} -->")
    cells = ("maps and kernel", "layers", "precision", "forward: torch", "ours", "backward: torch", "ours", "taken")
    print("| " + " | ".join(cells) + " |\n|" + "---|" * len(cells))
    for dtype in (torch.float32, torch.bfloat16):
        for place, count in depthwise_places(name, height=height, width=width):
            times = compare(place, dtype=dtype)
            values = (times.torchs[0], times.ours[0], times.torchs[1] - times.torchs[0], times.ours[1] - times.ours[0])
            shown = (f"{milliseconds:.2f}" for milliseconds in values)
            row = (
                str(place),
                str(count),
                str(dtype).removeprefix("torch."),
                *shown,
                "ours" if times.is_ours else "torch",
            )
            print("| " + " | ".join(row) + " |", flush=True)


def depthwise_places(name: str, *, height: int, width: int) -> list[tuple[Place, int]]:
    """Return the depthwise layers of a backbone that differ, each with how often it is there."""
    found: dict[str, Place] = {}
    counts: Counter[str] = Counter()

    def note(layer: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> None:
        if not isinstance(layer, DepthwiseConv2d):
            return
        _, channels, rows, columns = given[0].shape
        place = Place(channels, rows, columns, layer.kernel_size[0], layer.stride[0], layer.pads_by_size, layer)
        found.setdefault(str(place), place)
        counts[str(place)] += 1

    network = build_network(name, norm="bn").eval()
    for layer in network.modules():
        layer.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 3, height, width))
    return [(place, counts[words]) for words, place in found.items()]


def compare(place: Place, *, dtype: torch.dtype, crops: int = CROPS, repeats: int = 9) -> LayerTimes:
    """Time a layer in both ways, in turn.

    Args:
        place: Which.
        dtype: Of its maps: float32, or bfloat16 by autocast.
        crops: In a batch.
        repeats: Times are the median of so many.
    """
    shape, generator = (crops, place.channels, place.height, place.width), torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(dtype, memory_format=torch.channels_last).requires_grad_()
    plain, layer = partial(place.layer.plain, place.layer), place.layer
    is_ours = not layer._is_fast_in_torch(dtype)
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16),
        patch.object(DepthwiseConv2d, "_is_fast_in_torch", lambda *_: False),
    ):
        grad = torch.randn(layer(x).shape, generator=generator).to(dtype, memory_format=torch.channels_last)
        forms: dict[str, Callable[[Tensor], Tensor]] = {"ours": layer, "torch": plain}
        forward = {name: partial(form, x) for name, form in forms.items()}
        both = {name: partial(_forward_backward, form, x, grad, layer.weight) for name, form in forms.items()}
        ahead, all_of_it = _milliseconds(forward, repeats), _milliseconds(both, repeats)
    return LayerTimes((ahead["ours"], all_of_it["ours"]), (ahead["torch"], all_of_it["torch"]), is_ours)


def _forward_backward(form: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor, weight: Tensor) -> object:
    return torch.autograd.grad(form(x), [x, weight], grad)


def _milliseconds(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(repeats + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            if number:  # the first one compiles, or fills caches
                times[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(found) for name, found in times.items()}


if __name__ == "__main__":
    main()
