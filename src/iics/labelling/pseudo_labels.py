"""Pseudo-labels (Eq. 2): clusters as training targets, checked, and their statistics.

In: a partition. Out: the labels for training and their statistics: sizes, the mix of cameras in clusters and, if
identities are known, the agreement with them. Identities are only used to measure.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, pair_confusion_matrix

from iics.arrays import BoolArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY

NO_CLUSTER = -1
"""Label of a crop that belongs to no cluster: it takes no part in training."""


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """The cluster of each crop, used as its training target.

    Attributes:
        labels: Clusters 0..num_clusters-1, none empty; -1 for crops of none. Read-only copy. Shape (n,).
        num_clusters: Number of clusters.

    Raises:
        ValueError: If labels are empty, not integers, or a number from 0 to num_clusters-1 is missing or exceeded.
    """

    labels: IntArray
    num_clusters: int

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 1 or len(labels) == 0 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be integers of shape (crops,), got {labels.dtype} {labels.shape}.")
        found = np.unique(labels[labels != NO_CLUSTER])
        if not np.array_equal(found, np.arange(self.num_clusters)):
            raise ValueError(
                f"{self.num_clusters} clusters need labels 0 to {self.num_clusters - 1} without gaps, "
                f"got {len(found)} different ones from {min(found, default=-1)} to {max(found, default=-1)}."
            )
        labels = labels.astype(np.int64)  # a copy
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)

    @property
    def sizes(self) -> IntArray:
        """Number of crops of each cluster. Shape (num_clusters,)."""
        return np.bincount(self.labels[self.is_labelled], minlength=self.num_clusters)

    @property
    def is_labelled(self) -> BoolArray:
        """Whether each crop belongs to a cluster. Shape (n,)."""
        is_labelled: BoolArray = self.labels != NO_CLUSTER
        return is_labelled

    @property
    def num_labelled(self) -> int:
        """Number of crops that belong to a cluster."""
        return int(self.is_labelled.sum())


@dataclass(frozen=True)
class PseudoLabelStatistics:
    """Statistics of a partition and, if identities exist, its agreement with them.

    Attributes:
        num_clusters: Number of clusters.
        num_singletons: Clusters of one crop.
        largest_share: Fraction of all crops in the largest cluster.
        min_size: Smallest cluster.
        median_size: Median size of a cluster.
        max_size: Largest cluster.
        size_counts: Each size that occurs, ascending, and how many clusters have it: pairs (size, clusters).
        camera_entropy: Entropy of the cameras within a cluster, in nats; mean over clusters weighted by their size.
        camera_entropy_normalized: The same divided by the log of the number of cameras, in [0, 1]; 0 for one camera.
        num_across_cameras: Clusters that hold crops of two cameras or more.
        labelled_share: Fraction of all crops that belong to a cluster; the others do not train.
        adjusted_rand_index: Agreement of pairs with identities, corrected for chance (Hubert and Arabie, 1985).
        normalized_mutual_information: Mutual information over the mean of both entropies.
        pairwise_precision: Of the pairs in one cluster, the fraction of one identity; 1 if no cluster has two crops.
        pairwise_recall: Of the pairs of one identity, the fraction in one cluster; 1 if no identity has two crops.

    The last four are None without identities, and ignore crops of identity 0 and below. Crops without a cluster only
    count in the number of all crops of `largest_share` and `labelled_share`.
    """

    num_clusters: int
    num_singletons: int
    largest_share: float
    min_size: int
    median_size: float
    max_size: int
    size_counts: tuple[tuple[int, int], ...]
    camera_entropy: float
    camera_entropy_normalized: float
    num_across_cameras: int
    labelled_share: float
    adjusted_rand_index: float | None = None
    normalized_mutual_information: float | None = None
    pairwise_precision: float | None = None
    pairwise_recall: float | None = None


def describe_pseudo_labels(
    pseudo_labels: PseudoLabels, camera_ids: npt.ArrayLike, identity_ids: npt.ArrayLike | None = None
) -> PseudoLabelStatistics:
    """Return the statistics of a partition; O(n log n), from counts of (cluster, camera) and (cluster, identity).

    Args:
        pseudo_labels: The partition.
        camera_ids: Camera of each crop. Shape (n,).
        identity_ids: Identity of each crop, -1 junk, 0 a distractor; None if unknown. Shape (n,).

    Raises:
        ValueError: If the lengths differ, or there is no cluster.
    """
    labels, sizes, is_labelled = pseudo_labels.labels, pseudo_labels.sizes, pseudo_labels.is_labelled
    if len(sizes) == 0:
        raise ValueError(f"None of {len(labels)} crops belongs to a cluster; there is nothing to describe.")
    cameras = _same_length(camera_ids, labels, "camera_ids")
    by_camera = contingency_matrix(labels[is_labelled], cameras[is_labelled], sparse=True)
    entropy = _conditional_entropy(by_camera)
    num_cameras = len(np.unique(cameras))
    found, counts = np.unique(sizes, return_counts=True)
    agreement: dict[str, float] = {}
    if identity_ids is not None:
        identities = _same_length(identity_ids, labels, "identity_ids")
        is_person = (identities > DISTRACTOR_IDENTITY) & is_labelled
        if is_person.any():
            agreement = _agreement(labels[is_person], identities[is_person])
    return PseudoLabelStatistics(
        num_clusters=pseudo_labels.num_clusters,
        num_singletons=int((sizes == 1).sum()),
        largest_share=float(sizes.max() / len(labels)),
        min_size=int(sizes.min()),
        median_size=float(np.median(sizes)),
        max_size=int(sizes.max()),
        size_counts=tuple(zip(found.tolist(), counts.tolist(), strict=True)),
        camera_entropy=entropy,
        camera_entropy_normalized=min(entropy / float(np.log(num_cameras)), 1.0) if num_cameras > 1 else 0.0,
        num_across_cameras=int((by_camera.getnnz(axis=1) > 1).sum()),
        labelled_share=pseudo_labels.num_labelled / len(labels),
        **agreement,
    )


@dataclass(frozen=True)
class PartitionAgreement:
    """Agreement of two partitions of the same crops; 1 if they are equal.

    Attributes:
        adjusted_rand_index: As in the statistics; about 0 for unrelated partitions.
        normalized_mutual_information: As in the statistics; high for many small clusters even by chance.
    """

    adjusted_rand_index: float
    normalized_mutual_information: float


def compare_partitions(before: npt.ArrayLike, after: npt.ArrayLike) -> PartitionAgreement:
    """Return the agreement of two partitions; the numbers of their clusters do not matter; O(n log n).

    Args:
        before: Cluster of each crop. Shape (n,).
        after: Likewise. Shape (n,).

    Raises:
        ValueError: If the lengths differ.
    """
    labels = np.asarray(after)
    before = _same_length(before, labels, "labels before")
    return PartitionAgreement(
        float(adjusted_rand_score(before, labels)), float(normalized_mutual_info_score(before, labels))
    )


def _same_length(ids: npt.ArrayLike, labels: IntArray, name: str) -> IntArray:
    array = np.asarray(ids)
    if array.shape != labels.shape:
        raise ValueError(f"{len(labels)} labels need {len(labels)} {name}, got shape {array.shape}.")
    return array.astype(np.int64)


def _conditional_entropy(counts: Any) -> float:
    """Return the entropy of the columns within a row, in nats, rows weighted by their sums."""
    counts = counts.tocoo()
    row_sums = np.bincount(counts.row, weights=counts.data)
    return float(-(counts.data * np.log(counts.data / row_sums[counts.row])).sum() / counts.data.sum()) + 0.0


def _agreement(labels: IntArray, identities: IntArray) -> dict[str, float]:
    """Return the four measures of agreement with identities, as named in the statistics."""
    pairs = pair_confusion_matrix(identities, labels)  # rows: of one identity or not; columns: in one cluster or not
    in_both, in_cluster, of_identity = pairs[1, 1], pairs[:, 1].sum(), pairs[1].sum()
    return {
        **dataclasses.asdict(compare_partitions(identities, labels)),
        "pairwise_precision": float(in_both / in_cluster) if in_cluster else 1.0,
        "pairwise_recall": float(in_both / of_identity) if of_identity else 1.0,
    }
