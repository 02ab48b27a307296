"""Moments in tables on the command line."""

from __future__ import annotations

from datetime import UTC, datetime


def moment_text(seconds: float) -> str:
    """Return seconds since 1970 as a date with a time in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(sep=" ", timespec="seconds" if moment.microsecond == 0 else "milliseconds")[:-6]
