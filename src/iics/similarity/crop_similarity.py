"""Similarity of crops by the pair, by the row or all at once: cosine, Eq. 5, or Eq. 9 alone.

The same numbers, but for the last bits, whether the matrix of all pairs fits into memory or not.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from iics.kernels import REORDERED, kernel, torch_threads
from iics.memory import free_on
from iics.similarity.dense_overlap import dense_overlap_block, dense_overlap_pairs
from iics.similarity.inter_camera import check_mu, cosine_similarity, inter_camera_similarity
from iics.similarity.score_overlap import check_scores, score_overlap

FloatMatrix = npt.NDArray[np.float32]
FloatVector = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.integer[Any]]
Crops = IntVector | slice


class OverlapFunction(Protocol):
    """Scores of C heads to the overlap of all pairs, as `score_overlap`."""

    def __call__(self, scores: Tensor, *, num_cameras: int) -> Tensor:
        """Return J. Shapes (n, K) to (n, n)."""


class CropSimilarity(Protocol):
    """Similarity of every pair of n crops; larger is closer."""

    def __len__(self) -> int:
        """Return the number of crops."""

    def matrix(self) -> FloatMatrix:
        """Return all similarities, exactly symmetric, as an array of its own; O(n^2) memory. Shape (n, n)."""

    def block(self, rows: Crops, columns: Crops) -> FloatMatrix:
        """Return the similarities of some crops and others; a slice copies nothing. Shape (rows, columns)."""

    def pairs(self, first: IntVector, second: IntVector) -> FloatVector:
        """Return the similarities of the pairs (first[i], second[i]). Shape (len(first),)."""

    def upper_bounds(self, rows: slice, columns: slice) -> FloatMatrix:
        """Return numbers that are cheap and no similarity exceeds but by rounding. Shape (len(rows), len(columns))."""

    def search_features(self) -> FloatMatrix | None:
        """Return features whose nearest crops are mostly the most similar ones, if there are any. Shape (n, d)."""

    def settle(self, upper_bounds: FloatVector, first: IntVector, second: IntVector) -> FloatVector:
        """Return the similarities of some pairs from their upper bounds. Shape (len(first),)."""


class CosineSimilarity:
    """Cosine of features.

    Args:
        features: L2-normalised rows. Shape (n, d), float32.
    """

    def __init__(self, features: Tensor) -> None:
        self.features = features.detach()

    def __len__(self) -> int:
        return len(self.features)

    def matrix(self) -> FloatMatrix:
        """See `CropSimilarity`."""
        return cosine_similarity(_where_the_matrix_fits(self.features)).cpu().numpy()

    def block(self, rows: Crops, columns: Crops) -> FloatMatrix:
        """See `CropSimilarity`."""
        return (_of(self.features, rows) @ _of(self.features, columns).T).cpu().numpy()

    def pairs(self, first: IntVector, second: IntVector) -> FloatVector:
        """See `CropSimilarity`."""
        with torch_threads():
            return _cosines(self.features.cpu().numpy(), first, second)

    def upper_bounds(self, rows: slice, columns: slice) -> FloatMatrix:
        """Return the cosines themselves."""
        return self.block(rows, columns)

    def search_features(self) -> FloatMatrix:
        """Return the features."""
        return self.features.cpu().contiguous().numpy()

    def settle(self, upper_bounds: FloatVector, first: IntVector, second: IntVector) -> FloatVector:  # noqa: ARG002
        """Return the bounds: they are the cosines."""
        return upper_bounds


class OverlapSimilarity:
    """Score overlap alone (Eq. 9).

    Args:
        scores: Softmax outputs of all heads, side by side. Shape (n, K).
        num_heads: Number of heads C; rows sum to it.
        compute: What makes the matrix of all pairs: `score_overlap`, or a way of several processes to the same.

    Raises:
        ValueError: If the scores are no softmax outputs.
    """

    def __init__(self, scores: Tensor, *, num_heads: int, compute: OverlapFunction = score_overlap) -> None:
        check_scores(scores, num_heads)
        self.scores = scores.detach().float()
        self.num_heads = num_heads
        self._compute = compute

    def __len__(self) -> int:
        return len(self.scores)

    def matrix(self) -> FloatMatrix:
        """See `CropSimilarity`."""
        return self.all_pairs().cpu().numpy()

    def all_pairs(self) -> Tensor:
        """Return the matrix where it fits: on the device of the scores, or on the CPU. Shape (n, n)."""
        return self._compute(_where_the_matrix_fits(self.scores), num_cameras=self.num_heads)

    def block(self, rows: Crops, columns: Crops) -> FloatMatrix:
        """See `CropSimilarity`."""
        return dense_overlap_block(self._on_cpu[rows], self._on_cpu[columns])

    def pairs(self, first: IntVector, second: IntVector) -> FloatVector:
        """See `CropSimilarity`."""
        return dense_overlap_pairs(self._on_cpu, first, second)

    def upper_bounds(self, rows: slice, columns: slice) -> FloatMatrix:
        """Return the overlaps themselves."""
        return self.block(rows, columns)

    def search_features(self) -> None:
        """Return None: scores have no cheap neighbours."""

    def settle(self, upper_bounds: FloatVector, first: IntVector, second: IntVector) -> FloatVector:  # noqa: ARG002
        """Return the bounds: they are the overlaps."""
        return upper_bounds

    @cached_property
    def _on_cpu(self) -> FloatMatrix:
        return self.scores.cpu().contiguous().numpy()


class InterCameraSimilarity:
    """Cosine, raised for pairs of different cameras by mu times their overlap (Eq. 5).

    Args:
        features: L2-normalised rows. Shape (n, d), float32.
        overlap: Of the same crops.
        camera_ids: Camera of each crop. Shape (n,).
        mu: Weight of the overlap.

    Raises:
        ValueError: If `mu` is out of range or the lengths differ.
    """

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

    def matrix(self) -> FloatMatrix:
        """See `CropSimilarity`."""
        if self.mu == 0:
            return self.cosine.matrix()
        overlap = self.overlap.all_pairs()
        features, cameras = self.cosine.features.to(overlap.device), self.cameras.to(overlap.device)
        return inter_camera_similarity(features, overlap, cameras, mu=self.mu, out=overlap).cpu().numpy()

    def block(self, rows: Crops, columns: Crops) -> FloatMatrix:
        """See `CropSimilarity`."""
        if self.mu == 0:
            return self.cosine.block(rows, columns)
        raised = self.overlap.block(rows, columns)
        raised *= np.float32(self.mu) * self._across(rows, columns)
        raised += self.cosine.block(rows, columns)
        return raised

    def pairs(self, first: IntVector, second: IntVector) -> FloatVector:
        """See `CropSimilarity`."""
        similarity = self.cosine.pairs(first, second)
        across = self._pairs_across(first, second)
        similarity[across] += np.float32(self.mu) * self.overlap.pairs(first[across], second[across])
        return similarity

    def upper_bounds(self, rows: slice, columns: slice) -> FloatMatrix:
        """Return the cosines, raised by mu for pairs of different cameras: no overlap exceeds 1."""
        features, cameras = self.cosine.features, self.cameras
        bounds = features[rows] @ features[columns].T
        return bounds.add_(cameras[rows, None] != cameras[None, columns], alpha=self.mu).cpu().numpy()

    def search_features(self) -> FloatMatrix:
        """Return the features: the overlap moves few neighbours."""
        return self.cosine.search_features()

    def settle(self, upper_bounds: FloatVector, first: IntVector, second: IntVector) -> FloatVector:
        """Return bound - mu * (1 - J) for pairs of different cameras."""
        similarity = upper_bounds.copy()
        across = self._pairs_across(first, second)
        similarity[across] -= np.float32(self.mu) * (1 - self.overlap.pairs(first[across], second[across]))
        return similarity

    def _across(self, rows: Crops, columns: Crops) -> npt.NDArray[np.bool_]:
        cameras = self.cameras.cpu().numpy()
        across: npt.NDArray[np.bool_] = cameras[rows][:, None] != cameras[columns][None, :]
        return across

    def _pairs_across(self, first: IntVector, second: IntVector) -> IntVector:
        """Return the places of pairs of different cameras; of none if the overlap has no weight."""
        cameras = self.cameras.cpu().numpy()
        return np.flatnonzero(cameras[first] != cameras[second]) if self.mu > 0 else np.empty(0, np.int64)


def _where_the_matrix_fits(rows: Tensor) -> Tensor:
    """Return rows where they are if their device has room for all pairs, on the CPU otherwise."""
    return rows if 5 * len(rows) ** 2 < free_on(rows.device) else rows.cpu()  # 4 bytes a pair, and blocks


def _of(features: Tensor, crops: Crops) -> Tensor:
    return features[crops] if isinstance(crops, slice) else features[torch.tensor(crops, device=features.device)]


@kernel(fastmath=REORDERED)
def _dot(a: FloatVector, b: FloatVector) -> np.float32:
    total = np.float32(0)
    for k in range(len(a)):
        total += a[k] * b[k]
    return total


@kernel(parallel=True)
def _cosines(features: FloatMatrix, first: IntVector, second: IntVector) -> FloatVector:
    cosines = np.empty(len(first), np.float32)
    for pair in numba.prange(len(first)):
        cosines[pair] = _dot(features[first[pair]], features[second[pair]])
    return cosines
