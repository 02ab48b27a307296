"""Clustering (Eq. 4): average-linkage agglomeration of a distance matrix, and the ways to cut its dendrogram.

One dendrogram serves every cut: at a number of clusters (the paper's 600 and 800), at a distance, or at the distance
below which a fraction of all pairs lies. `iics.cluster_count` chooses the number without labels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.cluster.hierarchy
import scipy.sparse
from scipy.spatial.distance import squareform

from iics.data.crops import IntArray

FloatArray = npt.NDArray[np.floating[Any]]
Linkage = npt.NDArray[np.float64]

_ROUNDING = 1e-6
_ASYMMETRY_TOLERANCE = 1e-4
_BLOCK_ROWS = 512


def average_linkage(distance: FloatArray) -> Linkage:
    """Return the merges of average-linkage clustering, in order of height.

    Negative distances are allowed: Eq. 5 makes similarities above 1, and a constant added to every distance changes
    no merge. Only rounding errors below 0 are clipped, so that copies of one crop merge at height 0. Takes O(n^2) time
    and about 9 n^2 bytes beside the input. On ties the order of the crops decides: shuffle crops that come sorted by
    identity.

    Args:
        distance: Smaller is closer, symmetric but for rounding; the diagonal plays no part. Shape (n, n).

    Returns:
        Merges as scipy writes them: the two nodes, the height, the number of crops. Shape (n - 1, 4).

    Raises:
        ValueError: If the distance is not square, not finite or not symmetric.
    """
    _check_square(distance)
    _check_symmetric(distance)
    if len(distance) == 1:
        return np.empty((0, 4))
    pairs = _pair_distances(distance).astype(np.float64)
    pairs[(pairs < 0) & (pairs > -_ROUNDING)] = 0
    merges: Linkage = scipy.cluster.hierarchy.linkage(pairs, method="average")
    return merges


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
    _check_square(distance)
    if not 0 <= q <= 1:
        raise ValueError(f"q is a fraction of all pairs and must lie in [0, 1], got {q}.")
    if len(distance) < 2:
        raise ValueError("A quantile of pair distances needs at least 2 crops, got 1.")
    pairs = _pair_distances(distance)
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


def _pair_distances(distance: FloatArray) -> FloatArray:
    pairs: FloatArray = squareform(distance, checks=False)  # a copy of the upper half, row by row
    return pairs


def _check_square(distance: FloatArray) -> None:
    if distance.ndim != 2 or distance.shape[0] != distance.shape[1] or len(distance) == 0:
        raise ValueError(f"distance must have shape (crops, crops), got {distance.shape}.")


def _check_symmetric(distance: FloatArray) -> None:
    for start in range(0, len(distance), _BLOCK_ROWS):
        rows, columns = distance[start : start + _BLOCK_ROWS, start:], distance[start:, start : start + _BLOCK_ROWS].T
        if not (np.isfinite(rows).all() and np.isfinite(columns).all()):
            raise ValueError("distance holds NaN or infinite values; check the features it was computed from.")
        gap = float(np.abs(rows - columns).max())
        if gap > _ASYMMETRY_TOLERANCE:
            raise ValueError(f"distance must be symmetric; two mirrored entries differ by {gap:.3g}.")
