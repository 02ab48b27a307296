"""Which members of a cluster are typical and which are doubtful. Features x clusters -> numbers.

A member is compared with the mean of its cluster's other members, so that it does not vote for itself, and with the
means of all other clusters. Its doubt is the similarity to the nearest other cluster minus that to its own: above 0 it
is nearer to another cluster than to its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from iics.arrays import FloatArray, IntArray

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class MemberDoubts:
    """How each crop fits into its cluster.

    Attributes:
        own_similarity: Cosine to the mean of the cluster's other members; NaN for a single crop or one without a
            cluster. Shape (n,).
        other_similarity: Cosine to the nearest mean of another cluster; NaN without another. Shape (n,).
        nearest_other: That cluster, -1 without. Shape (n,).
    """

    own_similarity: FloatArray
    other_similarity: FloatArray
    nearest_other: IntArray

    @property
    def doubt(self) -> FloatArray:
        """Similarity to the nearest other cluster minus that to the own; NaN where either is unknown. Shape (n,)."""
        return self.other_similarity - self.own_similarity


@dataclass(frozen=True, eq=False)
class Cluster:
    """One cluster.

    Attributes:
        label: Its number.
        members: Its crops, the most typical first. Shape (m,).
        doubtful_share: Share of members that are nearer to another cluster; None for a single crop or cluster.
        mean_doubt: Mean doubt of its members; None likewise.
    """

    label: int
    members: IntArray
    doubtful_share: float | None
    mean_doubt: float | None


def member_doubts(features: FloatArray, labels: IntArray) -> MemberDoubts:
    """Return how each crop fits into its cluster; n x k products, a block of rows at a time.

    Args:
        features: L2-normalised. Shape (n, d).
        labels: Cluster of each crop from 0, -1 for none. Shape (n,).
    """
    num_clusters = int(labels.max()) + 1
    sums = np.zeros((num_clusters, features.shape[1]), dtype=np.float32)
    np.add.at(sums, labels[labels >= 0], features[labels >= 0])
    means = _normalised(sums)
    own, other = np.full((2, len(labels)), np.nan, dtype=np.float32)
    nearest = np.full(len(labels), -1, dtype=np.int64)
    has_others = np.bincount(labels[labels >= 0], minlength=num_clusters) > 1
    for start in range(0, len(labels), _ROWS_AT_ONCE):
        rows = start + np.flatnonzero(labels[start : start + _ROWS_AT_ONCE] >= 0)
        if num_clusters > 1:
            similarity = features[rows] @ means.T
            similarity[np.arange(len(rows)), labels[rows]] = -np.inf
            nearest[rows] = similarity.argmax(axis=1)
            other[rows] = similarity.max(axis=1)
        rows = rows[has_others[labels[rows]]]
        own[rows] = (features[rows] * _normalised(sums[labels[rows]] - features[rows])).sum(axis=1)
    return MemberDoubts(own, other, nearest)


def clusters_by_members(labels: IntArray, doubts: MemberDoubts) -> tuple[Cluster, ...]:
    """Return the clusters in order of their numbers."""
    by_similarity = np.argsort(-np.nan_to_num(doubts.own_similarity, nan=-1), kind="stable")
    in_order = by_similarity[np.argsort(labels[by_similarity], kind="stable")]
    starts = np.searchsorted(labels[in_order], np.arange(labels.max() + 2))
    clusters = []
    for label, (start, stop) in enumerate(pairwise(starts.tolist())):
        members = in_order[start:stop]
        doubt = doubts.doubt[members]
        is_known = len(members) > 0 and not np.isnan(doubt).any()
        share, mean = (float((doubt > 0).mean()), float(doubt.mean())) if is_known else (None, None)
        clusters.append(Cluster(label, members, share, mean))
    return tuple(clusters)


def largest_first(clusters: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
    """Return the clusters by size."""
    return tuple(sorted(clusters, key=lambda cluster: -len(cluster.members)))


def most_doubtful_first(clusters: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
    """Return the clusters by the share of doubtful members, then by mean doubt; those without doubt known come last."""

    def order(cluster: Cluster) -> tuple[bool, float, float]:
        return cluster.doubtful_share is None, -(cluster.doubtful_share or 0), -(cluster.mean_doubt or 0)

    return tuple(sorted(clusters, key=order))


def typical_members(cluster: Cluster, count: int) -> IntArray:
    """Return the members most similar to the rest of their cluster, the most similar first."""
    return cluster.members[:count]


def doubtful_members(cluster: Cluster, doubts: MemberDoubts, count: int) -> IntArray:
    """Return the members of most doubt, the most doubtful first; none of a cluster whose doubt is not known."""
    if cluster.doubtful_share is None:
        return cluster.members[:0]
    order = np.argsort(-doubts.doubt[cluster.members], kind="stable")
    return cluster.members[order[:count]]


def _normalised(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    normalised: FloatArray = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return normalised
