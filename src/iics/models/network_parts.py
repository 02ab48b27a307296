"""What networks of others compute another way than ours: stride, stem, pooling, instance statistics, and a neck.

The defaults are our network's, so a model file that says nothing of its parts is one of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.layers.normalization import GroupedBatchNorm2d

LastStride = Literal[1, 2]
NeckLayer = Literal["linear", "batchnorm", "relu"]

_SMALLEST = 1e-6


@dataclass(frozen=True)
class NetworkParts:
    """Parts of a ResNet that differ between programs for re-identification.

    Attributes:
        stem_relu: Whether the first norm is followed by a ReLU; reid-strong-baseline leaves it out.
        stem_pool: The first pooling: with a border of one pixel, or without one and rounded up, as fast-reid has it.
        pooling: How the last map becomes a feature: its mean, or its generalised mean (GeM) of a learned power.
        neck: Layers behind the pooling that belong to the feature.
        neck_features: Numbers that a linear layer of the neck puts out; None without one.
        instance_variance: Of IBN-a. Ours takes the unbiased one, as Eq. 12 does; others the biased one.

    Raises:
        ValueError: If a value is none of those.
    """

    stem_relu: bool = True
    stem_pool: Literal["padded", "rounded up"] = "padded"
    pooling: Literal["mean", "gem"] = "mean"
    neck: tuple[NeckLayer, ...] = ()
    neck_features: int | None = None
    instance_variance: Literal["unbiased", "biased"] = "unbiased"

    def __post_init__(self) -> None:
        for name, known in (
            ("stem_relu", (True, False)),
            ("stem_pool", ("padded", "rounded up")),
            ("pooling", ("mean", "gem")),
            ("instance_variance", ("unbiased", "biased")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if not isinstance(self.neck, tuple) or not set(self.neck) <= set(get_args(NeckLayer)) or len(self.neck) > 3:
            raise ValueError(f"neck must be at most three of {get_args(NeckLayer)}, got {self.neck!r}")
        has_width = isinstance(self.neck_features, int) and 1 <= self.neck_features <= 65536
        if has_width != ("linear" in self.neck) or not (has_width or self.neck_features is None):
            raise ValueError(f"neck_features must be the width of a linear neck, got {self.neck_features!r}")


OUR_PARTS = NetworkParts()


class GeneralisedMean(nn.Module):
    """GeM pooling: the mean of x^p over a map, to the power of 1 / p."""

    p: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.full((1,), 3.0))

    def forward(self, x: Tensor) -> Tensor:
        """Pool feature maps. Shapes (n, c, h, w) to (n, c)."""
        return x.clamp(min=_SMALLEST).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)


class InstanceBatchNorm2d(nn.Module):
    """IBN-a as others compute it, for evaluation: the first half of the channels instance-normed, biased variance.

    Args:
        source: The norm it replaces; weights, statistics and activation are taken over.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, source: GroupedBatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = source.weight, source.bias, source.eps
        self.register_buffer("running_mean", source.running_mean)
        self.register_buffer("running_var", source.running_var)
        self.activation = source.activation

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w) and activate them."""
        half = x.shape[1] // 2
        weight, bias = self.weight, self.bias
        first = F.instance_norm(x[:, :half], weight=weight[:half], bias=bias[:half], eps=self.eps)
        statistics = self.running_mean[half:], self.running_var[half:]
        second = F.batch_norm(x[:, half:], *statistics, weight[half:], bias[half:], False, 0.0, self.eps)
        y: Tensor = self.activation(torch.cat([first, second], dim=1))
        return y


def fit_parts(backbone: nn.Module, parts: NetworkParts, *, num_features: int) -> None:
    """Give a network, before its norms are replaced, the parts that it has to have.

    Args:
        backbone: Of timm; changed in place.
        parts: All but those of the norms. Any but the default ones need a ResNet.
        num_features: Numbers the network puts out without a neck.
    """
    if not parts.stem_relu:
        backbone.act1 = nn.Identity()
    if parts.stem_pool == "rounded up":
        backbone.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
    if parts.pooling == "gem":
        backbone.global_pool = GeneralisedMean()
    if parts.neck:
        backbone.fc = _neck(parts, num_features)


def _neck(parts: NetworkParts, num_features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = num_features
    for layer in parts.neck:
        if layer == "linear":
            layers.append(nn.Linear(width, parts.neck_features or width))
            width = parts.neck_features or width
        else:
            layers.append(nn.BatchNorm1d(width) if layer == "batchnorm" else nn.ReLU())
    return nn.Sequential(*layers)
