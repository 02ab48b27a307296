"""What labels train: a loss is a module that returns named terms. `LOSSES` lists them by name; Eq. 11 is one of them.

To add one, write a `LabelLoss` and give it a line in `LOSSES`. Its terms are recorded and drawn by their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.errors import TrainingError, check_setting
from iics.models.heads import BNNeckHead


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """What the labels of a stage were found from, for losses that compare with more than a batch holds.

    Attributes:
        labels: Label of each crop; -1 for crops of none. Shape (n,).
        camera_ids: Camera of each crop. Shape (n,).
        features: Before this training, L2-normalised, on the model's device. Shape (n, d).
        label_weights: How much the crops of each label weigh, scaled to mean 1 over a batch; None weighs all alike. On
            the model's device. Shape (num_labels,).
    """

    labels: Tensor
    camera_ids: Tensor
    features: Tensor
    label_weights: Tensor | None = None


class LabelLoss(nn.Module):
    """What is minimised over labelled crops, with what it learns itself: a head, say.

    Called with raw features of some rows of a batch (n, d), their labels (n,) and which crop each is (n,), it returns
    its terms by name. "loss" comes first and is minimised; the others are recorded. Each is a mean over rows, so that a
    batch may be computed in parts.
    """

    def start(self, crops: LabelledCrops) -> None:
        """Get ready, once, before the first step; called by stages that extract features.

        Raises:
            SettingsError: If labels have weights; a loss that can weigh them says so by a `start` of its own.
        """
        check_setting(
            crops.label_weights is None,
            f"{type(self).__name__} does not weigh clusters; choose stage2.one-camera-clusters keep or drop, or the "
            "loss classifier-triplet.",
        )

    def after_step(self) -> None:
        """Follow what a step has changed; called after each, on every process alike. Does nothing by default."""


class LossSettings(Protocol):
    """What a loss may be told by a stage's settings."""

    @property
    def triplet_weight(self) -> float:
        """Lambda of Eq. 11."""

    @property
    def triplet_margin(self) -> float:
        """Margin of the triplet loss."""


class ClassifierAndTriplet(LabelLoss):
    """Eq. 11: cross-entropy of a BN-neck classifier plus lambda times the batch-hard triplet.

    Args:
        num_features: d.
        num_labels: Outputs of the classifier.
        triplet_weight: Lambda.
        triplet_margin: In feature units.
        generator: Source of the classifier's first weights.
    """

    def __init__(
        self,
        num_features: int,
        num_labels: int,
        *,
        triplet_weight: float,
        triplet_margin: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.head = BNNeckHead(num_features, num_labels, generator=generator)
        self._weight, self._margin = triplet_weight, triplet_margin
        self._label_weights: Tensor | None = None

    def start(self, crops: LabelledCrops) -> None:
        """Take the weights of labels."""
        self._label_weights = crops.label_weights

    def forward(self, features: Tensor, labels: Tensor, crop_ids: Tensor) -> dict[str, Tensor]:
        """Return loss, cross_entropy, triplet before the weight, and accuracy: how often the head was right."""
        logits = self.head(features)
        weights = None if self._label_weights is None else _of_mean_1(self._label_weights[labels])
        losses = F.cross_entropy(logits, labels, reduction="none" if weights is not None else "mean")
        cross_entropy = losses if weights is None else (weights * losses).mean()
        triplet = batch_hard_triplet(features, labels, crop_ids, margin=self._margin, weights=weights)
        return {
            "loss": cross_entropy + self._weight * triplet,
            "cross_entropy": cross_entropy,
            "triplet": triplet,
            "accuracy": (logits.argmax(dim=1) == labels).float().mean(),
        }


def _classifier_and_triplet(
    num_features: int, num_labels: int, settings: LossSettings, generator: torch.Generator
) -> LabelLoss:
    return ClassifierAndTriplet(
        num_features,
        num_labels,
        triplet_weight=settings.triplet_weight,
        triplet_margin=settings.triplet_margin,
        generator=generator,
    )


LossOfLabels = Callable[[int, int, LossSettings, torch.Generator], LabelLoss]
"""Number of features, number of labels, settings of the stage, source of random weights: to a new loss."""

LOSSES: dict[str, LossOfLabels] = {"classifier-triplet": _classifier_and_triplet}


def _of_mean_1(weights: Tensor) -> Tensor:
    return weights / weights.mean()


def batch_hard_triplet(
    features: Tensor, labels: Tensor, crop_ids: Tensor, *, margin: float, weights: Tensor | None = None
) -> Tensor:
    """Return the mean hinge between each anchor's farthest positive and nearest negative, in Euclidean distance.

    A crop drawn twice is not its own positive. Anchors without a positive or without a negative do not count; if none
    counts, the loss is 0.

    Args:
        features: Raw features. Shape (n, d).
        labels: Cluster of each row. Shape (n,).
        crop_ids: Which crop each row is; equal for repeats. Shape (n,).
        margin: By how much the negative shall be farther, in feature units.
        weights: How much each anchor weighs; None weighs all alike. Shape (n,).
    """
    distance = euclidean_distance(features)
    is_same = labels[:, None] == labels[None, :]
    is_positive = is_same & (crop_ids[:, None] != crop_ids[None, :])
    farthest = distance.masked_fill(~is_positive, -torch.inf).amax(dim=1)
    nearest = distance.masked_fill(is_same, torch.inf).amin(dim=1)
    counts = is_positive.any(dim=1) & ~is_same.all(dim=1)
    # Chosen by a mask, not by index: how many count is not to be waited for.
    hinge = torch.where(counts, farthest - nearest + margin, 0.0).clamp_min(0)
    if weights is not None:
        hinge = weights * hinge
    return hinge.sum() / counts.sum().clamp_min(1)


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
