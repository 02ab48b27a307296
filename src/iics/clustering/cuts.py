"""Cuts of a dendrogram (Eq. 4): into a number of clusters, at a distance, or at a quantile of all pair distances.

One dendrogram serves every cut. `iics.clustering.cluster_count` chooses the number without labels.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import scipy.sparse

from iics.arrays import IntArray
from iics.clustering.distances import Distances, Memory
from iics.clustering.merges import Linkage

logger = logging.getLogger(__name__)


class FixedNumber:
    """A fixed number of clusters, never more than half as many as there are crops; see `Clustering`."""

    def __init__(self, number: int) -> None:
        self.number = number

    def look(self, _distances: Distances, _camera_ids: IntArray | None) -> None:
        """Need nothing."""

    def cluster(self, distances: Distances, _seen: None, *, min_number: int) -> IntArray:  # noqa: ARG002
        """See `Clustering`."""
        linkage = distances.linkage()
        most = distances.known.most_of(len(distances))
        number, least = min(self.number, most), distances.num_parts(linkage)
        if number < least:
            _warn_of_parts(number, least, are_apart=len(distances.known.apart) > 0)
        return cut_number(linkage, max(number, least))

    def expected_number(self, num_crops: int) -> int:
        """See `Clustering`."""
        return min(self.number, num_crops // 2)

    def memory(self, _distances: Memory, _num_crops: int) -> int:
        """Return 0."""
        return 0


def _warn_of_parts(number: int, least: int, *, are_apart: bool) -> None:
    if are_apart:
        what, advice = "Pairs that are two individuals (tracklets.apart) leave", "Raise"
    else:
        what, advice = "The graph of neighbours falls into", "Raise distance.graph_neighbours or"
    logger.warning(
        "%s %d parts, more than the %d clusters asked for; each part becomes a cluster or more. %s the number of "
        "clusters.",
        what,
        least,
        number,
        advice,
    )


class QuantileCut:
    """All merges below the distance that a fraction q of all pairs does not exceed; see `Clustering`."""

    def __init__(self, q: float) -> None:
        self.q = q

    def look(self, distances: Distances, _camera_ids: IntArray | None) -> float | None:
        """Return where the cut lies; None if there is no pair."""
        return distances.quantile(self.q) if len(distances) > 1 else None

    def cluster(self, distances: Distances, seen: float | None, *, min_number: int) -> IntArray:  # noqa: ARG002
        """See `Clustering`."""
        linkage = distances.linkage()
        return cut_number(linkage, 1) if seen is None else cut_distance(linkage, seen)

    def expected_number(self, num_crops: int) -> int:
        """See `Clustering`."""
        return guessed_number(num_crops)

    def memory(self, distances: Memory, num_crops: int) -> int:
        """See `Clustering`."""
        return distances.quantile_memory(num_crops)


def guessed_number(num_crops: int) -> int:
    """Return a guess of a number of clusters that is not fixed: one per four crops."""
    return num_crops // 4


def cut_number(linkage: Linkage, num_clusters: int) -> IntArray:
    """Return labels with exactly `num_clusters` clusters, even if heights are tied: the first n - k merges.

    Args:
        linkage: Result of `linkage_in_place`.
        num_clusters: Number of clusters k, from 1 to the number of crops n.

    Returns:
        Labels 0..k-1, numbered by first appearance. Shape (n,).

    Raises:
        ValueError: If `num_clusters` is below 1 or above n.
    """
    num_crops = len(linkage) + 1
    if not 1 <= num_clusters <= num_crops:
        raise ValueError(f"num_clusters must lie between 1 and the {num_crops} crops there are, got {num_clusters}.")
    num_merges = num_crops - num_clusters
    # A graph of crops and merges, each merge tied to the two nodes it joins: its components are the clusters.
    merges = np.repeat(np.arange(num_crops, num_crops + num_merges), 2)
    children = linkage[:num_merges, :2].astype(np.int64).ravel()
    num_nodes = num_crops + num_merges
    graph = scipy.sparse.coo_array((np.ones(len(merges)), (merges, children)), shape=(num_nodes, num_nodes))
    _, components = scipy.sparse.csgraph.connected_components(graph, directed=False)
    return number_by_first_appearance(components[:num_crops])


def cut_distance(linkage: Linkage, distance_threshold: float) -> IntArray:
    """Return labels after all merges at a height of at most `distance_threshold`.

    Raises:
        ValueError: If the threshold is NaN.
    """
    if math.isnan(distance_threshold):
        raise ValueError("distance_threshold must be a number, got nan.")
    num_merges = int(np.searchsorted(linkage[:, 2], distance_threshold, side="right"))
    return cut_number(linkage, len(linkage) + 1 - num_merges)


def number_by_first_appearance(labels: IntArray) -> IntArray:
    """Return the same partition with labels 0..k-1 in the order in which they first occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
