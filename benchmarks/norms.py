"""AIBN (Eq. 12) beside `nn.BatchNorm2d` and its plain form: time forward and backward, and what is kept in between.

Then what share of a training step of lite0 all norms take.

Run: python -m benchmarks.norms [REPEATS]   (5 x 3 runs of each, if not said; float32, on the CPU)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Literal
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmarks.plain_training import plain_norm
from iics.cli.machine import machine_line
from iics.computing_settings import EngineSettings
from iics.layers import fused_norm
from iics.layers.normalization import ALPHA_START, AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight
from iics.measure import seconds_in_turn
from iics.memory import keep_freed_memory
from iics.speed.training_work import Phase, Workload, our_work, training_context
from iics.training.engine import at_work, choose_engine

Shape = tuple[int, int, int, int]
Layout = Literal["channels_last", "contiguous"]

BATCH_NORM, PLAIN, OURS = "nn.BatchNorm2d", "plain AIBN", "AIBN"
PHASES: tuple[Phase, ...] = ("stage1", "stage2")
SHAPES: tuple[Shape, ...] = ((64, 1024, 16, 8), (64, 256, 16, 8))
RUNS_PER_REPEAT = 5
"""A norm takes milliseconds, and single times scatter."""
LITE0 = Workload(
    backbone="efficientnet_lite0", height=128, width=64, engine=EngineSettings(precision="float32", threads=1)
)


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"<!-- {machine_line(keeps_freed_memory=keep_freed_memory())} -->")
    cells = ("maps", "memory", "form", "ms", "x nn.BatchNorm2d", "times plain AIBN", "kept for backward, MB")
    print("| " + " | ".join(cells) + " |\n|" + "---|" * len(cells))
    for shape in SHAPES:
        for layout in ("channels_last", "contiguous"):
            for has_relu in (False, True):
                report(compare_norms(shape, layout=layout, has_relu=has_relu, repeats=repeats))
    print("\n| step, processor time | step, ms | norms, ms | share |\n|---|---|---|---|")
    for phase in PHASES:
        step = norms_in_step(phase, LITE0, repeats=repeats)
        times = f"{1000 * step.seconds:.1f} | {1000 * step.norm_seconds:.1f} | {step.share:.1%}"
        print(f"| {phase}, {LITE0.num_crops(phase)} crops | {times} |", flush=True)


def report(comparison: NormComparison) -> None:
    batch_norm, plain, _ = comparison.forms
    for speed in comparison.forms:
        cells = (
            " x ".join(map(str, comparison.shape)),
            comparison.layout,
            speed.form + (" + ReLU" if comparison.has_relu else ""),
            f"{1000 * speed.seconds:.1f}",
            f"{speed.seconds / batch_norm.seconds:.2f}",
            f"{plain.seconds / speed.seconds:.2f}",
            f"{speed.kept_bytes / 1e6:.1f}",
        )
        print("| " + " | ".join(cells) + " |", flush=True)


@dataclass(frozen=True)
class NormSpeed:
    """What one form of a norm costs in training.

    Attributes:
        form: `BATCH_NORM`, `PLAIN` or `OURS`.
        seconds: Forward and backward, median.
        kept_bytes: What autograd holds between them, the input included.
    """

    form: str
    seconds: float
    kept_bytes: int


@dataclass(frozen=True)
class NormComparison:
    """The forms on one kind of feature map, float32.

    Attributes:
        shape: (n, c, h, w).
        layout: Memory format; training uses channels_last.
        has_relu: Whether a ReLU follows, which ours does in the same pass.
        forms: `nn.BatchNorm2d`, plain AIBN, ours.
    """

    shape: Shape
    layout: Layout
    has_relu: bool
    forms: tuple[NormSpeed, NormSpeed, NormSpeed]


def compare_norms(
    shape: Shape,
    *,
    layout: Layout = "channels_last",
    has_relu: bool = False,
    repeats: int = 3,
    seed: int = 0,
) -> NormComparison:
    """Time forward and backward of the three forms, in turn.

    Args:
        shape: Of the feature map: (n, c, h, w); more than one pixel.
        layout: Of the feature map and its gradient.
        has_relu: Whether a ReLU follows.
        repeats: Times are the median of so many times `RUNS_PER_REPEAT`.
        seed: Of the numbers.
    """
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    generator = torch.Generator().manual_seed(seed)
    x, grad = (torch.randn(shape, generator=generator).contiguous(memory_format=memory_format) for _ in range(2))
    x.requires_grad_()
    layers = norm_forms(shape[1], has_relu=has_relu)
    works = {name: partial(_forward_backward, layer, x, grad) for name, layer in layers.items()}
    seconds = seconds_in_turn(works, repeats=RUNS_PER_REPEAT * repeats)
    batch_norm, plain, ours = (
        NormSpeed(name, seconds[name], kept_for_backward(layer, x)) for name, layer in layers.items()
    )
    return NormComparison(shape, layout, has_relu, (batch_norm, plain, ours))


def norm_forms(num_channels: int, *, has_relu: bool) -> dict[str, nn.Module]:
    """Return `nn.BatchNorm2d`, plain AIBN and ours, in training mode, each with weights of its own."""

    def grouped() -> GroupedBatchNorm2d:
        return GroupedBatchNorm2d(nn.BatchNorm2d(num_channels), nn.ReLU(inplace=True) if has_relu else nn.Identity())

    def aibn() -> AdaptiveInstanceBatchNorm2d:
        return AdaptiveInstanceBatchNorm2d(grouped(), MixingWeight(torch.tensor(ALPHA_START), learned=True))

    return {BATCH_NORM: plain_norm(grouped()), PLAIN: plain_norm(aibn()), OURS: aibn()}


def kept_for_backward(layer: nn.Module, x: Tensor) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, shared memory counted once."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y = layer(x)  # holds what was noted: no two of them can lie at one address
    del y
    return sum(kept.values())


@dataclass(frozen=True)
class NormsInStep:
    """Processor time of a training step, on all threads.

    Attributes:
        seconds: Of the step.
        norm_seconds: Of its norms with their activations, forward and backward.
    """

    seconds: float
    norm_seconds: float

    @property
    def share(self) -> float:
        """Of the norms in the step."""
        return self.norm_seconds / self.seconds


def norms_in_step(phase: Phase, workload: Workload, *, repeats: int = 3) -> NormsInStep:
    """Time steps with AIBN on the CPU, and the norms within; returned is the step of the median share.

    In a step, not in a loop of norms: there, convolutions have emptied the caches.

    Args:
        phase: stage1 or stage2.
        workload: Of the steps.
        repeats: Steps that count, after one that does not.
    """
    engine = choose_engine(workload.engine, backbone=workload.backbone, device=torch.device("cpu"))
    work = our_work(phase, training_context(phase, workload, norm="aibn", engine=engine))
    steps = []
    with at_work(engine):
        work()  # loads compiled code
        for _ in range(repeats):
            with _timed_norms() as seconds:
                start = time.process_time()
                work()
                steps.append(NormsInStep(time.process_time() - start, sum(seconds)))
    return sorted(steps, key=lambda step: step.share)[len(steps) // 2]


@contextmanager
def _timed_norms() -> Iterator[list[float]]:
    """Yield processor seconds of every pass of a norm within the block, forward or backward."""
    seconds: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def run(*given: Any, **named: Any) -> Any:
            start = time.process_time()
            result = call(*given, **named)
            seconds.append(time.process_time() - start)
            return result

        return run

    norm = fused_norm._FusedNorm
    backward = staticmethod(timed(norm.backward))
    with (
        patch.object(AdaptiveInstanceBatchNorm2d, "forward", timed(AdaptiveInstanceBatchNorm2d.forward)),
        patch.object(GroupedBatchNorm2d, "forward", timed(GroupedBatchNorm2d.forward)),
        patch.object(norm, "backward", backward),
    ):
        yield seconds


def _forward_backward(layer: nn.Module, x: Tensor, grad: Tensor) -> None:
    torch.autograd.grad(layer(x), [x, *layer.parameters()], grad)


if __name__ == "__main__":
    main()
