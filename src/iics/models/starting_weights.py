"""Weights by name: ImageNet's or those in a file of others; and what may start the training of which network."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from iics.config import AlphaSharing, NormKind
from iics.errors import WeightsError
from iics.models.authors_checkpoint import check_fits_authors
from iics.models.foreign_checkpoint import ForeignCheckpoint
from iics.models.foreign_layouts import recognised
from iics.models.imagenet_weights import imagenet_weights
from iics.models.network_parts import OUR_PARTS
from iics.models.weights import read_weights
from iics.pixels.images import Interpolation

logger = logging.getLogger(__name__)

_OF_POOLING_AND_NECK = ("global_pool.", "fc.")


def foreign_checkpoint(
    weights: str, *, timm_name: str, package: str | None, interpolation: Interpolation, tensors: frozenset[str]
) -> ForeignCheckpoint:
    """Return the weights that a name stands for, and what their own network computes.

    Args:
        weights: "imagenet", or the path of a file that others wrote.
        timm_name: Name of the ImageNet weights.
        package: Installed package that carries those, None for timm's download.
        interpolation: How pictures were resized for those.
        tensors: Names of all tensors of the backbone.

    Raises:
        WeightsError: If the weights cannot be had, or are of a network that we cannot compute.
    """
    if weights == "imagenet":
        state = imagenet_weights(timm_name, package=package)
        return ForeignCheckpoint("ImageNet weights", state, 2, interpolation, assumed=())
    state = read_weights(weights)
    return recognised(state, Path(weights), is_complete=tensors <= state.keys())


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
