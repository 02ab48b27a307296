"""What answers to drawn pairs say of a model: rank-1 across cameras, and thresholds of the similarity.

Rank-1 is the share of crops whose most similar crop of another camera shows the same person. A crop without any such
match counts as missed, so it is at most what `iics evaluate` calls rank-1 among the same crops. Estimator: shares of
slices, weighted by their sizes; Wilson's interval (JASA 1927), which is on the wide side because slices are of one
size and sorted by similarity.

Thresholds: per slice of pairs, the share p of one person; shares fall from slice to slice (isotonic, weighted by
answers), for the more similar two crops are, the more often they are one person. Above a similarity there are A(t)
pairs, counted without anybody's answer; the pairs of two people among them are the sum of (1 - p) over slices, and
they over all such pairs are the rate. Its 95 % interval: 4,000 draws of p from Beta(yes + 1/2, no + 1/2), made to
fall likewise; within the slice of the threshold, the pairs of two people may lie as low as falling shares allow.

"Can't tell" counts as neither; both ends of an interval are those as if all of them were yes, or no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, FloatArray
from iics.errors import EvaluationError
from iics.evaluation.answers import AskedPair, check_consistent
from iics.evaluation.drawn_pairs import NUM_SLICES, PairKind
from iics.evaluation.explained import percent
from iics.evaluation.thresholds_of_pairs import wilson_interval
from iics.models.match_thresholds import FALSE_MATCH_RATES, MatchThreshold

LEAST_DECIDED = 8
"""Answers yes or no to each of the two kinds of pairs, below which nothing is said."""
MOST_OVER = 3
"""A threshold is left out if its true rate may be more than so many times the rate that it stands for."""
_DRAWS = 4000
_DEVIATIONS_95 = 1.959964
_LEAST_IN_SLICE = 2


@dataclass(frozen=True)
class RankOne:
    """Share of crops whose most similar crop of another camera, or of the only one, is the same person.

    Attributes:
        share: The estimate, among answers yes and no.
        low: Lower end of its 95 % interval.
        high: Upper end.
        num_yes: Best matches said to be the same person.
        num_no: Another person.
        num_unsure: Could not be told.
        within_camera: Whether one camera took all crops.
    """

    share: float
    low: float
    high: float
    num_yes: int
    num_no: int
    num_unsure: int
    within_camera: bool = False

    def __str__(self) -> str:
        unsure = f", {self.num_unsure} could not be told" if self.num_unsure else ""
        num_drawn = self.num_yes + self.num_no + self.num_unsure
        where, whom, missed = "across cameras", "the same person first in another camera", "that no other camera saw"
        if self.within_camera:
            where, whom, missed = "within the camera", "the same person first", "seen once"
        text = (
            f"Rank-1 {where}: {percent(self.share)} (95 % interval {percent(self.low)} to {percent(self.high)}). Of "
            f"{num_drawn} crops drawn, {self.num_yes} found {whom}, {self.num_no} another{unsure}. Crops of people "
            f"{missed} count as missed."
        )
        next_frames = " Without tracklets the next frame of a walk counts as found; nothing is said of other cameras."
        return text + (next_frames if self.within_camera else "")


def check_answers(pairs: Sequence[AskedPair]) -> None:
    """Refuse answers that contradict each other, or are too few to say anything.

    Raises:
        EvaluationError: If they do, or are.
    """
    check_consistent(pairs)
    kinds: tuple[PairKind, ...] = ("best match", "any pair")
    decided = {kind: sum(pair.kind == kind and pair.answer in ("yes", "no") for pair in pairs) for kind in kinds}
    if min(decided.values()) < LEAST_DECIDED:
        raise EvaluationError(
            f"Too few answers: {decided['best match']} best matches and {decided['any pair']} other pairs of "
            f"{len(pairs)} are answered yes or no, and at least {LEAST_DECIDED} of each are needed. Answer more."
        )


def rank_one(pairs: Sequence[AskedPair]) -> RankOne:
    """Return the estimate from the answered best matches.

    Args:
        pairs: As drawn; at least one best match is answered yes or no.
    """
    best = [pair for pair in pairs if pair.kind == "best match"]
    drawn = Counter(pair.slice for pair in best)
    said = {answer: [pair for pair in best if pair.answer == answer] for answer in ("yes", "no", "unsure")}
    weights = {name: sum(pair.slice_size / drawn[pair.slice] for pair in each) for name, each in said.items()}
    yes, no, unsure = weights["yes"], weights["no"], weights["unsure"]
    count = sum(map(len, said.values()))
    low, _ = wilson_interval(yes / (yes + no + unsure), count, deviations=_DEVIATIONS_95)
    _, high = wilson_interval((yes + unsure) / (yes + no + unsure), count, deviations=_DEVIATIONS_95)
    num_yes, num_no, num_unsure = (len(said[answer]) for answer in ("yes", "no", "unsure"))
    is_within = all(pair.first_camera == pair.second_camera for pair in best)
    return RankOne(yes / (yes + no), low, high, num_yes, num_no, num_unsure, is_within)


def answered_thresholds(pairs: Sequence[AskedPair], similarity: FloatArray) -> tuple[MatchThreshold, ...]:
    """Return the thresholds of all false match rates, those left out that the answers cannot tell.

    Args:
        pairs: As drawn.
        similarity: Of all pairs that they were drawn from, falling. Shape (m,).

    Raises:
        EvaluationError: If these are not the pairs that were drawn from.
    """
    slices = _Slices.of(pairs)
    if slices.edges[-1] != len(similarity):
        raise EvaluationError(
            f"These crops have {len(similarity)} pairs to ask about, and the answers were drawn from "
            f"{slices.edges[-1]:.0f}: crops came or went since. Put them back, or draw anew."
        )
    curve = slices.curve(_falling(slices.share_of(slices.yes, slices.no), slices.yes + slices.no))
    generator = np.random.default_rng(0)
    fewest = slices.drawn_shares(slices.yes + slices.unsure, slices.no, generator)
    most = slices.drawn_shares(slices.yes, slices.no + slices.unsure, generator)
    return tuple(_threshold(slices, similarity, curve, fewest, most, rate) for rate in FALSE_MATCH_RATES)


@dataclass(frozen=True, eq=False)
class _Slices:
    """Slices of pairs and the answers to what was drawn from them. All shapes (k,), of edges (k + 1,)."""

    edges: DoubleArray
    yes: DoubleArray
    no: DoubleArray
    unsure: DoubleArray

    @classmethod
    def of(cls, pairs: Sequence[AskedPair]) -> _Slices:
        asked = [pair for pair in pairs if pair.kind == "any pair"]
        size = {pair.slice: pair.slice_size for pair in asked}
        if sorted(size) != list(range(NUM_SLICES)):
            raise EvaluationError(
                f"Pairs of all {NUM_SLICES} slices are needed, got those of {sorted(size)}. Restore the table."
            )
        said = Counter((pair.slice, pair.answer) for pair in asked)
        counts = (np.array([said[at, answer] for at in range(NUM_SLICES)], float) for answer in ("yes", "no", "unsure"))
        return cls(np.cumsum([0, *(size[at] for at in range(NUM_SLICES))]).astype(float), *counts)

    @property
    def sizes(self) -> DoubleArray:
        return np.diff(self.edges)

    @staticmethod
    def share_of(yes: DoubleArray, no: DoubleArray) -> DoubleArray:
        """Return the share of one person in each slice, 1/2 where nobody knows."""
        return np.divide(yes, yes + no, out=np.full_like(yes, 0.5), where=yes + no > 0)

    def drawn_shares(self, yes: DoubleArray, no: DoubleArray, generator: np.random.Generator) -> DoubleArray:
        """Return shares that these answers may come from. Shape (draws, k)."""
        return _falling(generator.beta(yes + 0.5, no + 0.5, size=(_DRAWS, len(yes))), yes + no)

    def curve(self, shares: DoubleArray) -> DoubleArray:
        """Return how many pairs of two people lie above each edge. Shape (..., k + 1)."""
        above = np.cumsum((1 - shares) * self.sizes, axis=-1)
        return np.concatenate([np.zeros_like(above[..., :1]), above], axis=-1)

    def rates(self, shares: DoubleArray, place: float) -> tuple[DoubleArray, DoubleArray]:
        """Return the least and the largest share of the pairs of two people that may lie above a place in the order."""
        curve = self.curve(shares)
        at = min(int(np.searchsorted(self.edges, place, side="right")) - 1, len(self.sizes) - 1)
        above, part = curve[:, at], place - self.edges[at]
        before = shares[:, at - 1] if at else np.ones(len(shares))
        # Shares fall, so the first pairs of a slice are of two people no more often than its others, nor less often
        # than those before; and no more of them can be of one person than the slice has.
        least = np.maximum(part * (1 - before), part - self.sizes[at] * shares[:, at])
        return (above + np.maximum(least, 0)) / curve[:, -1], (above + part * (1 - shares[:, at])) / curve[:, -1]


def _threshold(
    slices: _Slices, similarity: FloatArray, curve: DoubleArray, fewest: DoubleArray, most: DoubleArray, rate: float
) -> MatchThreshold:
    place = _place(slices, curve, rate)
    reached = slices.edges[:-1] < place
    known = (slices.yes + slices.no)[reached]
    # Pairs above the threshold, and in the last slice, which nearly all pairs of two people are in.
    is_known = (known >= _LEAST_IN_SLICE).all() and slices.yes[-1] + slices.no[-1] > 0
    if place < 1 or not is_known:
        return MatchThreshold(rate)
    low = min(float(np.quantile(slices.rates(fewest, place)[0], 0.025)), rate)
    high = max(float(np.quantile(slices.rates(most, place)[1], 0.975)), rate)
    if high > MOST_OVER * rate:
        return MatchThreshold(rate)
    at, highest, lowest = (float(similarity[_place(slices, curve, share)]) for share in (rate, low, high))
    return MatchThreshold(
        rate,
        at,
        rate_low=low,
        rate_high=high,
        similarity_low=lowest,
        similarity_high=highest,
        num_independent=int(known.sum()),
    )


def _place(slices: _Slices, curve: DoubleArray, rate: float) -> int:
    """Return how many pairs lie above the similarity that a share of the pairs of two people exceeds."""
    rising = curve + 1e-9 * slices.edges  # where all pairs of a slice are one person, the end of it
    # 1e-4: products such as 0.05 * 9900 may be rounded to just below a whole number.
    return min(int(np.interp(rate * curve[-1], rising, slices.edges) + 1e-4), int(slices.edges[-1]) - 1)


def _falling(shares: DoubleArray, weights: DoubleArray) -> DoubleArray:
    """Return the nearest shares that never rise along the last axis (isotonic regression, by its min-max formula)."""
    weights = weights + 1e-9  # also where nobody knows
    sums = np.concatenate([np.zeros_like(shares[..., :1]), np.cumsum(shares * weights, axis=-1)], axis=-1)
    total = np.concatenate([[0.0], np.cumsum(weights)])
    num = shares.shape[-1]

    def highest(at: int, start: int) -> DoubleArray:
        means = [(sums[..., end] - sums[..., start]) / (total[end] - total[start]) for end in range(at + 1, num + 1)]
        return np.asarray(np.max(means, axis=0))

    return np.stack([np.min([highest(at, start) for start in range(at + 1)], axis=0) for at in range(num)], axis=-1)
