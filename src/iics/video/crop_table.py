"""The table of crops as CSV: columns that our readers know, then the place of each crop in its video.

The box has names of its own: left, top, width and height would mean a box within the crop's file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from iics.csv_text import csv_text
from iics.errors import VideoError
from iics.regular_file import MOST_TABLE_BYTES, read_regular

COLUMNS = (
    "path",
    "camera",
    "time",
    "tracklet",
    "video",
    "frame",
    "box_left",
    "box_top",
    "box_width",
    "box_height",
    "confidence",
)

_NUMBER = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?")


def read_table(file: Path, *, known: str) -> list[dict[str, str]]:
    """Return the rows of a video's table.

    Args:
        file: The table.
        known: What `table_hash` returned of its text; "" if that is not known.

    Raises:
        VideoError: If it cannot be read, is not what was written, or a row lacks its path, time or tracklet.
    """
    try:
        text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode(errors="surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise VideoError(f"Cannot read {file}: {error}. Remove the folder {file.parent}, and crop it again.") from error
    if known and table_hash(text) != known:
        raise VideoError(f"{file} is not what was written. Remove the folder {file.parent}, and crop it again.")
    needed = {"tracklet": _NUMBER, "time": _TIME}
    if any(
        not row.get("path") or not all(needed[name].fullmatch(row.get(name) or "") for name in needed) for row in rows
    ):
        raise VideoError(
            f"{file} has a row without path, time or tracklet. Remove the folder {file.parent}, and crop it again."
        )
    return rows


def table_hash(text: str) -> str:
    """Return the SHA-256 of a table's text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def table_text(rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as CSV under a line of headings."""
    return csv_text([COLUMNS, *([row[name] for name in COLUMNS] for row in rows)])
