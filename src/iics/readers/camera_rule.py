"""What stands for the camera of a crop where no camera is told: a column, a part of the name, a day, or one for all.

A rule is text: "none" (all crops are of one camera), or the names of columns of a table, or of fields of a name
pattern, with commas between them ("site,session"). "day" is the date of the time, in UTC, unless a column is called so.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from iics.errors import DataError
from iics.readers.table_values import plain_values, times_in_seconds

logger = logging.getLogger(__name__)

ONE_CAMERA = "all"
"""Name of the one camera of crops whose camera is not told."""
NONE, DAY = "none", "day"
_FIRST_DATE = 315532800.0  # 1980: times before it are seconds since the start of a recording


def parts_of_camera(rule: str | None, names: Sequence[str], *, what: str) -> tuple[str, ...]:
    """Return the columns, or `DAY`, whose values together stand for the camera; nothing for one camera.

    Args:
        rule: As above; None for the column camera, or one camera if there is none.
        names: Columns or fields that there are.
        what: What has them, the beginning of a sentence.

    Raises:
        DataError: If one of them is not there.
    """
    if rule is None:
        return ("camera",) if "camera" in names else ()
    parts = tuple(part.strip() for part in rule.split(","))
    if parts == (NONE,) and NONE not in names:
        return ()
    for part in parts:
        if part in names or (part == DAY and "time" in names):
            continue
        if part == DAY:
            raise DataError(f"{what} has no time; --camera-by day takes the date of each crop's time.")
        near = difflib.get_close_matches(part, names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(map(repr, names)) or "nothing"
        raise DataError(
            f"{what} has no {part!r} to tell cameras by (--camera-by {rule}). It has {shown}.{hint} With --camera-by "
            "none, all crops are of one camera."
        )
    if len(set(parts)) < len(parts):
        raise DataError(f"--camera-by {rule} names {max(parts, key=parts.count)!r} twice; leave one out.")
    return parts


def cameras_by(parts: Sequence[str], columns: Mapping[str, Sequence[str]], places: Sequence[str]) -> list[str]:
    """Return the name of each crop's camera.

    Args:
        parts: As `parts_of_camera` returns them.
        columns: Values by column.
        places: Where each crop is listed, for messages.

    Raises:
        DataError: If a value is missing, or is no value.
    """
    if not parts:
        return [ONE_CAMERA] * len(places)
    values = [_days(columns["time"], places) if _is_day(part, columns) else columns[part] for part in parts]
    for part, column in zip(parts, values, strict=True):
        if "" in column:
            at, count = list(column).index(""), list(column).count("")
            more = f" ({count} rows like this)" if count > 1 else ""
            stands = "" if part == "camera" else f"; it stands for the camera (--camera-by {','.join(parts)})"
            raise DataError(f"{places[at]}: {part} is empty{more}{stands}. Each crop needs a path and a camera.")
    plain = [plain_values(column, places, column=part) for part, column in zip(parts, values, strict=True)]
    return [" + ".join(row) for row in zip(*plain, strict=True)]


def warn_of_one_camera(num_crops: int, *, what: str, names: Sequence[str] = ()) -> None:
    """Say that crops count as one camera because nothing tells their cameras.

    Args:
        num_crops: How many.
        what: What does not tell, the beginning of a sentence.
        names: Columns or fields that may stand for the camera instead.
    """
    ways = f"--camera-by {'|'.join([*names, NONE])}" if names else f"--camera-by {NONE}"
    logger.warning(
        "%s: all %d crops count as one camera, %r. If something else stands for the camera, or nothing does, say so "
        "(%s; docs/weak_cameras.md).",
        what,
        num_crops,
        ONE_CAMERA,
        ways,
    )


def _is_day(part: str, columns: Mapping[str, Sequence[str]]) -> bool:
    return part == DAY and DAY not in columns


def _days(times: Sequence[str], places: Sequence[str]) -> list[str]:
    """Return the date of each time in UTC, "" where it is not known."""
    seconds = times_in_seconds(times, places)
    if seconds is None:
        return [""] * len(times)
    if np.nanmin(seconds) < _FIRST_DATE:
        at = int(np.nanargmin(seconds))
        raise DataError(
            f"{places[at]}: time {times[at]} is no date but seconds since the start of a recording, so crops have no "
            "day (--camera-by day). Name a column that tells recordings apart."
        )
    return ["" if np.isnan(time) else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in seconds.tolist()]
