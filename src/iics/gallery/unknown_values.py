"""What is not known of a crop, as a database holds it: values that no crop has, instead of nulls.

A Milvus server has nulls from 2.5 on. Galleries of format 1 hold nulls; they are read, and go on with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]
"""Id and stored fields of a crop, by name."""

FORMAT_WITH_NULLS = "1"
NUMBER_FIELDS = ("tracklet", "identity", "left", "top", "width", "height")
"""Whole numbers that may not be known."""
UNKNOWN_NUMBER = -(2**63)
UNKNOWN_TIME = -1e15
"""Thirty million years before 1970; times up to it are refused."""

_UNKNOWN = {"time": UNKNOWN_TIME, **dict.fromkeys(NUMBER_FIELDS, UNKNOWN_NUMBER)}


def known_values(stored: Mapping[str, Any]) -> Row:
    """Return a row as read from a database of any format, None where a value is not known."""
    row = dict(stored)
    row.update({field: None for field, unknown in _UNKNOWN.items() if field in row and row[field] == unknown})
    return row


def stored_values(row: Mapping[str, Any], *, format_version: str) -> Row:
    """Return a row as it is written to a gallery of a format; None where a value is not known."""
    if format_version == FORMAT_WITH_NULLS:
        return dict(row)
    return {**row, **{field: unknown for field, unknown in _UNKNOWN.items() if row[field] is None}}
