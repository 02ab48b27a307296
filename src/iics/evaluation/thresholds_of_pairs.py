"""Thresholds of the similarity: similarities of known pairs -> thresholds with intervals.

Pairs of crops are not independent: all pairs of the same two people are alike, and so are all pairs with one person.
So the variance of a rate adds up the covariance of every two pairs that share a person (dyadic-robust; Aronow, Samii
and Assenova, Political Analysis 2015). It is converted into the number of independent pairs with the same variance,
for Wilson's interval (JASA 1927). If few people make most of the variance, Student's t replaces the normal
distribution. The interval of the similarity has the similarities at both ends of the rate's interval (Woodruff, JASA
1952).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import CropSet
from iics.evaluation.known_pairs import CropPairs, picture_ids
from iics.models.match_thresholds import FALSE_MATCH_RATES, MatchThreshold

_WITHIN = 0.975  # of a two-sided interval of 95 %


class PersonPairs:
    """Pairs of crops of two different people.

    Attributes:
        similarity: Of each pair. Shape (m,).
        people_pair: Which two people each pair shows, from 0. Shape (m,).
        first: One person of each two people, from 0. Shape (k,).
        second: The other one. Shape (k,).
        num_people: People in all.
    """

    def __init__(self, similarity: FloatArray, first: IntArray, second: IntArray) -> None:
        """Sort pairs of crops by the people on them.

        Args:
            similarity: Of each pair of crops. Shape (m,).
            first: Number of the one person, in any numbering. Shape (m,).
            second: Number of the other. Shape (m,).
        """
        self.similarity = similarity
        people = np.union1d(np.unique(first), np.unique(second))
        self.num_people = len(people)
        one, other = np.searchsorted(people, first), np.searchsorted(people, second)
        codes = np.minimum(one, other)
        codes *= self.num_people
        codes += np.maximum(one, other, out=one)
        del one, other
        both, self.people_pair = np.unique(codes, return_inverse=True)
        self.first: IntArray = both // max(self.num_people, 1)
        self.second: IntArray = both % max(self.num_people, 1)

    def __len__(self) -> int:
        return len(self.similarity)


@dataclass(frozen=True)
class RateInterval:
    """What is known of the true share of pairs above a similarity.

    Attributes:
        low: Lower end of the 95 % interval.
        high: Upper end.
        num_independent: As many independent pairs would have the same variance.
    """

    low: float
    high: float
    num_independent: float


def people_of_pairs(crops: CropSet, apart: CropPairs) -> tuple[IntArray, IntArray]:
    """Return the numbers of the two people of each pair of crops in one picture. Shapes (m,) and (m,).

    A tracklet is a person. Without tracklets, each picture counts as two people of its own, although several frames
    may show the same two.
    """
    tracklets = crops.tracklet_ids
    if tracklets is not None and (tracklets[apart.first] >= 0).all() and (tracklets[apart.second] >= 0).all():
        return tracklets[apart.first], tracklets[apart.second]
    pictures = picture_ids(crops)
    shown = np.zeros(len(apart), np.int64) if pictures is None else pictures[apart.first]
    return 2 * shown, 2 * shown + 1


def match_thresholds(
    different: PersonPairs, same: FloatArray, same_camera: FloatArray | None = None
) -> tuple[MatchThreshold, ...]:
    """Return the thresholds of all false match rates; O(m log m).

    Args:
        different: Pairs of two people.
        same: Similarities of pairs of one person. Shape (k,).
        same_camera: Similarities of pairs of two people seen by one camera; None if `different` are such.
    """
    ordered = np.sort(different.similarity)
    return tuple(_threshold(different, ordered, same, same_camera, rate) for rate in FALSE_MATCH_RATES)


def rate_interval(exceeds: BoolArray, pairs: PersonPairs) -> RateInterval:
    """Return the 95 % interval of the share of pairs that exceed something.

    Args:
        exceeds: Which of the pairs do. Shape (m,).
        pairs: At least one.
    """
    rate, num_two = float(exceeds.mean()), len(pairs.first)
    excess = np.bincount(pairs.people_pair, exceeds, num_two) - rate * np.bincount(pairs.people_pair, minlength=num_two)
    by_person = np.bincount(pairs.first, excess, pairs.num_people) + np.bincount(pairs.second, excess, pairs.num_people)
    squares = by_person**2
    # The square of each two people is in the sums of both of them: once is enough.
    variance = float(squares.sum() - (excess**2).sum()) / len(pairs) ** 2
    variance *= pairs.num_people / max(pairs.num_people - 2, 1)
    # Two people are never more than one independent pair, however many crops show them.
    count = min(rate * (1 - rate) / variance, num_two) if variance > 0 else num_two
    # As many people as would share the variance evenly; one degree of freedom goes to the rate.
    degrees = squares.sum() ** 2 / (squares**2).sum() - 1 if squares.any() else 1
    count = max(float(count), 1.0)
    low, high = wilson_interval(rate, count, deviations=float(student.ppf(_WITHIN, max(degrees, 1))))
    return RateInterval(low, high, count)


def wilson_interval(share: float, count: float, *, deviations: float) -> tuple[float, float]:
    """Return the interval of a share that was seen among so many (Wilson, JASA 1927).

    Args:
        share: What was seen.
        count: Independent trials.
        deviations: Half the interval's width in standard deviations; 1.96 for 95 %.
    """
    squared = deviations**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = deviations * math.sqrt(share * (1 - share) / count + squared / (4 * count**2)) / (1 + squared / count)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _threshold(
    different: PersonPairs, ordered: FloatArray, same: FloatArray, same_camera: FloatArray | None, rate: float
) -> MatchThreshold:
    """Return the smallest similarity that no more than a share of the pairs exceed; none from too few people."""
    # 1e-9: products such as 0.001 * 1000 may be rounded to just below a whole number.
    allowed = int(rate * len(ordered) + 1e-9)
    if allowed < 1 or rate * len(different.first) < 1 - 1e-9:
        return MatchThreshold(rate)
    similarity = float(ordered[-1 - allowed])
    interval = rate_interval(different.similarity > similarity, different)
    highest = _exceeded_by(ordered, interval.low)
    lowest = _exceeded_by(ordered, interval.high)
    return MatchThreshold(
        rate,
        similarity,
        rate_low=interval.low,
        rate_high=interval.high,
        similarity_low=None if lowest is None else min(lowest, similarity),
        similarity_high=None if highest is None else max(highest, similarity),
        num_independent=round(interval.num_independent),
        found=float((same > similarity).mean()) if len(same) else None,
        same_camera_rate=float((same_camera > similarity).mean())
        if same_camera is not None and len(same_camera)
        else None,
    )


def _exceeded_by(ordered: FloatArray, share: float) -> float | None:
    """Return the similarity that a share of the pairs exceeds; None if that is less than one pair, or all of them."""
    place = len(ordered) - 1 - int(share * len(ordered))
    return float(ordered[place]) if 0 <= place < len(ordered) - 1 else None
