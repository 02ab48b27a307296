"""What the feature maps of a backbone take in memory, found out without computing them.

The network runs on torch's meta device, whose tensors have shapes and no numbers; a hook counts what each layer reads.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d

_KEEPS_ITS_INPUT = (nn.Conv2d, nn.Linear, GroupedBatchNorm2d, AdaptiveInstanceBatchNorm2d)
_ACTIVATIONS = (nn.SiLU, nn.Hardswish, nn.GELU, nn.Mish, nn.LeakyReLU)
"""Layers whose gradient needs what they were given. ReLU is part of the norms, or keeps what the next layer keeps."""


@dataclass(frozen=True)
class MapNumbers:
    """Numbers in the feature maps of one crop.

    Attributes:
        kept: In all maps that a training step keeps for its backward pass.
        largest: In the largest map with the one that is made of it, which is what an extraction of features holds.
    """

    kept: int
    largest: int


def map_numbers(backbone: nn.Module, *, height: int, width: int) -> MapNumbers:
    """Return how many numbers the feature maps of a crop have.

    Args:
        backbone: Network of `iics.models.backbone`; it stays as it is.
        height: Of the crop, in pixels.
        width: Of the crop, in pixels.
    """
    layers: list[tuple[int, int]] = []

    def count(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        layers.append((given[0].numel(), made.numel()))

    shapes = copy.deepcopy(backbone).to("meta").eval()
    for module in shapes.modules():
        if isinstance(module, _KEEPS_ITS_INPUT + _ACTIVATIONS):
            module.register_forward_hook(count)
    with torch.no_grad():
        shapes(torch.empty(1, 3, height, width, device="meta"))
    return MapNumbers(sum(given for given, _ in layers), max(given + made for given, made in layers))
