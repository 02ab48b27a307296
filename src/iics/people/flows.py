"""Where people were when, and where they went next: sightings by camera and hour, transitions between cameras.

A transition is two sightings of one person that follow each other, in two cameras. Its time is from the end of the
first to the beginning of the second: negative where both cameras see the person at once.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import pairwise

from iics.gallery.moments import in_zone, time_text
from iics.natural_order import natural_order
from iics.people.book import SeenPerson
from iics.plausible_times import TEN_YEARS

_HOUR, _TEN_MINUTES = 3600, 600
_HOURS_A_DAY = 24
_MOST_PERIODS = 48
"""That are told one by one; a span of more hours is told by the hour of the day."""
_SHORT_SPAN = 4 * _HOUR
"""Seconds; a shorter span is told by ten minutes."""


@dataclass(frozen=True)
class HourlySightings:
    """How many sightings began in which hour of a zone; in which ten minutes, of a few hours.

    Attributes:
        periods: Labels, in order; every hour from the first to the last.
        cameras: Their names, in natural order.
        counts: Sightings by camera (rows) and period (columns).
        people: How many different people were seen in each period.
        is_by_day: Whether a period is an hour of the day, of all days together.
        num_untimed: Sightings whose time is not known; they are in no period.
    """

    periods: tuple[str, ...]
    cameras: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    people: tuple[int, ...]
    is_by_day: bool
    num_untimed: int


def hourly_sightings(seen: Sequence[SeenPerson], zone: tzinfo = UTC) -> HourlySightings:
    """Return how many sightings each camera had in each hour of a zone; one that clocks go through twice is one."""
    shown = [(one, in_zone(one.first, zone)) for one in seen if one.first is not None]
    span = max(at for _, at in shown) - min(at for _, at in shown) if shown else 0.0
    seconds = _TEN_MINUTES if span < _SHORT_SPAN else _HOUR
    timed = [(one, int(at // seconds)) for one, at in shown]
    first, last = min((at for _, at in timed), default=0), max((at for _, at in timed), default=-1)
    is_by_day = last - first >= _MOST_PERIODS
    if is_by_day:
        timed = [(one, at % _HOURS_A_DAY) for one, at in timed]
        first, last = min(at for _, at in timed), max(at for _, at in timed)
    periods = range(first, last + 1)
    cameras = tuple(natural_order({one.camera for one in seen}))
    counts = Counter((one.camera, at) for one, at in timed)
    people = Counter(at for _, at in {(one.person, at) for one, at in timed})
    return HourlySightings(
        periods=tuple(f"{at:02d}:00" if is_by_day else _label(at * seconds) for at in periods),
        cameras=cameras,
        counts=tuple(tuple(counts[camera, at] for at in periods) for camera in cameras),
        people=tuple(people[at] for at in periods),
        is_by_day=is_by_day,
        num_untimed=len(seen) - len(timed),
    )


@dataclass(frozen=True)
class Transition:
    """How often people went from one camera to another, and the median seconds it took."""

    count: int
    median_seconds: float


def transitions(seen: Sequence[SeenPerson]) -> Mapping[tuple[str, str], Transition]:
    """Return the transitions between each two cameras, by (from, to), those that happened most often first.

    Args:
        seen: Sightings, in any order; those without a time are left out.
    """
    by_person: dict[int, list[tuple[float, float, str]]] = {}
    for one in seen:
        if one.first is not None and one.last is not None:
            by_person.setdefault(one.person, []).append((one.first, one.last, one.camera))
    seconds: dict[tuple[str, str], list[float]] = {}
    for passed in by_person.values():
        for (_, left, camera), (arrived, _, other) in pairwise(sorted(passed)):
            if camera != other:
                seconds.setdefault((camera, other), []).append(arrived - left)
    found = {pair: Transition(len(took), statistics.median(took)) for pair, took in seconds.items()}
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def _label(moment: float) -> str:
    """Return e.g. 03-01 08:00, of what a clock shows; 2:00 since the start of a recording without a date."""
    text = time_text(moment).rpartition(":")[0]
    return text if moment < TEN_YEARS else text.partition("-")[2]
