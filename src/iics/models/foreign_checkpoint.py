"""Weights of others under our names, with all that decides what their network computes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from iics.model_settings import NormKind
from iics.models.network_parts import OUR_PARTS, LastStride, NetworkParts
from iics.pixels.images import Interpolation

State = Mapping[str, Tensor]
Channels = tuple[float, float, float]

COUNTER = ".num_batches_tracked"
_HALF = re.compile(r"((layer\d)\.\d+)\.bn1\.(IN|BN)\.(\w+)")
_NORM_TENSORS = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
"""Of a norm, with the values that stand where an instance norm has none."""


@dataclass(frozen=True, eq=False)
class ForeignCheckpoint:
    """Weights of others, and how their network computes.

    Attributes:
        source: Whose they are, in words.
        state: Tensors under our names; those of pooling and neck too.
        last_stride: Stride of the last stage.
        interpolation: How crops are resized.
        parts: What differs from our network.
        norm: What normalises in `norm_stages`; "own" of a network without batch norms.
        norm_stages: Module paths; empty for the backbone's default.
        mean: Channel means for pixels in [0, 1]; None for those of the backbone's ImageNet weights.
        std: Standard deviations of the same.
        assumed: What the file does not say, so that it was taken from its program's defaults.
    """

    source: str
    state: State
    last_stride: LastStride
    interpolation: Interpolation
    parts: NetworkParts = OUR_PARTS
    norm: NormKind = "bn"
    norm_stages: tuple[str, ...] = ()
    mean: Channels | None = None
    std: Channels | None = None
    assumed: tuple[str, ...] = ("last stride", "resizing")

    def described(self, last_stride: int) -> str:
        """Return what the network computes, and what of that the file does not say, for a person to check."""
        parts = self.parts
        if self.norm == "own":
            resized = f"crops resized {self.interpolation}; mean of crop and mirror image"
            return f"{self.source}: its own norms and pooling; {resized}."
        words = [
            f"last stride {last_stride}",
            *([] if parts.stem_relu else ["no ReLU behind the first norm"]),
            *([] if parts.stem_pool == "padded" else ["first pooling without a border"]),
            *([] if self.norm == "bn" else [f"norm {self.norm}"]),
            "mean over the last map" if parts.pooling == "mean" else "GeM over the last map",
            f"then {', '.join(parts.neck)}" if parts.neck else "no neck",
            f"crops resized {self.interpolation}",
            "mean of crop and mirror image",
        ]
        unsaid = (
            f" Not in the file, as that program does by default: {', '.join(self.assumed)}." if self.assumed else ""
        )
        return f"{self.source}: {'; '.join(words)}.{unsaid}"


def with_joined_halves(checkpoint: ForeignCheckpoint) -> ForeignCheckpoint:
    """Return a checkpoint with each norm of IBN-a as one: its instance-normed channels, then its batch-normed ones.

    Others keep the halves as `bn1.IN` and `bn1.BN`. A checkpoint without any is returned as it is.
    """
    halves = {key: found for key in checkpoint.state if (found := _HALF.fullmatch(key)) is not None}
    if not halves:
        return checkpoint
    state = {key: value for key, value in checkpoint.state.items() if key not in halves}
    for path in sorted({f"{found[1]}.bn1" for found in halves.values()}):
        for name, start in _NORM_TENSORS.items():
            second = checkpoint.state.get(f"{path}.BN.{name}")
            if second is not None:  # one that is missing is named when the network is loaded
                first = checkpoint.state.get(f"{path}.IN.{name}", torch.full_like(second, start))
                state[f"{path}.{name}"] = torch.cat([first, second])
    return replace(
        checkpoint,
        state=state,
        norm="ibn",
        norm_stages=_stages({found[1] for found in halves.values()}, state),
        parts=replace(checkpoint.parts, instance_variance="biased"),
    )


def _stages(blocks: set[str], state: State) -> tuple[str, ...]:
    """Return the module paths of blocks, of a whole layer where all its blocks are among them."""
    every = {found[0] for key in state if (found := re.match(r"layer\d\.\d+", key)) is not None}
    layers = {block.partition(".")[0] for block in blocks}
    whole = {layer for layer in layers if {block for block in every if block.startswith(f"{layer}.")} <= blocks}
    return tuple(sorted(whole | {block for block in blocks if block.partition(".")[0] not in whole}))
