"""Single-gallery-shot, CUHK03's first protocol (Li et al., "DeepReID", CVPR 2014): one crop per person, drawn often.

The gallery of a query has one crop per identity, drawn at random from other cameras; the CMC is the mean over
several draws. This follows open-reid's notes on evaluation metrics
(https://cysu.github.io/open-reid/notes/evaluation_metrics.html). All queries of one camera share a draw: this is a
realistic gallery, and the expected CMC is the same. A distractor is a person of its own and always drawn. With one
right answer for each query, average precision is 1 / its rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY
from iics.errors import EvaluationError
from iics.evaluation.distance_rows import DistanceOf, query_blocks
from iics.evaluation.labels import EvaluationLabels, explain_no_match
from iics.evaluation.metrics import QueryScores, RankingResult, check_max_rank
from iics.evaluation.protocol import OTHER_CAMERAS
from iics.evaluation.ranking import score_block


@dataclass(frozen=True, eq=False)
class SingleShotResult:
    """How well queries were answered by one crop per person; fractions in [0, 1].

    Attributes:
        cmc: CMC of each draw. Shape (repeats, max_rank).
        mean_ap: Mean average precision of each draw. Shape (repeats,).
        num_queries: All queries, scored or not.
        num_unmatched: Queries that no other camera's crop answers, which are not scored.
    """

    cmc: DoubleArray
    mean_ap: DoubleArray
    num_queries: int
    num_unmatched: int

    @property
    def repeats(self) -> int:
        """How often the gallery was drawn."""
        return len(self.cmc)

    def rank(self, k: int) -> tuple[float, float]:
        """Return the CMC at rank k: mean and standard deviation over the draws; the latter is NaN for one draw."""
        if not 1 <= k <= self.cmc.shape[1]:
            raise EvaluationError(
                f"Rank {k} is not kept, only 1 to {self.cmc.shape[1]}; evaluate with a larger max_rank."
            )
        return _mean_and_deviation(self.cmc[:, k - 1])

    @property
    def average_precision(self) -> tuple[float, float]:
        """The mean average precision: mean and standard deviation over the draws."""
        return _mean_and_deviation(self.mean_ap)

    def __str__(self) -> str:
        rows = [(f"rank-{k}", *self.rank(k)) for k in (1, 5, 10, 20) if k <= self.cmc.shape[1]]
        rows.append(("mAP", *self.average_precision))
        lines = [
            f"{name:<16}{100 * mean:7.2f} %" + (f" +- {100 * deviation:.2f}" if self.repeats > 1 else "")
            for name, mean, deviation in rows
        ]
        lines += [f"{'galleries drawn':<16}{self.repeats:7d}"]
        lines += [f"{'queries scored':<16}{self.num_queries - self.num_unmatched:7d}"]
        lines += [f"{'without match':<16}{self.num_unmatched:7d}"]
        return "\n".join(lines)


def rank_single_shots(
    distance_of: DistanceOf, labels: EvaluationLabels, *, repeats: int = 10, seed: int = 0, max_rank: int = 50
) -> SingleShotResult:
    """Score the ranking of galleries that are drawn, one crop per person.

    Args:
        distance_of: Distances of a block of queries.
        labels: Of the same crops.
        repeats: How many galleries are drawn for each query camera, at least 1.
        seed: Of the draws, at least 0.
        max_rank: How many ranks of the CMC to keep.

    Raises:
        EvaluationError: If a number is out of range, or no query can be scored.
    """
    check_max_rank(max_rank)
    if repeats < 1 or seed < 0:
        raise EvaluationError(f"repeats must be at least 1 and seed at least 0, got {repeats} and {seed}.")
    num_queries, num_gallery = len(labels.query_ids), len(labels.gallery_ids)
    galleries = {
        int(camera): [drawn_gallery(labels, int(camera), seed=seed, repeat=repeat) for repeat in range(repeats)]
        for camera in np.unique(labels.query_cameras)
    }
    scores = QueryScores.unscored((repeats, num_queries))
    for block in query_blocks(num_queries, num_gallery):
        distance = distance_of(block)
        for camera, draws in galleries.items():
            rows = np.flatnonzero(labels.query_cameras[block] == camera)
            for repeat, crops in enumerate(draws):
                if len(rows) and len(crops):
                    queries = block.start + rows
                    shown = distance[np.ix_(rows, crops)]
                    scores.fill((repeat, queries), score_block(shown, labels.of(queries, crops), OTHER_CAMERAS))
    return _summary(scores, labels, max_rank)


def drawn_gallery(labels: EvaluationLabels, camera: int, *, seed: int, repeat: int) -> IntArray:
    """Return the gallery of one camera's queries: a crop per identity, and all distractors, of other cameras.

    In ascending order. The same for the same seed, camera and repeat, whatever else is drawn.
    """
    candidates = np.flatnonzero((labels.gallery_cameras != camera) & ~labels.is_junk)
    shuffled = np.random.default_rng([seed, repeat, camera]).permutation(candidates)
    ids = labels.gallery_ids[shuffled]
    people = shuffled[ids != DISTRACTOR_IDENTITY]
    drawn = people[np.unique(labels.gallery_ids[people], return_index=True)[1]]
    return np.sort(np.concatenate([drawn, shuffled[ids == DISTRACTOR_IDENTITY]]))


def _summary(scores: QueryScores, labels: EvaluationLabels, max_rank: int) -> SingleShotResult:
    if not scores.first_ranks.any():
        raise EvaluationError(explain_no_match(labels))
    draws = [
        RankingResult.from_scores(QueryScores(*of_draw), max_rank=max_rank)
        for of_draw in zip(scores.average_precision, scores.inverse_penalty, scores.first_ranks, strict=True)
    ]
    return SingleShotResult(
        cmc=np.stack([draw.cmc for draw in draws]),
        mean_ap=np.array([draw.mean_ap for draw in draws]),
        num_queries=draws[0].num_queries,
        num_unmatched=draws[0].num_unmatched,  # who has an answer in another camera has one in every draw
    )


def _mean_and_deviation(values: DoubleArray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")
