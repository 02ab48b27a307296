"""The people of a gallery as they stand: identities, their sightings, what changed, and what is in doubt.

`iics.people.store` keeps it in the gallery's database; nothing here asks a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from iics.people.corrections import Correction


@dataclass(frozen=True)
class SeenPerson:
    """A sighting and whose it is.

    Attributes:
        key: Of the sighting; see `Sightings.keys`.
        person: Number of the identity, 1, 2, ...: its present one, where identities were merged.
        certainty: That it is of that person, 0 to 1.
        camera: Its name.
        first: When its first crop was taken, in seconds since 1970 UTC; None if unknown.
        last: When its last crop was taken.
        crop_ids: Of its crops.
    """

    key: str
    person: int
    certainty: float
    camera: str
    first: float | None
    last: float | None
    crop_ids: tuple[str, ...]


@dataclass(frozen=True)
class PossibleLink:
    """Two sightings of two identities that may be one person; the likeliest pair of the two.

    Attributes:
        first: Key of a sighting.
        second: Key of one of another identity.
        certainty: That the two identities are one person, 0 to 1.
    """

    first: str
    second: str
    certainty: float


@dataclass(frozen=True)
class Change:
    """What became of a number.

    Attributes:
        kind: merged: `person` is `into` from then on. split: some sightings of `person` became `into`. forgotten: all
            sightings of `person` are deleted (`into` is 0).
        person: Its number.
        into: The number that it leads to.
        when: In seconds since 1970 UTC.
        correction: Number of the correction that caused it; 0 if linking did.
    """

    kind: Literal["merged", "split", "forgotten"]
    person: int
    into: int
    when: float
    correction: int = 0


@dataclass(frozen=True, eq=False)
class People:
    """All of it at one moment.

    Attributes:
        seen: Every sighting, by person, then time, then key.
        doubts: Links that may be right, the likeliest first.
        changes: In the order they happened.
        corrections: In the order they were made, undone ones too; by the keys that their crops have now.
        travel_times: Median seconds from camera to camera, and the number of links behind it, by (from, to).
        dropped: Corrections that cannot count, and why, each a sentence: a crop deleted, a contradiction.
    """

    seen: tuple[SeenPerson, ...]
    doubts: tuple[PossibleLink, ...] = ()
    changes: tuple[Change, ...] = ()
    corrections: tuple[Correction, ...] = ()
    travel_times: Mapping[tuple[str, str], tuple[float, int]] | None = None
    dropped: tuple[str, ...] = ()

    def by_person(self) -> dict[int, list[SeenPerson]]:
        """Return the sightings of each person, by number, in order of time."""
        found: dict[int, list[SeenPerson]] = {}
        for seen in self.seen:
            found.setdefault(seen.person, []).append(seen)
        return found


def present_numbers(changes: Iterable[Change]) -> Callable[[int], int]:
    """Return what leads an old number to the one it has now, 0 if it is forgotten."""
    into = {change.person: change.into for change in changes if change.kind != "split"}

    def present(number: int) -> int:
        while number in into:
            number = into[number]
        return number

    return present
