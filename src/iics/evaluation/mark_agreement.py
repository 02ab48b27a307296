"""Precision of a model's matches, from people's marks. Marks -> numbers.

Marked matches are those that a search showed, the hardest pairs of all. So these numbers hold for shown matches, not
for any two crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iics.errors import EvaluationError
from iics.evaluation.explained import explained_threshold, percent
from iics.evaluation.marks import Mark
from iics.evaluation.thresholds_of_pairs import PersonPairs, match_thresholds, wilson_interval
from iics.models.match_thresholds import MatchThreshold

RANKS = (1, 5, 10, 20)
SIMILARITY_STEP = 0.1
_DEVIATIONS_95 = 1.959964


@dataclass(frozen=True)
class MarkedPrecision:
    """Share of right matches among marked ones.

    Attributes:
        limit: Largest rank, or smallest similarity, of the matches that are counted.
        num_marked: How many there are.
        precision: The share of them that is right.
        low: Lower end of its 95 % interval (Wilson), which counts queries: matches of one query are not independent.
        high: Upper end.
    """

    limit: float
    num_marked: int
    precision: float
    low: float
    high: float


@dataclass(frozen=True)
class MarkAgreement:
    """Precision of a model's matches by rank and similarity; prints itself.

    Attributes:
        num_queries: Queries with a mark.
        num_right: Matches marked right.
        num_wrong: Matches marked wrong.
        by_rank: Precision of matches up to ranks 1, 5, 10 and 20, where any are marked.
        by_similarity: Precision of matches above similarities in steps of 0.1, where any are marked.
        thresholds: The similarity that 0.1 %, 1 % and 5 % of the wrong matches exceed; none without wrong matches.
    """

    num_queries: int
    num_right: int
    num_wrong: int
    by_rank: tuple[MarkedPrecision, ...]
    by_similarity: tuple[MarkedPrecision, ...]
    thresholds: tuple[MatchThreshold, ...]

    def __str__(self) -> str:
        lines = [
            f"Marked matches ({self.num_right:,} right, {self.num_wrong:,} wrong, of {self.num_queries:,} queries)",
            *_precision_lines(self.by_rank, "right up to rank {limit:.0f}"),
            *_precision_lines(self.by_similarity, "right from similarity {limit:.1f}"),
        ]
        for threshold in self.thresholds:
            lines += explained_threshold(
                threshold,
                exceeded_by="the wrong matches",
                needed=f"matches marked wrong, got {self.num_wrong:,}",
                note="; matches of one query count little more than one",
                found_of="the right matches",
            )
        return "\n".join(lines)


def mark_agreement(marks: Sequence[Mark]) -> MarkAgreement:
    """Return what marks say of the model that made the matches.

    Args:
        marks: Of one model, one for each pair.

    Raises:
        EvaluationError: If there are none, they are of several models, or a pair is marked twice.
    """
    _check(marks)
    is_right = np.array([mark.verdict == "right" for mark in marks])
    similarity = np.array([mark.similarity for mark in marks], dtype=np.float32)
    # Every two wrong matches of one query, or of one crop, tell in part the same.
    queries, crops = (np.unique(names, return_inverse=True)[1] for names in _names_of_pairs(marks))
    first, second = queries[~is_right], len(marks) + crops[~is_right]
    wrong = PersonPairs(similarity[~is_right], first, second)
    steps = np.arange(0, 1, SIMILARITY_STEP)
    return MarkAgreement(
        num_queries=len({mark.query for mark in marks}),
        num_right=int(is_right.sum()),
        num_wrong=len(wrong),
        by_rank=_precisions(marks, [(rank, [mark.rank <= rank for mark in marks]) for rank in RANKS]),
        by_similarity=_precisions(marks, [(step, [mark.similarity >= step for mark in marks]) for step in steps]),
        thresholds=match_thresholds(wrong, similarity[is_right]) if len(wrong) else (),
    )


def _names_of_pairs(marks: Sequence[Mark]) -> tuple[list[str], list[str]]:
    return [mark.query for mark in marks], [mark.crop_id for mark in marks]


def _check(marks: Sequence[Mark]) -> None:
    if not marks:
        raise EvaluationError("There are no marks; mark matches as right or wrong in iics app first.")
    models = sorted({mark.model for mark in marks})
    if len(models) > 1:
        raise EvaluationError(f"Similarities of different models do not compare; these marks are of {models}.")
    if len({mark.pair for mark in marks}) < len(marks):
        raise EvaluationError("A pair of query and crop is marked twice; keep the later line of each.")


def _precisions(marks: Sequence[Mark], kept: list[tuple[float, list[bool]]]) -> tuple[MarkedPrecision, ...]:
    """Return the precision within each limit; limits that keep nothing, or the same as the one before, are left out."""
    found: list[MarkedPrecision] = []
    for limit, is_kept in kept:
        within = [mark for mark, keep in zip(marks, is_kept, strict=True) if keep]
        if not within or (found and found[-1].num_marked == len(within)):
            continue
        precision = sum(mark.verdict == "right" for mark in within) / len(within)
        # Counts queries, not marks: the matches of one query are not independent.
        low, high = wilson_interval(precision, len({mark.query for mark in within}), deviations=_DEVIATIONS_95)
        found.append(MarkedPrecision(float(limit), len(within), precision, low, high))
    return tuple(found)


def _precision_lines(precisions: Sequence[MarkedPrecision], name: str) -> list[str]:
    return [
        f"  {name.format(limit=each.limit):<62}{percent(each.precision):>12}  "
        f"of {each.num_marked:,} ({percent(each.low)} to {percent(each.high)})"
        for each in precisions
    ]
