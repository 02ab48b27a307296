"""Split by time: what was seen from a moment on is searched for among what was seen before. Crops -> query and gallery.

A random split puts frames of one encounter on both sides, and finds them without any recognition. A split by time
asks what a catalogue is for: who of those seen later was seen before, and who is new. New individuals stay in the
query, which so becomes open (`iics.evaluation.open_set`). A tracklet that spans the moment stays whole, among what
was seen before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from iics.arrays import BoolArray, DoubleArray
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.errors import EvaluationError
from iics.plausible_times import TEN_YEARS, seconds_of_date


@dataclass(frozen=True, eq=False)
class TimeSplit:
    """Crops before a moment and from it on.

    Attributes:
        query: Crops of known individuals from the moment on.
        gallery: Crops before it.
        at: The moment, in seconds as in the crops.
        num_untimed: Crops left out because their time is not known.
        num_unnamed: Later crops left out because who is on them is not known.
        num_new: Individuals of the query that the gallery does not hold.
        num_individuals: Individuals of the query.
    """

    query: CropSet
    gallery: CropSet
    at: float
    num_untimed: int
    num_unnamed: int
    num_new: int
    num_individuals: int

    def __str__(self) -> str:
        left_out = [
            f"{count:,} {what}"
            for count, what in ((self.num_untimed, "without a time"), (self.num_unnamed, "later ones of nobody known"))
            if count
        ]
        return (
            f"Split at {_shown(self.at)}: {len(self.query):,} crops from then on search among {len(self.gallery):,} "
            f"before. {self.num_new:,} of {self.num_individuals:,} individuals of the query are new."
            + (f" Left out: {', '.join(left_out)}." if left_out else "")
        )


def moment_of(text: str, crops: CropSet) -> float:
    """Return the moment that a text means, in seconds as in the crops.

    Args:
        text: A date (ISO 8601, UTC without an offset), a number of seconds, or a share of the crops (0 to 1).
        crops: With times.

    Raises:
        EvaluationError: If the text is none of these, or no time is known.
    """
    try:
        number = float(text)
    except ValueError:
        try:
            return seconds_of_date(text)
        except ValueError:
            raise EvaluationError(
                "The time to split at is a date (2026-05-01T14:30:00), a number of seconds, or a share of the crops "
                f"above 0 and below 1 (0.5), got {text!r}."
            ) from None
    known = _known_times(crops)
    if 0 < number < 1:
        return float(np.quantile(known, number, method="higher"))
    return number


def split_by_time(crops: CropSet, *, at: float) -> TimeSplit:
    """Return the crops before a moment as gallery, and those from it on as query.

    Args:
        crops: With times and identities. Junk stays in the gallery, where it is ignored.
        at: The moment, in seconds as in the crops.

    Raises:
        EvaluationError: If times or identities are missing, or one side is empty.
    """
    known = _known_times(crops)
    if crops.identity_ids is None or crops.times is None:
        raise EvaluationError(f"{crops.name} has no identities; a split is measured by who is found again.")
    has_time = ~np.isnan(crops.times)
    is_later = _later_tracklets(crops, np.where(has_time, crops.times, np.inf) >= at)
    is_named = crops.identity_ids > DISTRACTOR_IDENTITY
    is_query, is_gallery = has_time & is_later & is_named, has_time & ~is_later
    if not is_query.any() or not is_gallery.any():
        side = "before" if not is_gallery.any() else "of a known individual from then on"
        raise EvaluationError(
            f"{crops.name} has no crop {side}, split at {_shown(at)}; its times reach from {_shown(known.min())} to "
            f"{_shown(known.max())}. Choose a time in between."
        )
    individuals = np.unique(crops.identity_ids[is_query])
    return TimeSplit(
        query=crops.subset(is_query, name=f"{crops.name} later"),
        gallery=crops.subset(is_gallery, name=f"{crops.name} before"),
        at=float(at),
        num_untimed=int((~has_time).sum()),
        num_unnamed=int((has_time & is_later & ~is_named).sum()),
        num_new=len(np.setdiff1d(individuals, crops.identity_ids[is_gallery])),
        num_individuals=len(individuals),
    )


def _known_times(crops: CropSet) -> DoubleArray:
    known = np.empty(0) if crops.times is None else crops.times[~np.isnan(crops.times)]
    if len(known) == 0:
        raise EvaluationError(
            f"No crop of {crops.name} has a time. Give times in a column time, or in the pattern of names."
        )
    return known


def _later_tracklets(crops: CropSet, is_later: BoolArray) -> BoolArray:
    """Return which crops are later, those of a tracklet that begins before left out."""
    if crops.tracklet_ids is None:
        return is_later
    begun = np.unique(crops.tracklet_ids[~is_later & (crops.tracklet_ids >= 0)])
    return is_later & ~np.isin(crops.tracklet_ids, begun)


def _shown(seconds: float) -> str:
    """Return a time as a date where it must be one, else as seconds."""
    if seconds < TEN_YEARS:
        return f"{seconds:g} s"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} (UTC)"
