"""Neighbour graph: the nearest crops of every crop, found without the matrix of all pairs.

Exact by blocks, O(n^2 d) time in matrix products, or approximate through an inverted file of faiss. Either way the
memory is linear in the number of crops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from iics.kernels import kernel, torch_threads
from iics.similarity.crop_similarity import CropSimilarity

FloatMatrix = npt.NDArray[np.float32]
FloatVector = npt.NDArray[np.float32]
Neighbours = npt.NDArray[np.int32]
IntVector = npt.NDArray[np.integer[Any]]

_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The nearest crops of every crop.

    Attributes:
        neighbours: Each crop first among its own, then by (similarity, larger first; index). Shape (n, k).
        similarity: To each neighbour; infinite to itself. Shape (n, k).
        num_certain: How many of them no other crop is nearer than, for certain. Shape (n,).
    """

    neighbours: Neighbours
    similarity: FloatMatrix
    num_certain: IntVector


def neighbour_graph(similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
    """Return the nearest crops of every crop by an exact search.

    Where an upper bound of the similarity is cheaper than the similarity (Eq. 5: every overlap counted as 1), crops
    with the largest bounds are compared in full. Those that are at least as near as the last bound are certainly the
    nearest of all.

    Args:
        similarity: Of n crops.
        num_neighbours: Crops k to keep for each, itself included. Clipped to n.
    """
    num_crops = len(similarity)
    k = min(num_neighbours, num_crops)
    bounds = np.full((num_crops, k), -np.inf, np.float32)
    found = np.zeros((num_crops, k), np.int32)
    for top in range(0, num_crops, _BLOCK):
        rows = slice(top, min(top + _BLOCK, num_crops))
        for left in range(top, num_crops, _BLOCK):
            columns = slice(left, min(left + _BLOCK, num_crops))
            tile = similarity.upper_bounds(rows, columns)
            with torch_threads():
                _offer(tile, top, left, bounds, found)
                if left > top:  # every pair is compared once and serves both crops
                    _offer(np.ascontiguousarray(tile.T), left, top, bounds, found)
    crops = np.repeat(np.arange(num_crops, dtype=np.int32), k)
    exact = similarity.settle(bounds.ravel(), crops, found.ravel()).reshape(num_crops, k)
    last_bounds = bounds[:, -1] if k < num_crops else np.full(num_crops, -np.inf, np.float32)
    return in_order(found, exact, last_bounds=last_bounds)


def in_order(found: Neighbours, similarity: FloatMatrix, *, last_bounds: FloatVector) -> NeighbourGraph:
    """Return the graph of the crops found: each crop first among its own, then by similarity and index.

    Args:
        found: Crops found, each crop among its own. Shape (n, k).
        similarity: To each crop found. Shape (n, k).
        last_bounds: For each crop, what no crop that was not found can be more similar than. Shape (n,).
    """
    similarity = np.where(found == np.arange(len(found))[:, None], np.float32(np.inf), similarity)
    order = np.lexsort((found, -similarity), axis=1)
    similarity = np.take_along_axis(similarity, order, axis=1)
    num_certain = (similarity >= last_bounds[:, None]).sum(axis=1)
    return NeighbourGraph(np.take_along_axis(found, order, axis=1), similarity, num_certain)


@kernel(parallel=True)
def _offer(tile: FloatMatrix, top: int, left: int, best: FloatMatrix, found: Neighbours) -> None:
    """Put those of a tile's columns into the lists of its rows that belong there; columns come in ascending order."""
    last = best.shape[1] - 1
    for i in numba.prange(len(tile)):
        values, crops = best[top + i], found[top + i]
        for j in range(tile.shape[1]):
            value = np.float32(np.inf) if top + i == left + j else tile[i, j]
            if not value > values[last]:  # on a tie the smaller index came first and stays
                continue
            place = last
            while place > 0 and values[place - 1] < value:
                values[place], crops[place] = values[place - 1], crops[place - 1]
                place -= 1
            values[place], crops[place] = value, left + j
