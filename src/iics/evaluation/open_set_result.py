"""Open-set figures with their intervals: claims -> what is printed, in JSON and in reports.

Queries of one individual are alike, so intervals come from individuals: 1,000 draws with replacement, of those with and
those without an answer apart, each with its own threshold (percentile bootstrap). So an interval at 1 % false claims
holds what is not known of the threshold, too.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iics.arrays import DoubleArray, FloatArray, IntArray
from iics.evaluation.explained import explained, percent
from iics.evaluation.open_set import ClaimRates, Claims, area_under_missed, rates_at, threshold_for

ALLOWED = (0.01, 0.05, 0.1)
"""Shares of false claims that figures are given at."""
LEAST_INDIVIDUALS = 5
"""Of either kind; below, draws of individuals say nothing of others, and no interval is given."""
_DRAWS, _SEED = 1000, 0
_WITHIN_95 = (2.5, 97.5)

Interval = tuple[float, float]


@dataclass(frozen=True)
class OpenSetPoint:
    """What is missed where a share of false claims is allowed.

    Attributes:
        allowed: That share.
        rates: At the smallest threshold that keeps to it; None with too few queries to tell it from 0.
        missed_interval: 95 % interval of what is missed; None with too few queries or individuals.
    """

    allowed: float
    rates: ClaimRates | None
    missed_interval: Interval | None


@dataclass(frozen=True)
class OpenSetResult:
    """How well a threshold parts right claims from claims of individuals that the gallery does not hold.

    Attributes:
        num_known: Queries with a right answer in the gallery.
        num_known_individuals: Individuals on them.
        num_unknown: Queries without one.
        num_unknown_individuals: Individuals on them.
        area: Area under missed over false claims; 0 is best.
        area_interval: Its 95 % interval; None with too few individuals.
        missed_without_threshold: Of the queries with an answer, those whose first match is another: 1 - rank-1.
        points: For 1 %, 5 % and 10 % of false claims.
    """

    num_known: int
    num_known_individuals: int
    num_unknown: int
    num_unknown_individuals: int
    area: float
    area_interval: Interval | None
    missed_without_threshold: float
    points: tuple[OpenSetPoint, ...]

    @classmethod
    def of(cls, claims: Claims) -> OpenSetResult:
        """Return the figures of claims.

        Args:
            claims: Of queries of both kinds.

        Raises:
            EvaluationError: If every query has a right answer, or none has.
        """
        area, known = area_under_missed(claims), claims.is_known
        num_individuals = [len(np.unique(claims.individuals[is_kind])) for is_kind in (known, ~known)]
        drawn = _Drawn.of(claims) if min(num_individuals) >= LEAST_INDIVIDUALS else None
        return cls(
            num_known=int(known.sum()),
            num_known_individuals=num_individuals[0],
            num_unknown=int((~known).sum()),
            num_unknown_individuals=num_individuals[1],
            area=area,
            area_interval=None if drawn is None else drawn.interval(drawn.areas),
            missed_without_threshold=float(1 - claims.is_right[known].mean()),
            points=tuple(_point(claims, allowed, drawn) for allowed in ALLOWED),
        )

    def values(self) -> dict[str, Any]:
        """Return all of it as JSON knows it."""
        return asdict(self)

    def scores(self) -> dict[str, float]:
        """Return the main numbers as fractions, by the names that a run records, without what cannot be told."""
        missed = {
            f"open_set_missed_at_{100 * point.allowed:g}": point.rates.missed
            for point in self.points
            if point.rates is not None
        }
        return {"open_set_area": self.area, **missed}

    def lines(self) -> list[str]:
        """Return what can be printed."""
        lines = [
            f"Open set ({self.num_unknown:,} queries of {self.num_unknown_individuals:,} individuals without a right "
            f"answer in the gallery, {self.num_known:,} of {self.num_known_individuals:,} with one)"
        ]
        lines += explained(
            "area under missed over false claims",
            percent(self.area),
            f"Good: near 0 %.{_told(self.area_interval)} Without any threshold "
            f"{percent(self.missed_without_threshold)} are missed, because the first match is another.",
        )
        for point in self.points:
            lines += self._point_lines(point)
        if self.area_interval is None:
            lines.append(
                f"      No intervals: individuals are drawn for them, and at least {LEAST_INDIVIDUALS} of either kind "
                "are needed."
            )
        return lines

    def _point_lines(self, point: OpenSetPoint) -> list[str]:
        name = f"missed where at most {100 * point.allowed:g} % of false claims are allowed"
        if point.rates is None:
            return explained(
                name,
                "-",
                f"Cannot be told: one of {self.num_unknown:,} queries without an answer is "
                f"{100 / self.num_unknown:.1f} % already. Needs at least {math.ceil(1 / point.allowed):,} of them.",
            )
        rates = point.rates
        return explained(
            name,
            percent(rates.missed),
            f"Claims above a similarity of {rates.similarity:.3f}.{_told(point.missed_interval)} "
            f"{percent(rates.misnamed)} claim somebody else, the others nobody. False claims: "
            f"{percent(rates.false_claims)}.",
        )


class _Drawn:
    """Areas and missed shares of individuals that were drawn again and again."""

    def __init__(self, claims: Claims, weights: list[tuple[IntArray, IntArray]]) -> None:
        self._unknown = claims.unknown_similarity
        self._found, self._weights = claims.found_similarity, weights
        below = np.searchsorted(self._unknown, self._found), np.searchsorted(self._unknown, self._found, side="right")
        self.areas = np.array([self._area(below, *each) for each in weights])

    @classmethod
    def of(cls, claims: Claims) -> _Drawn:
        """Draw individuals; the weights of queries with an answer, and of those without as their similarities rise."""
        generator, known = np.random.default_rng(_SEED), claims.is_known
        rising = np.argsort(claims.similarity[~known], kind="stable")
        kinds = claims.individuals[known], claims.individuals[~known][rising]
        of_query = [np.unique(each, return_inverse=True)[1] for each in kinds]
        counts = [int(each.max()) + 1 for each in of_query]

        def draw(kind: int) -> IntArray:
            times = np.bincount(generator.integers(counts[kind], size=counts[kind]), minlength=counts[kind])
            return times[of_query[kind]]

        return cls(claims, [(draw(0), draw(1)) for _ in range(_DRAWS)])

    def missed(self, allowed: float) -> DoubleArray:
        """Return what each draw misses where a share of false claims is allowed. Shape (draws,)."""
        return np.array([self._missed(allowed, *each) for each in self._weights])

    @staticmethod
    def interval(values: DoubleArray) -> Interval:
        """Return the 95 % interval of values drawn."""
        low, high = np.percentile(values, _WITHIN_95)
        return float(low), float(high)

    def _missed(self, allowed: float, of_known: IntArray, of_unknown: IntArray) -> float:
        falling = np.cumsum(of_unknown[::-1])
        num_allowed = int(np.searchsorted(falling, allowed * falling[-1] + 1e-9, side="right"))
        threshold = self._unknown[-1 - num_allowed]
        return 1 - float(of_known[self._found > threshold].sum() / of_known.sum())

    def _area(self, below: tuple[IntArray, IntArray], of_known: IntArray, of_unknown: IntArray) -> float:
        beaten: FloatArray = np.concatenate([[0], np.cumsum(of_unknown)])
        shares = (beaten[below[0]] + beaten[below[1]]) / (2 * beaten[-1])
        return 1 - float((of_known * np.where(np.isneginf(self._found), 0, shares)).sum() / of_known.sum())


def _point(claims: Claims, allowed: float, drawn: _Drawn | None) -> OpenSetPoint:
    threshold = threshold_for(claims, allowed)
    if threshold is None:
        return OpenSetPoint(allowed, None, None)
    interval = None if drawn is None else drawn.interval(drawn.missed(allowed))
    return OpenSetPoint(allowed, rates_at(claims, threshold), interval)


def _told(interval: Interval | None) -> str:
    return "" if interval is None else f" 95 % interval {percent(interval[0])} to {percent(interval[1])}."
