"""Merges of a dendrogram, put into the order and numbering that scipy uses."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from iics.arrays import DoubleArray, IndexArray
from iics.kernels import kernel

Linkage = DoubleArray

ROUNDING = 1e-6
"""What may come of rounding alone, of float32 distances."""


def in_order_of_height(first: IndexArray, second: IndexArray, heights: DoubleArray) -> Linkage:
    """Return merges sorted by height, stably, with the clusters numbered as scipy numbers them.

    Heights that rounding has put just below 0 become 0: copies of one crop merge at 0.

    Args:
        first: Any crop of one of the two clusters that a merge joins. Shape (n - 1,).
        second: Any crop of the other. Shape (n - 1,).
        heights: Mean distance between the two. Shape (n - 1,).

    Returns:
        The two nodes (crops are 0..n-1, merge i makes node n + i), the height, the number of crops. Shape (n - 1, 4).
    """
    order = np.argsort(heights, kind="stable")
    sorted_heights = heights[order]
    sorted_heights[(sorted_heights < 0) & (sorted_heights > -ROUNDING)] = 0
    linkage = np.empty((len(order), 4))
    _number(first[order], second[order], sorted_heights, np.arange(2 * len(order) + 1), linkage)
    return linkage


def with_parts_last(
    first: IndexArray, second: IndexArray, heights: DoubleArray, num_crops: int
) -> tuple[IndexArray, IndexArray, DoubleArray]:
    """Return merges followed by those of the parts that nothing may join, at infinite height, in the crops' order."""
    if len(heights) == num_crops - 1:
        return first, second, heights
    merged = scipy.sparse.coo_array((np.ones(len(first)), (first, second)), shape=(num_crops, num_crops))
    _, parts = scipy.sparse.csgraph.connected_components(merged, directed=False)
    of_parts = np.unique(parts, return_index=True)[1]  # a crop of each
    apart = len(of_parts) - 1
    first = np.concatenate([first, np.full(apart, of_parts[0])])
    return first, np.concatenate([second, of_parts[1:]]), np.concatenate([heights, np.full(apart, np.inf)])


@kernel()
def _number(
    first: IndexArray, second: IndexArray, heights: DoubleArray, parents: IndexArray, linkage: DoubleArray
) -> None:
    num_crops = len(heights) + 1
    sizes = np.ones(2 * num_crops - 1, np.float64)
    for merge in range(num_crops - 1):
        nodes = (_root(parents, first[merge]), _root(parents, second[merge]))
        made = num_crops + merge
        linkage[merge, 0], linkage[merge, 1] = min(nodes), max(nodes)
        linkage[merge, 2] = heights[merge]
        sizes[made] = sizes[nodes[0]] + sizes[nodes[1]]
        linkage[merge, 3] = sizes[made]
        parents[nodes[0]] = parents[nodes[1]] = made


@kernel()
def _root(parents: IndexArray, node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]  # halves the path for the next search
        node = parents[node]
    return node
