"""What there is in the gallery and not yet in its people: new sightings with their features, and what is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from iics.arrays import FloatArray
from iics.models.camera_means import CameraMeans
from iics.people.frozen_centres import centre_vectors, with_centres, with_renamed
from iics.people.gathered import Gathered, gather, without, without_broken
from iics.people.kept import Kept
from iics.people.mean_features import learned_threshold, mean_features
from iics.people.store import PeopleStore

IS_CENTRED = "is_centred"
"""Setting: whether features are centred."""
_BROKEN_BELOW, _BROKEN_FROM = "broken_below", "broken_from"
_ENOUGH_TRACKLETS = 1000
Progress = Callable[[str, int, int], None]
"""What is done, how many crops or sightings of it are, and how many there are."""


@dataclass(frozen=True, eq=False)
class LookedAt:
    """The gallery beside its people.

    Attributes:
        kept: The people, with the centres of all cameras; their sightings are as they were.
        gathered: The sightings that there are.
        features: Of the pending ones. Shape (len(gathered.pending), d).
        notes: What is to be told.
    """

    kept: Kept
    gathered: Gathered
    features: FloatArray
    notes: tuple[str, ...]


def look_at(
    store: PeopleStore,
    kept: Kept,
    *,
    is_centred: bool,
    means: CameraMeans | None,
    progress: Progress | None = None,
) -> LookedAt:
    """Return what is new in a gallery. Vectors of new cameras' centres are written, nothing else.

    Args:
        store: Of the gallery's people.
        kept: What is kept of them.
        is_centred: Whether features are centred.
        means: Of the gallery's model; None if it has none.
        progress: Called as crops are read.

    Raises:
        PeopleError: If a tracklet has crops of two cameras.
    """
    gallery = store.gallery
    gathered = gather(gallery, kept, is_centred=is_centred)
    kept, notes = with_renamed(kept, gathered)
    if is_centred and gathered.pending:
        kept = with_centres(store, kept, gathered, means)
    centres = centre_vectors(store, kept, is_centred=is_centred)
    kept = _with_threshold(store, kept, gathered, centres)
    before = gathered.pending
    found = mean_features(
        gallery,
        [gathered.found[key] for key in before],
        centres,
        broken_below=kept.settings.get(_BROKEN_BELOW),
        progress=_counted(progress, gathered),
    )
    broken = [key for key, is_broken in zip(before, found.is_broken, strict=True) if is_broken]
    deleted = [key for key, is_there in zip(before, found.is_there, strict=True) if not is_there]
    gathered = without_broken(without(gathered, deleted, are_gone=True), broken, kept, is_centred=is_centred)
    known = set(before)
    singles = [key for key in gathered.pending if key not in known]
    of_singles = mean_features(gallery, [gathered.found[key] for key in singles], centres, broken_below=None)
    place = {key: at for at, key in enumerate((*before, *singles))}
    features = np.concatenate([found.features, of_singles.features])[[place[key] for key in gathered.pending]]
    if broken:
        notes.append(
            f"{len(broken)} tracklet{'s jump' if len(broken) > 1 else ' jumps'} from one person to another, e.g. "
            f"{broken[0][1:]}: each of {'their' if len(broken) > 1 else 'its'} crops counts by itself."
        )
    return LookedAt(replace(kept, broken=gathered.broken), gathered, features, (*gathered.notes, *notes))


def _with_threshold(store: PeopleStore, kept: Kept, gathered: Gathered, centres: dict[str, FloatArray]) -> Kept:
    """Return people with the cosine below which tracklets are broken, learned anew while there are few of them."""
    tracklets = [each for each in gathered.found.values() if len(each.crop_ids) > 1]
    learned_from = int(kept.settings.get(_BROKEN_FROM, 0))
    is_stale = learned_from < _ENOUGH_TRACKLETS and len(tracklets) >= 2 * learned_from
    if not gathered.pending or not is_stale:
        return kept
    threshold = learned_threshold(store.gallery, tracklets, centres)
    if threshold is None:
        return kept
    return kept.with_setting(_BROKEN_BELOW, threshold).with_setting(_BROKEN_FROM, len(tracklets))


def _counted(progress: Progress | None, gathered: Gathered) -> Callable[[int], None] | None:
    if progress is None:
        return None
    total, done = sum(len(gathered.found[key].crop_ids) for key in gathered.pending), 0

    def count(number: int) -> None:
        nonlocal done
        done += number
        progress("reading crops", done, total)

    return count
