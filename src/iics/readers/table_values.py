"""Columns of text -> numbers: identities, tracklets, times.

An empty cell is a value that is not known. `places` says where each row stands, for messages.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence

import numpy as np

from iics.arrays import DoubleArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY
from iics.errors import DataError
from iics.natural_order import natural_order
from iics.plausible_times import compact_date, implausibility, names_zone, seconds_of_date

logger = logging.getLogger(__name__)
Column = Sequence[str]

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")  # longer ones do not fit an int64 and are names
_SECONDS = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")
_WHOLE_AS_DECIMAL = re.compile(r"(-?[0-9]{1,18})\.0+")
_MISSING_WORDS = frozenset({"nan", "na", "n/a", "none", "null", "<na>"})
_NO_TRACKLET = ("", str(JUNK_IDENTITY))


def plain_values(values: Column, places: Column, *, column: str) -> list[str]:
    """Return names and numbers; 5.0 becomes 5, because tables with gaps write whole numbers that way.

    Raises:
        DataError: If a cell holds a word for a missing value: it would become the name of one person or camera.
    """
    missing = {value for value in set(values) if value.lower() in _MISSING_WORDS}
    if missing:
        at = next(at for at, value in enumerate(values) if value in missing)
        raise DataError(f"{places[at]}: {column} is {values[at]!r}, a word for a missing value; leave the cell empty.")
    matches = {value: _WHOLE_AS_DECIMAL.fullmatch(value) for value in set(values)}
    plain = {value: value if match is None else match[1] for value, match in matches.items()}
    return [plain[value] for value in values]


def identity_numbers(values: Column, places: Column) -> IntArray:
    """Return a number for each identity; unknown identities are junk, -1.

    Whole numbers are kept: -1 is junk, 0 a distractor. If any identity is no whole number, all except these two are
    names, numbered from 1 in natural order.

    Raises:
        DataError: If all are numbers and one is below -1.
    """
    special = {"": JUNK_IDENTITY, "-1": JUNK_IDENTITY, "0": DISTRACTOR_IDENTITY}
    different = set(values)
    if all(_WHOLE_NUMBER.fullmatch(value) for value in different if value):
        numbers = {value: special[value] if value in special else int(value) for value in different}
        low = {value for value, number in numbers.items() if number < JUNK_IDENTITY}
        if low:
            at = next(at for at, value in enumerate(values) if value in low)
            raise DataError(
                f"{places[at]}: identity {values[at]} is below -1; people are numbered from 1 (-1 is junk, 0 a "
                "distractor)."
            )
    else:
        names = natural_order(different - special.keys())
        numbers = special | {name: number for number, name in enumerate(names, start=1)}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def tracklet_numbers(values: Column, cameras: Column) -> IntArray | None:
    """Return a number for each pair of camera and tracklet, from 0 in natural order; -1 where it is empty or -1.

    A tracklet's name need only be unique within its camera. None if no tracklet is known.
    """
    pairs = [(camera, value) for camera, value in zip(cameras, values, strict=True)]
    different = {pair for pair in pairs if pair[1] not in _NO_TRACKLET}
    if not different:
        return None
    camera_rank = {name: rank for rank, name in enumerate(natural_order(camera for camera, _ in different))}
    name_rank = {name: rank for rank, name in enumerate(natural_order(name for _, name in different))}
    ordered = sorted(different, key=lambda pair: (camera_rank[pair[0]], name_rank[pair[1]]))
    numbers = {pair: number for number, pair in enumerate(ordered)}
    return np.array([numbers.get(pair, -1) for pair in pairs], dtype=np.int64)


def times_in_seconds(values: Column, places: Column) -> DoubleArray | None:
    """Return times in seconds, NaN where they are not known; None if none is.

    Either all are numbers of seconds, or all are dates with times (ISO 8601), which become seconds since 1970.
    Without an offset, they are UTC; that is told where others have one.

    Raises:
        DataError: If one is neither, or both kinds occur, or one is no plausible moment, e.g. in milliseconds.
    """
    known = [at for at, value in enumerate(values) if value]
    if not known:
        return None
    first = known[0]
    is_number = _SECONDS.fullmatch(values[first]) is not None
    times = np.full(len(values), np.nan)
    for at in known:
        seconds = _seconds(values[at], is_number=is_number)
        if seconds is None:
            kind = "a number of seconds" if is_number else "a date with a time (ISO 8601, 2024-05-31T14:30:00)"
            as_first = "" if at == first else f", as the first one is ({places[first]}: {values[first]})"
            raise DataError(f"{places[at]}: time {values[at]!r} is not {kind}{as_first}.")
        fault = implausibility(seconds)
        if fault is not None:
            raise DataError(f"{places[at]}: time {values[at]} {fault}.")
        times[at] = seconds
    if not is_number:
        _warn_of_zones(values, places, known)
    # Refused only if all are such: a single one may be a number of seconds.
    if all(compact_date(values[at]) for at in known):
        raise DataError(
            f"{places[first]}: all times are digits alone that may be dates, e.g. {values[first]}: write "
            f"{compact_date(values[first])}, or {values[first]}.0 for seconds."
        )
    return times


def _warn_of_zones(values: Column, places: Column, known: Sequence[int]) -> None:
    """Tell of dates without a zone among others that name one: they may be hours apart from what they say."""
    bare = [at for at in known if not names_zone(values[at])]
    if 0 < len(bare) < len(known):
        named = next(at for at in known if names_zone(values[at]))
        logger.warning(
            "%d of %d times name no zone and are taken for UTC, e.g. %s: %s, though others name one (%s: %s). If they "
            "are of another zone, they are hours off: write an offset, or Z for UTC, behind all of them.",
            len(bare),
            len(known),
            places[bare[0]],
            values[bare[0]],
            places[named],
            values[named],
        )


def _seconds(value: str, *, is_number: bool) -> float | None:
    """Return a time in seconds, None if the text is not one of that kind."""
    if is_number:
        seconds = float(value) if _SECONDS.fullmatch(value) else math.inf
        return seconds if math.isfinite(seconds) else None
    try:
        return seconds_of_date(value)
    except ValueError:
        return None
