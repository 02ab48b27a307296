"""Re-ranked evaluation: k-reciprocal distances (Zhong et al., CVPR 2017) of query and gallery, by blocks of queries.

Neighbours come from all crops of query and gallery except junk; identities are not used, and cameras only by the form
camera-jaccard (`iics.similarity.camera_jaccard`), whose neighbours are found by camera. Memory grows
linearly with the number of crops: the nearest are found by products in blocks, weights are sparse rows, and only the
distances of a block of queries are in memory. Time O(n^2 d), with n = queries and gallery together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import torch

from iics.arrays import FloatArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import CosineRows, rows_in_a_block
from iics.evaluation.labels import EvaluationLabels
from iics.memory import free_memory
from iics.similarity.camera_jaccard import CameraLists, camera_weights
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.neighbour_graph import graph_memory, neighbour_graph
from iics.similarity.reciprocal import neighbours_needed, reciprocal_memory, reciprocal_weights
from iics.similarity.reranking import K1, K2, LAMBDA, RerankingForm, check_reranking, farthest_or_one, jaccard_part
from iics.similarity.sparse_overlap import SparseRows

_TILES = 3 * 4 * 2048**2  # of the neighbour graph, transposed and compared


@dataclass(frozen=True)
class Reranking:
    """How to re-rank.

    Attributes:
        k1: Neighbours among which reciprocal ones are sought; see `k_reciprocal_distance`.
        k2: Nearest crops over which weights are averaged.
        lambda_value: Share of the cosine distance, in [0, 1].
        form: `paper` for `k_reciprocal_distance`, `published` for `published_distance`, `camera-jaccard` for the
            camera-aware Jaccard distance in place of the k-reciprocal one.
        lists: In place of k1 and k2, for `camera-jaccard`.

    Raises:
        EvaluationError: If one is out of range.
    """

    k1: int = K1
    k2: int = K2
    lambda_value: float = LAMBDA
    form: RerankingForm = "paper"
    lists: CameraLists = field(default_factory=CameraLists)

    def __post_init__(self) -> None:
        forms = get_args(RerankingForm)
        if self.form not in forms:
            raise EvaluationError(f"form must be {', '.join(forms[:-1])} or {forms[-1]}, got {self.form!r}.")
        try:
            check_reranking(self.k1, self.k2, self.lambda_value)
        except ValueError as error:
            raise EvaluationError(str(error)) from error


class RerankedRows:
    """(1 - lambda) * Jaccard + lambda * (1 - cosine) of query and gallery together, in either form.

    Args:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        labels: Of the same crops.
        reranking: How.

    Raises:
        EvaluationError: If features and labels do not belong together, rows are not normalised, or memory is short.
    """

    def __init__(
        self,
        query_features: FloatArray,
        gallery_features: FloatArray,
        labels: EvaluationLabels,
        reranking: Reranking,
    ) -> None:
        self._plain = CosineRows(query_features, gallery_features, labels)
        self._lambda = np.float32(reranking.lambda_value)
        self._counted = np.flatnonzero(~labels.is_junk)
        num_queries, num_crops = len(self._plain.queries), len(self._plain.queries) + len(self._counted)
        check_reranking_memory(num_crops, self._plain.queries.shape[1], reranking)
        features = np.empty((num_crops, self._plain.queries.shape[1]), np.float32)
        features[:num_queries] = self._plain.queries
        np.take(self._plain.gallery, self._counted, axis=0, out=features[num_queries:], mode="clip")  # in place
        self._farthest = _farthest(features) if reranking.form == "published" else np.ones(num_crops, np.float32)
        cameras = np.concatenate([labels.query_cameras, labels.gallery_cameras[self._counted]])
        self._weights = _neighbour_weights(features, cameras, reranking, self._farthest)

    def __call__(self, block: slice) -> FloatArray:
        """Return the distances of a block, in memory that the next call overwrites; junk is far. Shape as ever."""
        distance = self._plain(block)  # -cosine
        distance += 1
        # In place, as the steps around it: a block of distances is large.
        distance *= (self._lambda / self._farthest[block])[:, None]
        overlap = self._weights.overlap_rows(np.arange(block.start, block.stop))[:, len(self._plain.queries) :]
        distance[:, self._counted] += jaccard_part(overlap, self._lambda)
        return distance


def reranking_memory(num_crops: int, num_features: int, reranking: Reranking) -> int:
    """Return the most bytes that re-ranking takes besides the features; docs/performance.md has measured values."""
    if reranking.form == "camera-jaccard":
        weights = reranking.lists.memory(num_crops)
    else:
        weights = reciprocal_memory(num_crops, reranking.k1)
        weights += graph_memory(num_crops, max(reranking.k1 + 1, reranking.k2))
    rows = 3 * 4 * num_crops * rows_in_a_block(num_crops)
    return 4 * num_crops * num_features + weights + rows + _TILES


def check_reranking_memory(num_crops: int, num_features: int, reranking: Reranking, *, still_to_come: int = 0) -> None:
    """Refuse re-ranking that does not fit into the memory that is free.

    Args:
        num_crops: Of query and gallery.
        num_features: Length of a feature vector.
        reranking: k1, k2, lambda.
        still_to_come: Bytes that other work will take before.

    Raises:
        EvaluationError: If it does not, with the number.
    """
    free, needed = free_memory(), still_to_come + reranking_memory(num_crops, num_features, reranking)
    if free is not None and needed > free:
        raise EvaluationError(
            f"Re-ranking {num_crops:,} crops needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are "
            "free. Evaluate without re-ranking, or on fewer crops."
        )


def _farthest(features: FloatArray) -> FloatArray:
    """Return the largest distance of each crop, found by blocks. Shape (n,)."""
    searched = torch.from_numpy(features)
    blocks = torch.split(searched, rows_in_a_block(len(features)))
    return farthest_or_one(torch.cat([1 - (block @ searched.T).amin(dim=1) for block in blocks]).numpy())


def _neighbour_weights(
    features: FloatArray, camera_ids: IntArray, reranking: Reranking, farthest: FloatArray
) -> SparseRows:
    similarity = CosineSimilarity(torch.from_numpy(features))
    if reranking.form == "camera-jaccard":
        lists = reranking.lists
        graph = neighbour_graph(similarity, num_neighbours=2 * lists.longest, camera_ids=camera_ids)
        return camera_weights(similarity, graph, lists)
    k1, k2 = reranking.k1, reranking.k2
    neighbours = neighbour_graph(similarity, num_neighbours=neighbours_needed(len(features), k1, k2)).neighbours
    return reciprocal_weights(
        neighbours,
        lambda p, q: (1 - similarity.pairs(p, q)) / farthest[p],
        k1=k1,
        k2=k2,
        covers_more=reranking.form == "published",
    )
