"""Names in natural order: their numbers count as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable


def natural_order(names: Iterable[str]) -> list[str]:
    """Return the different names, sorted with their numbers as numbers: cam2 before cam10."""
    return sorted(set(names), key=_natural_key)


def _natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    # re.split with one group alternates text and number; the name itself settles "2" against "02".
    pieces = re.split(r"([0-9]+)", name)
    # Numbers by their length and then their digits: Python makes no number of more than 4,300 of them.
    digits = (piece.lstrip("0") if at % 2 else piece for at, piece in enumerate(pieces))
    return [(len(piece) if at % 2 else -1, piece) for at, piece in enumerate(digits)], name
