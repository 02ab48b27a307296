"""Cluster structure: do features form clusters that span cameras? Features x cameras -> numbers, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray, IntArray
from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cluster_count import ClusterCount, choose_number_of_clusters, comparisons_of
from iics.clustering.cuts import cut_number
from iics.clustering.merges import Linkage
from iics.crops import CropSet
from iics.evaluation.explained import explained, percent
from iics.labelling.pseudo_labels import PseudoLabels, describe_pseudo_labels


@dataclass(frozen=True)
class ClusterStructure:
    """Cosine clusters: by average linkage of 1 - cosine, cut at the largest silhouette.

    Attributes:
        num_crops: Crops clustered.
        num_clusters: Chosen as training's `auto` chooses; 1 if there is no structure, and the rest is None then.
        silhouette: Mean silhouette there; of several cameras over pairs from different ones.
        singleton_share: Share of clusters of one crop.
        median_size: Median crops of a cluster.
        spanning_share: Of the clusters of two crops or more, the share with crops of several cameras; None if there is
            no such cluster, or one camera.
        camera_entropy_normalized: Camera mix: entropy of cameras within a cluster over that of equal shares, in [0, 1];
            None for one camera. As metrics.jsonl has it of the clusters of training, which another similarity makes.
    """

    num_crops: int
    num_clusters: int
    silhouette: float
    singleton_share: float | None
    median_size: float | None
    spanning_share: float | None
    camera_entropy_normalized: float | None

    def lines(self) -> list[str]:
        """Return what can be printed."""
        lines = [f"Cosine clusters ({self.num_crops:,} crops clustered by plain cosine; training clusters otherwise)"]
        if self.singleton_share is None:
            return lines + explained(
                "number of clusters",
                "1",
                "Bad: no cut of any number of clusters has crops nearer to their own cluster than to the next, over "
                "pairs from different cameras if there are several.",
            )
        lines += explained(
            "number of clusters",
            f"{self.num_clusters:,}",
            "A guess at the number of people among them, without labels: better features come nearer to what you know.",
        )
        lines += explained(
            "mean silhouette",
            f"{self.silhouette:.3f}",
            "How much nearer crops are to their own cluster than to the next, over pairs from different cameras if "
            "there are several. Good: towards 1; near 0 there are no clusters to speak of.",
        )
        lines += explained(
            "clusters of one crop",
            percent(self.singleton_share),
            f"Median size: {self.median_size:g}. Good: few, unless most people were seen once.",
        )
        if self.spanning_share is not None:
            lines += explained(
                "clusters that span cameras (of those with two crops or more)",
                percent(self.spanning_share),
                "Good: high where people walk from camera to camera. Near 0 %: clusters are cameras' own.",
            )
        if self.camera_entropy_normalized is not None:
            lines += explained(
                "camera mix of cosine clusters",
                percent(self.camera_entropy_normalized),
                "0 %: each cluster is of one camera; 100 %: all cameras in equal shares. The report of a run has the "
                "camera mix of its training clusters, which another similarity makes: do not compare the two.",
            )
        return lines


def cluster_structure(
    features: FloatArray, crops: CropSet, *, seed: int = 0, max_crops: int = 4000
) -> ClusterStructure:
    """Return the cluster structure of at least three crops; several O(n^2) matrices, n at most `max_crops`.

    Args:
        features: L2-normalised. Shape (n, d).
        crops: Of the features.
        seed: Of the crops that are drawn if there are more than `max_crops`.
        max_crops: Crops that are clustered.
    """
    chosen = np.arange(len(crops))
    if len(crops) > max_crops:
        chosen = np.sort(np.random.default_rng(seed).choice(len(crops), max_crops, replace=False))
    cameras = crops.camera_ids[chosen]
    similarity = features[chosen] @ features[chosen].T
    distance = np.maximum(1 - (similarity + similarity.T) / 2, 0).astype(np.float32)
    within = [np.flatnonzero(cameras == camera) for camera in np.unique(cameras)]
    least = max([2, *(_chosen(distance[np.ix_(own, own)])[1].number for own in within if len(own) > 2)])
    linkage, count = _chosen(distance, cameras if len(within) > 1 else None, least)
    if count.number == 1:
        return ClusterStructure(len(chosen), 1, 0.0, None, None, None, None)
    labels = cut_number(linkage, count.number)
    statistics = describe_pseudo_labels(PseudoLabels(labels, count.number), cameras)
    num_large = count.number - statistics.num_singletons
    num_spanning = sum(len(np.unique(cameras[labels == label])) > 1 for label in range(count.number))
    has_cameras = len(within) > 1
    return ClusterStructure(
        num_crops=len(chosen),
        num_clusters=count.number,
        silhouette=count.score,
        singleton_share=statistics.num_singletons / count.number,
        median_size=statistics.median_size,
        spanning_share=num_spanning / num_large if has_cameras and num_large else None,
        camera_entropy_normalized=statistics.camera_entropy_normalized if has_cameras else None,
    )


def _chosen(
    distance: FloatArray, camera_ids: IntArray | None = None, min_number: int = 2
) -> tuple[Linkage, ClusterCount]:
    """Return linkage and number of clusters of a distance, which is overwritten."""
    comparisons = comparisons_of(distance, np.arange(len(distance)), camera_ids=camera_ids)
    linkage = linkage_in_place(distance)
    return linkage, choose_number_of_clusters(linkage, comparisons, min_number=min_number)
