"""Cluster memory (Dai et al., "Cluster Contrast", 2021): a classifier whose weights are mean features, not learned.

Each cluster has a vector c, the normalised mean of its crops before the stage. The loss of a crop f of cluster y is
cross-entropy over all clusters, of f.c / temperature. After each step, c moves towards the batch's crops of its
cluster: c = normalise(m c + (1 - m) q), where q is their mean, or the one of them that is least like c.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from iics.models.features import l2_normalise
from iics.training.losses import LabelledCrops, LabelLoss

Towards = Literal["mean", "hardest"]


class ClusterMemory(LabelLoss):
    """Cross-entropy over the clusters' vectors.

    The vectors move once a step, by all crops of the batch together: the same on any number of processes, and however
    many parts the batch is computed in.

    Attributes:
        vectors: L2-normalised; no gradient. Shape (num_labels, d).

    Args:
        num_features: d.
        num_labels: Number of clusters.
        temperature: Similarities are divided by it.
        momentum: m, the share of itself that a vector keeps in a step, not that of what is new.
        towards: What q is.
    """

    vectors: Tensor

    def __init__(
        self, num_features: int, num_labels: int, *, temperature: float, momentum: float, towards: Towards
    ) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(num_labels, num_features))
        self._temperature, self._momentum, self._towards = temperature, momentum, towards
        self._seen: list[tuple[Tensor, Tensor]] = []

    def start(self, crops: LabelledCrops) -> None:
        """Take the normalised mean of each cluster's crops."""
        super().start(crops)
        labels = crops.labels.to(crops.features.device)
        is_labelled = labels >= 0
        sums = torch.zeros_like(self.vectors, dtype=crops.features.dtype, device=crops.features.device)
        sums.index_add_(0, labels[is_labelled], crops.features[is_labelled])
        self.vectors = l2_normalise(sums)

    def forward(self, features: Tensor, labels: Tensor, _crop_ids: Tensor) -> dict[str, Tensor]:
        """Return loss, and accuracy: how often a crop is most like its own cluster's vector."""
        features = l2_normalise(features)
        self._seen.append((features.detach(), labels))
        logits = features @ self.vectors.T / self._temperature
        return {
            "loss": F.cross_entropy(logits, labels),
            "accuracy": (logits.argmax(dim=1) == labels).float().mean(),
        }

    def after_step(self) -> None:
        """Move the vectors of the clusters in the batch."""
        features, labels = (torch.cat(seen) for seen in zip(*self._seen, strict=True))
        self._seen.clear()
        self.vectors = moved_memory(self.vectors, features, labels, momentum=self._momentum, towards=self._towards)


@torch.no_grad()
def moved_memory(vectors: Tensor, features: Tensor, labels: Tensor, *, momentum: float, towards: Towards) -> Tensor:
    """Return the clusters' vectors after a step; those of clusters without a crop in the batch stay.

    Args:
        vectors: L2-normalised; unchanged. Shape (num_labels, d).
        features: Of the batch, L2-normalised. Shape (n, d).
        labels: Cluster of each. Shape (n,).
        momentum: As for `ClusterMemory`.
        towards: As for `ClusterMemory`.
    """
    is_same = labels[:, None] == labels  # (n, n): of a batch, hence small
    if towards == "mean":
        wanted = is_same.to(features.dtype) @ features / is_same.sum(dim=1, keepdim=True)
    else:
        likeness = (features * vectors[labels]).sum(dim=1)
        wanted = features[likeness.expand_as(is_same).masked_fill(~is_same, torch.inf).argmin(dim=1)]
    moved = l2_normalise(momentum * vectors[labels] + (1 - momentum) * wanted)
    # The rows of a cluster are alike but for rounding: all take the first one's, so that it does not matter who writes.
    first = is_same.to(torch.uint8).argmax(dim=1)
    return vectors.index_copy(0, labels, moved[first])
