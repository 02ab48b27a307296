"""Neighbour graph: the nearest crops of every crop, found without the matrix of all pairs.

The search is exact, in blocks of matrix products with O(n^2 d) time, or approximate, by an inverted file of faiss.
In both cases, memory grows linearly with the number of crops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np

from iics.arrays import FloatArray, IndexArray, Int32Array
from iics.kernels import kernel, torch_threads
from iics.similarity.crop_similarity import CropSimilarity

_BLOCK = 2048
_BYTES_PER_NEIGHBOUR = 90  # measured: the graph, what is sorted, and the distances made of it


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The nearest crops of every crop.

    Attributes:
        neighbours: Each crop first among its own, then by (similarity, larger first; index). Shape (n, k).
        similarity: To each neighbour; infinite to itself. Shape (n, k).
        num_certain: How many of the first neighbours are certainly the nearest of all crops. Shape (n,).
    """

    neighbours: Int32Array
    similarity: FloatArray
    num_certain: IndexArray


class FindNeighbours(Protocol):
    """Function from a similarity to its neighbour graph, such as `neighbour_graph`."""

    def __call__(self, similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
        """Return crops near every crop."""


@dataclass(frozen=True)
class NeighbourSearch:
    """A way to find neighbours, chosen by name (`iics.similarity.by_name`).

    Attributes:
        find: Makes the neighbour graph of a similarity.
        is_exact: Whether `num_certain` of its graphs is meaningful.
        needs_features: Whether it searches by features.
        memory: From the numbers of crops, neighbours and features to the bytes it takes besides the graph.
        check: Raises an error if a package that it needs is not installed.
    """

    find: FindNeighbours
    is_exact: bool
    needs_features: bool
    memory: Callable[[int, int, int], int]
    check: Callable[[], None]


def graph_memory(num_crops: int, num_neighbours: int) -> int:
    """Return the bytes of a neighbour graph and of the distances made from it."""
    return _BYTES_PER_NEIGHBOUR * num_crops * num_neighbours


def neighbour_graph(similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
    """Return the nearest crops of every crop by an exact search.

    If an upper bound is cheaper than the similarity (Eq. 5: the overlap is at most 1), only the crops with the
    largest bounds are compared in full. Neighbours that are at least as similar as the last of these bounds are
    certainly the nearest of all.

    Args:
        similarity: Of n crops.
        num_neighbours: Crops k to keep for each, itself included. Clipped to n.
    """
    num_crops, cheap = len(similarity), similarity.bounds
    k = min(num_neighbours, num_crops)
    compare = similarity.block if cheap is None else cheap.block
    bounds = np.full((num_crops, k), -np.inf, np.float32)
    found = np.zeros((num_crops, k), np.int32)
    for top in range(0, num_crops, _BLOCK):
        rows = slice(top, min(top + _BLOCK, num_crops))
        for left in range(top, num_crops, _BLOCK):
            columns = slice(left, min(left + _BLOCK, num_crops))
            tile = compare(rows, columns)
            with torch_threads():
                _offer(tile, top, left, bounds, found)
                if left > top:  # every pair is compared once and serves both crops
                    _offer(np.ascontiguousarray(tile.T), left, top, bounds, found)
    crops = np.repeat(np.arange(num_crops, dtype=np.int32), k)
    exact = bounds if cheap is None else cheap.settle(bounds.ravel(), crops, found.ravel()).reshape(num_crops, k)
    last_bounds = bounds[:, -1] if k < num_crops else np.full(num_crops, -np.inf, np.float32)
    return in_order(found, exact, last_bounds=last_bounds)


def in_order(found: Int32Array, similarity: FloatArray, *, last_bounds: FloatArray) -> NeighbourGraph:
    """Return the graph of the crops found: each crop first among its own, then by similarity and index.

    Args:
        found: Crops found, each crop among its own. Shape (n, k).
        similarity: To each crop found. Shape (n, k).
        last_bounds: For each crop, an upper bound of its similarity to crops that were not found. Shape (n,).
    """
    similarity = np.where(found == np.arange(len(found))[:, None], np.float32(np.inf), similarity)
    order = np.lexsort((found, -similarity), axis=1)
    similarity = np.take_along_axis(similarity, order, axis=1)
    num_certain = (similarity >= last_bounds[:, None]).sum(axis=1)
    return NeighbourGraph(np.take_along_axis(found, order, axis=1), similarity, num_certain)


@kernel(parallel=True)
def _offer(tile: FloatArray, top: int, left: int, best: FloatArray, found: Int32Array) -> None:
    """Put columns of a tile into the lists of its rows, if they are near enough; columns come in ascending order."""
    last = best.shape[1] - 1
    for i in numba.prange(len(tile)):
        values, crops = best[top + i], found[top + i]
        for j in range(tile.shape[1]):
            value = np.float32(np.inf) if top + i == left + j else tile[i, j]
            if value > values[last]:  # on a tie, the smaller index, which came first, stays
                _insert(values, crops, value, left + j)


def nearest(distance: FloatArray, k: int) -> Int32Array:
    """Return the k nearest crops of each in a matrix, itself first, then by (distance, index). Shape (n, k)."""
    with torch_threads():
        return _nearest(distance, k)


@kernel(parallel=True)
def _nearest(distance: FloatArray, k: int) -> Int32Array:
    num_crops = len(distance)
    found = np.empty((num_crops, k), np.int32)
    for p in numba.prange(num_crops):
        closeness = np.full(k, -np.inf, np.float32)
        closeness[0] = np.inf  # the crop itself keeps the first place, whatever duplicates it has
        found[p, 0] = p
        for q in range(num_crops):
            if -distance[p, q] > closeness[k - 1] and q != p:
                _insert(closeness, found[p], -distance[p, q], q)
    return found


@kernel()
def _insert(values: FloatArray, crops: Int32Array, value: np.float32, crop: int) -> None:
    """Put a crop into a list ordered by value, after equal and larger values; the last one drops out."""
    place = len(values) - 1
    while place > 0 and values[place - 1] < value:
        values[place], crops[place] = values[place - 1], crops[place - 1]
        place -= 1
    values[place], crops[place] = value, crop


EXACT = NeighbourSearch(
    neighbour_graph,
    is_exact=True,
    needs_features=False,
    memory=lambda _crops, _neighbours, _features: 0,
    check=lambda: None,
)
