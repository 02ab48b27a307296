"""Rows -> CSV that is read as it was written, whatever its cells hold. Lines end in a line feed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV."""
    return "".join(map(_line, rows))


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # only cells with a character of the line's end are quoted
    return text.getvalue().removesuffix("\r\n") + "\n"
