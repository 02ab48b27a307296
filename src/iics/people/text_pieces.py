"""Texts of any length in rows of a limited one: a long text is cut into pieces, and its row names them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from iics.people.kept import values_of
from iics.people.tables import MOST_TEXT

PIECE, LONG = "piece", "long"
"""Kind of a row that is a piece; the name under which a row lists its pieces."""
Texts = dict[str, tuple[str, str]]
"""Kind and text of rows by id."""


def stored(rows: Mapping[str, tuple[str, Any]]) -> Texts:
    """Return values as texts; long ones in pieces, which are named by what they hold."""
    texts: Texts = {}
    for key, (kind, value) in rows.items():
        texts |= in_pieces(key, kind, json.dumps(values_of(kind, value)), below=PIECE)
    return texts


def in_pieces(key: str, kind: str, text: str, *, below: str) -> Texts:
    """Return a text as rows of pieces and the one that names them; a short text is that one.

    Args:
        key: Id of the row that stands for the text.
        kind: Of that row.
        text: Of any length.
        below: What the ids of pieces begin with; the rest is a hash of key and text, and their number.
    """
    if len(text) <= MOST_TEXT:
        return {key: (kind, text)}
    name = f"{below}/{hashlib.sha256(f'{key} {text}'.encode()).hexdigest()[:32]}"
    pieces = {
        f"{name}/{at}": (PIECE, text[start : start + MOST_TEXT])
        for at, start in enumerate(range(0, len(text), MOST_TEXT))
    }
    return {**pieces, key: (kind, json.dumps({LONG: list(pieces)}))}


def whole(text: str, rows: Mapping[str, tuple[str, str]]) -> Any:
    """Return the value of a row's text; of pieces, they are looked up among kind and text of rows by id."""
    value = json.loads(text)
    if isinstance(value, dict) and LONG in value:
        return json.loads("".join(rows[key][1] for key in value[LONG]))
    return value
