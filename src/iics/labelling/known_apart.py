"""Pairs that are two individuals, from frames and times: boxes of one frame, tracklets of two cameras at one time.

CropSet -> pairs of units (`iics.labelling.units`), each once.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.clustering.apart import Apart
from iics.crops import CropSet
from iics.errors import TrainingError
from iics.pictures import UNKNOWN, picture_ids
from iics.tracklet_settings import ApartBy

MOST_PAIRS = 100_000_000
"""Of crops or tracklets that are listed; 16 bytes each, and a few copies of them."""


def known_apart(crops: CropSet, units: IntArray, by: ApartBy) -> Apart:
    """Return the pairs of units that are two individuals; none where `by` is off, or nothing is known.

    Two parts of one tracklet that was found broken are never apart: the finding may be wrong.

    Args:
        crops: With times or boxes.
        units: Unit of each crop, 0..k-1. Shape (n,).
        by: frames, or times for tracklets of two cameras as well.

    Raises:
        TrainingError: If there are too many pairs to list.
    """
    pairs = []
    if by != "off":
        pairs.append(_of_one_frame(picture_ids(crops), units))
    if by == "times" and crops.times is not None:
        pairs.append(_at_one_time(crops.times, crops.camera_ids, units))
    if not pairs:
        return Apart.none()
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return _without_own_parts(Apart.of(first, second), crops.tracklet_ids, units)


def _of_one_frame(pictures: IntArray | None, units: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs of units with crops in one picture."""
    if pictures is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    known = pictures != UNKNOWN
    places = np.unique(np.stack([pictures[known], units[known]]), axis=1)
    last = np.searchsorted(places[0], places[0], side="right")
    first, second = _ranges(np.arange(1, len(last) + 1), last)
    return places[1, first], places[1, second]


def _at_one_time(times: DoubleArray, camera_ids: IntArray, units: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs of units of two cameras whose times, from the first crop to the last, overlap."""
    num_units = int(units.max()) + 1
    starts, ends = np.full(num_units, np.inf), np.full(num_units, -np.inf)
    known = ~np.isnan(times)
    np.minimum.at(starts, units[known], times[known])
    np.maximum.at(ends, units[known], times[known])
    cameras = np.zeros(num_units, dtype=np.int64)
    cameras[units] = camera_ids
    order = np.argsort(starts, kind="stable")[: int(np.isfinite(starts).sum())]
    last = np.searchsorted(starts[order], ends[order], side="right")
    first, second = (order[side] for side in _ranges(np.arange(1, len(last) + 1), last))
    is_across = cameras[first] != cameras[second]
    return first[is_across], second[is_across]


def _ranges(begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs of each i with begin[i] to end[i] - 1.

    Raises:
        TrainingError: If they are too many.
    """
    counts = np.maximum(end - begin, 0)
    num_pairs = int(counts.sum())
    if num_pairs > MOST_PAIRS:
        raise TrainingError(
            f"{num_pairs:,} pairs of crops or tracklets are two individuals by their times; at most {MOST_PAIRS:,} can "
            "be kept apart. Keep apart those of one frame (--tracklets.apart frames), or train on fewer hours at once."
        )
    first = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(num_pairs) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, begin[first] + within


def _without_own_parts(apart: Apart, tracklet_ids: IntArray | None, units: IntArray) -> Apart:
    if tracklet_ids is None:
        return apart
    of_unit = np.full(int(units.max()) + 1, -1)
    of_unit[units] = tracklet_ids
    first, second = of_unit[apart.first], of_unit[apart.second]
    kept = (first != second) | (first < 0)
    return Apart(apart.first[kept], apart.second[kept])
