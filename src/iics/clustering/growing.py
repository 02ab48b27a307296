"""Clusters that grow: average linkage (Eq. 4) that starts from clusters, and from the crops that are in none.

Density clusters follow a person through cameras where a mean distance would cut, and a mean distance reaches crops in
places too thin to be dense; on real crops the two together label more crops as purely as either (docs/experiments.md).
"""

from __future__ import annotations

import numpy as np

from iics.arrays import IntArray
from iics.clustering.average_linkage import AllPairs
from iics.clustering.cuts import cut_distance
from iics.clustering.distances import Distances
from iics.clustering.near_pairs import NearPairs, check_pairs_fit
from iics.similarity.distance_graph import DistanceGraph

_NOISE = -1


def grown(distances: Distances, labels: IntArray, *, to: float, min_crops: int) -> IntArray:
    """Return the clusters after all merges of average linkage up to a mean distance; smaller ones become noise.

    Args:
        distances: Of n crops; overwritten.
        labels: Cluster of each crop, -1 for none. Crops of one cluster stay together. Shape (n,).
        to: Mean distance up to which clusters, and crops of none, join. Pairs that are apart do not.
        min_crops: Crops that a cluster has at least.

    Raises:
        TrainingError: If the pairs of one cluster do not fit into memory, as edges of a graph.
    """
    found = cut_distance(_at_one_place(distances, labels).linkage(), to)
    is_kept = np.bincount(found) >= min_crops
    new_label = np.where(is_kept, np.cumsum(is_kept) - 1, _NOISE)
    return new_label[found]


def _at_one_place(distances: Distances, labels: IntArray) -> Distances:
    """Return the distances with 0 between crops of one cluster, so that linkage joins these first; may overwrite."""
    clusters = [np.flatnonzero(labels == cluster) for cluster in range(int(labels.max(initial=_NOISE)) + 1)]
    if isinstance(distances, AllPairs):
        for crops in clusters:
            distances.matrix[np.ix_(crops, crops)] = 0
        return distances
    if not isinstance(distances, NearPairs):
        raise TypeError(f"Distances are AllPairs or NearPairs, got {type(distances).__name__}.")
    check_pairs_fit(sum(len(crops) * (len(crops) - 1) // 2 for crops in clusters), len(labels), "in one cluster")
    pairs = [np.triu_indices(len(crops), 1) for crops in clusters]
    inside = [(crops[a], crops[b]) for crops, (a, b) in zip(clusters, pairs, strict=True)]
    graph = distances.graph
    is_across = (labels[graph.first] != labels[graph.second]) | (labels[graph.first] == _NOISE)
    first = np.concatenate([graph.first[is_across], *(a for a, _ in inside)]).astype(graph.first.dtype)
    second = np.concatenate([graph.second[is_across], *(b for _, b in inside)]).astype(graph.second.dtype)
    distance = np.zeros(len(first), graph.distance.dtype)
    distance[: int(is_across.sum())] = graph.distance[is_across]
    return NearPairs(DistanceGraph(graph.num_crops, first, second, distance, graph.far), None, distances.known)
