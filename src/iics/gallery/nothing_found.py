"""Explains why no crop of a gallery meets the filters, if no crop meets one of them alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iics.gallery.filters import GalleryFilters
from iics.gallery.moments import time_text

if TYPE_CHECKING:
    from iics.gallery.gallery import Gallery


def unmet(gallery: Gallery, filters: GalleryFilters) -> list[str]:
    """Return a sentence for each part of `filters` that no crop meets, even without the other parts.

    Reads the time of every crop that the filters mean apart from their range of time, if they have one.
    """
    told = []
    if filters.tracklet_id is not None and not gallery.count(GalleryFilters(tracklet_id=filters.tracklet_id)):
        told.append(f"No crop is of tracklet {filters.tracklet_id}; iics search shows the numbers that there are.")
    if filters.path is not None and not gallery.count(GalleryFilters(path=filters.path)):
        told.append(f"No crop is of {filters.path}, or of a file below it, as it was called when it was indexed.")
    if filters.since is not None or filters.until is not None:
        told += _unmet_times(gallery, filters)
    return told


def _unmet_times(gallery: Gallery, filters: GalleryFilters) -> list[str]:
    """Return what times the crops have that are meant apart from the range of time, if none lies in it."""
    others = replace(filters, since=None, until=None)
    times = [row["time"] for row in gallery.rows(others, fields=["time"])]
    known = [time for time in times if time is not None]
    if not times or any(
        (filters.since is None or time >= filters.since) and (filters.until is None or time < filters.until)
        for time in known
    ):
        return []
    if not known:
        return ["None of the crops meant has a time, so none is in a range of time."]
    return [f"The times of the crops meant are from {time_text(min(known))} to {time_text(max(known))}."]
