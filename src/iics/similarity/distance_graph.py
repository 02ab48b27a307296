"""Distance graph: the distances of near crops, and one distance for all other pairs.

What average linkage needs where the matrix of all pairs does not fit into memory. The distances are those of
`k_reciprocal_distance`, or 1 - similarity, of the pairs that the neighbour graph holds; the rest counts as equally far,
at the mean over a sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph
from iics.similarity.reciprocal import reciprocal_weights
from iics.similarity.reranking import check_reranking

FloatMatrix = npt.NDArray[np.float32]
FloatVector = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.integer[Any]]

_SAMPLED_ROWS = 256


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
    first: IntVector
    second: IntVector
    distance: FloatVector
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


class CropDistance(Protocol):
    """Distance of any crops; smaller is closer."""

    def rows(self, crops: IntVector) -> FloatMatrix:
        """Return the distances between some crops and all n. Shape (len(crops), n)."""

    def from_similarity(self, similarity: FloatVector, first: IntVector, second: IntVector) -> FloatVector:
        """Return the distances of the pairs (first[i], second[i]), whose similarity is known. Shape (len(first),)."""


class PlainDistance:
    """1 - similarity, 0 between a crop and itself."""

    def __init__(self, similarity: CropSimilarity) -> None:
        self._similarity = similarity

    def rows(self, crops: IntVector) -> FloatMatrix:
        """See `CropDistance`."""
        distance = 1 - self._similarity.block(crops, slice(None))
        distance[np.arange(len(crops)), crops] = 0
        return distance

    def from_similarity(self, similarity: FloatVector, first: IntVector, second: IntVector) -> FloatVector:  # noqa: ARG002
        """See `CropDistance`."""
        return 1 - similarity


class RerankedDistance:
    """The k-reciprocal distance of 1 - similarity; see `k_reciprocal_distance`.

    Args:
        similarity: Of n crops.
        graph: Their neighbours, as many as k1 and k2 need.
        k1: As for `k_reciprocal_distance`.
        k2: As for `k_reciprocal_distance`.
        lambda_value: As for `k_reciprocal_distance`.

    Raises:
        ValueError: If a setting is out of range.
    """

    def __init__(
        self, similarity: CropSimilarity, graph: NeighbourGraph, *, k1: int, k2: int, lambda_value: float
    ) -> None:
        check_reranking(k1, k2, lambda_value)
        self._plain = PlainDistance(similarity)
        self._weights = reciprocal_weights(graph.neighbours, lambda p, q: 1 - similarity.pairs(p, q), k1=k1, k2=k2)
        self._lambda = np.float32(lambda_value)

    def rows(self, crops: IntVector) -> FloatMatrix:
        """See `CropDistance`."""
        return self._mixed(self._weights.overlap_rows(crops), self._plain.rows(crops))

    def from_similarity(self, similarity: FloatVector, first: IntVector, second: IntVector) -> FloatVector:
        """See `CropDistance`."""
        return self._mixed(self._weights.overlap_pairs(first, second), 1 - similarity)

    def _mixed(self, overlap: FloatMatrix, distance: FloatMatrix) -> FloatMatrix:
        jaccard = np.subtract(1, overlap, out=overlap)
        jaccard *= 1 - self._lambda
        distance *= self._lambda
        distance += jaccard
        return distance


def distance_graph(distance: CropDistance, graph: NeighbourGraph) -> DistanceGraph:
    """Return the distances of crops of which one is a neighbour of the other; O(n k) memory."""
    num_crops, k = graph.neighbours.shape
    rows, columns = np.repeat(np.arange(num_crops), k), graph.neighbours.ravel().astype(np.int64)
    keys, places = np.unique(np.minimum(rows, columns) * num_crops + np.maximum(rows, columns), return_index=True)
    is_pair = keys // num_crops != keys % num_crops
    keys, places = keys[is_pair], places[is_pair]
    first, second = keys // num_crops, keys % num_crops
    distances = distance.from_similarity(graph.similarity.ravel()[places], first, second)
    return DistanceGraph(num_crops, first, second, distances, _far(distance, graph, distances))


def _far(distance: CropDistance, graph: NeighbourGraph, edges: FloatVector) -> float:
    """Return the mean distance to crops that are no neighbours, over a sample; more than any if all are neighbours."""
    num_crops, k = graph.neighbours.shape
    if k == num_crops:
        return float(edges.max(initial=0)) + 1
    crops = np.unique(np.linspace(0, num_crops - 1, min(num_crops, _SAMPLED_ROWS)).round().astype(np.int64))
    sampled = distance.rows(crops).astype(np.float64)
    np.put_along_axis(sampled, graph.neighbours[crops], 0, axis=1)
    return float(sampled.sum() / (len(crops) * (num_crops - k)))
