"""Cuts of a dendrogram (Eq. 4): at a number of clusters, at a distance, or at a quantile of all pair distances.

One dendrogram serves every cut. `iics.clustering.cluster_count` chooses the number without labels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.spatial.distance import squareform

from iics.clustering.average_linkage import FloatArray, check_square
from iics.clustering.merges import Linkage
from iics.crops import IntArray


def cut_number(linkage: Linkage, num_clusters: int) -> IntArray:
    """Return labels with exactly `num_clusters` clusters, whatever heights are tied: the first n - k merges.

    Args:
        linkage: Result of `average_linkage`.
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


def quantile_distance(distance: FloatArray, q: float) -> float:
    """Return the smallest distance that a fraction `q` of all pairs does not exceed.

    Found by partition, not by sorting: O(n^2) time, a copy of the upper half in memory.

    Args:
        distance: Symmetric; the diagonal is not read. Shape (n, n), n at least 2.
        q: Fraction of pairs, in [0, 1].

    Raises:
        ValueError: If `q` is out of range, the distance is not square, or there is no pair.
    """
    check_square(distance)
    if not 0 <= q <= 1:
        raise ValueError(f"q is a fraction of all pairs and must lie in [0, 1], got {q}.")
    if len(distance) < 2:
        raise ValueError("A quantile of pair distances needs at least 2 crops, got 1.")
    pairs = squareform(distance, checks=False).astype(np.float32, copy=False)  # as precise as heights are
    rank = max(math.ceil(q * len(pairs)) - 1, 0)
    pairs.partition(rank)
    return float(pairs[rank])


def cut_quantile(linkage: Linkage, distance: FloatArray, q: float) -> IntArray:
    """Return labels of the dendrogram cut at `quantile_distance(distance, q)`; one crop is one cluster."""
    if len(distance) != len(linkage) + 1:
        raise ValueError(f"linkage joins {len(linkage) + 1} crops, but distance has shape {distance.shape}.")
    if len(distance) == 1:
        return cut_number(linkage, 1)
    return cut_distance(linkage, quantile_distance(distance, q))


def number_by_first_appearance(labels: npt.NDArray[np.integer[Any]]) -> IntArray:
    """Return the same partition with labels 0..k-1 in the order in which they first occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
