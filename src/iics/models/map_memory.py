"""What the feature maps of a backbone take in memory, found out without computing them.

The network runs once on shapes without numbers; a hook counts what each layer reads.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d
from iics.models.without_numbers import WithoutNumbers

_NORMS = (GroupedBatchNorm2d, AdaptiveInstanceBatchNorm2d)
_KEEPS_ITS_INPUT = (nn.Conv2d, nn.Linear, *_NORMS)
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

    tensors = [*backbone.parameters(), *backbone.buffers()]
    shapes = copy.deepcopy(backbone, {id(tensor): tensor for tensor in tensors}).eval()  # which are not copied
    for module in shapes.modules():
        if isinstance(module, _KEEPS_ITS_INPUT + _ACTIVATIONS):
            module.register_forward_hook(count)
        if isinstance(module, _NORMS):  # would be computed, by kernels that are compiled first
            module.forward = torch.empty_like  # type: ignore[assignment, method-assign]
    with torch.no_grad(), WithoutNumbers():
        shapes(torch.empty(1, 3, height, width, device=tensors[0].device))
    return MapNumbers(sum(given for given, _ in layers), max(given + made for given, made in layers))
