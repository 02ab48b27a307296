"""Times as text: text -> seconds, UTC unless a zone is named; seconds -> text, in UTC unless another one is wanted."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, tzinfo

from iics.errors import SettingsError
from iics.gallery.known_cameras import nearest_first
from iics.plausible_times import TEN_YEARS, implausibility, seconds_of_date

_SECONDS = re.compile(r"-?\d+(\.\d+)?")
_YEAR_OR_DATE = re.compile(r"(19|20)\d\d((0[1-9]|1[0-2])(([0-2]\d|3[01])([01]\d|2[0-3])?([0-5]\d){0,2})?)?")
_ZONES_TOLD = 5
_FIRST_DATED = TEN_YEARS
"""Times below this count from the start of a recording, not from 1970."""


def parse_moment(text: str, *, name: str) -> float | None:
    """Return the seconds that a text names, None for an empty one.

    Args:
        text: A date with or without a time (ISO 8601; without an offset it is UTC), or a number of seconds. A
            whole number that may be meant as a year or a date, 2026 or 20260301, is neither.
        name: What the text is called in an error, e.g. its flag.

    Raises:
        SettingsError: If it is neither, or no plausible moment, such as one in milliseconds.
    """
    text = text.strip()
    if not text:
        return None
    is_number = _SECONDS.fullmatch(text) is not None
    fault = implausibility(float(text)) if is_number else None
    if fault is None and _YEAR_OR_DATE.fullmatch(text):
        raise SettingsError(
            f"{name} {text} may be a date or seconds: write {text[:4]}-{text[4:6] or '01'}-{text[6:8] or '01'}, or "
            f"{text}.0 for seconds."
        )
    try:
        seconds = float(text) if is_number else seconds_of_date(text)
    except ValueError as error:
        raise SettingsError(
            f"{name} needs a date with a time, e.g. 2026-03-01 08:30, or a number of seconds; got {text!r}."
        ) from error
    fault = implausibility(seconds)
    if fault is not None:
        raise SettingsError(f"{name} {text} {fault}.")
    return seconds


def zone_of(text: str, *, name: str) -> tzinfo:
    """Return the time zone of a name such as Europe/Berlin, as the computer or the package tzdata knows it.

    Args:
        text: The zone's name.
        name: What it is called in an error, e.g. its flag.

    Raises:
        SettingsError: If there is none of that name.
    """
    if text == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:  # a name that is unknown, none at all, or a folder of names
        known = nearest_first(text, sorted(available_timezones()))[:_ZONES_TOLD]
        raise SettingsError(
            f"{name} needs the name of a time zone, e.g. Europe/Berlin; {text!r} is none. "
            + (
                f"The nearest: {', '.join(known)}."
                if known
                else "This computer knows no zones but UTC: pip install tzdata."
            )
        ) from error


def in_zone(seconds: float, zone: tzinfo) -> float:
    """Return what a clock of a zone shows at a moment, as seconds since 1970; without a date unchanged."""
    if seconds < _FIRST_DATED:
        return seconds
    try:
        offset = datetime.fromtimestamp(seconds, zone).utcoffset()
    except (OverflowError, ValueError, OSError):
        return seconds
    return seconds + (0.0 if offset is None else offset.total_seconds())


def time_text(seconds: float, zone: tzinfo = UTC) -> str:
    """Return a moment as 2026-03-01 08:30:05, or 0:12:31 since the start of a recording that has no date."""
    if seconds < _FIRST_DATED:
        sign, whole = ("-" if seconds < 0 else ""), int(abs(seconds))
        return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    try:
        return f"{datetime.fromtimestamp(math.floor(seconds), zone):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s"
