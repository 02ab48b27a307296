"""Re-ranking: k-reciprocal distance (Zhong et al., CVPR 2017) from a distance matrix.

The result is (1 - lambda) * Jaccard + lambda * distance, with the Jaccard distance of the weights of reciprocal
neighbours (`reciprocal`). It is the distance `reranked` (the paper's rows marked ++).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from iics.arrays import DoubleArray, FloatArray, IndexArray, IntArray
from iics.config import DistanceSettings
from iics.kernels import kernel, on_each_thread
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph, nearest
from iics.similarity.plain_distance import NearPlainDistance, one_minus
from iics.similarity.reciprocal import neighbours_needed, reciprocal_memory, reciprocal_weights
from iics.similarity.sparse_overlap import mirror_lower

K1, K2, LAMBDA = DistanceSettings.k1, DistanceSettings.k2, DistanceSettings.lambda_value

RerankingForm = Literal["paper", "published", "camera-jaccard"]
"""`k_reciprocal_distance`, after the paper's equations, or `published_distance`, as its authors' program has it; or
`iics.similarity.camera_jaccard`, which also uses the cameras."""

_TILE = 128


class RerankedDistance:
    """See `iics.similarity.distance_graph.Distance`.

    Args:
        k1: As for `k_reciprocal_distance`.
        k2: As for `k_reciprocal_distance`.
        lambda_value: As for `k_reciprocal_distance`.

    Raises:
        ValueError: If a setting is out of range.
    """

    by_camera = False

    def __init__(self, *, k1: int, k2: int, lambda_value: float) -> None:
        check_reranking(k1, k2, lambda_value)
        self._k1, self._k2, self._lambda = k1, k2, lambda_value

    def all_pairs(self, similarity: CropSimilarity, _camera_ids: IntArray | None = None) -> FloatArray:
        """Return the k-reciprocal distance of 1 - similarity.

        Raises:
            ValueError: If a similarity is not finite.
        """
        return k_reciprocal_distance(
            one_minus(similarity), k1=self._k1, k2=self._k2, lambda_value=self._lambda, overwrite=True
        )

    def near(self, similarity: CropSimilarity, graph: NeighbourGraph) -> NearRerankedDistance:
        """Return the same from neighbours, as many as k1 and k2 need."""
        return NearRerankedDistance(similarity, graph, k1=self._k1, k2=self._k2, lambda_value=self._lambda)

    def num_neighbours(self, num_crops: int) -> int:
        """Return how many k1 and k2 need."""
        return neighbours_needed(num_crops, self._k1, self._k2)

    def memory(self, num_crops: int) -> int:
        """Return what the weights take."""
        return reciprocal_memory(num_crops, self._k1)


class NearRerankedDistance:
    """The k-reciprocal distance of any crops, from their neighbours."""

    def __init__(
        self, similarity: CropSimilarity, graph: NeighbourGraph, *, k1: int, k2: int, lambda_value: float
    ) -> None:
        self._plain = NearPlainDistance(similarity)
        self._weights = reciprocal_weights(graph.neighbours, lambda p, q: 1 - similarity.pairs(p, q), k1=k1, k2=k2)
        self._lambda = np.float32(lambda_value)

    def rows(self, crops: IndexArray) -> FloatArray:
        """See `CropDistance`."""
        return self._mixed(self._weights.overlap_rows(crops), self._plain.rows(crops))

    def from_similarity(self, similarity: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
        """See `CropDistance`."""
        return self._mixed(self._weights.overlap_pairs(first, second), 1 - similarity)

    def _mixed(self, overlap: FloatArray, distance: FloatArray) -> FloatArray:
        distance *= self._lambda
        distance += jaccard_part(overlap, self._lambda)
        return distance


def k_reciprocal_distance(
    distance: FloatArray, *, k1: int = K1, k2: int = K2, lambda_value: float = LAMBDA, overwrite: bool = False
) -> FloatArray:
    """Return the k-reciprocal distance: (1 - lambda) * Jaccard + lambda * distance, made symmetric.

    The weights are exp(-d) of the given distance (the paper's Eq. 7). The authors' program first divides each crop's
    distances by their largest (`published_distance`), so its result depends on the farthest crop. Neighbours are
    ordered by (distance, index); each crop is its own first neighbour. Takes O(n^2) time to read the distance and to
    write the result; all else only uses neighbours.

    Args:
        distance: Smaller is closer, e.g. 1 - cosine. Symmetric but for rounding. Shape (n, n).
        k1: Neighbours, beside the crop itself, among which reciprocal ones are sought. Clipped to n - 1.
        k2: Nearest crops, itself included, over which weights are averaged (local query expansion). Clipped to n.
        lambda_value: Share of the given distance, in [0, 1].
        overwrite: Whether to write the result into `distance` if it is a float32 array in C order, which saves an n
            x n matrix.

    Returns:
        Distance, exactly symmetric, 0 on the diagonal. Shape (n, n).

    Raises:
        ValueError: If the distance is not square or not finite, or a setting is out of range.
    """
    check_reranking(k1, k2, lambda_value)
    reranked = _checked(distance, copy=None if overwrite else True)
    neighbours = nearest(reranked, neighbours_needed(len(distance), k1, k2))
    weights = reciprocal_weights(neighbours, lambda p, q: reranked[p, q], k1=k1, k2=k2)
    on_each_thread(_scale_lower, reranked, np.float32(lambda_value))
    weights.add_overlap(reranked, scale=lambda_value - 1)
    mirror_lower(reranked)
    np.fill_diagonal(reranked, 0)
    return reranked


def published_distance(distance: FloatArray, *, k1: int = K1, k2: int = K2, lambda_value: float = LAMBDA) -> FloatArray:
    """Return the distance that the program of the method's authors computes, which other toolboxes copied.

    It differs from `k_reciprocal_distance` in three places. Each crop's distances are first divided by their
    largest, so neither weights nor result are symmetric: row p is seen from crop p. A neighbour's set is added if
    more than two thirds of it, not two thirds, are in the crop's own. The result is not made symmetric.

    Args:
        distance: As for `k_reciprocal_distance`; the program's own are squared Euclidean ones, 2 (1 - cosine), whose
            factor cancels. Shape (n, n).
        k1: As for `k_reciprocal_distance`.
        k2: Likewise.
        lambda_value: Likewise.

    Returns:
        Distance of each row's crop to all. Shape (n, n).

    Raises:
        ValueError: As `k_reciprocal_distance`.
    """
    check_reranking(k1, k2, lambda_value)
    scaled = _checked(distance, copy=True)
    scaled /= farthest_or_one(scaled.max(axis=1))[:, None]
    neighbours = nearest(scaled, neighbours_needed(len(scaled), k1, k2))
    weights = reciprocal_weights(neighbours, lambda p, q: scaled[p, q], k1=k1, k2=k2, covers_more=True)
    mixed = jaccard_part(weights.overlap_rows(np.arange(len(scaled))), np.float32(lambda_value))
    scaled *= np.float32(lambda_value)
    mixed += scaled
    return mixed


def jaccard_part(overlap: FloatArray, lambda_value: np.float32) -> FloatArray:
    """Return (1 - lambda) * (1 - overlap), the Jaccard part of the mixture, in place."""
    np.subtract(1, overlap, out=overlap)
    overlap *= 1 - lambda_value
    return overlap


def farthest_or_one(farthest: FloatArray) -> FloatArray:
    """Return the divisor of each crop's distances: the largest, or 1 if all crops are the same."""
    return np.where(farthest > 0, farthest, np.float32(1))


def _checked(distance: FloatArray, *, copy: bool | None) -> FloatArray:
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1] or len(distance) == 0:
        raise ValueError(f"distance must have shape (crops, crops), got {distance.shape}.")
    checked = np.array(distance, dtype=np.float32, order="C", copy=copy)
    sums = np.empty(len(checked), np.float64)
    on_each_thread(_row_sums, checked, sums)
    if not np.isfinite(sums).all():
        raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")
    return checked


def check_reranking(k1: int, k2: int, lambda_value: float) -> None:
    """Refuse settings out of range.

    Raises:
        ValueError: If one is.
    """
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1 and k2 must be at least 1, got k1={k1}, k2={k2}.")
    if not 0 <= lambda_value <= 1:
        raise ValueError(f"lambda_value must lie in [0, 1], got {lambda_value}.")


@kernel(fastmath=frozenset({"reassoc"}))
def _row_sums(distance: FloatArray, sums: DoubleArray, thread: int, num_threads: int) -> None:
    for p in range(thread, len(distance), num_threads):
        total = 0.0
        for q in range(len(distance)):
            total += distance[p, q]
        sums[p] = total


@kernel()
def _scale_lower(distance: FloatArray, lambda_value: np.float32, thread: int, num_threads: int) -> None:
    """Replace entries below the diagonal by (1 - lambda) + lambda * (d + d') / 2, tile by tile for the cache's sake."""
    num_rows = len(distance)
    farthest = np.float32(1) - lambda_value
    half = lambda_value / np.float32(2)
    for top in range(thread * _TILE, num_rows, num_threads * _TILE):  # in turn: lower rows have more to do
        bottom = min(top + _TILE, num_rows)
        for left in range(0, bottom, _TILE):
            for i in range(top, bottom):
                for j in range(left, min(left + _TILE, i)):
                    distance[i, j] = farthest + half * (distance[i, j] + distance[j, i])
