"""Jaccard distance of sparse rows that sum to 1: J = 1 - S / (2 - S), with S the sum of minima of two rows.

The rows are weights over the crops near each crop. The distance `jaccard` takes the reciprocal neighbours of
re-ranking (`reciprocal`), with the constants that programs of the field cluster by: d = 2 - 2 cos in the weights, a
neighbour's set joined if more than two thirds of it are covered, and no share of the given distance. So it is nearly,
not exactly, the distance `reranked` with lambda_value 0, which follows the paper's equations.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import FloatArray, IndexArray, IntArray
from iics.similarity.crop_similarity import Crops, CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph, graph_memory, neighbour_graph
from iics.similarity.plain_distance import check_distance
from iics.similarity.reciprocal import PairDistance, neighbours_needed, reciprocal_memory, reciprocal_weights
from iics.similarity.reranking import check_reranking
from iics.similarity.sparse_overlap import SparseRows, mirror_lower


class JaccardDistance:
    """See `iics.similarity.distance_graph.Distance`.

    Args:
        k1: As for `k_reciprocal_distance`; programs of the field use 30 to cluster.
        k2: Likewise; theirs is 6.

    Raises:
        ValueError: If one is below 1.
    """

    by_camera = False

    def __init__(self, *, k1: int, k2: int) -> None:
        check_reranking(k1, k2, 0)
        self._k1, self._k2 = k1, k2

    def all_pairs(self, similarity: CropSimilarity, _camera_ids: IntArray | None = None) -> FloatArray:
        """Return the Jaccard distance of every pair.

        Raises:
            ValueError: If a similarity is not finite.
        """
        known = KnownPairs.of(similarity)
        graph = neighbour_graph(known, num_neighbours=self.num_neighbours(len(known)))
        return jaccard_matrix(self._weights(known, graph), out=known.values)

    def near(self, similarity: CropSimilarity, graph: NeighbourGraph) -> NearJaccard:
        """Return the same from neighbours, as many as k1 and k2 need."""
        return NearJaccard(self._weights(similarity, graph))

    def num_neighbours(self, num_crops: int) -> int:
        """Return how many k1 and k2 need."""
        return neighbours_needed(num_crops, self._k1, self._k2)

    def memory(self, num_crops: int) -> int:
        """Return what the weights take."""
        return reciprocal_memory(num_crops, self._k1) + graph_memory(num_crops, self.num_neighbours(num_crops))

    def _weights(self, similarity: CropSimilarity, graph: NeighbourGraph) -> SparseRows:
        distance = squared_euclidean(similarity)
        return reciprocal_weights(graph.neighbours, distance, k1=self._k1, k2=self._k2, covers_more=True)


class NearJaccard:
    """The Jaccard distance of any crops, from the weights over their neighbours."""

    def __init__(self, weights: SparseRows) -> None:
        self._weights = weights

    def rows(self, crops: IndexArray) -> FloatArray:
        """See `CropDistance`."""
        overlap = self._weights.overlap_rows(crops)
        return np.subtract(1, overlap, out=overlap)

    def from_similarity(self, _similarity: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
        """See `CropDistance`."""
        return 1 - self._weights.overlap_pairs(first, second)


def jaccard_matrix(weights: SparseRows, *, out: FloatArray) -> FloatArray:
    """Return the Jaccard distance of every pair, exactly symmetric, written to `out`. Shape (n, n)."""
    out.fill(1)
    weights.add_overlap(out, scale=-1)
    mirror_lower(out)
    np.fill_diagonal(out, 0)
    return out


def squared_euclidean(similarity: CropSimilarity) -> PairDistance:
    """Return the function from pairs of crops to d = 2 - 2 similarity."""
    return lambda first, second: 2 - 2 * similarity.pairs(first, second)


class KnownPairs:
    """Similarities that are there as a matrix; see `CropSimilarity`.

    Args:
        values: Exactly symmetric. Shape (n, n).

    Raises:
        ValueError: If one is not finite, or they are not symmetric but for rounding.
    """

    features = None
    bounds = None
    compares_scores = False

    def __init__(self, values: FloatArray) -> None:
        check_distance(values)
        self.values = values

    @classmethod
    def of(cls, similarity: CropSimilarity) -> KnownPairs:
        """Return all pairs of a similarity."""
        return cls(similarity.matrix())

    def __len__(self) -> int:
        return len(self.values)

    def matrix(self) -> FloatArray:
        """See `CropSimilarity`."""
        return self.values.copy()

    def block(self, rows: Crops, columns: Crops) -> FloatArray:
        """See `CropSimilarity`."""
        return np.ascontiguousarray(self.values[rows][:, columns])

    def pairs(self, first: IndexArray, second: IndexArray) -> FloatArray:
        """See `CropSimilarity`."""
        values: FloatArray = self.values[first, second]
        return values
