"""Distance graph: the distances of near crops, and one distance for all other pairs.

For average linkage when the matrix of all pairs does not fit into memory. Pairs in the neighbour graph have their
distance, by `k_reciprocal_distance` or 1 - similarity. All other pairs have the same distance: the mean over a
sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iics.arrays import FloatArray, IndexArray, IntArray
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph

_SAMPLED_ROWS = 256  # to estimate the distance between crops that are no neighbours


@dataclass(frozen=True, eq=False)
class DistanceGraph:
    """Distances of some pairs of crops; all other pairs are equally far.

    Attributes:
        num_crops: Number of crops n.
        first: One crop of each edge. Shape (m,).
        second: The other, larger. No pair occurs twice. Shape (m,).
        distance: Smaller is closer. Shape (m,).
        far: Distance of pairs without an edge.

    Raises:
        ValueError: If the arrays do not belong together, an edge leads nowhere or a distance is not finite.
    """

    num_crops: int
    first: IndexArray
    second: IndexArray
    distance: FloatArray
    far: float

    def __post_init__(self) -> None:
        if not self.first.shape == self.second.shape == self.distance.shape == (len(self.first),):
            raise ValueError(
                "Every edge needs two crops and a distance, got shapes "
                f"{self.first.shape}, {self.second.shape}, {self.distance.shape}."
            )
        is_ordered = (self.first >= 0) & (self.first < self.second) & (self.second < self.num_crops)
        if not is_ordered.all():
            edge = int(np.argmin(is_ordered))
            raise ValueError(
                f"Edge {edge} joins {self.first[edge]} and {self.second[edge]}; the first must be the smaller of two "
                f"of the {self.num_crops} crops."
            )
        if not (np.isfinite(self.distance).all() and np.isfinite(self.far)):
            raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")


class Distance(Protocol):
    """Turns similarities into the distances that are clustered; chosen by name (`iics.similarity.by_name`)."""

    @property
    def by_camera(self) -> bool:
        """Whether it needs neighbours of a crop's own camera and of the others apart."""

    def all_pairs(self, similarity: CropSimilarity, camera_ids: IntArray | None = None) -> FloatArray:
        """Return the distance of every pair as a new array, finite and exactly symmetric.

        Args:
            similarity: Of n crops.
            camera_ids: Camera of each crop; None if they are of one. Shape (n,).

        Returns:
            Shape (n, n).
        """

    def near(self, similarity: CropSimilarity, graph: NeighbourGraph) -> CropDistance:
        """Return the same distance, computed from the neighbours only, without the matrix."""

    def num_neighbours(self, num_crops: int) -> int:
        """Return how many nearest crops of each crop it needs."""

    def memory(self, num_crops: int) -> int:
        """Return the most bytes it takes besides its result."""


class CropDistance(Protocol):
    """Distance of any crops; smaller is closer."""

    def rows(self, crops: IndexArray) -> FloatArray:
        """Return the distances between some crops and all n. Shape (len(crops), n)."""

    def from_similarity(self, similarity: FloatArray, first: IndexArray, second: IndexArray) -> FloatArray:
        """Return the distances of the pairs (first[i], second[i]), whose similarity is known. Shape (len(first),)."""


def distance_graph(distance: CropDistance, graph: NeighbourGraph) -> DistanceGraph:
    """Return the distances of all pairs of neighbours; O(n k) memory."""
    num_crops, k = graph.neighbours.shape
    rows, columns = np.repeat(np.arange(num_crops), k), graph.neighbours.ravel().astype(np.int64)
    # One number for each pair, so that a pair found from both sides is one edge.
    keys, places = np.unique(np.minimum(rows, columns) * num_crops + np.maximum(rows, columns), return_index=True)
    is_pair = keys // num_crops != keys % num_crops
    keys, places = keys[is_pair], places[is_pair]
    first, second = keys // num_crops, keys % num_crops
    distances = distance.from_similarity(graph.similarity.ravel()[places], first, second)
    return DistanceGraph(num_crops, first, second, distances, _far(distance, graph, distances))


def _far(distance: CropDistance, graph: NeighbourGraph, edges: FloatArray) -> float:
    """Return the mean distance of non-neighbours, over a sample; above all distances if there are none."""
    num_crops = len(graph.neighbours)
    crops = evenly_spaced(num_crops, _SAMPLED_ROWS)
    num_others = len(crops) * num_crops - int(graph.is_listed[crops].sum())
    # All pairs are edges; `far` only has to be larger.
    if num_others == 0:
        return float(edges.max(initial=0)) + 1
    sampled = distance.rows(crops).astype(np.float64)
    np.put_along_axis(sampled, graph.neighbours[crops], 0, axis=1)
    return float(sampled.sum() / num_others)


def distance_graph_memory(num_crops: int) -> int:
    """Return the bytes of the sample from which the distance of crops without an edge is estimated."""
    return 4 * _SAMPLED_ROWS * num_crops


def evenly_spaced(num_crops: int, most: int) -> IntArray:
    """Return the indices of all crops, or of `most` evenly spaced ones if there are more. Shape (c,)."""
    return np.unique(np.linspace(0, num_crops - 1, min(num_crops, most)).round().astype(np.int64))
