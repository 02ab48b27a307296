"""What a gallery's limit of days asks for: crops that are too old are deleted, with all that people hold of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from iics.gallery.gallery import Gallery
from iics.gallery.kept_days import kept_days, oldest_kept
from iics.people.forgetting import Forgotten, forget_crops, forget_older_than
from iics.people.store import PeopleStore
from iics.plausible_times import TEN_YEARS


@dataclass(frozen=True)
class Aged:
    """What the limit did.

    Attributes:
        days: The limit.
        forgotten: What was forgotten.
    """

    days: float
    forgotten: Forgotten


def forget_aged(gallery: Gallery, *, now: float | None = None) -> Aged | None:
    """Delete what a gallery's limit says; also from people what an earlier call that was killed left there.

    Args:
        gallery: Whose crops they are.
        now: Seconds since 1970; None for the clock's.

    Returns:
        What was deleted, None if the gallery has no limit.

    Raises:
        PeopleError: If another process changes people; the crops are deleted then, and the next call does the rest.
        GalleryError: If the database fails, or crops were indexed or erased by others meanwhile.
    """
    days = kept_days(gallery)
    if days is None:
        return None
    forgotten = forget_older_than(gallery, days, now=now)
    if not forgotten.num_crops and _people_hold_older_than(gallery, oldest_kept(days, now)):
        forgotten = replace(forget_crops(gallery, []), num_undated=forgotten.num_undated)
    return Aged(days, forgotten)


def _people_hold_older_than(gallery: Gallery, moment: float) -> bool:
    """Return whether people know a sighting that is older; its crops were deleted then, and this was killed."""
    if not PeopleStore.exists(gallery):
        return False
    known = PeopleStore.open(gallery).kept().sightings.values()
    return any(each.first is not None and TEN_YEARS <= each.first < moment for each in known)
