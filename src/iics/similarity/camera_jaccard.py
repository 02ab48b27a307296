"""Camera-aware Jaccard distance (CA-Jaccard, CVPR 2024): two lists of neighbours a crop, so that no camera fills both.

With d = 2 - 2 similarity, a crop has a list of the crops of its own camera, which starts with itself, and one of those
of the other cameras. R(i) holds j if i and j are among each other's first k1_intra + 1 (same camera) or k1_inter + 1
(different cameras). V_ij is the softmax of -d_ij over R(i), then averaged over the first k2_intra of i's own list and
the first k2_inter of the other; the distance is J = 1 - S / (2 - S), with S = sum_k min(V_ik, V_jk). Within one camera
only the first list is left.

Time as for the neighbours; memory O(n (k1_intra + k1_inter) (k2_intra + k2_inter)): the rows are sparse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray, IndexArray, Int32Array, IntArray
from iics.config import DistanceSettings
from iics.errors import check_setting
from iics.kernels import kernel, on_each_thread
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.jaccard import KnownPairs, NearJaccard, jaccard_matrix, squared_euclidean
from iics.similarity.neighbour_graph import NeighbourGraph, graph_memory, neighbour_graph
from iics.similarity.reciprocal import mean_rows, softmax_rows
from iics.similarity.reranking import LAMBDA
from iics.similarity.sparse_overlap import SparseRows

_BYTES_PER_WEIGHT = 8 + 8 + 4 * 8
"""Of an averaged weight: in rows, in columns, and while they are made."""


@dataclass(frozen=True)
class CameraLists:
    """How far down its two lists a crop looks.

    Attributes:
        k1_intra: Neighbours of the own camera, beside the crop itself, among which mutual ones are sought.
        k1_inter: One less than the neighbours of the other cameras among which mutual ones are sought.
        k2_intra: First crops of the own camera, itself included, over which weights are averaged.
        k2_inter: First crops of the other cameras, likewise.

    Raises:
        ValueError: If one is out of range.
    """

    k1_intra: int = DistanceSettings.k1_intra
    k1_inter: int = DistanceSettings.k1_inter
    k2_intra: int = DistanceSettings.k2_intra
    k2_inter: int = DistanceSettings.k2_inter

    def __post_init__(self) -> None:
        if min(self.k1_intra, self.k1_inter, self.k2_intra) < 1 or self.k2_inter < 0:
            raise ValueError(f"k1_intra, k1_inter, k2_intra must be at least 1 and k2_inter at least 0, got {self}.")

    @property
    def longest(self) -> int:
        """Places of a list that are looked at, at most."""
        return max(self.k1_intra + 1, self.k1_inter + 1, self.k2_intra, self.k2_inter)

    def memory(self, num_crops: int) -> int:
        """Return the most bytes that the weights take, and the lists that they are made of."""
        num_weights = (self.k1_intra + self.k1_inter + 2) * (self.k2_intra + self.k2_inter)
        return _BYTES_PER_WEIGHT * num_crops * num_weights + graph_memory(num_crops, 2 * self.longest)


class CameraJaccardDistance:
    """See `iics.similarity.distance_graph.Distance`.

    Args:
        lists: How far down its lists a crop looks.
    """

    by_camera = True

    def __init__(self, lists: CameraLists) -> None:
        self._lists = lists

    def all_pairs(self, similarity: CropSimilarity, camera_ids: IntArray | None = None) -> FloatArray:
        """Return the camera-aware Jaccard distance of every pair.

        Raises:
            ValueError: If a similarity is not finite.
        """
        known = KnownPairs.of(similarity)
        graph = neighbour_graph(known, num_neighbours=2 * self._lists.longest, camera_ids=camera_ids)
        return jaccard_matrix(camera_weights(known, graph, self._lists), out=known.values)

    def near(self, similarity: CropSimilarity, graph: NeighbourGraph) -> NearJaccard:
        """Return the same from neighbours, searched by camera."""
        return NearJaccard(camera_weights(similarity, graph, self._lists))

    def num_neighbours(self, num_crops: int) -> int:
        """Return how many of a list are looked at."""
        return min(self._lists.longest, num_crops)

    def memory(self, num_crops: int) -> int:
        """Return what the weights and their lists take."""
        return self._lists.memory(num_crops)


def reranked_by_camera(similarity: FloatArray, camera_ids: IntArray) -> FloatArray:
    """Return the distance of every pair for ranking: as in re-ranking, 0.7 J + 0.3 (1 - similarity).

    Most pairs share no neighbour and are equally far by J alone; the similarity ranks those.

    Args:
        similarity: Symmetric but for rounding. Shape (n, n).
        camera_ids: Camera of each crop. Shape (n,).
    """
    jaccard = CameraJaccardDistance(CameraLists()).all_pairs(KnownPairs(similarity), camera_ids)
    return (1 - np.float32(LAMBDA)) * jaccard + np.float32(LAMBDA) * (1 - similarity)


def camera_jaccard(given: DistanceSettings) -> CameraJaccardDistance:
    """Return the distance of settings.

    Raises:
        SettingsError: If the graph of neighbours holds too few for it.
    """
    lists = CameraLists(given.k1_intra, given.k1_inter, given.k2_intra, given.k2_inter)
    check_setting(
        given.graph_neighbours // 2 >= lists.longest,
        f"The distance camera-jaccard needs {lists.longest} neighbours of the own camera and as many of the others: "
        f"distance.graph_neighbours must be at least {2 * lists.longest}, got {given.graph_neighbours}.",
    )
    return CameraJaccardDistance(lists)


def camera_weights(similarity: CropSimilarity, graph: NeighbourGraph, lists: CameraLists) -> SparseRows:
    """Return each crop's weights V over its mutual neighbours, averaged over its nearest; rows sum to 1.

    Args:
        similarity: Of n crops.
        graph: Of the same crops, searched by camera; or without cameras: then all are of one.
        lists: How far down its lists a crop looks.
    """
    num_own = graph.neighbours.shape[1] if graph.num_own is None else graph.num_own
    own, other = graph.neighbours[:, :num_own], graph.neighbours[:, num_own:]
    members = np.empty((len(own), lists.k1_intra + lists.k1_inter + 2), np.int32)  # `sizes` says how far rows are full
    sizes = np.empty(len(own), np.int32)
    looked_at = own[:, : lists.k1_intra + 1], other[:, : lists.k1_inter + 1]
    on_each_thread(_mutual_neighbours, *map(np.ascontiguousarray, looked_at), members, sizes)
    weights = softmax_rows(members, sizes, squared_euclidean(similarity))
    places = np.concatenate([np.arange(min(lists.k2_intra, num_own)), num_own + np.arange(lists.k2_inter)])
    places = places[places < graph.neighbours.shape[1]]
    return SparseRows.from_csr(mean_rows(weights, *_listed_first(graph, places)))


def _listed_first(graph: NeighbourGraph, places: IndexArray) -> tuple[Int32Array, IndexArray]:
    """Return the neighbours at some places of each row, those that are listed first, and how many are."""
    is_listed = graph.is_listed[:, places]
    order = np.argsort(~is_listed, axis=1, kind="stable")
    return np.take_along_axis(graph.neighbours[:, places], order, axis=1), is_listed.sum(axis=1)


@kernel()
def _add_mutual(neighbours: Int32Array, p: int, members: Int32Array, size: int) -> int:
    """Add to the members those of the neighbours of p that have p among theirs; return how many there are then."""
    k = neighbours.shape[1]
    for i in range(k):
        q = neighbours[p, i]
        if q == p:  # first in its own list, and what fills a list that is too long
            continue
        for j in range(k):
            if neighbours[q, j] == p:
                members[size] = q
                size += 1
                break
    return size


@kernel()
def _mutual_neighbours(
    own: Int32Array, other: Int32Array, members: Int32Array, sizes: Int32Array, thread: int, num_threads: int
) -> None:
    """Write R(p): p itself, its mutual neighbours in its own camera, and those in the others."""
    for p in range(thread, len(own), num_threads):
        members[p, 0] = p
        sizes[p] = _add_mutual(other, p, members[p], _add_mutual(own, p, members[p], 1))
