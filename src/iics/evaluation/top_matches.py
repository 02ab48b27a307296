"""The first matches of each query, to look at, under the same protocol and order as the metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import CosineRows, query_blocks
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.protocol import MARKET1501, MatchingProtocol
from iics.evaluation.right_ranks import closest


@dataclass(frozen=True, eq=False)
class TopMatches:
    """The first k gallery crops of each query, ignored ones left out.

    Attributes:
        indices: Index into the gallery, best first; -1 where fewer than k crops count. Shape (n_query, k).
        similarities: Cosine with the query; NaN where the index is -1. Shape (n_query, k).
        is_correct: Whether it is a right answer. Shape (n_query, k).
    """

    indices: IntArray
    similarities: FloatArray
    is_correct: BoolArray


def top_matches(
    query_features: FloatArray,
    gallery_features: FloatArray,
    labels: EvaluationLabels,
    *,
    protocol: MatchingProtocol = MARKET1501,
    num_matches: int = 10,
) -> TopMatches:
    """Return what each query finds first by cosine.

    Args:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        labels: Of the same crops.
        protocol: Who may match whom.
        num_matches: How many gallery crops per query.

    Raises:
        EvaluationError: If the arrays do not belong together or rows are not normalised.
    """
    if num_matches < 1:
        raise EvaluationError(f"num_matches must be at least 1, got {num_matches}.")
    distance_of = CosineRows(query_features, gallery_features, labels)
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    indices = np.full((num_queries, num_matches), -1, np.int64)
    similarities = np.full(indices.shape, np.nan, np.float32)
    is_correct = np.zeros(indices.shape, np.bool_)
    kept = min(num_matches, num_gallery)
    for block in query_blocks(num_queries, num_gallery):
        distance = distance_of(block)
        found, is_right = closest(distance, labels.of(block), protocol, k=kept)
        indices[block, :kept], is_correct[block, :kept] = found, is_right
        cosines = -np.take_along_axis(distance, np.maximum(found, 0), axis=1)
        similarities[block, :kept] = np.where(found >= 0, cosines, np.nan)
    return TopMatches(indices, similarities, is_correct)
