"""Re-ranking: k-reciprocal distance (Zhong et al., CVPR 2017), from one distance matrix to a better one.

Crops are compared by the Jaccard distance of their reciprocal neighbours' weights (`reciprocal`), mixed with the
distance given: (1 - lambda) * Jaccard + lambda * distance.
"""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np
import numpy.typing as npt

from iics.kernels import kernel, torch_threads
from iics.similarity.reciprocal import Neighbours, neighbours_needed, reciprocal_weights
from iics.similarity.sparse_overlap import mirror_lower

FloatMatrix = npt.NDArray[np.float32]

RerankingForm = Literal["paper", "published"]
"""`k_reciprocal_distance`, after the paper's equations, or `published_distance`, as its authors' program has it."""

_TILE = 128


def k_reciprocal_distance(
    distance: FloatMatrix, *, k1: int = 20, k2: int = 6, lambda_value: float = 0.3, overwrite: bool = False
) -> FloatMatrix:
    """Return the k-reciprocal distance: (1 - lambda) * Jaccard + lambda * distance, made symmetric.

    The weights are exp(-d) of the distance as given (the paper's Eq. 7); the authors' program divides each crop's
    distances by their largest first (`published_distance`), which ties the result to the farthest crop. Neighbours are
    ordered by (distance, index), a crop first among its own. Takes O(n^2) time to read the distance and to write the
    result; between them only neighbours are touched.

    Args:
        distance: Smaller is closer, e.g. 1 - cosine. Symmetric but for rounding. Shape (n, n).
        k1: Neighbours, beside the crop itself, among which reciprocal ones are sought. Clipped to n - 1.
        k2: Nearest crops, itself included, over which weights are averaged (local query expansion). Clipped to n.
        lambda_value: Share of the given distance, in [0, 1].
        overwrite: Whether to write the result into `distance`, if it is a float32 array in C order, and so to save one
            n x n matrix.

    Returns:
        Distance, exactly symmetric, 0 on the diagonal. Shape (n, n).

    Raises:
        ValueError: If the distance is not square or not finite, or a setting is out of range.
    """
    check_reranking(k1, k2, lambda_value)
    reranked = _checked(distance, copy=None if overwrite else True)
    neighbours = nearest(reranked, neighbours_needed(len(distance), k1, k2))
    weights = reciprocal_weights(neighbours, lambda p, q: reranked[p, q], k1=k1, k2=k2)
    with torch_threads() as num_threads:
        _scale_lower(reranked, np.float32(lambda_value), num_threads)
    weights.add_overlap(reranked, scale=lambda_value - 1)
    mirror_lower(reranked)
    np.fill_diagonal(reranked, 0)
    return reranked


def published_distance(distance: FloatMatrix, *, k1: int = 20, k2: int = 6, lambda_value: float = 0.3) -> FloatMatrix:
    """Return the distance as the program computes it that its authors published and other toolboxes took over.

    It departs from `k_reciprocal_distance` in three places: each crop's distances are divided by the largest of them
    before anything else (so neither the weights nor the result are symmetric: row p is seen from crop p), a
    neighbour's set is joined where more than two thirds of it are covered, and nothing is made symmetric.

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
    jaccard: FloatMatrix = 1 - weights.overlap_rows(np.arange(len(scaled)))
    return np.float32(1 - lambda_value) * jaccard + np.float32(lambda_value) * scaled


def farthest_or_one(farthest: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what each crop's distances are divided by: the largest, or 1 where all crops are the same."""
    return np.where(farthest > 0, farthest, np.float32(1))


def _checked(distance: FloatMatrix, *, copy: bool | None) -> FloatMatrix:
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1] or len(distance) == 0:
        raise ValueError(f"distance must have shape (crops, crops), got {distance.shape}.")
    checked = np.array(distance, dtype=np.float32, order="C", copy=copy)
    with torch_threads():
        if not np.isfinite(_row_sums(checked)).all():
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


@kernel(parallel=True, fastmath=frozenset({"reassoc"}))
def _row_sums(distance: FloatMatrix) -> npt.NDArray[np.float64]:
    sums = np.zeros(len(distance), np.float64)
    for p in numba.prange(len(distance)):
        total = 0.0
        for q in range(len(distance)):
            total += distance[p, q]
        sums[p] = total
    return sums


def nearest(distance: FloatMatrix, k: int) -> Neighbours:
    """Return the k nearest of each crop, itself first, then ordered by (distance, index). Shape (n, k)."""
    with torch_threads():
        return _nearest(distance, k)


@kernel(parallel=True)
def _nearest(distance: FloatMatrix, k: int) -> Neighbours:
    num_crops = len(distance)
    found = np.empty((num_crops, k), np.int32)
    for p in numba.prange(num_crops):
        values = np.full(k, np.inf, np.float32)
        values[0] = -np.inf  # the crop itself keeps the first place, whatever duplicates it has
        found[p, 0] = p
        for q in range(num_crops):
            d = distance[p, q]
            if d >= values[k - 1] or q == p:  # on a tie the smaller index came first and stays
                continue
            place = k - 1
            while values[place - 1] > d:
                values[place] = values[place - 1]
                found[p, place] = found[p, place - 1]
                place -= 1
            values[place] = d
            found[p, place] = q
    return found


@kernel(parallel=True)
def _scale_lower(distance: FloatMatrix, lambda_value: np.float32, num_threads: int) -> None:
    """Replace entries below the diagonal by (1 - lambda) + lambda * (d + d') / 2, tile by tile for the cache's sake."""
    num_rows = len(distance)
    farthest = np.float32(1) - lambda_value
    half = lambda_value / np.float32(2)
    for thread in numba.prange(num_threads):
        for top in range(thread * _TILE, num_rows, num_threads * _TILE):  # in turn: lower rows have more to do
            bottom = min(top + _TILE, num_rows)
            for left in range(0, bottom, _TILE):
                for i in range(top, bottom):
                    for j in range(left, min(left + _TILE, i)):
                        distance[i, j] = farthest + half * (distance[i, j] + distance[j, i])
