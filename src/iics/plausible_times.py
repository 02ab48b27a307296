"""Which numbers can be moments in seconds, and what others were probably meant as.

Times count from 1970, or from the start of a recording. Programs also write milliseconds, and dates without any
punctuation; taken as seconds, they would make every range of time a wrong one.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

TEN_YEARS = 10 * 365 * 86400.0
EARLIEST, LATEST = -TEN_YEARS, 3155760000.0
"""Ten years before 1970, for clocks that are not set; 2070. Today's seconds since 1900, another habit, lie beyond."""

_PARTS = {"milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_COMPACT = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])([0-5]\d([0-5]\d(\d{3})?)?)?)?")
_DATE_DIGITS = 8


def implausibility(seconds: float) -> str | None:
    """Return why a time can be no moment in seconds and what it would be otherwise, None if it can be one.

    The text goes on after what the time is called: "lies outside of the years 1960 to 2069 ...".
    """
    if EARLIEST <= seconds < LATEST:
        return None
    fault = "lies outside of the years 1960 to 2069 (numbers are seconds)"
    if not math.isfinite(seconds):
        return fault
    date = compact_date(f"{seconds:.0f}")
    if date is not None:
        return f"{fault}; as a date it is {date}: write {date.replace(' ', 'T')}"
    for name, a_second in _PARTS.items():
        if TEN_YEARS <= seconds / a_second < LATEST:
            moment = datetime.fromtimestamp(seconds / a_second, UTC)
            return f"{fault}; in {name} it is {moment:%Y-%m-%d %H:%M:%S} (UTC): divide it by {a_second:,.0f}"
    return fault


def compact_date(text: str) -> str | None:
    """Return the date that digits write without punctuation, e.g. 20260301080000 or 20260301, None if they do not."""
    if not _COMPACT.fullmatch(text):
        return None
    day, clock = text[:_DATE_DIGITS], text[_DATE_DIGITS:][:6]
    try:
        moment = datetime.strptime(day + clock.ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None  # the 31st of a month that has none
    return f"{moment:%Y-%m-%d %H:%M:%S}" if clock else f"{moment:%Y-%m-%d}"


def seconds_of_date(text: str) -> float:
    """Return the seconds since 1970 of a date with or without a time (ISO 8601); UTC without an offset.

    Raises:
        ValueError: If it is none.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def names_zone(text: str) -> bool:
    """Return whether a date with or without a time (ISO 8601) names its zone, by an offset or Z.

    Raises:
        ValueError: If it is none.
    """
    return datetime.fromisoformat(text).tzinfo is not None
