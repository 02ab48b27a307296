"""Average linkage (Eq. 4) of a sparse graph: pairs without an edge count as equally far.

Equal to the average linkage of the matrix that holds each edge's distance and, for all other pairs, one distance
`far`. With the closeness w = far - d, which is 0 without an edge, the mean distance of two clusters is far - sum(w)
/ (size * size), and only edges add to sum(w). Pairs that are apart have a closeness of minus infinity, and so has every
sum that holds one: what is not closer than 0 is never joined. Nearest-neighbour chain as in `linkage_in_place`; memory
grows linearly with the number of edges.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import DoubleArray, IndexArray
from iics.clustering.apart import Apart
from iics.clustering.merges import Linkage, in_order_of_height
from iics.kernels import kernel
from iics.similarity.distance_graph import DistanceGraph

_NONE = -1
_RESOLUTION = 2.0**-24


def graph_linkage(graph: DistanceGraph, apart: Apart | None = None) -> Linkage:
    """Return the merges of average-linkage clustering on a graph, in order of height.

    Clusters that no edge joins merge at height `far`, in the order of their crops; at infinite height if pairs are
    apart. Edges no closer than `far` count as none. On ties the order of the crops decides.

    Args:
        graph: The near pairs.
        apart: Pairs that no cluster may hold, with or without an edge; None for none.

    Returns:
        Merges as scipy writes them: the two nodes, the height, the number of crops. Shape (n - 1, 4).
    """
    # Multiples of 2^-24, float32's resolution, add up without rounding to 2^29: a sum is then the same from both ends
    # and in every order, and no tie can send the chain in circles.
    closeness = np.round((graph.far - graph.distance.astype(np.float64)) / _RESOLUTION) * _RESOLUTION
    is_close = closeness > 0
    first, second, closeness = graph.first[is_close], graph.second[is_close], closeness[is_close]
    last = graph.far
    if apart is not None and len(apart):
        first, second = np.concatenate([first, apart.first]), np.concatenate([second, apart.second])
        closeness, last = np.concatenate([closeness, np.full(len(apart), -np.inf)]), np.inf
    targets = np.empty(2 * len(first), np.int32)  # edge i of a cluster at 2i and, seen from the other end, at 2i + 1
    targets[0::2], targets[1::2] = second, first
    merges = _merge_all(graph.num_crops, targets, np.repeat(closeness, 2), float(graph.far), float(last))
    return in_order_of_height(*merges)


@kernel()
def _merge_all(
    num_crops: int, targets: IndexArray, closeness: DoubleArray, far: float, last: float
) -> tuple[IndexArray, IndexArray, DoubleArray]:
    """Return the merges in the order they are found: a crop of each cluster, and the height.

    A cluster is named by one of its crops. Its edges are a linked list, so that two lists are joined in constant
    time. An edge names the cluster that it led to when it was last read, which may have been merged since.
    """
    parents = np.arange(num_crops)
    sizes = np.ones(num_crops)
    heads, tails = np.full(num_crops, _NONE, np.int64), np.full(num_crops, _NONE, np.int64)
    following = np.full(len(targets), _NONE, np.int64)
    for edge in range(len(targets)):
        crop = targets[edge ^ 1]
        if heads[crop] == _NONE:
            heads[crop] = edge
        else:
            following[tails[crop]] = edge
        tails[crop] = edge
    edge_to = np.full(num_crops, _NONE, np.int64)
    chain, steps = np.empty(num_crops, np.int64), np.empty(num_crops)
    first, second = np.empty(num_crops - 1, np.int64), np.empty(num_crops - 1, np.int64)
    heights = np.empty(num_crops - 1)
    merge = 0
    for start in range(num_crops):
        # A name is used up when its cluster has no edges left; until then the walk starts from it again and again.
        while parents[start] == start and heads[start] != _NONE:
            chain[0], length = start, 1
            while length > 0:
                cluster = chain[length - 1]
                _gather_edges(cluster, parents, heads, tails, following, targets, closeness, edge_to)
                nearest, best = _closest(cluster, heads, following, targets, closeness, sizes)
                if nearest == _NONE:
                    heads[cluster] = _NONE  # what edges are left lead to clusters that it is apart from
                    length -= 1
                elif length > 1 and best <= steps[length - 2]:  # the way back is the shortest
                    a, b = min(chain[length - 2], cluster), max(chain[length - 2], cluster)
                    length -= 2
                    first[merge], second[merge], heights[merge] = a, b, far - steps[length]
                    merge += 1
                    parents[b] = a
                    sizes[a] += sizes[b]
                    following[tails[a]] = heads[b]
                    tails[a] = tails[b]
                else:
                    steps[length - 1] = best
                    chain[length] = nearest
                    length += 1
    for crop in range(1, num_crops):
        if parents[crop] == crop:
            first[merge], second[merge], heights[merge] = 0, crop, last
            merge += 1
    return first, second, heights


@kernel()
def _name(parents: IndexArray, crop: int) -> int:
    while parents[crop] != crop:
        parents[crop] = parents[parents[crop]]
        crop = parents[crop]
    return crop


@kernel()
def _gather_edges(
    cluster: int,
    parents: IndexArray,
    heads: IndexArray,
    tails: IndexArray,
    following: IndexArray,
    targets: IndexArray,
    closeness: DoubleArray,
    edge_to: IndexArray,
) -> None:
    """Update the targets of a cluster's edges, add up edges to the same cluster, drop edges within it."""
    edge, kept = heads[cluster], _NONE
    while edge != _NONE:
        target = _name(parents, targets[edge])
        if target != cluster and edge_to[target] == _NONE:
            targets[edge] = target
            edge_to[target] = edge
            if kept == _NONE:
                heads[cluster] = edge
            else:
                following[kept] = edge
            kept = edge
        elif target != cluster:
            closeness[edge_to[target]] += closeness[edge]
        edge = following[edge]
    if kept == _NONE:
        heads[cluster] = _NONE
        return
    following[kept] = _NONE
    tails[cluster] = kept
    edge = heads[cluster]
    while edge != _NONE:
        edge_to[targets[edge]] = _NONE
        edge = following[edge]


@kernel()
def _closest(
    cluster: int,
    heads: IndexArray,
    following: IndexArray,
    targets: IndexArray,
    closeness: DoubleArray,
    sizes: DoubleArray,
) -> tuple[int, float]:
    """Return the neighbour with the largest mean closeness, the smallest such on a tie, and that closeness."""
    nearest, best = _NONE, 0.0
    edge = heads[cluster]
    while edge != _NONE:
        target = targets[edge]
        mean = closeness[edge] / (sizes[cluster] * sizes[target])
        if mean > best or (mean == best and target < nearest):
            nearest, best = target, mean
        edge = following[edge]
    return nearest, best
