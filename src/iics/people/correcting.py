"""Corrections of a gallery's people: made, undone, with effect at once; constraints of linking from then on.

Beside a gallery in a folder they stand in a file, too, for people to read (`iics.people.corrections_file`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from iics.errors import PeopleError
from iics.people.corrections import Correction, Kind
from iics.people.corrections_file import mirror
from iics.people.kept import Kept
from iics.people.settled import joined, parted, taken_back
from iics.people.store import Changing, PeopleStore

_WHAT = "corrected"


def join(store: PeopleStore, first_keys: Sequence[str], second_keys: Sequence[str], by: str = "") -> Correction:
    """Say that sightings are one person, and merge the identities that they are of into the oldest of these.

    Args:
        store: Whose people they are.
        first_keys: Keys of sightings, at least one.
        second_keys: Keys of others, at least one.
        by: Who says so.

    Raises:
        PeopleError: If there is no such sighting, another correction forbids it, or another process changes people.
    """
    with store.changing(_WHAT) as changing:
        return add(changing, "same", first_keys, second_keys, by)


def set_apart(store: PeopleStore, first_keys: Sequence[str], second_keys: Sequence[str], by: str = "") -> Correction:
    """Say that no sighting of the first group is of the person of any of the second; arguments and errors as `join`.

    Where both are of one identity now, the first group and what is nearer to it get a new number.
    """
    with store.changing(_WHAT) as changing:
        return add(changing, "different", first_keys, second_keys, by)


def split(store: PeopleStore, keys: Sequence[str], by: str = "") -> int:
    """Say that some sightings of an identity are another person than the others, and return their new number.

    Args:
        store: Whose people they are.
        keys: Of sightings of one identity, not all of them.
        by: Who says so.

    Raises:
        PeopleError: As `join`; also if they are of several identities, or all of one.
    """
    with store.changing(_WHAT) as changing:
        kept = changing.kept
        _check_known(store, kept, keys)
        persons = kept.persons()
        numbers = sorted({persons[key] for key in keys})
        if len(numbers) > 1:
            raise PeopleError(
                f"A split needs sightings of one person, and these are of {', '.join(map(str, numbers))}. Split them "
                "one by one."
            )
        others = [key for key, number in persons.items() if number == numbers[0] and key not in keys]
        if not others:
            raise PeopleError(f"These are all sightings of person {numbers[0]}; a split has to leave one.")
        add(changing, "different", keys, others, by)
        return changing.kept.highest


def undo(store: PeopleStore, number: int) -> Correction:
    """Take a correction back, and what only it caused; see `iics.people.settled`.

    Raises:
        PeopleError: If there is none of that number, it is undone already, or another process changes people.
    """
    with store.changing(_WHAT) as changing:
        return undo_one(changing, number)


def add(changing: Changing, kind: Kind, first_keys: Sequence[str], second_keys: Sequence[str], by: str) -> Correction:
    """Add a correction; see `join` and `set_apart`."""
    kept, store = changing.kept, changing.store
    first, second = (tuple(dict.fromkeys(keys)) for keys in (first_keys, second_keys))
    for keys in (first, second):
        _check_known(store, kept, keys)
    both = sorted(set(first) & set(second))
    if both:
        raise PeopleError(f"The sighting {both[0]} is on both sides of a correction; name it on one.")
    correction = Correction(max(kept.corrections, default=0) + 1, kind, first, second, time.time(), by)
    settled = joined(kept, correction) if kind == "same" else parted(kept, correction, store.sighting_features)
    changing.commit(replace(settled, corrections={**kept.corrections, correction.number: correction}))
    mirror(store)
    return correction


def undo_one(changing: Changing, number: int) -> Correction:
    """Undo a correction; see `undo`."""
    kept = changing.kept
    if number not in kept.corrections:
        last = max(kept.corrections, default=0)
        known = f"numbers go from 1 to {last}" if last else "nothing was corrected yet"
        raise PeopleError(f"There is no correction {number}; {known}.")
    correction = kept.corrections[number]
    if correction.is_undone:
        raise PeopleError(f"Correction {number} is undone already.")
    undone = replace(correction, is_undone=True)
    kept = replace(kept, corrections={**kept.corrections, number: undone})
    changing.commit(taken_back(kept, undone))
    mirror(changing.store)
    return undone


def _check_known(store: PeopleStore, kept: Kept, keys: Sequence[str]) -> None:
    if not keys:
        raise PeopleError("A correction needs at least one sighting on each side.")
    unknown = [key for key in keys if key not in kept.sightings]
    if unknown:
        raise PeopleError(
            f"The people of {store.gallery.uri} have no sighting {unknown[0]}: it was never there, or its crops were "
            "deleted."
        )
