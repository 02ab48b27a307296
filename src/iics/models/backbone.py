"""Backbones by name (Sec. 4.2): last stride 1, batch norms replaced in named stages (Sec. 3.4); or as others do.

A network without batch norms, as transformers are, keeps its norms.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from torch import Tensor, nn

from iics.errors import SettingsError, WeightsError
from iics.layers.depthwise import speed_up_depthwise
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d
from iics.model_settings import AlphaSharing, NormKind
from iics.models.backbone_spec import BackboneSpec, backbone_spec
from iics.models.fitting_choices import check_choices
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.network_parts import OUR_PARTS, NetworkParts, fit_parts
from iics.models.norm_replacement import group_batch_norms, replace_norms
from iics.models.starting_weights import backbone_alone, check_fits, foreign_checkpoint
from iics.models.state_loading import load_state
from iics.models.structure import set_last_stride
from iics.models.timm_networks import Size, create_network, fitted_state, resized_state

DEFAULT_SIZE = (256, 128)


def create_backbone(
    name: str,
    *,
    weights: str,
    norm: NormKind,
    norm_stages: tuple[str, ...] = (),
    alpha_sharing: AlphaSharing = "block",
    last_stride: int = 1,
    parts: NetworkParts = OUR_PARTS,
    size: Size = DEFAULT_SIZE,
) -> nn.Module:
    """Return a network to train, from images (n, 3, h, w) to raw pooled features (n, d).

    `weights` is "imagenet", "none" (random), or the path of a weights file, of which the backbone is taken: pooling and
    neck start new. Other arguments are those of `build_network`.

    Raises:
        SettingsError: If the name or a stage is unknown.
        WeightsError: If the weights cannot be had or do not fit.
    """
    spec = _checked_spec(name, norm, norm_stages, last_stride, parts, size)  # before weights are read or downloaded
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
        size=size,
    )
    _fit_parts(backbone, parts, spec)
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
        known=spec.pretrained,
        package=spec.weights_package,
        structure=spec.structure,
        is_plain=spec.has_own_pooling,
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
    size: Size = DEFAULT_SIZE,
) -> nn.Module:
    """Return a network from images (n, 3, h, w) to raw pooled features (n, d).

    Args:
        name: As `backbone_spec` takes it.
        norm: What normalises in the norm stages.
        norm_stages: Module paths whose batch norms are replaced; empty for the backbone's later half.
        alpha_sharing: Which layers share one alpha of Eq. 12.
        last_stride: Stride of the last stage.
        parts: What differs from our network.
        checkpoint: Weights; None for random ones.
        source: What to call the weights in messages.
        size: Height and width of the images, for networks that are built for one size.

    Raises:
        SettingsError: If the name or a stage is unknown, or the network cannot be as it is asked for.
        WeightsError: If the weights do not fit.
    """
    spec = _checked_spec(name, norm, norm_stages, last_stride, parts, size)
    backbone = _network(name, spec, size)
    if last_stride == 1:
        set_last_stride(backbone, spec.structure.strided)
    _fit_parts(backbone, parts, spec)
    is_plain = checkpoint is None or checkpoint.norm in ("bn", "own")
    if checkpoint is not None and is_plain:
        state = checkpoint.state
        if spec.has_own_pooling:
            state = fitted_weights(name, state, size=size, source=source)
        load_state(backbone, state, source=source, classifier=spec.pretrained.classifier)
    places = spec.structure.norms
    if not places:
        return backbone
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


def fitted_weights(
    name: str, state: Mapping[str, Tensor], *, size: Size, source: str, of_size: Size | None = None
) -> dict[str, Tensor]:
    """Return weights of a network with its own pooling as it has them for images of a size, converted by timm.

    Args:
        name: Of the backbone.
        state: Weights by name, timm's or their authors'.
        size: Height and width.
        source: What to call them in messages.
        of_size: Height and width that they are for, if that is known; timm takes others for square.

    Raises:
        WeightsError: If they do not fit.
    """
    spec = backbone_spec(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about timm's interpolation
            if of_size is not None and spec.is_sized:
                sizes = (of_size, size)
                return resized_state(spec.built, sizes=sizes, own_pooling=spec.has_own_pooling, state=state)
            return fitted_state(
                spec.built,
                size=spec.size(*size),
                own_pooling=spec.has_own_pooling,
                state=state,
                classifier=spec.pretrained.classifier,
            )
    except Exception as error:  # timm's conversions of what they were not made for fail in any way
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(
            f"{source} does not fit the backbone {name}: {reason}. Needed are the weights of this very network, as "
            "timm or its authors name them."
        ) from error


def alpha_by_block(backbone: nn.Module) -> dict[str, float]:
    """Return the alpha in use (Eq. 12) of every sharing group, under the path of the group's first layer."""
    alphas: dict[int, tuple[str, float]] = {}
    for path, module in backbone.named_modules():
        if isinstance(module, AdaptiveInstanceBatchNorm2d):
            alphas.setdefault(id(module.mix), (path, float(module.mix().detach().mean())))
    return dict(alphas.values())


def _network(name: str, spec: BackboneSpec, size: Size) -> nn.Module:
    told = spec.size(*size)
    try:
        return create_network(spec.built, size=told, own_pooling=spec.has_own_pooling)
    except Exception as error:  # a network of others may fail in any way at a size that it was not made for
        if told is None:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(
            f"The backbone {name} cannot be built for crops of {size[0]}x{size[1]}: {reason:.200}. Give another "
            f"--height and --width; its weights were made at {spec.pretrained.size[0]}x{spec.pretrained.size[1]}."
        ) from error


def _fit_parts(backbone: nn.Module, parts: NetworkParts, spec: BackboneSpec) -> None:
    fit_parts(backbone, parts, num_features=spec.num_features, classifier=spec.pretrained.classifier)


def _checked_spec(
    name: str, norm: NormKind, norm_stages: tuple[str, ...], last_stride: int, parts: NetworkParts, size: Size
) -> BackboneSpec:
    """Return what is known of a backbone that can be as it is asked for; see `build_network`."""
    spec = backbone_spec(name)
    check_choices(
        name,
        spec.structure,
        norm=norm,
        norm_stages=norm_stages,
        last_stride=last_stride,
        is_gem=parts.pooling == "gem",
        size=size,
    )
    return spec
