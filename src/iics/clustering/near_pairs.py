"""Near pairs: distances of crops and their neighbours, if a matrix of all pairs does not fit into memory."""

from __future__ import annotations

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.clustering.distances import MOST_SAMPLED
from iics.clustering.graph_linkage import graph_linkage
from iics.clustering.known import Known
from iics.clustering.merges import ROUNDING, Linkage
from iics.errors import TrainingError
from iics.memory import free_memory
from iics.similarity.distance_graph import CropDistance, DistanceGraph, evenly_spaced

_SAMPLED_BYTES = 1e9
BYTES_A_PAIR = 36
"""Of a pair that is stored by itself: 8 here; the rest are scikit-learn's copies of them and lists of neighbours."""


class NearPairs:
    """Distances of near pairs of n crops; all others count as equally far. See `Distances`.

    Args:
        graph: Of the near pairs.
        between: Distances of any crops, for a sample of them; None if no sample is needed.
        known: What is known of them.
    """

    def __init__(self, graph: DistanceGraph, between: CropDistance | None = None, known: Known | None = None) -> None:
        self.graph = graph
        self._between = between
        self.known = known or Known()

    def __len__(self) -> int:
        return self.graph.num_crops

    def sample(self) -> tuple[IntArray, FloatArray]:
        """See `Distances`."""
        columns, rows = self._sampled_rows()
        return columns, rows.T

    def quantile(self, q: float) -> float:
        """Return the quantile over a sample, rounded up as heights are rounded."""
        crops, rows = self._sampled_rows()
        is_other = np.ones(rows.shape, dtype=np.bool_)
        is_other[np.arange(len(crops)), crops] = False
        return float(np.quantile(rows[is_other], q, method="inverted_cdf")) + ROUNDING

    def to_cluster(self) -> NearPairs:
        """Return the graph alone."""
        # Drops what the sample was computed from, before clustering needs memory.
        return NearPairs(self.graph, None, self.known)

    def linkage(self) -> Linkage:
        """See `Distances`."""
        return graph_linkage(self.graph, self.known.apart)

    def num_parts(self, linkage: Linkage) -> int:
        """Return the number of parts that no edge may join: they merge last, in an arbitrary order."""
        return 1 + int((linkage[:, 2] >= self.graph.far).sum())

    def _sampled_rows(self) -> tuple[IntArray, FloatArray]:
        if self._between is None:
            raise ValueError("These distances can only be clustered: look at them before.")
        crops = evenly_spaced(len(self), _num_sampled(len(self)))
        return crops, self._between.rows(crops)

    @staticmethod
    def sample_memory(num_crops: int) -> int:
        """Return the most bytes for choosing a number by a sample: three times the sample."""
        return 3 * 4 * num_crops * _num_sampled(num_crops)

    @staticmethod
    def quantile_memory(num_crops: int) -> int:
        """Return what the sample and a copy of it take."""
        return NearPairs.sample_memory(num_crops)


def _num_sampled(num_crops: int) -> int:
    """Return the number of crops in the sample."""
    return min(num_crops, MOST_SAMPLED, max(1, int(_SAMPLED_BYTES / (4 * num_crops))))


def check_pairs_fit(num_pairs: int, num_crops: int, where: str) -> None:
    """Refuse pairs that do not fit into memory one by one.

    Raises:
        TrainingError: If they do not.
    """
    free = free_memory()
    if free is not None and num_pairs * BYTES_A_PAIR > free:
        raise TrainingError(
            f"{num_pairs:,} pairs of {num_crops:,} crops lie {where}; they need about "
            f"{num_pairs * BYTES_A_PAIR / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free. Ask for a smaller eps."
        )
