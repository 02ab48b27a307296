"""What has to be known of a backbone by its name: of its weights from timm, of its structure by looking at it.

Any network of timm will do: `structure` finds out what has to be known of it. `_ENTRIES` holds only what cannot be
found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from torch import nn

from iics.errors import SettingsError
from iics.model_settings import NormKind
from iics.models.described_networks import described_network, is_described
from iics.models.network_parts import LastStride
from iics.models.packaged_weights import PACKAGE_OF, WeightsPackage
from iics.models.structure import BackboneStructure, find_structure
from iics.models.timm_networks import PretrainedInput, Size, check_timm_name, create_network, pretrained_input
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


@dataclass(frozen=True)
class BackboneSpec:
    """What has to be known of a backbone to use it for re-identification.

    Attributes:
        timm_name: Architecture and, after the dot, the tag of the ImageNet weights; or the name of a description.
        architecture: What a model file calls it: the name, or of a description timm's architecture.
        built: What timm is asked for.
        weights_package: Package that carries these, or None for timm's download.
        pretrained: What these weights take.
        structure: What was found in the network.
        later_half: Modules whose batch norms become AIBN by default.
        is_sized: Whether it is built for the size of the crops, which it is then told.
        has_own_pooling: Whether it pools as timm has it, not by the average of its maps, as CNNs do.
    """

    timm_name: str
    architecture: str
    built: str
    weights_package: WeightsPackage | None
    pretrained: PretrainedInput
    structure: BackboneStructure
    later_half: tuple[str, ...]
    is_sized: bool
    has_own_pooling: bool

    @property
    def num_features(self) -> int:
        """Length of a feature vector."""
        return self.structure.num_features

    def size(self, height: int, width: int) -> Size | None:
        """Return the size that the network is told for crops of a height and width; None if it takes any."""
        return (height, width) if self.is_sized else None

    @property
    def usual_norm(self) -> NormKind:
        """The norm of who did not choose one: AIBN, or what the network has where there is nothing to replace."""
        if not self.structure.norms:
            return "own"
        return "aibn" if self.later_half else "bn"

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
        built, pretrained = described_network(name)
    else:
        check_timm_name(entry.timm_name)
        pretrained = pretrained_input(entry.timm_name)
        built = pretrained.name
    with WithoutNumbers():  # shapes alone: quick, no memory is touched, and no random number is drawn
        structure, is_sized, has_own_pooling = _looked_at(name, built, pretrained)
    package = PACKAGE_OF.get(name)
    if package is not None and entry.may_download and not package.is_installed:
        package = None
    return BackboneSpec(
        timm_name=pretrained.name,
        architecture=built if is_described(name) else name,
        built=built,
        weights_package=package,
        pretrained=pretrained,
        structure=structure,
        later_half=entry.later_half or structure.later_half,
        is_sized=is_sized,
        has_own_pooling=has_own_pooling,
    )


def _looked_at(name: str, built: str, pretrained: PretrainedInput) -> tuple[BackboneStructure, bool, bool]:
    """Return what is found in a network, whether it is built for a size, and whether it pools as timm has it.

    A CNN with batch norms pools by the average of its maps. Some that timm calls of one size run at any.
    """
    if not pretrained.is_sized:
        network = create_network(built)
        if _has_batch_norms(network):
            return find_structure(name, network), False, False
        return find_structure(name, create_network(built, own_pooling=True)), False, True
    if _has_batch_norms(create_network(built, size=pretrained.size, own_pooling=True)):
        try:
            return find_structure(name, create_network(built, own_pooling=True)), False, True
        except SettingsError:
            pass
    network = create_network(built, size=pretrained.size, own_pooling=True)
    return find_structure(name, network, size=pretrained.size), True, True


def _has_batch_norms(network: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


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
