"""Distance to pseudo-labels, the same in both stages: re-rank, link, cut."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from iics.cluster_count import choose_number_of_clusters
from iics.clustering import average_linkage, cut_number, cut_quantile
from iics.config import ClusterSettings, DistanceSettings
from iics.data.crops import IntArray
from iics.pseudo_labels import PseudoLabels
from iics.similarity.reranking import k_reciprocal_distance


def label_crops(
    similarity: Tensor,
    *,
    distance: DistanceSettings,
    clusters: ClusterSettings,
    camera_ids: IntArray | None = None,
    min_number: int = 2,
) -> PseudoLabels:
    """Return pseudo-labels of crops from their similarity.

    Args:
        similarity: Larger is closer; cosine, or Eq. 5, or Eq. 9. Shape (n, n).
        distance: Whether and how to re-rank 1 - similarity.
        clusters: Where to cut the dendrogram.
        camera_ids: Camera of each crop if there are several, for the automatic number. Shape (n,).
        min_number: Smallest automatic number.
    """
    matrix = (1 - similarity).cpu().numpy()
    if distance.kind == "reranked":
        matrix = k_reciprocal_distance(matrix, k1=distance.k1, k2=distance.k2, lambda_value=distance.lambda_value)
    linkage = average_linkage(matrix)
    if clusters.rule == "fixed":
        labels = cut_number(linkage, max(1, min(clusters.number, len(matrix) // 2)))
    elif clusters.rule == "quantile":
        labels = cut_quantile(linkage, matrix, clusters.quantile)
    else:
        chosen = choose_number_of_clusters(linkage, matrix, camera_ids=camera_ids, min_number=min_number)
        labels = cut_number(linkage, chosen.number)
    return PseudoLabels(labels, num_clusters=int(np.max(labels)) + 1)
