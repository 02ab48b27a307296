"""The batch norms of a network replaced: grouped everywhere, and AIBN or another kind in named stages (Sec. 3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from iics.errors import SettingsError
from iics.layers.normalization import ALPHA_START, AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight
from iics.model_settings import AlphaSharing, NormKind
from iics.models.network_parts import InstanceBatchNorm2d
from iics.models.structure import NormPlace


def group_batch_norms(backbone: nn.Module, places: Mapping[str, NormPlace]) -> None:
    """Replace every `BatchNorm2d` and the activation behind it, a part of it or a module beside it, by one module."""
    for path, module in list(backbone.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            place = places.get(path)
            activation = _own_activation(module)
            if place is not None and place.activation is not None:
                activation = backbone.get_submodule(place.activation)
                _put(backbone, place.activation, nn.Identity())
            _put(backbone, path, GroupedBatchNorm2d(module, activation))


def replace_norms(
    backbone: nn.Module,
    norm: NormKind,
    *,
    stages: tuple[str, ...],
    places: Mapping[str, NormPlace],
    alpha_sharing: AlphaSharing,
    is_biased: bool = False,
) -> None:
    """Replace the batch norms below the module paths `stages`, keeping their weights and running statistics.

    A norm on maps of one pixel, as behind a pooling, stays: there is nothing to take instance statistics of.

    Args:
        backbone: Network whose batch norms are `GroupedBatchNorm2d`; changed in place.
        norm: "bn" changes nothing; "ibn" is IBN-a: the first norm of each block, half of its channels instance-normed.
        stages: Module paths.
        places: Where the norms are, in the order of their calls.
        alpha_sharing: "none", "block" or "stage".
        is_biased: Whether ibn takes the biased variance, as others do. For evaluation only.

    Raises:
        SettingsError: If a stage names no batch norm.
    """
    norms = {path: module for path, module in backbone.named_modules() if isinstance(module, GroupedBatchNorm2d)}
    norms = {path: module for path, module in norms.items() if path in places and not places[path].is_pooled}
    for stage in stages:
        if not any(_is_below(path, stage) for path in norms):
            known = sorted({path.rpartition(".")[0] or path for path in norms})
            raise SettingsError(f"No batch norm below {stage!r} in this backbone. Norm stages are e.g. {known}.")
    if norm == "bn":
        return
    first_of_block: dict[str | None, str] = {}
    for path, place in places.items():
        first_of_block.setdefault(place.block, path)
    shared: dict[str, MixingWeight] = {}
    for path, source in norms.items():
        if not any(_is_below(path, stage) for stage in stages):
            continue
        place = places[path]
        if norm == "ibn" and (place.block is None or path != first_of_block[place.block]):
            continue
        if norm == "ibn" and is_biased:
            _put(backbone, path, InstanceBatchNorm2d(source))
            continue
        group = {"none": path, "block": place.block or path, "stage": place.stage}[alpha_sharing]
        key = path if norm == "ibn" else group
        if key not in shared:
            shared[key] = _mixing_weight(norm, source.weight.shape[0])
        _put(backbone, path, AdaptiveInstanceBatchNorm2d(source, shared[key]))


def _own_activation(norm: nn.BatchNorm2d) -> nn.Module:
    """Return what timm's `BatchNormAct2d` does behind its normalisation: a drop layer and an activation."""
    parts = [getattr(norm, name, nn.Identity()) for name in ("drop", "act")]
    layers = [layer for layer in parts if not isinstance(layer, nn.Identity)]
    return nn.Sequential(*layers) if len(layers) > 1 else next(iter(layers), nn.Identity())


def _mixing_weight(norm: NormKind, num_channels: int) -> MixingWeight:
    if norm == "ibn":
        start = torch.ones(num_channels)
        start[: num_channels // 2] = 0.0
    else:
        start = torch.tensor(0.0 if norm == "in" else ALPHA_START)
    return MixingWeight(start, learned=norm == "aibn")


def _put(network: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, child = path.rpartition(".")
    setattr(network.get_submodule(parent), child, layer)


def _is_below(path: str, stage: str) -> bool:
    return path == stage or path.startswith(stage + ".")
