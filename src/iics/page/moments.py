"""Round moments along a time axis, and their labels, in UTC."""

from __future__ import annotations

import math

from iics.gallery.moments import time_text

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_DAY = 86400


def ticks(first: float, last: float, *, at_most: int = 6) -> list[tuple[float, str]]:
    """Return moments at round times within a span, and their labels; none if no two fit."""
    span = last - first
    step: float = next((step for step in _STEPS if span / step <= at_most - 1), 0)
    step = step or _STEPS[-1] * math.ceil(span / _STEPS[-1] / (at_most - 1))
    found = [number * step for number in range(math.ceil(first / step), math.floor(last / step) + 1)]
    return [(moment, _tick_label(moment, step)) for moment in found] if len(found) > 1 else []


def _tick_label(moment: float, step: float) -> str:
    date, _, clock = time_text(moment).rpartition(" ")
    if date and step >= _DAY:
        return date
    return clock if step < 60 else clock.rpartition(":")[0]
