"""Neighbour graph: the nearest crops of every crop, found without the matrix of all pairs.

Exact by blocks, O(n^2 d) time in matrix products, or approximate through an inverted file of faiss. Either way the
memory is linear in the number of crops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iics.arrays import FloatArray, IndexArray, Int32Array
from iics.kernels import kernel, on_each_thread
from iics.similarity.crop_similarity import CropSimilarity

_BLOCK = 2048
_BYTES_PER_NEIGHBOUR = 90  # measured: the graph, what is sorted, and the distances made of it


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The nearest crops of every crop.

    Attributes:
        neighbours: Each crop first among its own, then by (similarity, larger first; index). Shape (n, k).
        similarity: To each neighbour; infinite to itself. Shape (n, k).
        num_certain: How many of them no other crop is nearer than, for certain. Shape (n,).
    """

    neighbours: Int32Array
    similarity: FloatArray
    num_certain: IndexArray


class FindNeighbours(Protocol):
    """A similarity to its neighbour graph, as `neighbour_graph`."""

    def __call__(self, similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
        """Return crops near every crop."""


@dataclass(frozen=True)
class NeighbourSearch:
    """A way to find neighbours, chosen by name (`iics.similarity.by_name`).

    Attributes:
        find: A similarity to its neighbour graph.
        is_exact: Whether `num_certain` of what it finds means something.
        needs_features: Whether it searches by features.
        memory: Crops, neighbours and length of features to the bytes it takes beside the graph.
        check: Refuses if what it needs is not installed.
    """

    find: FindNeighbours
    is_exact: bool
    needs_features: bool
    memory: Callable[[int, int, int], int]
    check: Callable[[], None]


def graph_memory(num_crops: int, num_neighbours: int) -> int:
    """Return the bytes that a neighbour graph takes, and the distances made of it."""
    return _BYTES_PER_NEIGHBOUR * num_crops * num_neighbours


def neighbour_graph(similarity: CropSimilarity, *, num_neighbours: int) -> NeighbourGraph:
    """Return the nearest crops of every crop by an exact search.

    Where an upper bound of the similarity is cheaper than the similarity (Eq. 5: every overlap counted as 1), crops
    with the largest bounds are compared in full. Those that are at least as near as the last bound are certainly the
    nearest of all.

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
            on_each_thread(_offer, tile, top, left, bounds, found)
            if left > top:  # every pair is compared once and serves both crops
                on_each_thread(_offer, np.ascontiguousarray(tile.T), left, top, bounds, found)
    crops = np.repeat(np.arange(num_crops, dtype=np.int32), k)
    exact = bounds if cheap is None else cheap.settle(bounds.ravel(), crops, found.ravel()).reshape(num_crops, k)
    last_bounds = bounds[:, -1] if k < num_crops else np.full(num_crops, -np.inf, np.float32)
    return in_order(found, exact, last_bounds=last_bounds)


def in_order(found: Int32Array, similarity: FloatArray, *, last_bounds: FloatArray) -> NeighbourGraph:
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


@kernel()
def _offer(
    tile: FloatArray, top: int, left: int, best: FloatArray, found: Int32Array, thread: int, num_threads: int
) -> None:
    """Put those of a tile's columns into the lists of its rows that belong there; columns come in ascending order."""
    last = best.shape[1] - 1
    for i in range(thread, len(tile), num_threads):
        values, crops = best[top + i], found[top + i]
        for j in range(tile.shape[1]):
            value = np.float32(np.inf) if top + i == left + j else tile[i, j]
            if value > values[last]:  # on a tie the smaller index came first and stays
                _insert(values, crops, value, left + j)


def nearest(distance: FloatArray, k: int) -> Int32Array:
    """Return the k nearest crops of each in a matrix, itself first, then by (distance, index). Shape (n, k)."""
    found = np.empty((len(distance), k), np.int32)
    on_each_thread(_nearest, distance, found)
    return found


@kernel()
def _nearest(distance: FloatArray, found: Int32Array, thread: int, num_threads: int) -> None:
    num_crops, k = found.shape
    for p in range(thread, num_crops, num_threads):
        closeness = np.full(k, -np.inf, np.float32)
        closeness[0] = np.inf  # the crop itself keeps the first place, whatever duplicates it has
        found[p, 0] = p
        for q in range(num_crops):
            if -distance[p, q] > closeness[k - 1] and q != p:
                _insert(closeness, found[p], -distance[p, q], q)


@kernel()
def _insert(values: FloatArray, crops: Int32Array, value: np.float32, crop: int) -> None:
    """Put a crop into a list ordered by value, behind those of at least its own; the last drops out."""
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
