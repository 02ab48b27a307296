"""Parts of a network that differ: stem, pooling, instance statistics, and a neck; ours by setting, others' as they are.

The defaults are our network's, so a model file that says nothing of its parts is one of ours. We train with two others:
GeM pooling, and the neck "feature-norm".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.errors import SettingsError
from iics.layers.normalization import GroupedBatchNorm2d

LastStride = Literal[1, 2]
NeckLayer = Literal["linear", "batchnorm", "relu", "feature-norm"]

_SMALLEST = 1e-6


@dataclass(frozen=True)
class NetworkParts:
    """Parts of a network that differ between programs for re-identification.

    Attributes:
        stem_relu: Whether the first norm is followed by a ReLU; reid-strong-baseline leaves it out.
        stem_pool: The first pooling: with a border of one pixel, or without one and rounded up, as fast-reid has it.
        pooling: How the last map becomes a feature: its mean, or its generalised mean (GeM) of a learned power.
        neck: Layers behind the pooling that belong to the feature; "feature-norm" is our batch norm (`FeatureNorm`).
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


def trained_parts(pooling: Literal["average", "gem"], neck: Literal["none", "batchnorm"]) -> NetworkParts:
    """Return the parts of a network that is trained here, as settings call them."""
    return NetworkParts(
        pooling="gem" if pooling == "gem" else "mean", neck=("feature-norm",) if neck == "batchnorm" else ()
    )


def trained_as(parts: NetworkParts) -> tuple[Literal["average", "gem"], Literal["none", "batchnorm"]] | None:
    """Return the settings `pooling` and `neck` of a network with these parts; None if it is one of others."""
    pooling: Literal["average", "gem"] = "gem" if parts.pooling == "gem" else "average"
    neck: Literal["none", "batchnorm"] = "batchnorm" if parts.neck else "none"
    return (pooling, neck) if trained_parts(pooling, neck) == parts else None


class GeneralisedMean(nn.Module):
    """GeM pooling (Radenovic et al., 2018): the mean of x^p over a map, to the power of 1 / p; p is learned.

    Args:
        keeps_map: Whether a map of one pixel is returned, for layers behind it, not a vector.
    """

    def __init__(self, *, keeps_map: bool = False) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), 3.0))
        self._keeps_map = keeps_map

    def forward(self, x: Tensor) -> Tensor:
        """Pool feature maps, bfloat16 in float32: its powers lose too much. Shapes (n, c, h, w) to (n, c)."""
        powers = _in_full(x).clamp(min=_SMALLEST).pow(self.p)
        return powers.mean(dim=(2, 3), keepdim=self._keeps_map).pow(1 / self.p)


class FeatureNorm(nn.Module):
    """A batch norm without offset whose output is the feature: the neck of Luo et al. ("A Strong Baseline", 2020).

    It takes its statistics over the same groups of crops as the norms of the backbone, on any number of processes.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.norm = GroupedBatchNorm2d(nn.BatchNorm2d(num_features), nn.Identity())
        self.norm.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise pooled features, bfloat16 in float32. Shapes (n, d) to (n, d)."""
        y: Tensor = self.norm(_in_full(x).flatten(1)[:, :, None, None])
        return y.flatten(1)


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


def tensors_of_parts(backbone: nn.Module) -> dict[str, Tensor]:
    """Return the weights of GeM pooling and of our neck, under their names in the network."""
    return {
        f"{path}.{key}": value
        for path, layer in backbone.named_modules()
        if isinstance(layer, GeneralisedMean | FeatureNorm)
        for key, value in layer.state_dict().items()
    }


def fit_parts(backbone: nn.Module, parts: NetworkParts, *, num_features: int, classifier: tuple[str, ...]) -> None:
    """Give a network, before its norms are replaced, the parts that it has to have.

    Args:
        backbone: Of timm; changed in place.
        parts: All but those of the norms. Those of the stem need a ResNet.
        num_features: Numbers the network puts out without a neck.
        classifier: Modules of the ImageNet classifier, which the neck takes the place of.

    Raises:
        SettingsError: If the network has no such place.
    """
    if not parts.stem_relu:
        backbone.act1 = nn.Identity()
    if parts.stem_pool == "rounded up":
        backbone.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
    if parts.pooling == "gem":
        _pool_by_gem(backbone)
    if parts.neck:
        place = backbone.get_submodule(classifier[0]) if len(classifier) == 1 else None
        if not isinstance(place, nn.Identity):
            raise SettingsError("This backbone has no place for a neck: nothing follows its pooling. Give --neck none.")
        _put(backbone, classifier[0], _neck(parts, num_features))


def _in_full(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def _pool_by_gem(backbone: nn.Module) -> None:
    """Replace the pooling of the last map, which timm's networks have as one layer."""
    layers = {path: layer for path, layer in backbone.named_modules() if type(layer).__name__ == "SelectAdaptivePool2d"}
    if len(layers) != 1:
        raise SettingsError(
            "This backbone has no last map that one layer pools, so GeM pooling has no place in it. Give --pooling "
            "average, or a backbone that has one, e.g. resnet50 or efficientnet_lite0."
        )
    path, layer = next(iter(layers.items()))
    _put(backbone, path, GeneralisedMean(keeps_map=not isinstance(layer.flatten, nn.Flatten)))


def _put(backbone: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, child = path.rpartition(".")
    setattr(backbone.get_submodule(parent), child, layer)


def _neck(parts: NetworkParts, num_features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = num_features
    for layer in parts.neck:
        if layer == "linear":
            layers.append(nn.Linear(width, parts.neck_features or width))
            width = parts.neck_features or width
        else:
            made = {"batchnorm": nn.BatchNorm1d, "feature-norm": FeatureNorm}
            layers.append(nn.ReLU() if layer == "relu" else made[layer](width))
    return nn.Sequential(*layers)
