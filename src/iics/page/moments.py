"""Moments as people read them: seconds -> text, ticks of a time axis. UTC throughout."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_FIRST_DATED = 10 * 365 * 86400.0
"""Times below this (ten years) count from the start of a recording, not from 1970."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_DAY = 86400


def time_text(seconds: float) -> str:
    """Return a moment as 2026-03-01 08:30:05, or 0:12:31 since the start of a recording that has no date."""
    if seconds < _FIRST_DATED:
        sign, whole = ("-" if seconds < 0 else ""), int(abs(seconds))
        return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    try:
        return f"{datetime.fromtimestamp(math.floor(seconds), UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s"


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
