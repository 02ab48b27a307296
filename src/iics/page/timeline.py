"""When which camera took the matches: one row a camera, places along it in percent. Matches -> rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from iics.gallery.matches import Match
from iics.gallery.moments import time_text

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_DAY = 86400
_MARGIN = 0.03
"""Share of the span that is left free at either end."""
_MOST_TICKS = 6


def ticks(first: float, last: float) -> list[tuple[float, str]]:
    """Return moments at round times within a span, and their labels; none if no two fit."""
    span = last - first
    step: float = next((step for step in _STEPS if span / step <= _MOST_TICKS - 1), 0)
    step = step or _STEPS[-1] * math.ceil(span / _STEPS[-1] / (_MOST_TICKS - 1))
    found = [number * step for number in range(math.ceil(first / step), math.floor(last / step) + 1)]
    return [(moment, _tick_label(moment, step)) for moment in found] if len(found) > 1 else []


def _tick_label(moment: float, step: float) -> str:
    date, _, clock = time_text(moment).rpartition(" ")
    if date and step >= _DAY:
        return date
    return clock if step < 60 else clock.rpartition(":")[0]


@dataclass(frozen=True)
class Dot:
    """A match on the time axis."""

    match: Match
    percent: float


@dataclass(frozen=True)
class Timeline:
    """What is drawn.

    Attributes:
        rows: Camera and its dots, in order of the first one.
        ticks: Place in percent and label.
        span: First and last moment, as text.
        num_untimed: Matches whose time is not known.
    """

    rows: tuple[tuple[str, tuple[Dot, ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    span: tuple[str, str]
    num_untimed: int


def timeline_of(matches: Sequence[Match]) -> Timeline | None:
    """Return the time axis of matches; None if fewer than two have a time."""
    timed = sorted((match.time, match.rank, match) for match in matches if match.time is not None)
    if len(timed) < 2:
        return None
    first, last = timed[0][0], timed[-1][0]
    margin = max((last - first) * _MARGIN, 0.5)
    left, width = first - margin, last - first + 2 * margin

    def percent(moment: float) -> float:
        return round(100 * (moment - left) / width, 2)

    rows: dict[str, list[Dot]] = {}
    for moment, _, match in timed:
        rows.setdefault(match.camera, []).append(Dot(match, percent(moment)))
    return Timeline(
        rows=tuple((camera, tuple(dots)) for camera, dots in rows.items()),
        ticks=tuple((percent(moment), label) for moment, label in ticks(left, left + width)),
        span=(time_text(first), time_text(last)),
        num_untimed=len(matches) - len(timed),
    )
