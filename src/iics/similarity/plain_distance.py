"""1 - similarity: the distance `cosine` (the paper's rows marked +), and the input of re-ranking."""

from __future__ import annotations

import math

import numpy as np

from iics.arrays import FloatArray, IndexArray, IntArray
from iics.kernels import kernel, on_each_thread
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph

_ASYMMETRY_TOLERANCE = 1e-4
_TILE = 128


class PlainDistance:
    """See `iics.similarity.distance_graph.Distance`."""

    by_camera = False

    def all_pairs(self, similarity: CropSimilarity, _camera_ids: IntArray | None = None) -> FloatArray:
        """Return 1 - similarity of every pair.

        Raises:
            ValueError: If one is not finite, or they are not symmetric but for rounding.
        """
        distance = one_minus(similarity)
        if check_distance(distance) > 0:
            # Exactly symmetric, or a chain of nearest clusters could run in circles.
            distance = (distance + distance.T) / np.float32(2)
        return distance

    def near(self, similarity: CropSimilarity, _graph: NeighbourGraph) -> NearPlainDistance:
        """Return 1 - similarity, which needs no neighbours."""
        return NearPlainDistance(similarity)

    def num_neighbours(self, _num_crops: int) -> int:
        """Return 0: each pair decides its own distance."""
        return 0

    def memory(self, _num_crops: int) -> int:
        """Return 0: it is computed in place."""
        return 0


class NearPlainDistance:
    """1 - similarity, 0 between a crop and itself."""

    def __init__(self, similarity: CropSimilarity) -> None:
        self._similarity = similarity

    def rows(self, crops: IndexArray) -> FloatArray:
        """See `CropDistance`."""
        distance = 1 - self._similarity.block(crops, slice(None))
        distance[np.arange(len(crops)), crops] = 0
        return distance

    def from_similarity(self, similarity: FloatArray, _first: IndexArray, _second: IndexArray) -> FloatArray:
        """See `CropDistance`."""
        return 1 - similarity


def one_minus(similarity: CropSimilarity) -> FloatArray:
    """Return 1 - similarity of every pair, in one matrix. Shape (n, n)."""
    matrix = similarity.matrix()
    return np.subtract(1, matrix, out=matrix)


def check_distance(distance: FloatArray) -> float:
    """Return the largest difference between mirrored entries; the diagonal is ignored.

    Raises:
        ValueError: If the distance is not finite or not symmetric but for rounding.
    """
    gaps = np.zeros(-(-len(distance) // _TILE), np.float32)
    on_each_thread(_largest_asymmetry, distance, gaps)
    gap = float(gaps.max())
    if not math.isfinite(gap):
        raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")
    if gap > _ASYMMETRY_TOLERANCE:
        raise ValueError(f"distance must be symmetric; two mirrored entries differ by {gap:.3g}.")
    return gap


@kernel()
def _largest_asymmetry(d: FloatArray, gaps: FloatArray, thread: int, num_threads: int) -> None:
    """Write the largest |d(i, j) - d(j, i)| of each tile of rows; infinite if one of the two is not finite."""
    num_rows = len(d)
    for tile in range(thread, len(gaps), num_threads):
        top, bottom = tile * _TILE, min((tile + 1) * _TILE, num_rows)
        for left in range(0, bottom, _TILE):
            for i in range(top, bottom):
                for j in range(left, min(left + _TILE, i)):
                    gap = abs(d[i, j] - d[j, i])
                    # `not <=` instead of `>`: two infinite entries differ by NaN, which must be refused, too.
                    if not gap <= gaps[tile]:
                        gaps[tile] = np.inf if np.isnan(gap) else gap
