"""Ranking (Eq. 1) -> CMC, mAP and mINP: distances of query and gallery to numbers, under a protocol.

Equal distances rank by gallery index. Queries are ranked in blocks, so that the work space, besides the arrays
passed in, stays below `distance_rows.WORK_SPACE_BYTES` (or what two queries need, if that is more).
"""

from __future__ import annotations

from iics.arrays import FloatArray
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import DistanceOf, query_blocks
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.metrics import QueryScores, RankingResult, check_max_rank
from iics.evaluation.protocol import MARKET1501, MatchingProtocol
from iics.evaluation.right_ranks import right_answer_ranks


def rank(
    distance_of: DistanceOf,
    labels: EvaluationLabels,
    protocol: MatchingProtocol = MARKET1501,
    *,
    max_rank: int = 50,
) -> RankingResult:
    """Score the ranking by any distance, under any protocol that ranks one gallery for each query.

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
