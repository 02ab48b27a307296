"""What corrections do to people: Kept and a correction -> Kept, or a sentence about why that cannot be.

same: all sightings of both groups are one person, so the identities that they are of are merged into the oldest.
different: where an identity has sightings of both groups, those of the first get a new number. Others of it that belong
to neither stay, unless `same` ties them to the first, or their features are nearer to it.
undone: merges that a correction caused are taken back, and an identity that it split off is merged back, as far as what
else was said allows; linking may have added sightings to either meanwhile, which stay with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from iics.arrays import FloatArray
from iics.errors import PeopleError
from iics.people.book import Change
from iics.people.corrections import Correction
from iics.people.kept import Kept

FeaturesOf = Callable[[Sequence[str]], FloatArray]
"""Keys of sightings -> their features. Shape (n, d)."""


def counted(kept: Kept, kind: str) -> list[tuple[Correction, list[str], list[str]]]:
    """Return the corrections of a kind that are not undone, with the sightings of both groups that are still there."""
    found = [
        (each, kept.present_keys(each.first), kept.present_keys(each.second))
        for each in kept.corrections.values()
        if each.kind == kind and not each.is_undone
    ]
    return [(each, first, second) for each, first, second in found if first and second]


def tied(kept: Kept) -> dict[str, str]:
    """Return a representative of all that `same` ties together, for each sighting that it names."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for _, first, second in counted(kept, "same"):
        for key in (*first, *second):
            parent[root(key)] = root(first[0])
    return {key: root(key) for key in list(parent)}


def joined(kept: Kept, correction: Correction) -> Kept:
    """Return people with all that `same` names merged.

    Raises:
        PeopleError: If another correction forbids it.
    """
    persons = kept.persons()
    names = {persons[key] for key in kept.present_keys((*correction.first, *correction.second))}
    other = forbidding(kept, persons, names)
    if other is not None:
        raise PeopleError(
            f"{_said(correction)} contradicts correction {other.number}, which says that sightings of these people are "
            f"different ({other.first[0]} and {other.second[0]}). Undo that one first."
        )
    oldest = min(names)
    merges = [
        Change("merged", number, oldest, correction.made, correction.number) for number in sorted(names - {oldest})
    ]
    return kept.with_changes(merges)


def forbidding(kept: Kept, persons: dict[str, int], names: set[int]) -> Correction | None:
    """Return a correction that forbids that so many identities are one, None if there is none.

    Args:
        kept: All that is kept.
        persons: Present number of each sighting.
        names: Numbers of the identities.
    """
    for correction, first, second in counted(kept, "different"):
        if any(persons[key] in names for key in first) and any(persons[key] in names for key in second):
            return correction
    return None


def parted(kept: Kept, correction: Correction, features_of: FeaturesOf) -> Kept:
    """Return people with no identity on both sides of a `different`.

    Raises:
        PeopleError: If another correction ties the two sides together.
    """
    first, second = kept.present_keys(correction.first), kept.present_keys(correction.second)
    ties = tied(kept)
    both = {ties.get(key, key) for key in first} & {ties.get(key, key) for key in second}
    if both:
        raise PeopleError(_tied_sentence(kept, correction, first, second, ties))
    persons = kept.persons()
    for number in sorted({persons[key] for key in first} & {persons[key] for key in second}):
        members = [key for key, person in persons.items() if person == number]
        leaving = _leaving(members, set(first), set(second), ties, features_of)
        kept = _renumbered(kept, number, leaving, correction)
    return kept


def taken_back(kept: Kept, correction: Correction) -> Kept:
    """Return people without what an undone correction did to them."""
    caused = {at: change for at, change in kept.changes.items() if change.correction == correction.number}
    merges = {at for at, change in caused.items() if change.kind == "merged"}
    kept = replace(kept, changes={at: change for at, change in kept.changes.items() if at not in merges})
    for change in caused.values():
        if change.kind == "split":
            kept = _merged_back(kept, change)
    for other, first, second in sorted(counted(kept, "same"), key=lambda each: each[0].number):
        persons = kept.persons()
        if len({persons[key] for key in (*first, *second)}) > 1:
            kept = joined(kept, other)
    return kept


def _merged_back(kept: Kept, split: Change) -> Kept:
    present = kept.present_numbers()
    now, before = present.get(split.into, split.into), present.get(split.person, split.person)
    persons = kept.persons()
    living = set(persons.values())
    # Joined with others since, or gone: then it goes on as it is.
    if now != split.into or now == before or not {now, before} <= living:
        return kept
    if forbidding(kept, persons, {now, before}) is not None:
        return kept
    return kept.with_changes([Change("merged", max(now, before), min(now, before), time.time(), split.correction)])


def _leaving(
    members: list[str], first: set[str], second: set[str], ties: dict[str, str], features_of: FeaturesOf
) -> list[str]:
    """Return the members of an identity that go with the first group."""
    ties_of_first, ties_of_second = ({ties.get(key, key) for key in side} for side in (first, second))
    own = [key for key in members if ties.get(key, key) in ties_of_first]
    staying = [key for key in members if ties.get(key, key) in ties_of_second]
    rest: dict[str, list[str]] = {}
    for key in members:
        tie = ties.get(key, key)
        if tie not in ties_of_first and tie not in ties_of_second:
            rest.setdefault(tie, []).append(key)
    if not rest:
        return own
    of_own, of_staying = (features_of(side).mean(axis=0) for side in (own, staying))
    groups = list(rest.values())
    features = features_of([key for group in groups for key in group])
    nearer = features @ (of_own - of_staying)
    ends = np.cumsum([len(group) for group in groups])
    for group, scores in zip(groups, np.split(nearer, ends[:-1]), strict=True):
        if scores.mean() > 0:
            own += group
    return own


def _renumbered(kept: Kept, number: int, keys: Iterable[str], correction: Correction) -> Kept:
    """Return people where sightings of an identity have a new number."""
    new = kept.highest + 1
    moved = {key: replace(kept.sightings[key], person=new) for key in keys}
    split = Change("split", number, new, correction.made, correction.number)
    kept = replace(kept, sightings={**kept.sightings, **moved})
    return kept.with_setting("highest", new).with_changes([split])


def _tied_sentence(
    kept: Kept, correction: Correction, first: list[str], second: list[str], ties: dict[str, str]
) -> str:
    one, other = next((a, b) for a in first for b in second if ties.get(a, a) == ties.get(b, b))
    tie = ties.get(one, one)
    numbers = [str(each.number) for each, keys, _ in counted(kept, "same") if any(ties[key] == tie for key in keys)]
    return (
        f"{_said(correction)} contradicts correction{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}: {one} and "
        f"{other} are the same person by what was said before. Undo {'one of these' if len(numbers) > 1 else 'it'} "
        "first."
    )


def _said(correction: Correction) -> str:
    what = "are one person" if correction.kind == "same" else "are different people"
    return f"That {correction.first[0]} and {correction.second[0]} {what}"
