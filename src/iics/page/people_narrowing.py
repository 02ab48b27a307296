"""Earlier corrections that a new one is an exception of: what they say without it, so that the last word counts.

A join says that all sightings of two identities are one person. Who then splits one of them off has seen more, and
means the join without that one; likewise, who joins a sighting of an identity that was told apart from another one.
A correction that says nothing but the opposite stays: it has to be undone first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from iics.people.book import People
from iics.people.corrections import Correction

Statement = tuple[list[str], list[str]]
"""Keys of both sides."""


@dataclass(frozen=True)
class Narrowed:
    """A correction that is to be undone, and what is to be said in its place.

    Attributes:
        correction: As it stands.
        instead: Statements of the same kind.
    """

    correction: Correction
    instead: tuple[Statement, ...]


def narrowed_by_split(people: People, leaving: Collection[str], staying: Collection[str]) -> list[Narrowed]:
    """Return the joins that tie those who leave an identity to those who stay, without these ties."""
    found = []
    there = {seen.key for seen in people.seen}
    for each in _counting(people, "same"):
        keys = [key for key in (*each.first, *each.second) if key in there]
        sides = [[key for key in keys if key in side] for side in (leaving, staying)]
        if all(sides):
            elsewhere = [key for key in keys if key not in leaving and key not in staying]
            groups = [side for side in (*sides, elsewhere) if len(side) > 1]
            found.append(Narrowed(each, tuple((group[:1], group[1:]) for group in groups)))
    return found


def narrowed_by_join(people: People, first: Collection[str], second: Collection[str]) -> list[Narrowed]:
    """Return what tells sightings of two identities apart, without the identity that is the exception of its side."""
    found = []
    there = {seen.key for seen in people.seen}
    for each in _counting(people, "different"):
        sides = [[key for key in side if key in there] for side in (each.first, each.second)]
        for one, other in ((first, second), (second, first)):
            if not (_meets(sides[0], one) and _meets(sides[1], other)):
                continue
            left, right = _without(sides[0], one), _without(sides[1], other)
            if left:
                found.append(Narrowed(each, ((left, sides[1]),)))
            elif right:
                found.append(Narrowed(each, ((sides[0], right),)))
            break
    return found


def _counting(people: People, kind: str) -> Iterable[Correction]:
    return [each for each in people.corrections if each.kind == kind and not each.is_undone]


def _meets(keys: Sequence[str], others: Collection[str]) -> bool:
    return any(key in others for key in keys)


def _without(keys: Sequence[str], others: Collection[str]) -> list[str]:
    return [key for key in keys if key not in others]
