"""What the feature maps of a backbone take in memory, found out without computing them.

The network runs once on shapes without numbers; a hook counts what each layer reads.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d
from iics.models.without_numbers import WithoutNumbers

_NORMS = (GroupedBatchNorm2d, AdaptiveInstanceBatchNorm2d)
_KEEPS_ITS_INPUT = (nn.Conv2d, nn.Linear, nn.LayerNorm, nn.GroupNorm, *_NORMS)
_ACTIVATIONS = (nn.SiLU, nn.Hardswish, nn.GELU, nn.Mish, nn.LeakyReLU)
"""Layers whose gradient needs what they were given. ReLU is part of the norms, or keeps what the next layer keeps."""
_BLOCK = re.compile(r"(.+\.)?blocks\.\d+(?=\.|$)")
"""Module paths of what timm computes anew when it is asked to."""


@dataclass(frozen=True)
class MapNumbers:
    """Numbers in the feature maps of one crop.

    Attributes:
        kept: In all maps that a training step keeps for its backward pass.
        kept_at_blocks: The same if maps within blocks are computed anew: what blocks are given, and the largest block.
        largest: In the largest map with the one that is made of it, which is what an extraction of features holds.
    """

    kept: int
    kept_at_blocks: int
    largest: int


def map_numbers(backbone: nn.Module, *, height: int, width: int) -> MapNumbers:
    """Return how many numbers the feature maps of a crop have.

    Args:
        backbone: Network of `iics.models.backbone`; it stays as it is.
        height: Of the crop, in pixels.
        width: Of the crop, in pixels.
    """
    layers: list[tuple[int, int]] = []
    kept_in: Counter[str] = Counter()  # by block; "" outside of all
    given_to: dict[str, int] = {}

    def count(block: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def counted(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            layers.append((given[0].numel(), made.numel()))
            kept_in[block] += given[0].numel()

        return counted

    def enter(block: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def entered(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            given_to[block] = given[0].numel()
            attention.block = block

        return entered

    tensors = [*backbone.parameters(), *backbone.buffers()]
    shapes = copy.deepcopy(backbone, {id(tensor): tensor for tensor in tensors}).eval()  # which are not copied
    for path, module in shapes.named_modules():
        found = _BLOCK.match(path)
        if found is not None and found[0] == path:
            module.register_forward_pre_hook(enter(path))
        if isinstance(module, _KEEPS_ITS_INPUT + _ACTIVATIONS):
            module.register_forward_hook(count("" if found is None else found[0]))
        if isinstance(module, _NORMS):  # would be computed, by kernels that are compiled first
            module.forward = torch.empty_like  # type: ignore[assignment, method-assign]
    attention = _Attention(kept_in)
    with torch.no_grad(), attention:
        shapes(torch.empty(1, 3, height, width, device=tensors[0].device))
    in_blocks = [numbers for block, numbers in kept_in.items() if block in given_to]
    outside = sum(kept_in.values()) - sum(in_blocks)
    return MapNumbers(
        kept=sum(kept_in.values()),
        kept_at_blocks=outside + sum(given_to.values()) + max(in_blocks, default=0),
        largest=max(given + made for given, made in layers),
    )


class _Attention(WithoutNumbers):
    """Counts what attention keeps beside the inputs of layers: queries, keys and values."""

    def __init__(self, kept_in: Counter[str]) -> None:
        super().__init__()
        self.block = ""
        self._kept_in = kept_in

    def __torch_function__(
        self,
        function: Callable[..., Any],
        kinds: Any,
        given: tuple[Any, ...] = (),
        named: dict[str, Any] | None = None,
    ) -> Any:
        if function is F.scaled_dot_product_attention:
            self._kept_in[self.block] += sum(tensor.numel() for tensor in given[:3])
        return super().__torch_function__(function, kinds, given, named)
