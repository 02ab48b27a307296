"""Batch-hard triplet loss, the second term of Eq. 11 (Hermans et al., 2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from iics.errors import TrainingError


def batch_hard_triplet(features: Tensor, labels: Tensor, crop_ids: Tensor, *, margin: float) -> Tensor:
    """Return the mean hinge between each anchor's farthest positive and nearest negative, in Euclidean distance.

    A crop drawn twice is not its own positive. Anchors without a positive or without a negative do not count; if none
    counts, the loss is 0.

    Args:
        features: Raw features. Shape (n, d).
        labels: Cluster of each row. Shape (n,).
        crop_ids: Which crop each row is; equal for repeats. Shape (n,).
        margin: By how much the negative shall be farther, in feature units.

    Returns:
        Scalar.
    """
    distance = euclidean_distance(features)
    is_same = labels[:, None] == labels[None, :]
    is_positive = is_same & (crop_ids[:, None] != crop_ids[None, :])
    farthest = distance.masked_fill(~is_positive, -torch.inf).amax(dim=1)
    nearest = distance.masked_fill(is_same, torch.inf).amin(dim=1)
    counts = is_positive.any(dim=1) & ~is_same.all(dim=1)
    hinge = (farthest[counts] - nearest[counts] + margin).clamp_min(0)
    return hinge.sum() / max(len(hinge), 1)


def check_loss(loss: float, *, phase: str, step: int) -> None:
    """Refuse to go on when training has diverged; what was saved before stays as it is.

    Raises:
        TrainingError: If the loss is infinite or NaN.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"The loss of {phase} is {loss} at step {step}: training has diverged. "
            "Start anew with lower learning rates."
        )


def euclidean_distance(features: Tensor) -> Tensor:
    """Return Euclidean distances between rows, with a finite gradient at 0. Shapes (n, d) to (n, n)."""
    squares = features.square().sum(dim=1)
    return (squares[:, None] + squares[None, :] - 2 * features @ features.T).clamp_min(1e-12).sqrt()
