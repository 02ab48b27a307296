"""Sightings that are two people by their times: tracklets of one camera at one time; too far for the time between.

Sightings -> pairs, each once. Nothing is said of sightings whose times are not known.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import BoolArray, IntArray
from iics.clustering.apart import Apart
from iics.people.sightings import Sightings
from iics.people.travel_times import TravelTimes


def at_one_time(sightings: Sightings) -> Apart:
    """Return the pairs of tracklets of one camera that overlap in time.

    Tracklets that only touch may be one person whom the tracker lost and found again. Crops without a tracklet do not
    count: a second box around the same person looks like one.
    """
    is_tracklet = np.array([key.startswith("t") for key in sightings.keys], dtype=np.bool_)
    pairs = []
    for camera in np.unique(sightings.camera_ids):
        own = np.flatnonzero((sightings.camera_ids == camera) & is_tracklet & np.isfinite(sightings.first))
        pairs.append(_between(sightings, own, own, shortest=0.0))
    return _listed(pairs)


def too_far(sightings: Sightings, travel: TravelTimes) -> Apart:
    """Return the pairs of two cameras that nobody can have been at, by the times: at once, or so soon afterwards.

    Args:
        sightings: Some.
        travel: Shortest times from camera to camera. Pairs of cameras without one, or with 0, say nothing.
    """
    pairs = []
    number = {name: at for at, name in enumerate(travel.names)}
    members = {
        number[name]: np.flatnonzero((sightings.camera_ids == at) & np.isfinite(sightings.first))
        for at, name in enumerate(sightings.camera_names)
        if name in number
    }
    for one, first in members.items():
        for other, second in members.items():
            if one != other and travel.shortest[one, other] > 0:  # NaN is not
                pairs.append(_between(sightings, first, second, shortest=float(travel.shortest[one, other])))
    return _listed(pairs)


def _between(sightings: Sightings, before: IntArray, after: IntArray, *, shortest: float) -> IntArray:
    """Return the pairs whose second comes sooner than `shortest` after the first, or while it is there. (m, 2)."""
    first, last = sightings.first, sightings.last
    after = after[np.argsort(first[after], kind="stable")]
    longest = float((last[after] - first[after]).max(initial=0.0))
    begin = np.searchsorted(first[after], first[before] - longest, side="left")
    end = np.searchsorted(first[after], last[before] + shortest, side="left")
    counts = np.maximum(end - begin, 0)
    one = np.repeat(before, counts)
    place = np.repeat(begin, counts) + np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    other = after[place]
    is_not_before: BoolArray = last[other] > first[one]
    return np.stack([one[is_not_before], other[is_not_before]], axis=1)


def _listed(pairs: list[IntArray]) -> Apart:
    listed = np.concatenate([np.empty((0, 2), np.int64), *pairs])
    return Apart.of(listed[:, 0], listed[:, 1])
