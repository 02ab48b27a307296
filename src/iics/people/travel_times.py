"""Travel times between cameras: learned from confident links, or read from a table. They only keep sightings apart.

What is learned of two cameras is how soon the fastest come from the one to the other; half of that is the shortest time
that anybody is taken to need, so that one who runs is not taken for two. It counts only where there is a way that takes
its time: the fastest take at least half as long as most. Where people come and go as they like, even the fastest of a
few links is chance, and one sighting that is wrongly kept apart breaks up a whole identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.errors import PeopleError
from iics.natural_order import natural_order
from iics.people.book import SeenPerson
from iics.readers.csv_table import csv_rows

CONFIDENT = 0.9
"""Certainty of both sightings that a link needs to be learned from."""
LEAST_LINKS = 20
"""Links from one camera to another that a shortest time needs."""
_FASTEST = 0.05
_ROOM = 0.5
_OF_MEDIAN = 0.5
_COLUMNS = ("from", "to", "seconds")


@dataclass(frozen=True, eq=False)
class TravelTimes:
    """How long people take from camera to camera, from leaving the one to coming to the other.

    Attributes:
        names: Of the cameras.
        shortest: Seconds that nobody is faster than, from (row) and to (column); NaN if unknown, 0 where
            there is none. Shape (c, c).
        median: NaN if unknown. Shape (c, c).
        num_links: Links behind each; 0 if unknown or given. Shape (c, c).
    """

    names: tuple[str, ...]
    shortest: DoubleArray
    median: DoubleArray
    num_links: IntArray

    def by_cameras(self) -> Mapping[tuple[str, str], tuple[float, int]]:
        """Return the median seconds and the number of links, by (from, to), of those with any."""
        rows, columns = np.nonzero(self.num_links)
        return {
            (self.names[one], self.names[other]): (float(self.median[one, other]), int(self.num_links[one, other]))
            for one, other in zip(rows, columns, strict=True)
        }


def learned_travel_times(seen: Iterable[SeenPerson]) -> TravelTimes:
    """Return what the confident links among people say: from each sighting to the person's next, by another camera.

    Args:
        seen: Sightings and whose they are; those without times, or not sure enough, are left out.
    """
    known = [each for each in seen if each.first is not None and each.certainty >= CONFIDENT]
    known.sort(key=lambda each: (each.person, each.first, each.key))
    gaps: dict[tuple[str, str], list[float]] = {}
    for before, after in pairwise(known):
        is_way = before.person == after.person and before.camera != after.camera
        if is_way and after.first is not None and before.last is not None:
            gaps.setdefault((before.camera, after.camera), []).append(after.first - before.last)
    names = tuple(natural_order(each.camera for each in known))
    times = _unknown(names)
    for (one, other), found in gaps.items():
        at = names.index(one), names.index(other)
        fastest, median = float(np.quantile(found, _FASTEST)), float(np.median(found))
        times.num_links[at], times.median[at] = len(found), max(median, 0.0)
        if len(found) >= LEAST_LINKS:
            times.shortest[at] = _ROOM * fastest if fastest >= max(_OF_MEDIAN * median, 0.0) else 0.0
    return times


def read_travel_times(path: Path, cameras: Sequence[str]) -> TravelTimes:
    """Return the shortest times that a table gives: columns from, to and seconds, each way by itself.

    Args:
        path: A CSV file.
        cameras: Names of the gallery's.

    Raises:
        DataError: If the file cannot be read.
        PeopleError: If a column is missing, a camera is none of the gallery's, a time is not a number of seconds of at
            least 0, or a way stands there twice or leads to where it starts.
    """
    columns, rows, places = csv_rows(path, known=_COLUMNS)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise PeopleError(
            f"{path.name} has no column {missing[0]}: travel times need the columns from, to and seconds; it has "
            f"{', '.join(columns)}."
        )
    times = _unknown(tuple(cameras))
    for row, place in zip(rows, places, strict=True):
        one, other, seconds = (row[columns.index(name)].strip() for name in _COLUMNS)
        for name in (one, other):
            if name not in times.names:
                raise PeopleError(
                    f"{place}: no camera of this gallery is called {name!r}; it has "
                    f"{', '.join(natural_order(cameras))}."
                )
        if one == other:
            raise PeopleError(f"{place}: a way leads to another camera, and this one from {one} to {one}.")
        at = times.names.index(one), times.names.index(other)
        if not np.isnan(times.shortest[at]):
            raise PeopleError(f"{place}: the way from {one} to {other} has a time already; leave one of the two.")
        times.shortest[at] = _seconds(seconds, place)
    return times


def _seconds(text: str, place: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = np.nan
    if not 0 <= found < np.inf:
        raise PeopleError(f"{place}: a travel time is a number of seconds, 0 or more; {text!r} is none.")
    return found


def _unknown(names: tuple[str, ...]) -> TravelTimes:
    shape = (len(names), len(names))
    return TravelTimes(names, np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.int64))
