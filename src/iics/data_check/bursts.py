"""One burst on both sides: queries whose own walk is in the gallery. Query and gallery -> warnings.

Frames of one walk, a moment apart, are alike in background, pose and light, too. Where a random split puts some into
the query and some into the gallery, each finds the other without any recognition, and a score says little. A burst is
a tracklet, or crops of one individual by one camera at most `APART` seconds from the next.
"""

from __future__ import annotations

import numpy as np

from iics.arrays import BoolArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.file_keys import crop_places

APART = 10.0
"""Seconds; a walk through one camera's view is rarely over sooner. Times that are dates are 0 apart on one day."""


def find_bursts(query: CropSet | None, gallery: CropSet | None) -> list[str]:
    """Return a warning if queries have their own burst in the gallery, the query's own crop not counted."""
    if query is None or gallery is None or query.camera_names != gallery.camera_names:
        return []
    at = {place: index for index, place in enumerate(crop_places(gallery))}
    own = np.array([at.get(place, -1) for place in crop_places(query)])
    partner = _by_tracklet(query, gallery, own)
    partner = np.where(partner >= 0, partner, _by_time(query, gallery, own))
    found = np.flatnonzero(partner >= 0)
    if len(found) == 0:
        return []
    first = int(found[0])
    return [
        f"{len(found)} of {len(query)} queries have their own burst in the gallery: a crop of their tracklet, or of "
        f"the same individual by the same camera at most {APART:g} s apart (or on the same day, where times are "
        f"dates), e.g. {query.label(first)} and {gallery.label(int(partner[first]))}. --protocol market1501 ignores "
        "these crops; under same-camera and any-camera they are found without any recognition. Split by time (iics "
        "evaluate --split-time), or keep each burst on one side."
    ]


def _by_tracklet(query: CropSet, gallery: CropSet, own: IntArray) -> IntArray:
    """Return a gallery crop of each query's tracklet, -1 where there is none. Shape (len(query),)."""
    partner = np.full(len(query), -1)
    if query.tracklet_ids is None or gallery.tracklet_ids is None:
        return partner
    order = np.argsort(gallery.tracklet_ids, kind="stable")
    ordered = gallery.tracklet_ids[order]
    low, high = (np.searchsorted(ordered, query.tracklet_ids, side=side) for side in ("left", "right"))
    return _other_than_own(low, high, order, own, is_asked=query.tracklet_ids >= 0)


def _by_time(query: CropSet, gallery: CropSet, own: IntArray) -> IntArray:
    """Return a gallery crop of each query's individual and camera at nearly its time, -1 where there is none."""
    partner = np.full(len(query), -1)
    if query.times is None or gallery.times is None or query.identity_ids is None or gallery.identity_ids is None:
        return partner
    for identity in np.intersect1d(query.identity_ids, gallery.identity_ids):
        if identity <= DISTRACTOR_IDENTITY:
            continue
        of_query, of_gallery = query.identity_ids == identity, gallery.identity_ids == identity
        for camera in np.unique(query.camera_ids[of_query]):
            asked = np.flatnonzero(of_query & (query.camera_ids == camera))
            shown = np.flatnonzero(of_gallery & (gallery.camera_ids == camera))
            shown = shown[np.argsort(gallery.times[shown], kind="stable")]  # NaN last
            times, when = gallery.times[shown], query.times[asked]
            low = np.searchsorted(times, when - APART)
            high = np.searchsorted(times, when + APART, side="right")
            partner[asked] = _other_than_own(low, high, shown, own[asked], is_asked=~np.isnan(when))
    return partner


def _other_than_own(low: IntArray, high: IntArray, order: IntArray, own: IntArray, *, is_asked: BoolArray) -> IntArray:
    """Return the first of `order[low:high]` that is not the query's own crop, -1 where there is none."""
    partner = np.full(len(low), -1)
    for step in (0, 1):  # the own crop is one at most
        place = low + step
        has = is_asked & (partner < 0) & (place < high)
        candidate = order[np.minimum(place, max(len(order) - 1, 0))] if len(order) else np.full(len(low), -1)
        partner = np.where(has & (candidate != own), candidate, partner)
    return partner
