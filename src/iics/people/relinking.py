"""Kept people and what linking found of some sightings -> people as they are from then on.

A number stays with the group that most of its sightings were linked into. Identities that were linked into one are
merged: the oldest number stays. Sightings that were linked away from their number get that of their group, or a new
one: a split. New numbers are given in order of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from iics.arrays import IntArray
from iics.clustering.apart import Apart
from iics.people.book import Change, PossibleLink
from iics.people.gathered import Gathered
from iics.people.kept import Kept, KeptSighting
from iics.people.linked import Linked
from iics.people.numbering import home_of_numbers
from iics.people.settled import counted

_MOST_DOUBTS = 1000
_CERTAINTY_DIGITS = 4
_CORRECTIONS_LINKED = "corrections_linked"
"""Setting: whether each correction was undone when people were linked last, by its number."""


def carried_over(kept: Kept, gathered: Gathered) -> dict[str, int]:
    """Return the number of each new sighting whose crops were of sightings that are no more, as after a new tracker.

    It is that of most of these crops. Crops of broken tracklets carry nothing: who they are is open again.
    """
    gone = [key for key in gathered.gone if key in kept.sightings and key not in gathered.broken]
    was = {crop: key for key in gone for crop in kept.sightings[key].crop_ids}
    found = {}
    for key in gathered.pending if was else ():
        if key not in kept.sightings:
            before = Counter(was[crop] for crop in gathered.found[key].crop_ids if crop in was)
            if before:
                found[key] = kept.sightings[min(before, key=lambda old: (-before[old], old))].person
    return found


def with_found(kept: Kept, gathered: Gathered, *, now: float) -> Kept:
    """Return people with the sightings that there are: the new ones without a number, unless it is carried over.

    Identities that lost all of their sightings are forgotten. Corrections lead from keys that are no more to those
    that have their crops.
    """
    carried = carried_over(kept, gathered)
    sightings = {**kept.sightings, **{key: gathered.found[key] for key in gathered.pending}}
    for key, number in carried.items():
        sightings[key] = replace(sightings[key], person=number)
    for key in gathered.gone:
        sightings.pop(key, None)
    moved = {**kept.moved, **_moved(kept, gathered)}
    after = replace(kept, sightings=sightings, moved=moved)
    gone = set(kept.persons().values()) - set(after.persons().values())
    return after.with_changes([Change("forgotten", number, 0, now) for number in sorted(gone - {0})])


def constraints(kept: Kept, keys: Sequence[str]) -> tuple[IntArray, IntArray, Apart]:
    """Return the identity of each sighting, -1 if it has none; pairs that are one person; pairs that are two.

    An identity may be split, so each pair of sightings that a correction keeps apart counts, not only one of two
    identities.

    Args:
        kept: With all sightings.
        keys: Of those to be linked.
    """
    persons, place = kept.persons(), {key: at for at, key in enumerate(keys)}
    initial = np.array([persons[key] or -1 for key in keys], dtype=np.int64)
    same = [
        (place[first[0]], place[other])
        for _, first, second in counted(kept, "same")
        for other in (*first[1:], *second)
        if first[0] in place and other in place
    ]
    pairs = {
        (place[a], place[b])
        for _, first, second in counted(kept, "different")
        for a in first
        if a in place
        for b in second
        if b in place
    }
    ones, others = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    return initial, np.array(same, dtype=np.int64).reshape(-1, 2), Apart.of(ones, others)


def with_links(kept: Kept, keys: Sequence[str], linked: Linked, *, now: float) -> Kept:
    """Return people as linking found them.

    Args:
        kept: With all sightings.
        keys: Of those that were linked, with all members of each identity among them.
        linked: What was found.
        now: In seconds since 1970.
    """
    persons = kept.persons()
    before = np.array([persons[key] or -1 for key in keys], dtype=np.int64)
    home = home_of_numbers(linked.labels, before)
    numbers, highest = _numbers(kept, keys, linked.labels, home)
    changes = [
        Change("merged", number, numbers[group], now)
        for number, group in sorted(home.items())
        if numbers[group] != number
    ]
    led = {change.person: change.into for change in changes}
    sightings, split = dict(kept.sightings), dict[tuple[int, int], None]()
    for key, number, label, certainty in zip(
        keys, before.tolist(), linked.labels.tolist(), linked.certainty, strict=True
    ):
        person = sightings[key].person
        if numbers[label] != led.get(number, number):
            person = numbers[label]
            if number > 0:
                split[number, person] = None
        sightings[key] = replace(sightings[key], person=person, certainty=round(float(certainty), _CERTAINTY_DIGITS))
    changes += [Change("split", number, into, now) for number, into in split]
    kept = replace(kept, sightings=sightings, doubts=_doubts(kept, keys, linked))
    return kept.with_setting("highest", highest).with_changes(changes)


def _numbers(kept: Kept, keys: Sequence[str], labels: IntArray, home: Mapping[int, int]) -> tuple[dict[int, int], int]:
    """Return the number of each group: the oldest whose home it is, or a new one in order of time; and the highest."""
    numbers: dict[int, int] = {}
    for number, group in home.items():
        numbers[group] = min(number, numbers.get(group, number))
    moments: dict[int, tuple[bool, float, str]] = {}
    for key, label in zip(keys, labels.tolist(), strict=True):
        moment = _moment(kept.sightings[key])
        moments[label] = min(moment, moments.get(label, moment))
    new = sorted((label for label in moments if label not in numbers), key=moments.__getitem__)
    return numbers | {label: kept.highest + 1 + at for at, label in enumerate(new)}, kept.highest + len(new)


def _moved(kept: Kept, gathered: Gathered) -> dict[str, tuple[str, ...]]:
    named = {key for each in kept.corrections.values() for key in (*each.first, *each.second)}
    named |= {key for keys in kept.moved.values() for key in keys}
    was = {
        crop: key for key in kept.sightings.keys() & named & set(gathered.gone) for crop in kept.sightings[key].crop_ids
    }
    found: dict[str, dict[str, None]] = {}
    for key in gathered.pending if was else ():
        for crop in gathered.found[key].crop_ids:
            if crop in was:
                found.setdefault(was[crop], {})[key] = None
    return {key: tuple(keys) for key, keys in found.items()}


def _doubts(kept: Kept, keys: Sequence[str], linked: Linked) -> tuple[PossibleLink, ...]:
    """Return the doubts about sightings that were linked now, and those about none of them that there were."""
    now = set(keys)
    old = [
        doubt
        for doubt in kept.doubts
        if not {doubt.first, doubt.second} <= now and {doubt.first, doubt.second} <= kept.sightings.keys()
    ]
    new = [
        PossibleLink(keys[doubt.first], keys[doubt.second], round(doubt.certainty, _CERTAINTY_DIGITS))
        for doubt in linked.doubts
    ]
    return tuple(sorted((*old, *new), key=lambda doubt: (-doubt.certainty, doubt.first, doubt.second))[:_MOST_DOUBTS])


def _moment(sighting: KeptSighting) -> tuple[bool, float, str]:
    return sighting.first is None, sighting.first or 0.0, sighting.key


def touched_since(kept: Kept) -> set[str]:
    """Return the sightings of corrections that were made or undone since people were linked last."""
    linked: Mapping[str, object] = kept.settings.get(_CORRECTIONS_LINKED, {})
    changed = [each for number, each in kept.corrections.items() if linked.get(str(number)) != each.is_undone]
    return {key for each in changed for side in (each.first, each.second) for key in kept.present_keys(side)}


def with_corrections_linked(kept: Kept) -> Kept:
    """Return people that know which corrections were linked by."""
    linked = {str(number): each.is_undone for number, each in kept.corrections.items()}
    return kept.with_setting(_CORRECTIONS_LINKED, linked)
