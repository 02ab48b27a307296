"""Crops out of a gallery and out of its people: an identity with all that is kept of it, or all crops of some age.

First the crops are deleted, then the people are made without them. A kill between leaves features of sightings whose
crops are gone; the next `iics people` or `iics forget` deletes them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from iics.errors import PeopleError
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.kept_days import oldest_kept
from iics.gallery.schema import ID_FIELD
from iics.people.book import present_numbers
from iics.people.corrections_file import mirror
from iics.people.frozen_centres import centre_vectors, with_renamed
from iics.people.gathered import gather, without
from iics.people.kept import Kept
from iics.people.looked_at import IS_CENTRED
from iics.people.mean_features import mean_features
from iics.people.relinking import with_found
from iics.people.store import Changing, PeopleStore
from iics.plausible_times import TEN_YEARS

_WHAT = "pruned"


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten.

    Attributes:
        num_crops: Crops that were deleted.
        persons: Numbers of the identities that are no more.
        is_gone: Whether all of it is out of the database's files; False if a server removes it by its own schedule.
        num_undated: Crops without a date, which have no age and stay.
    """

    num_crops: int
    persons: tuple[int, ...]
    is_gone: bool
    num_undated: int = 0


def crops_of_person(store: PeopleStore, number: int) -> list[str]:
    """Return the ids of the crops of an identity that are still in the gallery, also by a number that was merged.

    Raises:
        PeopleError: If the number was never given, or the identity is forgotten.
    """
    people = store.read()
    present = present_numbers(people.changes)(number)
    crops = [crop for seen in people.seen if seen.person == present for crop in seen.crop_ids]
    if not crops:
        raise PeopleError(_no_person(store.kept(), number, store.gallery.uri))
    here = store.gallery.rows_by_id(crops)
    return [crop for crop in crops if crop in here]


def forget_person(gallery: Gallery, number: int) -> Forgotten:
    """Delete an identity with all its crops and all that is kept of it but its number, which is never given again.

    Args:
        gallery: Whose people it is one of.
        number: Its own, or one that was merged into it.

    Raises:
        PeopleError: If there is no such person, or another process changes people.
        GalleryError: If the database fails, or crops were indexed or erased by others meanwhile.
    """
    return forget_crops(gallery, crops_of_person(PeopleStore.open(gallery), number))


def forget_older_than(gallery: Gallery, days: float, *, now: float | None = None) -> Forgotten:
    """Delete all crops that were taken so many days ago or longer, and what is kept of them.

    Args:
        gallery: Whose crops they are.
        days: Above 0.
        now: Seconds since 1970; None for the clock's.

    Raises:
        PeopleError: If another process changes people.
        GalleryError: As `forget_person`.
    """
    if not days > 0:
        raise PeopleError(f"Crops are kept for a number of days above 0, got {days:g}.")
    before = oldest_kept(days, now)
    dated = gallery.count(GalleryFilters(since=TEN_YEARS))
    num_undated = gallery.num_crops - dated
    old: list[str] = []
    if before > TEN_YEARS:
        old = [str(row[ID_FIELD]) for row in gallery.rows(GalleryFilters(since=TEN_YEARS, until=before), fields=[])]
    if not old:  # erasing would write all files again
        return Forgotten(0, (), True, num_undated)
    return replace(forget_crops(gallery, old), num_undated=num_undated)


def forget_crops(gallery: Gallery, crop_ids: Sequence[str]) -> Forgotten:
    """Delete crops out of a gallery, and out of its people if they were looked for.

    Given no crops, it only makes the people without those that were deleted before.

    Raises:
        PeopleError: If another process changes people; the crops are deleted then, and the next call does the rest.
        GalleryError: As `forget_person`.
    """
    is_gone = gallery.delete(crop_ids) if crop_ids else True
    if not PeopleStore.exists(gallery):
        return Forgotten(len(crop_ids), (), is_gone)
    store = PeopleStore.open(gallery)
    with store.changing(_WHAT) as changing:
        before = set(changing.kept.persons().values())
        is_gone_too = _made_without(changing)
        gone = before - set(changing.kept.persons().values())
        mirror(store)
    return Forgotten(len(crop_ids), tuple(sorted(gone)), is_gone and is_gone_too)


def _made_without(changing: Changing) -> bool:
    """Make people without crops that are no longer there; sightings that lost some get a feature of the others.

    Returns:
        Whether the old features are out of the database's files.
    """
    store, before = changing.store, changing.kept
    is_centred = bool(before.settings.get(IS_CENTRED, False))
    gathered = gather(store.gallery, before, is_centred=is_centred)
    kept, _ = with_renamed(before, gathered)
    centres = centre_vectors(store, kept, is_centred=is_centred)
    cameras = set(centres) if is_centred else {each.camera for each in gathered.found.values()}
    # What is new, or is of a camera that nobody looked at yet, is left to the next update.
    left = [key for key in gathered.pending if key not in before.sightings or gathered.found[key].camera not in cameras]
    gathered = without(gathered, left)
    pending = [gathered.found[key] for key in gathered.pending]
    found = mean_features(store.gallery, pending, centres, broken_below=None)
    if not (pending or gathered.gone):
        return True
    ids = [each.feature_id for each in pending]
    without_them = with_found(kept, gathered, now=time.time())
    return changing.commit_features(without_them, ids, found.features, is_forgetting=True)


def _no_person(kept: Kept, number: int, uri: str) -> str:
    if not 0 < number <= kept.highest:
        return f"The people of {uri} have no person {number}: numbers go from 1 to {kept.highest}."
    return f"Person {number} of {uri} is forgotten; the number is not given again."
