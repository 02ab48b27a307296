"""Moments as people write them: text -> seconds. UTC unless a zone is named."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from iics.errors import SettingsError

_SECONDS = re.compile(r"-?\d+(\.\d+)?")


def parse_moment(text: str, *, name: str) -> float | None:
    """Return the seconds that a text names, None for an empty one.

    Args:
        text: A date with or without a time (ISO 8601; without an offset it is UTC), or a number of seconds.
        name: What the text is called in an error, e.g. its flag.

    Raises:
        SettingsError: If it is neither.
    """
    text = text.strip()
    if not text:
        return None
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{name} needs a date with a time, e.g. 2026-03-01 08:30, or a number of seconds; got {text!r}."
        ) from error
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
