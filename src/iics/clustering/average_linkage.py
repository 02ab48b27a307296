"""Average linkage (Eq. 4) of a distance matrix: every merge joins two clusters that are each other's nearest.

The nearest-neighbour chain (Benzécri, 1982; Murtagh, 1983; told by Müllner, "Modern hierarchical, agglomerative
clustering algorithms", 2011): walk from a cluster to its nearest until two are nearest to each other, join them, go on
from where the walk stood. Works in the square float32 matrix itself, where a cluster's distances lie side by side:
at least 1.3 times as fast as fastcluster, in a third of its memory, with the same clusters
(docs/performance.md).
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from iics.clustering.merges import Linkage, in_order_of_height
from iics.kernels import REORDERED, kernel, torch_threads

FloatArray = npt.NDArray[np.floating[Any]]
FloatMatrix = npt.NDArray[np.float32]
FloatVector = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.integer[Any]]

_ASYMMETRY_TOLERANCE = 1e-4
_TILE = 128
_SMALL = 64  # clusters below which closing gaps saves nothing


def average_linkage(distance: FloatArray, *, overwrite: bool = False) -> Linkage:
    """Return the merges of average-linkage clustering, in order of height.

    Negative distances are allowed: Eq. 5 makes similarities above 1, and a constant added to every distance changes
    no merge. Only rounding errors below 0 are clipped, so that copies of one crop merge at height 0. On ties the order
    of the crops decides: shuffle crops that come sorted by identity. Takes O(n^2) time, and memory for a float32 copy
    of the distance unless it may be overwritten.

    Args:
        distance: Smaller is closer, symmetric but for rounding; the diagonal plays no part. Shape (n, n).
        overwrite: Whether to work in `distance`, if it is a float32 array in C order; it holds nothing useful then.

    Returns:
        Merges as scipy writes them: the two nodes, the height, the number of crops. Shape (n - 1, 4).

    Raises:
        ValueError: If the distance is not square, not finite or not symmetric.
    """
    check_square(distance)
    work = np.array(distance, dtype=np.float32, order="C", copy=None if overwrite else True)
    if check_distance(work) > 0:
        work = (work + work.T) / np.float32(2)  # with d(a, b) < d(b, a) a chain could run in circles
    return linkage_in_place(work)


def linkage_in_place(distance: FloatMatrix) -> Linkage:
    """Return what `average_linkage` does for a distance that is known to be finite and exactly symmetric.

    Works in `distance`, on one core and without the interpreter's lock: several can run at once.
    """
    return in_order_of_height(*_merge_all(distance))


def check_distance(distance: FloatMatrix) -> float:
    """Return the largest difference between mirrored entries; the diagonal plays no part.

    Raises:
        ValueError: If the distance is not finite or not symmetric but for rounding.
    """
    with torch_threads():
        gap = float(_largest_asymmetry(distance).max())
    if not math.isfinite(gap):
        raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")
    if gap > _ASYMMETRY_TOLERANCE:
        raise ValueError(f"distance must be symmetric; two mirrored entries differ by {gap:.3g}.")
    return gap


def check_square(distance: FloatArray) -> None:
    """Refuse what is no matrix of pairs.

    Raises:
        ValueError: If the distance is not square or empty.
    """
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1] or len(distance) == 0:
        raise ValueError(f"distance must have shape (crops, crops), got {distance.shape}.")


@kernel(parallel=True)
def _largest_asymmetry(d: FloatMatrix) -> FloatVector:
    """Return the largest |d(i, j) - d(j, i)| of each tile of rows; infinite if one of the two is not finite."""
    num_rows = len(d)
    gaps = np.zeros((num_rows + _TILE - 1) // _TILE, np.float32)
    for tile in numba.prange(len(gaps)):
        top, bottom = tile * _TILE, min((tile + 1) * _TILE, num_rows)
        for left in range(0, bottom, _TILE):
            for i in range(top, bottom):
                for j in range(left, min(left + _TILE, i)):
                    gap = abs(d[i, j] - d[j, i])
                    if not gap <= gaps[tile]:  # two infinite entries differ by NaN
                        gaps[tile] = np.inf if np.isnan(gap) else gap
    return gaps


@kernel()
def _merge_all(d: FloatMatrix) -> tuple[IntVector, IntVector, npt.NDArray[np.float64]]:
    """Return the merges in the order they are found: a crop of each cluster, and the height.

    A cluster lives in the row and the column of one of its crops; `gone` is 0 for rows in use and infinite for others,
    so that `row + gone` never picks those.
    """
    num_crops = len(d)
    first, second = np.empty(num_crops - 1, np.int64), np.empty(num_crops - 1, np.int64)
    heights = np.empty(num_crops - 1, np.float64)
    crops = np.arange(num_crops)  # a crop of each row's cluster
    sizes = np.ones(num_crops, np.float32)
    gone = np.zeros(num_crops, np.float32)
    joined = np.empty(num_crops, np.float32)
    chain = np.empty(num_crops, np.int64)
    steps = np.empty(num_crops, np.float32)  # from each cluster of the chain to the next
    for i in range(num_crops):
        d[i, i] = np.inf
    num_rows, length, start = num_crops, 0, 0
    for merge in range(num_crops - 1):
        num_clusters = num_crops - merge
        if num_rows > _SMALL and 2 * num_clusters < num_rows:
            _close_gaps(d, num_rows, gone, crops, sizes, chain[:length])
            num_rows, start = num_clusters, 0
        if length == 0:
            while gone[start] > 0:
                start += 1
            chain[0], length = start, 1
        while True:
            row = d[chain[length - 1]]
            nearest = _smallest(row, gone, num_rows)
            if length > 1 and nearest >= steps[length - 2]:  # the way back is the shortest
                break
            steps[length - 1] = nearest
            chain[length] = _place(row, gone, num_rows, nearest)
            length += 1
        a, b = chain[length - 2], chain[length - 1]
        length -= 2
        first[merge], second[merge], heights[merge] = crops[a], crops[b], steps[length]
        _join(d, num_rows, min(a, b), max(a, b), sizes, gone, joined)
    return first, second, heights


@kernel(fastmath=REORDERED)
def _smallest(row: FloatVector, gone: FloatVector, num_rows: int) -> np.float32:
    smallest = np.float32(np.inf)
    for j in range(num_rows):
        smallest = min(smallest, row[j] + gone[j])
    return smallest


@kernel()
def _place(row: FloatVector, gone: FloatVector, num_rows: int, value: np.float32) -> int:
    for j in range(num_rows):
        if row[j] + gone[j] == value:
            return j
    return -1


@kernel()
def _join(
    d: FloatMatrix, num_rows: int, a: int, b: int, sizes: FloatVector, gone: FloatVector, joined: FloatVector
) -> None:
    """Put the union of a and b into row and column b: the mean over its crops, weighted by size."""
    size = sizes[a] + sizes[b]
    share_a, share_b = sizes[a] / size, sizes[b] / size
    row_a, row_b = d[a], d[b]
    for j in range(num_rows):
        # Rounding must not bring the union nearer than either was: the chain would meet itself.
        joined[j] = max(share_a * row_a[j] + share_b * row_b[j], min(row_a[j], row_b[j]))
    gone[a] = np.inf
    joined[b] = np.inf
    for j in range(num_rows):
        row_b[j] = joined[j]
        if gone[j] == 0:
            d[j, b] = joined[j]
    sizes[b] = size


@kernel()
def _close_gaps(
    d: FloatMatrix, num_rows: int, gone: FloatVector, crops: IntVector, sizes: FloatVector, chain: IntVector
) -> None:
    """Move the clusters that are left to the first rows and columns, in their order."""
    kept = np.flatnonzero(gone[:num_rows] == 0)
    places = np.empty(num_rows, np.int64)
    for new, old in enumerate(kept):
        places[old] = new
        for j in range(len(kept)):
            d[new, j] = d[old, kept[j]]
        crops[new], sizes[new] = crops[old], sizes[old]
    gone[: len(kept)] = 0
    for i in range(len(chain)):
        chain[i] = places[chain[i]]
