"""Density clustering with noise (DBSCAN; Ester et al., KDD 1996): few but pure clusters, and crops that are in none.

A crop with at least `min_crops` crops within `eps`, itself included, is a core. Cores within `eps` of each other are of
one cluster, with the crops within `eps` of them. All other crops are noise: -1. Only pairs within `eps` matter, so both
kinds of distances become one sparse matrix of these.

Clusters may grow afterwards (`iics.clustering.growing`). DBSCAN joins along chains, so pairs that are apart can end up
in one cluster. Such a cluster is split by average linkage of its pairs within `eps`, which keeps them apart; parts of
fewer than `min_crops` become noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.cluster import DBSCAN

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.clustering.apart import Apart
from iics.clustering.average_linkage import AllPairs
from iics.clustering.cuts import cut_number, guessed_number, number_by_first_appearance
from iics.clustering.distances import Distances, Memory
from iics.clustering.graph_linkage import graph_linkage
from iics.clustering.growing import grown
from iics.clustering.near_pairs import BYTES_A_PAIR, NearPairs, check_pairs_fit
from iics.errors import TrainingError
from iics.similarity.distance_graph import DistanceGraph

_ROWS_AT_ONCE = 256
_GUESSED_NEIGHBOURS = 200


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
        labels = _split_where_apart(labels, near, distances.known.apart, eps=self.eps, min_crops=self.min_crops)
        del near
        return labels if self.grow == 0 else grown(distances, labels, to=self.grow, min_crops=self.min_crops)

    def expected_number(self, num_crops: int) -> int:
        """See `Clustering`."""
        return guessed_number(num_crops)

    def memory(self, _distances: Memory, num_crops: int) -> int:
        """Return the bytes of 200 neighbours a crop, a guess; what there really are is checked before they are kept."""
        return BYTES_A_PAIR * num_crops * min(num_crops, _GUESSED_NEIGHBOURS)

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


def _split_where_apart(labels: IntArray, near: Any, apart: Apart, *, eps: float, min_crops: int) -> IntArray:
    """Return clusters none of which holds two crops that are apart; see above."""
    joined = apart.joined(labels)
    if len(joined) == 0:
        return labels
    split, next_label = labels.copy(), int(labels.max()) + 1
    for cluster in np.unique(labels[apart.first[joined]]):
        members = np.flatnonzero(labels == cluster)
        pairs = scipy.sparse.triu(near[members][:, members], k=1).tocoo()
        # Any distance above eps would do for pairs that are not near: parts without a near pair are never joined.
        graph = DistanceGraph(len(members), pairs.row.astype(np.int64), pairs.col.astype(np.int64), pairs.data, 2 * eps)
        linkage = graph_linkage(graph, apart.among(members, len(labels)))
        parts = cut_number(linkage, 1 + int(np.isinf(linkage[:, 2]).sum()))
        is_large = np.bincount(parts)[parts] >= min_crops
        split[members] = np.where(is_large, next_label + parts, -1)
        next_label += len(members)
    is_labelled = split >= 0
    split[is_labelled] = number_by_first_appearance(split[is_labelled])
    return split


def _near_of_all(distances: AllPairs, eps: float) -> Any:
    """Return all pairs within `eps`; a matrix of them, read in blocks of rows.

    Raises:
        TrainingError: If they do not fit into memory.
    """
    num_crops = len(distances)
    counts = np.concatenate([is_near.sum(axis=1) for _, is_near in _blocks(distances.matrix, eps)])
    num_pairs = int(counts.sum())
    check_pairs_fit(num_pairs, num_crops, f"within clusters.eps {eps:g}")
    data, columns = np.empty(num_pairs, np.float32), np.empty(num_pairs, np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)])
    for rows, is_near in _blocks(distances.matrix, eps):
        place = slice(starts[rows.start], starts[rows.stop])
        columns[place] = np.nonzero(is_near)[1]
        block = distances.matrix[rows].copy()
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = 0
        data[place] = block[is_near]
    return scipy.sparse.csr_matrix((data, columns, starts), shape=(num_crops, num_crops))


def _blocks(matrix: FloatArray, eps: float) -> Iterator[tuple[slice, BoolArray]]:
    """Yield some rows, and which crops are within `eps` of each of them: itself always, whatever the diagonal holds."""
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, len(matrix)))
        is_near = matrix[rows] <= eps
        is_near[np.arange(len(is_near)), np.arange(rows.start, rows.stop)] = True
        yield rows, is_near
