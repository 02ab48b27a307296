"""Corrections of a gallery's people: made, undone, with effect at once; constraints of linking from then on.

Beside a gallery in a folder they stand in a file, too, for people to read (`iics.people.corrections_file`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iics.errors import PeopleError
from iics.people.corrections import Correction, Kind
from iics.people.corrections_file import CorrectionLine, mirror, read_corrections
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
        changing.commit(without_correction(changing.kept, number))
        mirror(store)
        return changing.kept.corrections[number]


def add(changing: Changing, kind: Kind, first_keys: Sequence[str], second_keys: Sequence[str], by: str) -> Correction:
    """Add a correction; see `join` and `set_apart`."""
    changing.commit(with_correction(changing.store, changing.kept, kind, first_keys, second_keys, by))
    mirror(changing.store)
    return changing.kept.corrections[max(changing.kept.corrections)]


def with_correction(
    store: PeopleStore, kept: Kept, kind: Kind, first_keys: Sequence[str], second_keys: Sequence[str], by: str
) -> Kept:
    """Return people with one more correction and its effect; see `join` and `set_apart`."""
    first, second = (tuple(dict.fromkeys(keys)) for keys in (first_keys, second_keys))
    for keys in (first, second):
        _check_known(store, kept, keys)
    both = sorted(set(first) & set(second))
    if both:
        raise PeopleError(f"The sighting {both[0]} is on both sides of a correction; name it on one.")
    correction = Correction(max(kept.corrections, default=0) + 1, kind, first, second, time.time(), by)
    settled = joined(kept, correction) if kind == "same" else parted(kept, correction, store.sighting_features)
    return replace(settled, corrections={**kept.corrections, correction.number: correction})


def without_correction(kept: Kept, number: int) -> Kept:
    """Return people with a correction undone, and without what only it caused; see `undo`."""
    if number not in kept.corrections:
        last = max(kept.corrections, default=0)
        known = f"numbers go from 1 to {last}" if last else "nothing was corrected yet"
        raise PeopleError(f"There is no correction {number}; {known}.")
    correction = kept.corrections[number]
    if correction.is_undone:
        raise PeopleError(f"Correction {number} is undone already.")
    undone = replace(correction, is_undone=True)
    return taken_back(replace(kept, corrections={**kept.corrections, number: undone}), undone)


def _check_known(store: PeopleStore, kept: Kept, keys: Sequence[str]) -> None:
    if not keys:
        raise PeopleError("A correction needs at least one sighting on each side.")
    unknown = [key for key in keys if key not in kept.sightings]
    if unknown:
        raise PeopleError(
            f"The people of {store.gallery.uri} have no sighting {unknown[0]}: it was never there, or its crops were "
            "deleted."
        )


@dataclass(frozen=True)
class Applied:
    """What a file of corrections did.

    Attributes:
        num_new: Corrections that were added.
        num_undone: Corrections that were undone.
        num_known: Lines without a change.
    """

    num_new: int
    num_undone: int
    num_known: int


def apply_corrections(store: PeopleStore, path: Path) -> Applied:
    """Do what a file of corrections says: add its new lines, undo those marked undone; in its order.

    A line is new if it has no number, or one that was not given yet, and does not say what an earlier one says: so a
    file that is applied twice does the same as one that is applied once. All of it is done, or nothing.

    Args:
        store: Whose people they are.
        path: As `iics.people.corrections_file` writes it; number, made, by and undone may be missing.

    Raises:
        PeopleError: If the file cannot be read, a line contradicts what is known of its number or other corrections,
            or it names a sighting that is not there.
    """
    lines = read_corrections(path)
    with store.changing(_WHAT) as changing:
        before = kept = changing.kept
        num_known = 0
        for line in lines:
            try:
                after = _with_line(store, kept, line)
            except PeopleError as error:
                raise PeopleError(f"{line.place}: {error} Nothing was applied.") from error
            num_known += after is kept
            kept = after
        changing.commit(kept)
    mirror(store)
    num_new = len(kept.corrections) - len(before.corrections)
    num_undone = sum(
        kept.corrections[number].is_undone and not each.is_undone for number, each in before.corrections.items()
    )
    return Applied(num_new, num_undone, num_known)


def _with_line(store: PeopleStore, kept: Kept, line: CorrectionLine) -> Kept:
    """Return people with what a line says; themselves if it says nothing new."""
    known = None if line.number is None else kept.corrections.get(line.number)
    said = {frozenset(line.first), frozenset(line.second)}
    if known is None:
        is_said = any(
            each.kind == line.kind and not each.is_undone and _sides(each) == said for each in kept.corrections.values()
        )
        if line.is_undone or is_said:
            return kept  # undone before it was made here, there is nothing to take back
        return with_correction(store, kept, line.kind, line.first, line.second, line.by)
    if known.kind != line.kind or _sides(known) != said:
        raise PeopleError(
            f"Correction {known.number} is another one: it says that {known.first[0]} and {known.second[0]} are "
            f"{known.kind}. Leave the number empty for a new correction, or mark it undone as it is."
        )
    if line.is_undone == known.is_undone:
        return kept
    if not line.is_undone:
        raise PeopleError(f"Correction {known.number} is undone and stays so; leave the number empty to make it again.")
    return without_correction(kept, known.number)


def _sides(correction: Correction) -> set[frozenset[str]]:
    return {frozenset(correction.first), frozenset(correction.second)}
