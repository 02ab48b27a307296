"""Inter-camera similarity (Eq. 5) of features and score overlap: all pairs at once, by pair or by block."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from iics.arrays import FloatArray, IndexArray
from iics.similarity.cosine import CosineSimilarity, check_features, products
from iics.similarity.crop_similarity import ComparedCrops, Crops, CropSimilarity, SimilarityKind, UpperBounds
from iics.similarity.overlap_similarity import OverlapSimilarity


def inter_camera_similarity(
    features: Tensor, overlap: Tensor, cameras: Tensor, *, mu: float, out: Tensor | None = None
) -> Tensor:
    """Return cosine similarity, raised for pairs seen by different cameras.

    Takes O(n^2 d) time, halved by symmetry, and the memory of the result and a few of its rows.

    Args:
        features: L2-normalised rows f. Shape (n, d).
        overlap: Agreement of classifier scores (Eq. 9), symmetric, in [0, 1]. Shape (n, n).
        cameras: Camera of each crop. Shape (n,).
        mu: Weight of the overlap; 0 leaves the cosine unchanged.
        out: Where to write; may be `overlap` itself. Shape (n, n).

    Returns:
        Similarity; larger is closer; at most 1 + mu; exactly symmetric. Shape (n, n).

    Raises:
        ValueError: If `mu` is negative, NaN or infinite, or shapes or `out` do not belong together.
    """
    check_mu(mu)
    num_crops = check_features(features)
    if overlap.shape != (num_crops, num_crops):
        raise ValueError(
            f"{num_crops} features need an overlap of {num_crops} x {num_crops}, got {tuple(overlap.shape)}."
        )
    if cameras.shape != (num_crops,):
        raise ValueError(f"{num_crops} features need {num_crops} cameras, got shape {tuple(cameras.shape)}.")

    def raise_across(block: Tensor, rows: slice) -> None:
        across = cameras[rows, None] != cameras[None, rows.start :]
        block.add_(overlap[rows, rows.start :] * across, alpha=mu)

    return products(features, out, raise_across)


class InterCameraSimilarity:
    """Cosine, plus mu times the overlap for pairs of different cameras (Eq. 5).

    Args:
        features: L2-normalised rows. Shape (n, d), float32.
        overlap: Of the same crops.
        camera_ids: Camera of each crop. Shape (n,).
        mu: Weight of the overlap.

    Raises:
        ValueError: If `mu` is out of range or the lengths differ.
    """

    compares_scores = True

    def __init__(self, features: Tensor, overlap: OverlapSimilarity, camera_ids: Tensor, *, mu: float) -> None:
        check_mu(mu)
        if not len(features) == len(overlap) == len(camera_ids):
            raise ValueError(
                f"{len(features)} features need as many scores and cameras, got {len(overlap)} and {len(camera_ids)}."
            )
        self.cosine = CosineSimilarity(features)
        self.overlap = overlap
        self.cameras = camera_ids
        self.mu = mu

    def __len__(self) -> int:
        return len(self.cosine)

    @property
    def features(self) -> Tensor:
        """The features: the overlap changes few neighbours. Shape (n, d)."""
        return self.cosine.features

    @property
    def bounds(self) -> UpperBounds:
        """Cosines, plus mu for pairs of different cameras: no overlap exceeds 1."""
        return UpperBounds(self._raised_cosines, self._settle)

    def matrix(self) -> FloatArray:
        """See `CropSimilarity`."""
        overlap = self.overlap.all_pairs()
        features, cameras = self.features.to(overlap.device), self.cameras.to(overlap.device)
        return inter_camera_similarity(features, overlap, cameras, mu=self.mu, out=overlap).cpu().numpy()

    def block(self, rows: Crops, columns: Crops) -> FloatArray:
        """See `CropSimilarity`."""
        cameras = self.cameras.cpu().numpy()
        raised = self.overlap.block(rows, columns)
        raised *= np.float32(self.mu) * (cameras[rows][:, None] != cameras[columns][None, :])
        raised += self.cosine.block(rows, columns)
        return raised

    def pairs(self, first: IndexArray, second: IndexArray) -> FloatArray:
        """See `CropSimilarity`."""
        similarity = self.cosine.pairs(first, second)
        across = self._across(first, second)
        similarity[across] += np.float32(self.mu) * self.overlap.pairs(first[across], second[across])
        return similarity

    def _raised_cosines(self, rows: slice, columns: slice) -> FloatArray:
        bounds = self.features[rows] @ self.features[columns].T
        return bounds.add_(self.cameras[rows, None] != self.cameras[None, columns], alpha=self.mu).cpu().numpy()

    def _settle(self, bounds: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
        """Return bound - mu * (1 - J) for pairs of different cameras."""
        similarity = bounds.copy()
        across = self._across(first, second)
        similarity[across] -= np.float32(self.mu) * (1 - self.overlap.pairs(first[across], second[across]))
        return similarity

    def _across(self, first: IndexArray, second: IndexArray) -> IndexArray:
        """Return the places of pairs of different cameras."""
        cameras = self.cameras.cpu().numpy()
        return np.flatnonzero(cameras[first] != cameras[second])


def check_mu(mu: float) -> None:
    """Refuse a weight of the overlap that is negative, NaN or infinite.

    Raises:
        ValueError: If it is.
    """
    if not 0 <= mu < float("inf"):
        raise ValueError(f"mu must be at least 0 and finite, got {mu}.")


def _compare(crops: ComparedCrops) -> CropSimilarity:
    if crops.mu == 0:
        return CosineSimilarity(crops.features)  # the same numbers, without computing an overlap whose weight is 0
    return InterCameraSimilarity(crops.features, OverlapSimilarity.of(crops), crops.camera_ids, mu=crops.mu)


INTER_CAMERA = SimilarityKind(_compare, needs_scores=True, has_features=True)
