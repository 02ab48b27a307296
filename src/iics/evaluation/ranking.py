"""Ranking (Eq. 1) -> CMC, mAP and mINP: features or distances of query and gallery to numbers, under a protocol.

Equal distances rank by gallery index. Queries go through in blocks, so that the work space stays below
`distance_rows.WORK_SPACE_BYTES` (or what two queries need, if that is more) beside the arrays passed in.
"""

from __future__ import annotations

from iics.arrays import FloatArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import CosineRows, DistanceOf, GivenRows, query_blocks
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.metrics import QueryScores, RankingResult, check_max_rank
from iics.evaluation.protocol import MARKET1501, MatchingProtocol
from iics.evaluation.right_ranks import right_answer_ranks


def rank_features(
    query_features: FloatArray,
    gallery_features: FloatArray,
    *,
    query_ids: IntArray,
    gallery_ids: IntArray,
    query_cameras: IntArray,
    gallery_cameras: IntArray,
    max_rank: int = 50,
) -> RankingResult:
    """Rank the gallery by cosine for each query and score the ranking under the Market-1501 protocol.

    Args:
        query_features: L2-normalised rows. Shape (n_query, d).
        gallery_features: L2-normalised rows. Shape (n_gallery, d).
        query_ids: Identity of each query, above 0. Shape (n_query,).
        gallery_ids: Identity of each gallery crop; -1 is junk, 0 a distractor. Shape (n_gallery,).
        query_cameras: Camera of each query. Shape (n_query,).
        gallery_cameras: Camera of each gallery crop. Shape (n_gallery,).
        max_rank: How many ranks of the CMC to keep; may exceed the gallery.

    Raises:
        EvaluationError: If the arrays do not belong together, rows are not normalised, or no query can be scored.
    """
    labels = EvaluationLabels(query_ids, gallery_ids, query_cameras, gallery_cameras)
    return rank(CosineRows(query_features, gallery_features, labels), labels, max_rank=max_rank)


def rank_distances(
    distance: FloatArray,
    *,
    query_ids: IntArray,
    gallery_ids: IntArray,
    query_cameras: IntArray,
    gallery_cameras: IntArray,
    max_rank: int = 50,
) -> RankingResult:
    """Rank the gallery by a given distance and score the ranking under the Market-1501 protocol.

    Args:
        distance: Smaller is closer; compared as float32. Shape (n_query, n_gallery).
        query_ids: As in `rank_features`, and so are the other arguments.
        gallery_ids: See there.
        query_cameras: See there.
        gallery_cameras: See there.
        max_rank: See there.

    Raises:
        EvaluationError: If the arrays do not belong together, a distance is not finite, or no query can be scored.
    """
    labels = EvaluationLabels(query_ids, gallery_ids, query_cameras, gallery_cameras)
    return rank(GivenRows(distance, labels), labels, max_rank=max_rank)


def rank(
    distance_of: DistanceOf,
    labels: EvaluationLabels,
    protocol: MatchingProtocol = MARKET1501,
    *,
    max_rank: int = 50,
) -> RankingResult:
    """Score the ranking by any distance, under any protocol that ranks one gallery for each query.

    Args:
        distance_of: Distances of a block of queries.
        labels: Of the same crops.
        protocol: Who may match whom.
        max_rank: How many ranks of the CMC to keep.

    Raises:
        EvaluationError: If no query can be scored, or `max_rank` is below 1.
    """
    check_max_rank(max_rank)
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    scores = QueryScores.unscored((num_queries,))
    for block in query_blocks(num_queries, num_gallery):
        scores.fill(block, score_block(distance_of(block), labels.of(block), protocol))
    if not scores.first_ranks.any():
        raise EvaluationError(explain_no_match(labels, protocol))
    return RankingResult.from_scores(scores, max_rank=max_rank)


def score_block(distance: FloatArray, labels: EvaluationLabels, protocol: MatchingProtocol) -> QueryScores:
    """Return how well each query of a block was answered. Shape of the distances (n_block, n_gallery)."""
    return QueryScores.from_ranks(*right_answer_ranks(distance, labels, protocol))
