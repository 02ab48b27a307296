"""Neighbour graph: the nearest crops of every crop, found without the matrix of all pairs.

Exact by blocks, O(n^2 d) time in matrix products, or approximate through an inverted file of faiss. Either way the
memory is linear in the number of crops. Where cameras are given, there are two lists a crop: the nearest of its own
camera, and the nearest of the others, which one list of the nearest may not hold at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iics.arrays import BoolArray, FloatArray, IndexArray, Int32Array, IntArray
from iics.kernels import kernel, on_each_thread
from iics.similarity.crop_similarity import CropSimilarity, UpperBounds

_BLOCK = 2048
_BYTES_PER_NEIGHBOUR = 90  # measured: the graph, what is sorted, and the distances made of it


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The nearest crops of every crop.

    Attributes:
        neighbours: Each crop first among its own, then by (similarity, larger first; index). With cameras: so ordered
            the crops of its camera, then those of the others; a list that is too long for them ends in the crop
            itself. Shape (n, k).
        similarity: To each neighbour; infinite to itself, -infinite where a list is too long. Shape (n, k).
        num_certain: How many of them, of the last list, no other crop is nearer than, for certain; n if there are no
            more. Shape (n,).
        num_own: Neighbours of the own camera, before those of others; None if cameras do not matter.
    """

    neighbours: Int32Array
    similarity: FloatArray
    num_certain: IndexArray
    num_own: int | None = None

    @property
    def is_listed(self) -> BoolArray:
        """Whether a place holds a neighbour, or its list is too long. Shape (n, k)."""
        is_listed: BoolArray = self.similarity > -np.inf
        return is_listed


class FindNeighbours(Protocol):
    """A similarity to its neighbour graph, as `neighbour_graph`."""

    def __call__(
        self, similarity: CropSimilarity, *, num_neighbours: int, camera_ids: IntArray | None = None
    ) -> NeighbourGraph:
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


def neighbour_graph(
    similarity: CropSimilarity, *, num_neighbours: int, camera_ids: IntArray | None = None
) -> NeighbourGraph:
    """Return the nearest crops of every crop by an exact search.

    Where an upper bound of the similarity is cheaper than the similarity (Eq. 5: every overlap counted as 1), crops
    with the largest bounds are compared in full. Those that are at least as near as the last bound are certainly the
    nearest of all.

    Args:
        similarity: Of n crops.
        num_neighbours: Crops k to keep for each, itself included. Clipped to n.
        camera_ids: Camera of each crop, to keep half of the k from its own camera and half from the others, each
            clipped to what there is. Shape (n,).

    Raises:
        ValueError: If a crop is near none, which only happens if a similarity is not finite.
    """
    num_crops, cheap = len(similarity), similarity.bounds
    compare = similarity.block if cheap is None else cheap.block
    lists = [_Best(listed) for listed in crops_to_list(num_crops, num_neighbours, camera_ids)]
    for top in range(0, num_crops, _BLOCK):
        rows = slice(top, min(top + _BLOCK, num_crops))
        for left in range(top, num_crops, _BLOCK):
            columns = slice(left, min(left + _BLOCK, num_crops))
            tile = compare(rows, columns)
            for best in lists:
                best.offer(tile, top, left)
            if left > top:  # every pair is compared once and serves both crops
                tile = np.ascontiguousarray(tile.T)
                for best in lists:
                    best.offer(tile, left, top)
    return one_graph([best.graph(cheap) for best in lists], camera_ids)


@dataclass(frozen=True, eq=False)
class Listed:
    """Whom a list of neighbours may hold.

    Attributes:
        camera_ids: Camera of each crop; the same for all if cameras do not matter. Shape (n,).
        of_own: Whether crops of the own camera, itself among them, or of the other cameras.
        width: Places k of the list.
    """

    camera_ids: IntArray
    of_own: bool
    width: int

    @property
    def num_available(self) -> IntArray:
        """How many crops each crop's list may hold. Shape (n,)."""
        _, places, counts = np.unique(self.camera_ids, return_inverse=True, return_counts=True)
        in_camera: IntArray = counts[places]
        return in_camera if self.of_own else len(self.camera_ids) - in_camera


def crops_to_list(num_crops: int, num_neighbours: int, camera_ids: IntArray | None) -> list[Listed]:
    """Return one list of the nearest crops or, with cameras, one of the own camera and one of the others."""
    if camera_ids is None:
        return [Listed(np.zeros(num_crops, np.int64), of_own=True, width=min(num_neighbours, num_crops))]
    camera_ids = np.array(camera_ids, np.int64)  # kernels are compiled anew for what is read-only or of another width
    sizes = np.unique(camera_ids, return_counts=True)[1]
    num_other = min(num_neighbours // 2, num_crops - int(sizes.min()))
    num_own = min(num_neighbours - num_neighbours // 2, int(sizes.max()))
    return [Listed(camera_ids, of_own=True, width=num_own), Listed(camera_ids, of_own=False, width=num_other)]


def one_graph(lists: list[NeighbourGraph], camera_ids: IntArray | None) -> NeighbourGraph:
    """Return the graph of each crop's lists, side by side, as `crops_to_list` names them."""
    if camera_ids is None:
        return lists[0]
    return NeighbourGraph(
        np.concatenate([each.neighbours for each in lists], axis=1),
        np.concatenate([each.similarity for each in lists], axis=1),
        lists[-1].num_certain,
        num_own=lists[0].neighbours.shape[1],
    )


class _Best:
    """The best of each crop's list so far."""

    def __init__(self, listed: Listed) -> None:
        self._listed = listed
        shape = len(listed.camera_ids), listed.width
        self._values = np.full(shape, -np.inf, np.float32)
        self._crops = np.repeat(np.arange(shape[0], dtype=np.int32), listed.width).reshape(shape)

    def offer(self, tile: FloatArray, top: int, left: int) -> None:
        """Offer each row of a tile its columns; they come in ascending order."""
        if self._listed.width > 0:
            cameras, of_own = self._listed.camera_ids, self._listed.of_own
            on_each_thread(_offer, tile, top, left, cameras, of_own, self._values, self._crops)

    def graph(self, cheap: UpperBounds | None) -> NeighbourGraph:
        """Return the lists in order, by similarities in place of their bounds."""
        num_crops, width = self._crops.shape
        if width == 0:
            return in_order(self._crops, self._values, last_bounds=np.full(num_crops, -np.inf, np.float32))
        num_available, bounds = self._listed.num_available, self._values
        if (bounds[num_available >= width, -1] == -np.inf).any():
            raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")
        crops = np.repeat(np.arange(num_crops, dtype=np.int32), width)
        exact = bounds if cheap is None else cheap.settle(bounds.ravel(), crops, self._crops.ravel())
        last_bounds = np.where(num_available <= width, np.float32(-np.inf), bounds[:, -1])
        return in_order(self._crops, exact.reshape(num_crops, width), last_bounds=last_bounds)


def in_order(found: Int32Array, similarity: FloatArray, *, last_bounds: FloatArray) -> NeighbourGraph:
    """Return the graph of the crops found: by similarity, infinite to the crop itself, and index.

    Args:
        found: Crops found. Shape (n, k).
        similarity: To each crop found. Shape (n, k).
        last_bounds: For each crop, what no crop that was not found can be more similar than; -infinite if there is
            no such crop. Shape (n,).
    """
    order = np.lexsort((found, -similarity), axis=1)
    similarity = np.take_along_axis(similarity, order, axis=1)
    num_certain = (similarity >= last_bounds[:, None]).sum(axis=1)
    num_certain[last_bounds == -np.inf] = len(found)
    return NeighbourGraph(np.take_along_axis(found, order, axis=1), similarity, num_certain)


@kernel()
def _offer(
    tile: FloatArray,
    top: int,
    left: int,
    cameras: IntArray,
    of_own: bool,
    best: FloatArray,
    found: Int32Array,
    thread: int,
    num_threads: int,
) -> None:
    """Put those of a tile's columns into the lists of its rows that belong there; columns come in ascending order."""
    last = best.shape[1] - 1
    for i in range(thread, len(tile), num_threads):
        values, crops = best[top + i], found[top + i]
        for j in range(tile.shape[1]):
            value = np.float32(np.inf) if top + i == left + j else tile[i, j]
            # On a tie the smaller index came first and stays.
            if value > values[last] and (cameras[top + i] == cameras[left + j]) == of_own:
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
