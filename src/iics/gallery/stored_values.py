"""How a database stores unknown values and names.

An unknown value is stored as a number that no crop has, not as a null: Milvus servers have nulls only from 2.5 on.
Galleries of format 1 hold nulls, and keep them.

Names are stored as Unicode. In an ASCII locale (LC_ALL=C without Python's UTF-8 mode), Python represents each other
byte of a file name or an argument as a lone surrogate, which no database accepts. Names on disk are UTF-8 nearly
everywhere, so these bytes are decoded as UTF-8. In a UTF-8 locale nothing changes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
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
    for field, unknown in _UNKNOWN.items():
        if row.get(field) == unknown:
            row[field] = None
    return row


def stored_values(row: Mapping[str, Any], *, format_version: str) -> Row:
    """Return a row as it is written to a gallery of a format; None where a value is not known."""
    if format_version == FORMAT_WITH_NULLS:
        return dict(row)
    return {**row, **{field: unknown for field, unknown in _UNKNOWN.items() if row[field] is None}}


def unicode_name(name: str) -> str:
    """Return a name of a file, a camera or an argument as Unicode; bytes that are no UTF-8 stay surrogates."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def local_path(name: str) -> Path:
    """Return the path by which this process can open a file of that Unicode name."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return Path(os.fsdecode(name.encode("utf-8", "surrogateescape")))
    return Path(name)
