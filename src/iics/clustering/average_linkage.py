"""Average linkage (Eq. 4) of a distance matrix: every merge joins two clusters that are each other's nearest.

The nearest-neighbour chain (Benzécri, 1982; Murtagh, 1983; described by Müllner, "Modern hierarchical, agglomerative
clustering algorithms", 2011): walk from a cluster to its nearest until two are each other's nearest, merge them, and
continue from the cluster before. Works in the square float32 matrix, in which the distances of a cluster are
contiguous: at least 1.3 times as fast as fastcluster, in a third of its memory, with the same clusters
(docs/performance.md).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import squareform

from iics.arrays import DoubleArray, FloatArray, IndexArray, IntArray
from iics.clustering.distances import MOST_SAMPLED
from iics.clustering.known import Known
from iics.clustering.merges import Linkage, in_order_of_height, with_parts_last
from iics.kernels import REORDERED, kernel
from iics.similarity.distance_graph import evenly_spaced

_SMALL = 64  # clusters below which closing gaps saves nothing


class AllPairs:
    """Distances of all pairs of n crops, in one matrix that linkage overwrites; see `Distances`.

    Args:
        matrix: Smaller is closer, finite and exactly symmetric. Shape (n, n), float32 in C order.
        known: What is known of them.
    """

    def __init__(self, matrix: FloatArray, known: Known | None = None) -> None:
        self.matrix = matrix
        self.known = known or Known()

    def __len__(self) -> int:
        return len(self.matrix)

    def sample(self) -> tuple[IntArray, FloatArray]:
        """See `Distances`."""
        columns = evenly_spaced(len(self), MOST_SAMPLED)
        return columns, self.matrix if len(columns) == len(self) else self.matrix[:, columns]

    def quantile(self, q: float) -> float:
        """See `Distances`. Takes O(n^2) time, and a copy of the upper half in memory."""
        pairs = squareform(self.matrix, checks=False)
        rank = max(math.ceil(q * len(pairs)) - 1, 0)
        pairs.partition(rank)
        return float(pairs[rank])

    def to_cluster(self) -> AllPairs:
        """See `Distances`."""
        return self

    def linkage(self) -> Linkage:
        """See `Distances`."""
        apart = self.known.apart
        self.matrix[apart.first, apart.second] = self.matrix[apart.second, apart.first] = np.inf
        return linkage_in_place(self.matrix)

    def num_parts(self, linkage: Linkage) -> int:
        """Return 1, because every crop is compared with every other; more where pairs that are apart stop merges."""
        return 1 + int((linkage[:, 2] == np.inf).sum())

    @staticmethod
    def memory(num_crops: int) -> int:
        """Return the bytes of the matrix."""
        return 4 * num_crops**2

    @staticmethod
    def sample_memory(num_crops: int) -> int:
        """Return the most bytes for choosing a number by a sample: three times the sample."""
        return 3 * 4 * num_crops * min(num_crops, MOST_SAMPLED)

    @staticmethod
    def quantile_memory(num_crops: int) -> int:
        """Return the bytes of half a matrix."""
        return 2 * num_crops**2


def linkage_in_place(distance: FloatArray) -> Linkage:
    """Return the merges of average-linkage clustering, in order of height; takes O(n^2) time.

    Overwrites `distance`. Uses one core and no interpreter lock: several calls can run at once. Negative distances
    are allowed, because Eq. 5 gives similarities above 1, and a constant added to every distance changes no merge.
    Only rounding errors below 0 are clipped, so that copies of one crop merge at height 0. On ties, the order of the
    crops decides: shuffle crops that are sorted by identity.

    Pairs of infinite distance are never in one cluster: a mean with one of them is infinite. Two clusters are no nearer
    to their union than they were (Murtagh's reducibility), so the chain stays exact. A cluster that is infinitely far
    from all others has its last size.

    Args:
        distance: Smaller is closer, exactly symmetric (with d(a, b) < d(b, a) a chain could run in circles), finite or
            infinite for pairs that must not be joined; the diagonal plays no part. Shape (n, n), float32 in C order;
            holds nothing useful afterwards.

    Returns:
        Merges as scipy writes them: the two nodes, the height, the number of crops; at infinite height what must not be
        joined. Shape (n - 1, 4).
    """
    merges = _merge_all(distance, np.arange(len(distance)))
    return in_order_of_height(*with_parts_last(*merges, num_crops=len(distance)))


@kernel()
def _merge_all(d: FloatArray, crops: IndexArray) -> tuple[IndexArray, IndexArray, DoubleArray]:
    """Return the merges in the order they are found: a crop of each cluster, and the height.

    A cluster lives in the row and the column of one of its crops; `gone` is 0 for rows in use and infinite for others,
    so that `row + gone` never picks those. `crops` holds a crop of each row's cluster.
    """
    num_crops = len(d)
    first, second = np.empty(num_crops - 1, np.int64), np.empty(num_crops - 1, np.int64)
    heights = np.empty(num_crops - 1, np.float64)
    sizes = np.ones(num_crops, np.float32)
    gone = np.zeros(num_crops, np.float32)
    joined = np.empty(num_crops, np.float32)
    chain = np.empty(num_crops, np.int64)
    steps = np.empty(num_crops, np.float32)  # from each cluster of the chain to the next
    for i in range(num_crops):
        d[i, i] = np.inf
    num_rows, length, start, merge = num_crops, 0, 0, 0
    num_clusters = num_crops  # that may still be joined
    while num_clusters > 1:
        if num_rows > _SMALL and 2 * num_clusters < num_rows:
            _close_gaps(d, num_rows, gone, crops, sizes, chain[:length])
            num_rows, start = num_clusters, 0
        if length == 0:
            while gone[start] > 0:
                start += 1
            chain[0], length = start, 1
        while True:
            row = d[chain[length - 1]]
            nearest = _smallest(row, gone, num_rows)
            # The way back is the shortest; or the first of the chain, which has none, must not be joined with any.
            if nearest == np.inf or (length > 1 and nearest >= steps[length - 2]):
                break
            steps[length - 1] = nearest
            chain[length] = _place(row, gone, num_rows, nearest)
            length += 1
        num_clusters -= 1
        if nearest == np.inf:
            gone[chain[0]], length = np.inf, 0
            continue
        a, b = chain[length - 2], chain[length - 1]
        length -= 2
        first[merge], second[merge], heights[merge] = crops[a], crops[b], steps[length]
        merge += 1
        _join(d, num_rows, min(a, b), max(a, b), sizes, gone, joined)
    return first[:merge], second[:merge], heights[:merge]


@kernel(fastmath=REORDERED)
def _smallest(row: FloatArray, gone: FloatArray, num_rows: int) -> np.float32:
    smallest = np.float32(np.inf)
    for j in range(num_rows):
        smallest = min(smallest, row[j] + gone[j])
    return smallest


@kernel()
def _place(row: FloatArray, gone: FloatArray, num_rows: int, value: np.float32) -> int:
    for j in range(num_rows):
        if row[j] + gone[j] == value:
            return j
    return -1


@kernel()
def _join(
    d: FloatArray, num_rows: int, a: int, b: int, sizes: FloatArray, gone: FloatArray, joined: FloatArray
) -> None:
    """Put the union of a and b into row and column b: the mean over its crops, weighted by size."""
    size = sizes[a] + sizes[b]
    share_a, share_b = sizes[a] / size, sizes[b] / size
    row_a, row_b = d[a], d[b]
    for j in range(num_rows):
        # Rounding must not bring the union nearer than either was: the chain would meet itself.
        joined[j] = max(share_a * row_a[j] + share_b * row_b[j], min(row_a[j], row_b[j]))
    gone[a] = np.inf
    joined[b] = np.inf
    for j in range(num_rows):
        row_b[j] = joined[j]
        if gone[j] == 0:
            d[j, b] = joined[j]
    sizes[b] = size


@kernel()
def _close_gaps(
    d: FloatArray, num_rows: int, gone: FloatArray, crops: IndexArray, sizes: FloatArray, chain: IndexArray
) -> None:
    """Move the clusters that are left to the first rows and columns, in their order."""
    places, kept = np.empty(num_rows, np.int64), np.empty(num_rows, np.int64)
    num_kept = 0
    for old in range(num_rows):
        if gone[old] == 0:
            kept[num_kept], places[old] = old, num_kept
            num_kept += 1
    for new in range(num_kept):
        old = kept[new]
        for j in range(num_kept):
            d[new, j] = d[old, kept[j]]
        crops[new], sizes[new] = crops[old], sizes[old]
        gone[new] = 0
    for i in range(len(chain)):
        chain[i] = places[chain[i]]
