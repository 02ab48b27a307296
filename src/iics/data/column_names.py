"""The names that say what is known of a crop: columns of a table, fields of a name pattern."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Sequence

from iics.data.crops import BOX_COLUMNS
from iics.errors import DataError

logger = logging.getLogger(__name__)

ABOUT_A_CROP = ("camera", "identity", "time", "tracklet", "split")
NOT_USED = ("frame", "video", "box_left", "box_top", "box_width", "box_height", "confidence")
"""Known and of no effect: where in a video a crop is from. Without a frame rate, the number of a frame is no time."""
TABLE_COLUMNS = ("path", *ABOUT_A_CROP, *BOX_COLUMNS)

_ALIKE, _PERHAPS_ALIKE = 0.8, 0.5  # of difflib: surely a slip; worth a question


def check_columns(names: Sequence[str], *, table: str) -> None:
    """Refuse column names of a table that cannot be meant so, and warn of columns that have no effect.

    Args:
        names: All of them.
        table: What to call the table in messages.

    Raises:
        DataError: If a name occurs twice or is nearly one of ours, if path or camera is missing, or part of a box.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and name in TABLE_COLUMNS]
    if twice:
        raise DataError(f"{table} has the column {twice[0]} twice; keep one of them.")
    check_spelling(names, known=TABLE_COLUMNS, what=f"{table} has the column")
    for needed in ("path", "camera"):
        if needed not in names:
            near = difflib.get_close_matches(needed, names, n=1, cutoff=_PERHAPS_ALIKE)
            hint = f" Is it {near[0]!r}? Rename that." if near else ""
            raise DataError(
                f"{table} has no column {needed}; path and camera are needed. Found: {_listed(names)}.{hint}"
            )
    missing = [name for name in BOX_COLUMNS if name not in names]
    if 0 < len(missing) < len(BOX_COLUMNS):
        raise DataError(f"{table} has a part of a box but no column {missing[0]}; it takes {', '.join(BOX_COLUMNS)}.")
    unused = [name for name in names if name not in (*TABLE_COLUMNS, *NOT_USED)]
    if unused:
        logger.warning("%s: columns that are not used: %s.", table, _listed(unused))


def check_spelling(names: Sequence[str], *, known: Sequence[str], what: str) -> None:
    """Refuse a name that is nearly a known one which is missing: it would be passed over.

    Args:
        names: What is there.
        known: What has a meaning.
        what: How the message begins, before the name.

    Raises:
        DataError: If there is such a name.
    """
    missing = [name for name in known if name not in names]
    for name in names:
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=_ALIKE)
        if near and name not in known:
            raise DataError(f"{what} {name!r}, which has no meaning. Did you mean {near[0]!r}? Rename it.")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
