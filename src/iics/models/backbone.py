"""Backbones by name (Sec. 4.2): last stride 1, batch norms replaced in named stages (Sec. 3.4); or as others do.

Any network of timm will do: `structure` finds out what has to be known of it. `_ENTRIES` holds only what cannot be
found out. One without batch norms, as transformers are, keeps its norms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor, nn

from iics.config import AlphaSharing, NormKind
from iics.errors import SettingsError, WeightsError
from iics.layers.depthwise import speed_up_depthwise
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d
from iics.models.described_networks import described_network, is_described
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.fitting_choices import check_choices
from iics.models.network_parts import OUR_PARTS, LastStride, NetworkParts, fit_parts
from iics.models.norm_replacement import group_batch_norms, replace_norms
from iics.models.packaged_weights import PACKAGE_OF, WeightsPackage
from iics.models.starting_weights import backbone_alone, check_fits, foreign_checkpoint
from iics.models.state_loading import load_state
from iics.models.structure import BackboneStructure, find_structure, set_last_stride
from iics.models.timm_networks import (
    PretrainedInput,
    Size,
    check_timm_name,
    create_network,
    fitted_state,
    pretrained_input,
    resized_state,
)
from iics.models.without_numbers import WithoutNumbers


@dataclass(frozen=True)
class _Entry:
    """What no network tells of itself.

    Attributes:
        timm_name: Architecture and the tag of the ImageNet weights to start from, where timm's default is another.
        later_half: Where it is not that of the other networks.
        may_download: Whether timm's own weights are taken where the package of weights is not installed.
    """

    timm_name: str
    later_half: tuple[str, ...] | None = None
    may_download: bool = False


_ENTRIES = {
    # The paper's weights are torchvision's first ones; timm's default is a longer training.
    "resnet50": _Entry("resnet50.tv_in1k"),
    "resnet18": _Entry("resnet18.tv_in1k"),
    # Its block that leads from 1/8 to 1/16 stays BN: so all measured runs and model files have it.
    "efficientnet_lite0": _Entry(
        "tf_efficientnet_lite0",
        later_half=("blocks.3.1", "blocks.3.2", "blocks.4", "blocks.5", "blocks.6", "bn2"),
    ),
    "efficientnet_lite1": _Entry("tf_efficientnet_lite1"),
    "efficientnet_lite2": _Entry("tf_efficientnet_lite2"),
    "mobilenetv2_100": _Entry("mobilenetv2_100", may_download=True),
}
DEFAULT_SIZE = (256, 128)


@dataclass(frozen=True)
class BackboneSpec:
    """What has to be known of a backbone to use it for re-identification.

    Attributes:
        timm_name: Architecture and, after the dot, the tag of the ImageNet weights.
        architecture: That a model file names; of a network that a `config.json` describes, timm's.
        weights_package: Package that carries these, or None for timm's download.
        pretrained: What these weights take.
        structure: What was found in the network.
        later_half: Modules whose batch norms become AIBN by default.
    """

    timm_name: str
    architecture: str
    weights_package: WeightsPackage | None
    pretrained: PretrainedInput
    structure: BackboneStructure
    later_half: tuple[str, ...]

    @property
    def num_features(self) -> int:
        """Length of a feature vector."""
        return self.structure.num_features

    @property
    def has_own_pooling(self) -> bool:
        """Whether it pools as timm has it, not by the average of its maps, as CNNs do."""
        return self.pretrained.is_sized or not self.structure.norms

    def size(self, height: int, width: int) -> Size | None:
        """Return the size that the network is told for crops of a height and width; None if it takes any."""
        return (height, width) if self.pretrained.is_sized else None

    @property
    def usual_norm(self) -> NormKind:
        """The norm of who did not choose one: AIBN, or where there is no batch norm to replace, the network's own."""
        return "aibn" if self.structure.norms else "own"

    @property
    def usual_last_stride(self) -> LastStride:
        """The last stride of who did not choose one: 1, as the paper trains, where the network can."""
        return 1 if self.structure.strided or self.structure.has_one_resolution else 2


@cache
def backbone_spec(name: str) -> BackboneSpec:
    """Return what is known of the backbone called `name`.

    Raises:
        SettingsError: If timm has none of that name, or it cannot be computed here.
    """
    entry = _ENTRIES.get(name, _Entry(name))
    if is_described(name):
        architecture, pretrained = described_network(name)
    else:
        check_timm_name(entry.timm_name)
        architecture, pretrained = entry.timm_name, pretrained_input(entry.timm_name)
    size = pretrained.size if pretrained.is_sized else None
    with WithoutNumbers():  # shapes alone: quick, no memory is touched, and no random number is drawn
        structure = find_structure(name, _created(architecture, size), size=size)
    package = PACKAGE_OF.get(name)
    if package is not None and entry.may_download and not package.is_installed:
        package = None
    return BackboneSpec(
        timm_name=pretrained.name,
        architecture=architecture if is_described(name) else name,
        weights_package=package,
        pretrained=pretrained,
        structure=structure,
        later_half=entry.later_half or structure.later_half,
    )


def _created(architecture: str, size: Size | None) -> nn.Module:
    """Return a network that pools by the average of its maps if it is a CNN with batch norms, else as timm has it."""
    if size is None:
        network = create_network(architecture)
        if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
            return network
    return create_network(architecture, size=size, own_pooling=True)


def known_backbone(name: str) -> BackboneSpec | None:
    """Return what is known of a backbone, None if there is none of that name: a record may name anything.

    A description on the hub is not asked for.
    """
    if is_described(name):
        return None
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
    size: Size = DEFAULT_SIZE,
) -> nn.Module:
    """Return a network to train, from images (n, 3, h, w) to raw pooled features (n, d).

    `weights` is "imagenet", "none" (random), or the path of a weights file, of which the backbone is taken: pooling and
    neck start new. Other arguments are those of `build_network`.

    Raises:
        SettingsError: If the name or a stage is unknown.
        WeightsError: If the weights cannot be had or do not fit.
    """
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
        weights, known=spec.pretrained, package=spec.weights_package, structure=spec.structure
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
        name: Of timm, or a key of `_ENTRIES`.
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
    backbone = _network(name, spec, size)
    if last_stride == 1:
        set_last_stride(backbone, spec.structure.strided)
    _fit_parts(backbone, parts, spec)
    if checkpoint is not None and checkpoint.norm == "own":
        state = fitted_weights(name, checkpoint.state, size=size, source=source)
        load_state(backbone, state, source=source, classifier=spec.pretrained.classifier)
        return backbone
    is_plain = checkpoint is None or checkpoint.norm == "bn"
    if checkpoint is not None and is_plain:
        load_state(backbone, checkpoint.state, source=source, classifier=spec.pretrained.classifier)
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
    """Return weights of a network without batch norms as it has them for images of a size, converted by timm.

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
    architecture = spec.architecture if is_described(name) else spec.timm_name
    try:
        if of_size is not None and spec.pretrained.is_sized:
            sizes = (of_size, size)
            return resized_state(architecture, sizes=sizes, own_pooling=spec.has_own_pooling, state=state)
        return fitted_state(
            architecture,
            size=spec.size(*size),
            own_pooling=spec.has_own_pooling,
            state=state,
            classifier=spec.pretrained.classifier,
        )
    except Exception as error:  # timm's conversions of what they were not made for fail in any way
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(
            f"{source} does not fit the backbone {name}: {reason}. Needed are the weights of this very network, as timm "
            "or its authors name them."
        ) from error


def _network(name: str, spec: BackboneSpec, size: Size) -> nn.Module:
    architecture = spec.architecture if is_described(name) else spec.timm_name
    told = spec.size(*size)
    try:
        return create_network(architecture, size=told, own_pooling=spec.has_own_pooling)
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


def alpha_by_block(backbone: nn.Module) -> dict[str, float]:
    """Return the alpha in use (Eq. 12) of every sharing group, under the path of the group's first layer."""
    alphas: dict[int, tuple[str, float]] = {}
    for path, module in backbone.named_modules():
        if isinstance(module, AdaptiveInstanceBatchNorm2d):
            alphas.setdefault(id(module.mix), (path, float(module.mix().detach().mean())))
    return dict(alphas.values())
