"""Reciprocal neighbours (Zhong et al., CVPR 2017): each crop as a sparse row of weights over the crops near it.

Two crops of one person are among each other's nearest, and share those neighbours. R(p) are the reciprocal neighbours
of p, R*(p) those joined with the reciprocal neighbours of its members that it mostly covers; the row holds exp(-d) over
R*(p), averaged over the nearest crops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from iics.arrays import FloatArray, IndexArray, Int32Array
from iics.kernels import kernel, on_each_thread
from iics.similarity.sparse_overlap import SparseRows

PairDistance = Callable[[IndexArray, IndexArray], FloatArray]


def neighbours_needed(num_crops: int, k1: int, k2: int) -> int:
    """Return how many nearest crops, itself included, `reciprocal_weights` looks at."""
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
        pair_distance: From crops (m,) and crops (m,) to their distances (m,).
        k1: Neighbours, beside the crop itself, among which reciprocal ones are sought. Clipped to n - 1.
        k2: Nearest crops, itself included, over which weights are averaged (local query expansion). Clipped to n.
        covers_more: Whether two thirds that are covered are too few: more must be.

    Raises:
        ValueError: If there are fewer neighbours than k1 and k2 need.
    """
    num_crops = len(neighbours)
    needed = neighbours_needed(num_crops, k1, k2)
    if neighbours.shape[1] < needed:
        raise ValueError(f"k1={k1} and k2={k2} need {needed} neighbours of each crop, got {neighbours.shape[1]}.")
    k, half = min(k1 + 1, num_crops), min(round(k1 / 2) + 1, num_crops)
    members = np.empty((num_crops, k * (half + 1)), np.int32)  # padded rows; `sizes` says how far they are filled
    sizes = np.empty(num_crops, np.int32)
    on_each_thread(_expanded_sets, neighbours, k, half, int(covers_more), members, sizes)
    weights = softmax_rows(members, sizes, pair_distance)
    nearest = neighbours[:, :k2]
    return SparseRows.from_csr(mean_rows(weights, nearest, np.full(num_crops, nearest.shape[1])))


def softmax_rows(members: Int32Array, sizes: IndexArray, pair_distance: PairDistance) -> Any:
    """Return each crop's weights exp(-d) over its members, rows summing to 1, as a scipy CSR array. Shape (n, n).

    Args:
        members: Crops, none twice in a row. Shape (n, k).
        sizes: How many of each row count, at least 1. Shape (n,).
        pair_distance: From crops (m,) and crops (m,) to their distances (m,).
    """
    num_crops = len(members)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.repeat(np.arange(num_crops), sizes)
    columns = members[np.arange(members.shape[1]) < sizes[:, None]]
    distances = pair_distance(rows, columns).astype(np.float64)
    # Measured from the row's smallest distance, which cancels in the sum: no row can vanish by underflow.
    weights = np.exp(np.minimum.reduceat(distances, starts[:-1])[rows] - distances)
    weights /= np.add.reduceat(weights, starts[:-1])[rows]
    return scipy.sparse.csr_array((weights.astype(np.float32), columns, starts), shape=(num_crops, num_crops))


def mean_rows(weights: Any, crops: Int32Array, sizes: IndexArray) -> Any:
    """Return each crop's weights averaged over some crops (local query expansion), the first `sizes` of its row.

    Args:
        weights: As `softmax_rows` returns them. Shape (n, n).
        crops: Shape (n, k).
        sizes: How many of each row count, at least 1. Shape (n,).
    """
    starts = np.concatenate([[0], np.cumsum(sizes)])
    columns = crops[np.arange(crops.shape[1]) < sizes[:, None]]
    shares = np.repeat((1 / sizes).astype(np.float32), sizes)
    return scipy.sparse.csr_array((shares, columns, starts), shape=weights.shape) @ weights


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
    """Write R*(p) to `members` and return its size; `more` is 1 where two thirds are too few, else 0."""
    close = _reciprocal(neighbours, p, k)
    size = len(close)
    for i in range(size):
        members[i] = close[i]
    for q in close:  # as int: each kind of number would be compiled by itself
        candidates = _reciprocal(neighbours, int(q), half)
        num_shared = 0
        for candidate in candidates:
            num_shared += _contains(close, len(close), int(candidate))
        if 3 * num_shared < 2 * len(candidates) + more:
            continue
        for candidate in candidates:
            if not _contains(members, size, int(candidate)):
                members[size] = candidate
                size += 1
    return size


@kernel()
def _expanded_sets(
    neighbours: Int32Array,
    k: int,
    half: int,
    more: int,
    members: Int32Array,
    sizes: Int32Array,
    thread: int,
    num_threads: int,
) -> None:
    """Write R*(p), R(p, k) joined with every R(q, half) of its members that it covers by two thirds."""
    for p in range(thread, len(neighbours), num_threads):
        sizes[p] = _expand(neighbours, p, k, half, more, members[p])
