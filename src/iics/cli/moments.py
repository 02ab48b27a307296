"""Moments on the command line: dates with times, or seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from iics.errors import SettingsError


def parse_moment(text: str, *, flag: str) -> float | None:
    """Return a moment in seconds since 1970, None for an empty text.

    Args:
        text: A date, or a date and time (ISO 8601; UTC unless it names a zone), or a number of seconds.
        flag: Where it was given, for messages.

    Raises:
        SettingsError: If it is neither.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise SettingsError(
            f"{flag} must be a date and time, e.g. 2026-03-01T08:00:00, or a number of seconds, got {text}."
        )
    return seconds


def moment_text(seconds: float) -> str:
    """Return seconds since 1970 as a date with a time in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(sep=" ", timespec="seconds" if moment.microsecond == 0 else "milliseconds")[:-6]
