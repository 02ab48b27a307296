"""Reciprocal neighbours (Zhong et al., CVPR 2017): a sparse row of weights over near crops for each crop.

Two crops of one person are mostly among each other's nearest, and have neighbours in common. R(p) is the set of
reciprocal neighbours of p. R*(p) adds the reciprocal neighbours of each member of R(p) of whose set two thirds are
in R(p). The row of p holds exp(-d) over R*(p), averaged over the nearest crops of p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import scipy.sparse

from iics.arrays import FloatArray, IndexArray, Int32Array
from iics.kernels import kernel, torch_threads
from iics.similarity.sparse_overlap import SparseRows

PairDistance = Callable[[IndexArray, IndexArray], FloatArray]


def neighbours_needed(num_crops: int, k1: int, k2: int) -> int:
    """Return how many nearest crops of each, itself included, `reciprocal_weights` needs."""
    return min(max(k1 + 1, k2), num_crops)


def reciprocal_memory(num_crops: int, k1: int) -> int:
    """Return the most bytes that `reciprocal_weights` takes: the expanded sets."""
    return 4 * num_crops * (k1 + 1) * (k1 // 2 + 2)


def reciprocal_weights(
    neighbours: Int32Array, pair_distance: PairDistance, *, k1: int, k2: int, covers_more: bool = False
) -> SparseRows:
    """Return each crop's weights over its reciprocal neighbours, rows summing to 1; memory O(n k1^2) at most.

    The weights are exp(-d) of the distance as given (the paper's Eq. 7).

    Args:
        neighbours: Nearest crops, each crop first among its own, then by (distance, index). Shape (n, k),
            k at least `neighbours_needed`.
        pair_distance: From indices (m,) and (m,) of crops to the distances of these pairs (m,).
        k1: Neighbours, beside the crop itself, among which reciprocal ones are sought. Clipped to n - 1.
        k2: Nearest crops, itself included, over which weights are averaged (local query expansion). Clipped to n.
        covers_more: Whether more than two thirds of a set must be in R(p); otherwise two thirds are enough.

    Raises:
        ValueError: If there are fewer neighbours than k1 and k2 need.
    """
    num_crops = len(neighbours)
    needed = neighbours_needed(num_crops, k1, k2)
    if neighbours.shape[1] < needed:
        raise ValueError(f"k1={k1} and k2={k2} need {needed} neighbours of each crop, got {neighbours.shape[1]}.")
    k, half = min(k1 + 1, num_crops), min(round(k1 / 2) + 1, num_crops)
    with torch_threads():
        members, sizes = _expanded_sets(neighbours, k, half, int(covers_more))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.repeat(np.arange(num_crops), sizes)
    columns = members[np.arange(members.shape[1]) < sizes[:, None]]
    distances = pair_distance(rows, columns).astype(np.float64)
    # Measured from the row's smallest distance, which cancels in the sum: no row can vanish by underflow.
    weights = np.exp(np.minimum.reduceat(distances, starts[:-1])[rows] - distances)
    weights /= np.add.reduceat(weights, starts[:-1])[rows]
    matrix = scipy.sparse.csr_array((weights.astype(np.float32), columns, starts), shape=(num_crops, num_crops))
    return SparseRows.from_csr(_local_expansion(matrix, neighbours[:, :k2]))


def _local_expansion(weights: Any, nearest: Int32Array) -> Any:
    """Return each crop's weights averaged over its nearest crops."""
    num_crops, k = nearest.shape
    starts = np.arange(0, num_crops * k + 1, k)
    mean = scipy.sparse.csr_array(
        (np.full(nearest.size, 1 / k, np.float32), nearest.ravel(), starts), shape=weights.shape
    )
    return mean @ weights


# The helpers below are compiled without `parallel`: inside a parallel loop numba 0.68 rewrites array expressions such
# as np.any(members[:size] == q) into loops of their own and then reads a stale `size`.
@kernel()
def _contains(crops: Int32Array, size: int, wanted: int) -> bool:
    for i in range(size):  # noqa: SIM110 - numba compiles no generator
        if crops[i] == wanted:
            return True
    return False


@kernel()
def _reciprocal(neighbours: Int32Array, p: int, k: int) -> Int32Array:
    """Return R(p): those of the first k neighbours of p that have p among their first k."""
    found = np.empty(k, np.int32)
    count = 0
    for i in range(k):
        if _contains(neighbours[neighbours[p, i]], k, p):
            found[count] = neighbours[p, i]
            count += 1
    return found[:count]


@kernel()
def _expand(neighbours: Int32Array, p: int, k: int, half: int, more: int, members: Int32Array) -> int:
    """Write R*(p) to `members` and return its size; `more` is 1 if more than two thirds are needed, else 0."""
    close = _reciprocal(neighbours, p, k)
    size = len(close)
    for i in range(size):
        members[i] = close[i]
    for q in close:
        candidates = _reciprocal(neighbours, q, half)
        num_shared = 0
        for candidate in candidates:
            num_shared += _contains(close, len(close), candidate)
        if 3 * num_shared < 2 * len(candidates) + more:
            continue
        for candidate in candidates:
            if not _contains(members, size, candidate):
                members[size] = candidate
                size += 1
    return size


@kernel(parallel=True)
def _expanded_sets(neighbours: Int32Array, k: int, half: int, more: int) -> tuple[Int32Array, Int32Array]:
    """Return R*(p): R(p, k), and every R(q, half) of its members q of which two thirds are in R(p, k)."""
    num_crops = len(neighbours)
    members = np.empty((num_crops, k * (half + 1)), np.int32)  # padded rows; `sizes` says how far they are filled
    sizes = np.empty(num_crops, np.int32)
    for p in numba.prange(num_crops):
        sizes[p] = _expand(neighbours, p, k, half, more, members[p])
    return members, sizes
