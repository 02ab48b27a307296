"""Filters of a gallery's crops, by camera, time, file and tracklet -> an expression of the database.

Names come from users and file systems, so `_text` always quotes them.
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from iics.errors import GalleryError
from iics.gallery.stored_values import UNKNOWN_TIME, unicode_name
from iics.home_folder import expanded
from iics.plausible_times import implausibility


@dataclass(frozen=True)
class GalleryFilters:
    """Crops that meet all that is set; a crop without a time lies in no time range.

    Attributes:
        cameras: Only of these cameras.
        not_cameras: Of none of these.
        since: Not taken before, in seconds since 1970.
        until: Taken before, in seconds since 1970.
        path: Of this file or archive, or of any below this folder.
        tracklet_id: Of this tracklet.

    Raises:
        GalleryError: If a time is no plausible moment or the range is empty, or a camera is both wanted and unwanted;
            if cameras are one text, or the path an empty one.
    """

    cameras: tuple[str, ...] = ()
    not_cameras: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    path: Path | str | None = None
    tracklet_id: int | None = None

    def __post_init__(self) -> None:
        for name, names in (("cameras", self.cameras), ("not_cameras", self.not_cameras)):
            if isinstance(names, str):  # its letters would be taken for cameras
                raise GalleryError(f"{name} needs a tuple of names, got the text {names!r}; write ({names!r},).")
        if self.path is not None and not str(self.path).strip():
            raise GalleryError("path is empty, which would mean the folder that the program runs in; leave it out.")
        for name, value in (("since", self.since), ("until", self.until)):
            fault = None if value is None else implausibility(value)
            if fault is not None:
                raise GalleryError(f"{name} {value:.15g} {fault}.")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise GalleryError("No time is both since and until: the range of time ends before it begins.")
        both = set(self.cameras) & set(self.not_cameras)
        if both:
            raise GalleryError(f"Camera {min(both)} is both wanted and unwanted; leave one out.")

    @property
    def is_empty(self) -> bool:
        """Whether every crop is meant."""
        return self == GalleryFilters()

    def expression(self) -> str:
        """Return the filter as the database reads it, "" for all crops.

        Raises:
            GalleryError: If a name cannot be part of one.
        """
        parts = []
        if self.cameras:
            parts.append(f"camera in [{', '.join(_text(name) for name in self.cameras)}]")
        if self.not_cameras:
            parts.append(f"camera not in [{', '.join(_text(name) for name in self.not_cameras)}]")
        if self.since is not None:
            parts.append(f"time >= {float(self.since)!r}")
        if self.until is not None:
            parts.append(f"time > {UNKNOWN_TIME!r} and time < {float(self.until)!r}")
        if self.path is not None:
            place = os.path.normpath(expanded(self.path).absolute())
            parts.append(f"({_at_or_below('path', place)} or {_at_or_below('archive', place)})")
        if self.tracklet_id is not None:
            parts.append(f"tracklet == {int(self.tracklet_id)}")
        return " and ".join(parts)


def _at_or_below(field: str, place: str) -> str:
    # "0" follows "/": the names between the two are those that begin with the folder.
    return f"{field} == {_text(place)} or ({field} > {_text(place + '/')} and {field} < {_text(place + '0')})"


def is_quotable(value: str) -> bool:
    """Return whether a name can be part of a filter: no control characters, no broken Unicode."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def _text(value: str) -> str:
    """Return a name as a literal of the database's language."""
    value = unicode_name(value)
    if not is_quotable(value):
        raise GalleryError(f"{value!r} holds a character that no filter can; rename what is called so.")
    return json.dumps(value, ensure_ascii=False)
