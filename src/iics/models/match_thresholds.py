"""Which similarity means the same person: what a model file keeps of its calibration. Measured by `iics.evaluation`.

Nothing here decides a feature: two files that differ in it are the same model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Calibration = Literal[
    "identities", "tracklets and moments", "answers", "identities in one camera", "answers in one camera"
]

FALSE_MATCH_RATES = (0.001, 0.01, 0.05)
"""Shares of pairs of two different people that thresholds are given for."""


@dataclass(frozen=True)
class MatchThreshold:
    """The similarity that few pairs of two different people exceed.

    Attributes:
        rate: Share of pairs of two people that may exceed it.
        similarity: The smallest such one; None if there are too few pairs to tell, and then all below is None.
        rate_low: Lower end of the 95 % interval of the true rate above that similarity.
        rate_high: Upper end.
        similarity_low: Lower end of the 95 % interval of the similarity that has exactly `rate` above it; None if the
            pairs do not bound it.
        similarity_high: Upper end.
        num_independent: As many independent pairs would give an interval as wide: pairs of crops that share a person
            tell in part the same.
        found: Share of pairs of one person that exceed it; None without any.
        same_camera_rate: Share of pairs of two people seen by one camera that exceed it; None if not measured.

    Raises:
        ValueError: If a share is not in [0, 1], a similarity not in [-1, 1], or an interval does not hold its number.
    """

    rate: float
    similarity: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    similarity_low: float | None = None
    similarity_high: float | None = None
    num_independent: int | None = None
    found: float | None = None
    same_camera_rate: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "rate_low", "rate_high", "found", "same_camera_rate"):
            _check_number(name, getattr(self, name), least=0)
        for name in ("similarity", "similarity_low", "similarity_high"):
            _check_number(name, getattr(self, name), least=-1.001)  # rounding leaves cosines a little outside
        if self.similarity is None:
            if any(getattr(self, field.name) is not None for field in fields(self) if field.name != "rate"):
                raise ValueError("a threshold without a similarity holds nothing but its rate")
            return
        if self.rate_low is None or self.rate_high is None or not self.num_independent:
            raise ValueError("a threshold needs the interval of its rate and the independent pairs behind it")
        if self.rate_low > self.rate_high:
            raise ValueError(f"the interval of the rate ends before it begins: {self.rate_low}, {self.rate_high}")
        low, high = self.similarity_low, self.similarity_high
        if (low is not None and low > self.similarity) or (high is not None and high < self.similarity):
            raise ValueError(f"the interval {low} to {high} does not hold the similarity {self.similarity}")


@dataclass(frozen=True)
class MatchThresholds:
    """A model's calibration: thresholds, and on what they were measured.

    Attributes:
        thresholds: From the lowest rate to the highest, at least one.
        calibration: "identities": pairs of two people from different cameras. "tracklets and moments": two boxes or
            tracklets in one picture, hence of one camera; pairs of one person are of one tracklet. "answers": pairs of
            crops of two cameras that people were asked about, drawn so that all such pairs are stood for. Where one
            camera took all crops, "identities in one camera" and "answers in one camera" are of its pairs.
        data: Name of the data set.
        split: Which crops of it, e.g. "query against gallery".
        num_people: Identities, tracklets, or (where only boxes are known) two for each picture that the pairs are of; 0
            with answers.
        num_different: Pairs of crops of two people.
        num_people_pairs: Different pairs of people among those.
        num_same: Pairs of crops of one person.
        is_trained_on: Whether the model was trained on these crops, which makes it look better than it is; None if not
            known.
        limits: What the thresholds do not say, in words.

    Raises:
        ValueError: If there are no thresholds, they are out of order, or a word or count is none.
    """

    thresholds: tuple[MatchThreshold, ...]
    calibration: Calibration
    data: str
    split: str
    num_people: int
    num_different: int
    num_people_pairs: int
    num_same: int
    is_trained_on: bool | None
    limits: str

    def __post_init__(self) -> None:
        rates = [threshold.rate for threshold in self.thresholds]
        if not rates or rates != sorted(set(rates)):
            raise ValueError(f"thresholds need rates that rise, got {rates}")
        known = [threshold.similarity for threshold in self.thresholds if threshold.similarity is not None]
        if known != sorted(known, reverse=True):
            raise ValueError(f"the higher the rate, the lower the similarity; got {known}")
        if self.calibration not in get_args(Calibration):
            raise ValueError(f"calibration must be one of {get_args(Calibration)}, got {self.calibration!r}")
        for name in ("data", "split", "limits"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a text, got {getattr(self, name)!r}")
        for name in ("num_people", "num_different", "num_people_pairs", "num_same"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a count, got {value!r}")
        if self.is_trained_on not in (True, False, None):
            raise ValueError(f"is_trained_on must be true, false or null, got {self.is_trained_on!r}")

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> MatchThresholds:
        """Return what `dataclasses.asdict` was called on, also after a way through JSON.

        Raises:
            KeyError, TypeError, ValueError: If it is damaged.
        """
        thresholds = tuple(MatchThreshold(**threshold) for threshold in values["thresholds"])
        return cls(**{**values, "thresholds": thresholds})

    @property
    def is_answered(self) -> bool:
        """Whether people were asked."""
        return self.calibration in ("answers", "answers in one camera")

    def strictest(self, similarity: float) -> MatchThreshold | None:
        """Return the threshold of the lowest rate that a similarity exceeds, None if it exceeds none."""
        passed = (at for at in self.thresholds if at.similarity is not None and similarity > at.similarity)
        return next(passed, None)


def _check_number(name: str, value: Any, *, least: float) -> None:
    if value is None and name != "rate":
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= max(1, -least):
        raise ValueError(f"{name} must lie between {round(least)} and 1, got {value!r}")
