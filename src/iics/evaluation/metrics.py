"""Ranks of right answers -> average precision, CMC and mINP.

Average precision is the plain mean of the precision at each right answer (no trapezoid). mINP is the mean over
queries of (right answers) / (rank of the last one) (Ye et al., "Deep Learning for Person Re-identification: A
Survey and Outlook", TPAMI 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.errors import EvaluationError
from iics.evaluation.open_set_result import OpenSetResult


@dataclass(frozen=True, eq=False)
class QueryScores:
    """How well each query was answered.

    Attributes:
        average_precision: NaN where a query has no valid match. Shape (n_query,).
        inverse_penalty: Right answers / rank of the last one, NaN likewise. Shape (n_query,).
        first_ranks: Rank of the first right answer, from 1; 0 where there is none. Shape (n_query,).
    """

    average_precision: DoubleArray
    inverse_penalty: DoubleArray
    first_ranks: IntArray

    @classmethod
    def from_ranks(cls, ranks: IntArray, starts: IntArray) -> QueryScores:
        """Return the scores of the ranks that `right_answer_ranks` gives."""
        num_right = np.diff(starts)
        scores = cls.unscored((len(num_right),))
        scored = np.flatnonzero(num_right)
        if len(scored) == 0:
            return scores
        counts, first = num_right[scored], starts[scored]
        right_so_far = np.arange(len(ranks)) - np.repeat(first, counts) + 1
        precision = right_so_far / ranks
        scores.average_precision[scored] = np.add.reduceat(precision, first) / counts
        scores.inverse_penalty[scored] = precision[first + counts - 1]  # at the last one: all / its rank
        scores.first_ranks[scored] = ranks[first]
        return scores

    @classmethod
    def unscored(cls, shape: tuple[int, ...]) -> QueryScores:
        """Return scores to be filled in, all empty so far."""
        return cls(np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.int64))

    def fill(self, where: slice | tuple[slice | int | IntArray, ...], scores: QueryScores) -> None:
        """Write scores into these, in place."""
        self.average_precision[where] = scores.average_precision
        self.inverse_penalty[where] = scores.inverse_penalty
        self.first_ranks[where] = scores.first_ranks

    def cmc(self, max_rank: int) -> DoubleArray:
        """Return the share of scored queries with a right answer among the first k, k from 1. Shape (max_rank,)."""
        firsts = self.first_ranks[self.first_ranks > 0]
        found_at = np.bincount(firsts[firsts <= max_rank] - 1, minlength=max_rank)
        return np.cumsum(found_at) / len(firsts)


@dataclass(frozen=True, eq=False)
class RankingResult:
    """How well the gallery was ranked; fractions in [0, 1].

    Attributes:
        mean_ap: Mean of `average_precision` over the queries scored.
        cmc: Share of queries with a right answer among the first k; index 0 is rank-1. Shape (max_rank,).
        mean_inp: Mean inverse negative penalty: what the hardest right answer costs.
        average_precision: One value per query, NaN where it has no valid match. Shape (n_query,).
        num_queries: All queries, scored or not.
        num_unmatched: Queries without a valid match, which are not scored.
        open_set: What a threshold makes of queries with and without a match; None if not measured.
    """

    mean_ap: float
    cmc: DoubleArray
    mean_inp: float
    average_precision: DoubleArray
    num_queries: int
    num_unmatched: int
    open_set: OpenSetResult | None = None

    @classmethod
    def from_scores(cls, scores: QueryScores, *, max_rank: int) -> RankingResult:
        """Return the means of scores, of which at least one query must have some.

        Raises:
            EvaluationError: If `max_rank` is below 1.
        """
        check_max_rank(max_rank)
        num_queries = len(scores.first_ranks)
        return cls(
            mean_ap=float(np.nanmean(scores.average_precision)),
            cmc=scores.cmc(max_rank),
            mean_inp=float(np.nanmean(scores.inverse_penalty)),
            average_precision=scores.average_precision,
            num_queries=num_queries,
            num_unmatched=num_queries - int(np.count_nonzero(scores.first_ranks)),
        )

    @property
    def num_scored(self) -> int:
        """Queries that have a valid match; all means are taken over these."""
        return self.num_queries - self.num_unmatched

    def rank(self, k: int) -> float:
        """Return the share of scored queries with a right answer among the first k."""
        if not 1 <= k <= len(self.cmc):
            raise EvaluationError(f"Rank {k} is not kept, only 1 to {len(self.cmc)}; evaluate with a larger max_rank.")
        return float(self.cmc[k - 1])

    def __str__(self) -> str:
        rows = [("mAP", self.mean_ap)]
        rows += [(f"rank-{k}", self.rank(k)) for k in (1, 5, 10) if k <= len(self.cmc)]
        rows += [("mINP", self.mean_inp)]
        lines = [f"{name:<16}{100 * value:7.2f} %" for name, value in rows]
        lines += [f"{'queries scored':<16}{self.num_scored:7d}", f"{'without match':<16}{self.num_unmatched:7d}"]
        return "\n".join([*lines, *([] if self.open_set is None else ["", *self.open_set.lines()])])


def numbers(result: RankingResult) -> dict[str, float]:
    """Return the metrics of a result as fractions, by name."""
    ranks = {f"rank{k}": result.rank(k) for k in (1, 5, 10) if k <= len(result.cmc)}
    return {
        "mean_ap": result.mean_ap,
        **ranks,
        "mean_inp": result.mean_inp,
        "num_queries": result.num_queries,
        "num_unmatched": result.num_unmatched,
    }


def check_max_rank(max_rank: int) -> None:
    """Refuse a CMC without ranks.

    Raises:
        EvaluationError: If `max_rank` is below 1.
    """
    if max_rank < 1:
        raise EvaluationError(f"max_rank must be at least 1, got {max_rank}.")
