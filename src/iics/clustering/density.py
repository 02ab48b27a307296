"""Density clustering with noise (DBSCAN; Ester et al., KDD 1996): few but pure clusters, and crops that are in none.

A crop with at least `min_crops` crops within `eps`, itself included, is a core. Cores within `eps` of each other are of
one cluster, with the crops within `eps` of them. All other crops are noise: -1. Only pairs within `eps` matter, so both
kinds of distances become one sparse matrix of these.

Clusters may grow: average linkage (Eq. 4) starts from them, and from the noise, crop by crop, and goes on up to a mean
distance. Density clusters follow a person through cameras where a mean distance would cut, and a mean distance reaches
crops in places too thin to be dense; on real crops the two together label more crops as purely as either
(docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.cluster import DBSCAN

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.clustering.average_linkage import AllPairs
from iics.clustering.cuts import cut_distance, guessed_number
from iics.clustering.distances import Distances, Memory
from iics.clustering.near_pairs import NearPairs
from iics.errors import TrainingError
from iics.memory import free_memory
from iics.similarity.distance_graph import DistanceGraph

_ROWS_AT_ONCE = 256
_BYTES_A_PAIR = 36
"""Of a stored pair: 8 here; the rest are scikit-learn's copies of them and its lists of neighbours."""
_GUESSED_NEIGHBOURS = 200
_NOISE = -1


class DensityClusters:
    """Clusters of crops in dense places; the others belong to none. See `Clustering`.

    Args:
        eps: Largest distance of neighbours.
        min_crops: Crops, itself included, that a core has within `eps`; and that a grown cluster has.
        grow: Mean distance up to which clusters and other crops join afterwards; 0 lets them be.
    """

    def __init__(self, eps: float, min_crops: int, grow: float = 0.0) -> None:
        self.eps, self.min_crops, self.grow = eps, min_crops, grow

    def look(self, _distances: Distances, _camera_ids: IntArray | None) -> None:
        """Need nothing."""

    def cluster(self, distances: Distances, _seen: None, *, min_number: int) -> IntArray:  # noqa: ARG002
        """Return the cluster of each crop, -1 for noise; the order of the crops decides between two clusters.

        Raises:
            TrainingError: If so many pairs lie within `eps` that they do not fit into memory, or pairs that the graph
                of neighbours does not know would.
        """
        near = _near_of_all(distances, self.eps) if isinstance(distances, AllPairs) else self._near_of_graph(distances)
        near.data.clip(0, out=near.data)  # Eq. 5 and rounding give distances below 0, which scikit-learn refuses
        found = DBSCAN(eps=self.eps, min_samples=self.min_crops, metric="precomputed").fit(near)
        labels: IntArray = found.labels_.astype(np.int64)
        del near
        return labels if self.grow == 0 else self._grown(distances, labels)

    def _grown(self, distances: Distances, labels: IntArray) -> IntArray:
        """Return the clusters of average linkage up to `grow` that starts from density clusters."""
        grown = cut_distance(_all_at_one_place(distances, labels).linkage(), self.grow)
        is_kept = np.bincount(grown) >= self.min_crops
        new_label = np.where(is_kept, np.cumsum(is_kept) - 1, _NOISE)
        return new_label[grown]

    def expected_number(self, num_crops: int) -> int:
        """See `Clustering`."""
        return guessed_number(num_crops)

    def memory(self, _distances: Memory, num_crops: int) -> int:
        """Return the bytes of 200 neighbours a crop, a guess; what there really are is checked before they are kept."""
        return _BYTES_A_PAIR * num_crops * min(num_crops, _GUESSED_NEIGHBOURS)

    def _near_of_graph(self, distances: Distances) -> Any:
        """Return the pairs of a graph of neighbours within `eps`, both ways."""
        if not isinstance(distances, NearPairs):
            raise TypeError(f"Distances are AllPairs or NearPairs, got {type(distances).__name__}.")
        graph = distances.graph
        for name, asked in (("eps", self.eps), ("grow", self.grow)):
            if graph.far <= asked:
                raise TrainingError(
                    f"clusters.{name} {asked:g} is not below {graph.far:.3f}, the mean distance of crops that are no "
                    f"neighbours: everything would be one cluster. Ask for a smaller {name}."
                )
        is_near = graph.distance <= self.eps
        first, second, values = graph.first[is_near], graph.second[is_near], graph.distance[is_near]
        itself = np.arange(len(distances))
        rows, columns = np.concatenate([itself, first, second]), np.concatenate([itself, second, first])
        data = np.concatenate([np.zeros(len(itself), np.float32), values, values])
        shape = (len(distances), len(distances))
        return scipy.sparse.csr_matrix((data.astype(np.float32), (rows, columns)), shape=shape)


def _all_at_one_place(distances: Distances, labels: IntArray) -> Distances:
    """Return the distances with 0 between crops of one cluster, so that linkage joins these first.

    Overwrites a matrix.

    Raises:
        TrainingError: If the pairs of one cluster do not fit into memory, as edges of a graph.
    """
    clusters = [np.flatnonzero(labels == cluster) for cluster in range(int(labels.max(initial=_NOISE)) + 1)]
    if isinstance(distances, AllPairs):
        for crops in clusters:
            distances.matrix[np.ix_(crops, crops)] = 0
        return distances
    if not isinstance(distances, NearPairs):
        raise TypeError(f"Distances are AllPairs or NearPairs, got {type(distances).__name__}.")
    _check_pairs_fit(sum(len(crops) * (len(crops) - 1) // 2 for crops in clusters), len(labels), "of one cluster")
    pairs = [np.triu_indices(len(crops), 1) for crops in clusters]
    inside = [(crops[a], crops[b]) for crops, (a, b) in zip(clusters, pairs, strict=True)]
    graph = distances.graph
    is_across = (labels[graph.first] != labels[graph.second]) | (labels[graph.first] == _NOISE)
    first = np.concatenate([graph.first[is_across], *(a for a, _ in inside)]).astype(graph.first.dtype)
    second = np.concatenate([graph.second[is_across], *(b for _, b in inside)]).astype(graph.second.dtype)
    distance = np.zeros(len(first), graph.distance.dtype)
    distance[: int(is_across.sum())] = graph.distance[is_across]
    return NearPairs(DistanceGraph(graph.num_crops, first, second, distance, graph.far))


def _near_of_all(distances: AllPairs, eps: float) -> Any:
    """Return all pairs within `eps`; a matrix of them, read in blocks of rows.

    Raises:
        TrainingError: If they do not fit into memory.
    """
    num_crops = len(distances)
    counts = np.concatenate([is_near.sum(axis=1) for _, is_near in _blocks(distances.matrix, eps)])
    num_pairs = int(counts.sum())
    _check_pairs_fit(num_pairs, num_crops, f"within clusters.eps {eps:g}")
    data, columns = np.empty(num_pairs, np.float32), np.empty(num_pairs, np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)])
    for rows, is_near in _blocks(distances.matrix, eps):
        place = slice(starts[rows.start], starts[rows.stop])
        columns[place] = np.nonzero(is_near)[1]
        block = distances.matrix[rows].copy()
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = 0
        data[place] = block[is_near]
    return scipy.sparse.csr_matrix((data, columns, starts), shape=(num_crops, num_crops))


def _check_pairs_fit(num_pairs: int, num_crops: int, where: str) -> None:
    free = free_memory()
    if free is not None and num_pairs * _BYTES_A_PAIR > free:
        raise TrainingError(
            f"{num_pairs:,} pairs of {num_crops:,} crops lie {where}; they need about "
            f"{num_pairs * _BYTES_A_PAIR / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free. Ask for a smaller eps."
        )


def _blocks(matrix: FloatArray, eps: float) -> Iterator[tuple[slice, BoolArray]]:
    """Yield some rows, and which crops are within `eps` of each of them: itself always, whatever the diagonal holds."""
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, len(matrix)))
        is_near = matrix[rows] <= eps
        is_near[np.arange(len(is_near)), np.arange(rows.start, rows.stop)] = True
        yield rows, is_near
