"""Checkpoints that the authors of IICS published (https://github.com/SY-Xuan/IICS): their names of tensors -> ours.

Their state dict holds a ResNet-50 below `model.` and classifier heads below `classifier.`. Each bottleneck of layer3
and layer4 has one `adaptive_weight`, alpha of Eq. 12 (it weighs the batch statistics, as ours does), which every norm
of the bottleneck lists again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from iics.errors import WeightsError
from iics.model_settings import AlphaSharing, NormKind

_BACKBONE, _HEADS, _ALPHA = "model.", "classifier.", ".adaptive_weight"
_BLOCK = re.compile(r"layer\d\.\d+")
_COUNTER = ".num_batches_tracked"


def is_authors_state(state: Mapping[str, Tensor]) -> bool:
    """Return whether tensors by name are laid out as in the authors' checkpoints."""
    return any(key.startswith(_BACKBONE) and key.endswith(_ALPHA) for key in state)


def check_fits_authors(
    *, backbone: str, norm: NormKind, norm_stages: tuple[str, ...], alpha_sharing: AlphaSharing, source: str
) -> None:
    """Refuse a network in which the authors' weights would compute something else.

    Raises:
        WeightsError: If it is not a resnet50 with AIBN in layer3 and layer4, alpha shared by a bottleneck.
    """
    wanted = [
        ("--backbone", "resnet50", backbone),
        ("--norm", "aibn", norm),
        ("--alpha-sharing", "block", alpha_sharing),
    ]
    if norm_stages:
        wanted.append(("--norm-stages", "layer3 layer4", " ".join(sorted(norm_stages))))
    differences = [(flag, theirs, ours) for flag, theirs, ours in wanted if theirs != ours]
    if differences:
        raise WeightsError(
            f"{source} is a checkpoint of the IICS authors: it needs "
            f"{' '.join(f'{flag} {theirs}' for flag, theirs, _ in differences)}, not "
            f"{' '.join(f'{flag} {ours}' for flag, _, ours in differences)}."
        )


def from_authors_keys(state: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Return the backbone's tensors under our names; the heads are left out, they know clusters nobody has.

    Args:
        state: As in the file; `is_authors_state` holds.
        source: What to call the file in messages.

    Raises:
        WeightsError: If there are tensors outside of backbone and heads, a bottleneck has two different weights, or a
            weight is not one number.
    """
    others = sorted(key for key in state if not key.startswith((_BACKBONE, _HEADS)))
    if others:
        raise WeightsError(
            f"{source} looks like an IICS checkpoint of its authors, but {others[0]} is neither below {_BACKBONE} nor "
            f"below {_HEADS}."
        )
    backbone = {key.removeprefix(_BACKBONE): value for key, value in state.items() if key.startswith(_BACKBONE)}
    alphas = _alpha_by_block(backbone, source)
    ours = {key: value for key, value in backbone.items() if not key.endswith((_ALPHA, _COUNTER))}
    for key in list(ours):
        block = _BLOCK.match(key)
        if key.endswith(".running_mean") and block is not None and block[0] in alphas:
            ours[f"{key.removesuffix('.running_mean')}.mix.alpha"] = alphas[block[0]]
    return ours


def _alpha_by_block(backbone: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return alpha of each bottleneck, a tensor of shape ()."""
    alphas: dict[str, Tensor] = {}
    for key, value in backbone.items():
        block = _BLOCK.match(key)
        if not key.endswith(_ALPHA) or block is None:
            continue
        if value.numel() != 1:
            raise WeightsError(f"{source}: {_BACKBONE}{key} must be one number, got shape {tuple(value.shape)}.")
        alpha = alphas.setdefault(block[0], value.reshape(()))
        if alpha != value.reshape(()):
            raise WeightsError(
                f"{source}: the norms of {_BACKBONE}{block[0]} have different weights, {float(alpha):.4g} and "
                f"{float(value):.4g}; the authors' bottlenecks share one."
            )
    return alphas
