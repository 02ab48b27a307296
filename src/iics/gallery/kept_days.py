"""How many days a gallery keeps crops: a limit that stands in it and holds for all who add to it or link its people.

Nothing is deleted here (`iics.people.keeping`).
"""

from __future__ import annotations

import math
import time

from iics.errors import GalleryError
from iics.gallery.gallery import Gallery
from iics.gallery.schema import KEEP_DAYS_PROPERTY

_NO_LIMIT = "0"
_DAY = 86400.0


def kept_days(gallery: Gallery) -> float | None:
    """Return the limit as it stands now, None if there is none.

    Raises:
        GalleryError: If it cannot be read, or the database fails.
    """
    opened = gallery.opened
    with opened.asking():
        stored = opened.client.describe_collection(gallery.collection).get("properties", {}).get(KEEP_DAYS_PROPERTY)
    try:
        days = float(stored or _NO_LIMIT)
    except ValueError:
        days = math.nan
    if not (math.isfinite(days) and days >= 0):
        raise GalleryError(
            f"The gallery {gallery.uri} does not say readably how many days it keeps crops ({stored!r:.40}); set it "
            f"anew: iics people {gallery.uri} --keep-days DAYS."
        )
    return days or None


def keep_for(gallery: Gallery, days: float) -> None:
    """Set the limit; 0 ends it.

    Raises:
        GalleryError: If the database fails.
    """
    opened = gallery.opened
    with opened.asking("Cannot write to"):
        opened.client.alter_collection_properties(gallery.collection, {KEEP_DAYS_PROPERTY: repr(float(days))})


def oldest_kept(days: float, now: float | None = None) -> float:
    """Return the moment before which crops are too old, in seconds since 1970; what has no date has no age.

    Args:
        days: The limit.
        now: Seconds since 1970; None for the clock's.
    """
    return (time.time() if now is None else now) - days * _DAY
