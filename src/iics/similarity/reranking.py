"""Re-ranking: k-reciprocal distance (Zhong et al., CVPR 2017), from one distance matrix to a better one.

Two crops of one person are among each other's nearest, and share those neighbours. Each crop p is described by its
reciprocal neighbours R(p), a sparse row of Gaussian weights; rows are compared by their Jaccard distance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
import scipy.sparse

from iics.similarity.threads import torch_threads

FloatMatrix = npt.NDArray[np.float32]
Neighbours = npt.NDArray[np.int32]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_parallel: Callable[[_Function], _Function] = numba.njit(parallel=True, nogil=True)
_compiled: Callable[[_Function], _Function] = numba.njit(nogil=True)

_TILE = 128


def k_reciprocal_distance(
    distance: FloatMatrix, *, k1: int = 20, k2: int = 6, lambda_value: float = 0.3
) -> FloatMatrix:
    """Return the k-reciprocal distance: (1 - lambda) * Jaccard + lambda * distance, made symmetric.

    The weights are exp(-d) of the distance as given (the paper's Eq. 7); the authors' program squares the distances
    and divides them by their largest value first, which would tie the result to the farthest crop. Neighbours are
    ordered by (distance, index), a crop first among its own. Takes O(n^2) time and one more n x n matrix.

    Args:
        distance: Smaller is closer, e.g. 1 - cosine. Symmetric but for rounding. Shape (n, n).
        k1: Neighbours, beside the crop itself, among which reciprocal ones are sought. Clipped to n - 1.
        k2: Nearest crops, itself included, over which weights are averaged (local query expansion). Clipped to n.
        lambda_value: Share of the given distance, in [0, 1].

    Returns:
        Distance, exactly symmetric, 0 on the diagonal. Shape (n, n).

    Raises:
        ValueError: If the distance is not square or not finite, or a setting is out of range.
    """
    _check(distance, k1, k2, lambda_value)
    with torch_threads():
        return _rerank(np.ascontiguousarray(distance, dtype=np.float32), k1, k2, lambda_value)


def _rerank(distance: FloatMatrix, k1: int, k2: int, lambda_value: float) -> FloatMatrix:
    num_crops = len(distance)
    neighbours = _nearest(distance, min(max(k1 + 1, k2), num_crops))
    weights = _neighbour_weights(distance, neighbours, min(k1 + 1, num_crops), min(round(k1 / 2) + 1, num_crops))
    weights = _local_expansion(weights, neighbours[:, :k2])
    by_column = weights.tocsc()
    reranked = _jaccard_and_distance(
        distance,
        np.float32(lambda_value),
        *(weights.indptr, weights.indices, weights.data),
        *(by_column.indptr, by_column.indices, by_column.data),
    )
    _average_with_transpose(reranked)
    np.fill_diagonal(reranked, 0)
    return reranked


def _check(distance: FloatMatrix, k1: int, k2: int, lambda_value: float) -> None:
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1] or len(distance) == 0:
        raise ValueError(f"distance must have shape (crops, crops), got {distance.shape}.")
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1 and k2 must be at least 1, got k1={k1}, k2={k2}.")
    if not 0 <= lambda_value <= 1:
        raise ValueError(f"lambda_value must lie in [0, 1], got {lambda_value}.")
    if not np.isfinite(distance.sum(axis=1, dtype=np.float64)).all():  # row sums: no n x n mask
        raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")


@_parallel
def _nearest(distance: FloatMatrix, k: int) -> Neighbours:
    """Return the k nearest of each crop, itself first, then ordered by (distance, index)."""
    num_crops = len(distance)
    nearest = np.empty((num_crops, k), np.int32)
    for p in numba.prange(num_crops):
        values = np.full(k, np.inf, np.float32)
        values[0] = -np.inf  # the crop itself keeps the first place, whatever duplicates it has
        nearest[p, 0] = p
        for q in range(num_crops):
            d = distance[p, q]
            if d >= values[k - 1] or q == p:  # on a tie the smaller index came first and stays
                continue
            place = k - 1
            while values[place - 1] > d:
                values[place] = values[place - 1]
                nearest[p, place] = nearest[p, place - 1]
                place -= 1
            values[place] = d
            nearest[p, place] = q
    return nearest


# The helpers below are compiled without `parallel`: inside a parallel loop numba 0.68 rewrites array expressions such
# as np.any(members[:size] == q) into loops of their own and then reads a stale `size`.
@_compiled
def _contains(crops: Neighbours, size: int, wanted: int) -> bool:
    for i in range(size):  # noqa: SIM110 - numba compiles no generator
        if crops[i] == wanted:
            return True
    return False


@_compiled
def _reciprocal(neighbours: Neighbours, p: int, k: int) -> Neighbours:
    """Return R(p): those of the first k neighbours of p that have p among their first k."""
    found = np.empty(k, np.int32)
    count = 0
    for i in range(k):
        if _contains(neighbours[neighbours[p, i]], k, p):
            found[count] = neighbours[p, i]
            count += 1
    return found[:count]


@_compiled
def _expand(neighbours: Neighbours, p: int, k: int, half: int, members: Neighbours) -> int:
    """Write R*(p) to `members` and return its size."""
    close = _reciprocal(neighbours, p, k)
    size = len(close)
    for i in range(size):
        members[i] = close[i]
    for q in close:
        candidates = _reciprocal(neighbours, q, half)
        num_shared = 0
        for candidate in candidates:
            num_shared += _contains(close, len(close), candidate)
        if 3 * num_shared < 2 * len(candidates):
            continue
        for candidate in candidates:
            if not _contains(members, size, candidate):
                members[size] = candidate
                size += 1
    return size


@_parallel
def _expanded_sets(neighbours: Neighbours, k: int, half: int) -> tuple[Neighbours, Neighbours]:
    """Return R*(p), R(p, k) joined with every R(q, half) of its members that it covers by two thirds."""
    num_crops = len(neighbours)
    members = np.empty((num_crops, k * (half + 1)), np.int32)  # padded rows; `sizes` says how far they are filled
    sizes = np.empty(num_crops, np.int32)
    for p in numba.prange(num_crops):
        sizes[p] = _expand(neighbours, p, k, half, members[p])
    return members, sizes


def _neighbour_weights(distance: FloatMatrix, neighbours: Neighbours, k: int, half: int) -> Any:
    """Return the sparse Gaussian weights: exp(-d) over R*(p), rows summing to 1."""
    members, sizes = _expanded_sets(neighbours, k, half)
    filled = np.arange(members.shape[1]) < sizes[:, None]
    rows, columns = np.nonzero(filled)[0], members[filled]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    distances = distance[rows, columns].astype(np.float64)
    # Measured from the row's smallest distance, which cancels in the sum: no row can vanish by underflow.
    weights = np.exp(np.minimum.reduceat(distances, starts[:-1])[rows] - distances)
    weights /= np.add.reduceat(weights, starts[:-1])[rows]
    return scipy.sparse.csr_array((weights.astype(np.float32), columns, starts), shape=distance.shape)


def _local_expansion(weights: Any, nearest: Neighbours) -> Any:
    """Return each crop's weights averaged over its nearest crops, columns in order."""
    num_crops, k = nearest.shape
    starts = np.arange(0, num_crops * k + 1, k)
    mean = scipy.sparse.csr_array(
        (np.full(nearest.size, 1 / k, np.float32), nearest.ravel(), starts), shape=weights.shape
    )
    expanded = mean @ weights
    expanded.sort_indices()  # S(p, q) and S(q, p) then add the same numbers in the same order
    return expanded


@_parallel
def _jaccard_and_distance(
    distance: FloatMatrix,
    lambda_value: np.float32,
    row_starts: Neighbours,
    row_columns: Neighbours,
    row_values: FloatMatrix,
    column_starts: Neighbours,
    column_rows: Neighbours,
    column_values: FloatMatrix,
) -> FloatMatrix:
    """Return (1 - lambda) * (1 - S / (2 - S)) + lambda * d, where S(p, q) sums the smaller of the two weights."""
    num_crops = len(distance)
    reranked = np.empty((num_crops, num_crops), np.float32)
    one, two = np.float32(1), np.float32(2)
    for p in numba.prange(num_crops):
        shared = np.zeros(num_crops, np.float32)
        for i in range(row_starts[p], row_starts[p + 1]):
            weight, column = row_values[i], row_columns[i]
            for j in range(column_starts[column], column_starts[column + 1]):
                shared[column_rows[j]] += min(weight, column_values[j])
        for q in range(num_crops):
            jaccard = one - shared[q] / (two - shared[q])
            reranked[p, q] = (one - lambda_value) * jaccard + lambda_value * distance[p, q]
    return reranked


@_parallel
def _average_with_transpose(matrix: FloatMatrix) -> None:
    """Replace the matrix by (D + D^T) / 2, tile by tile because a whole transposed row misses the cache."""
    num_rows = len(matrix)
    for tile in numba.prange((num_rows + _TILE - 1) // _TILE):
        top, bottom = tile * _TILE, min((tile + 1) * _TILE, num_rows)
        for left in range(0, bottom, _TILE):
            for i in range(top, bottom):
                for j in range(left, min(left + _TILE, i)):
                    mean = (matrix[i, j] + matrix[j, i]) / np.float32(2)
                    matrix[i, j] = mean
                    matrix[j, i] = mean
