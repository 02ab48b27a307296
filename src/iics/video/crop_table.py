"""The table of crops as CSV: columns that our readers know, then where in the video each crop comes from.

The box has names of its own: left, top, width and height would mean a box within the crop's file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from iics.errors import VideoError

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


def read_table(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table.

    Raises:
        VideoError: If it cannot be read, or a row lacks its path or tracklet.
    """
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, ValueError) as error:
        raise VideoError(f"Cannot read {file}: {error}. Remove the folder {file.parent}, and crop it again.") from error
    if any(not row.get("path") or not str(row.get("tracklet")).isdigit() for row in rows):
        raise VideoError(
            f"{file} has a row without path or tracklet. Remove the folder {file.parent}, and crop it again."
        )
    return rows


def table_text(rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as CSV under a line of headings."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
