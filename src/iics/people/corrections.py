"""Corrections: what people said of sightings, kept as constraints from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["same", "different"]


@dataclass(frozen=True)
class Correction:
    """One statement.

    Attributes:
        number: 1, 2, ... in the order they were made; for ever.
        kind: same: all sightings of both groups are one person. different: no sighting of the first group is of the
            person of any of the second.
        first: Keys of sightings, at least one.
        second: Keys of sightings, at least one; none of `first`.
        made: When, in seconds since 1970 UTC.
        by: Who, "" if not told.
        is_undone: Whether it counts no more.
    """

    number: int
    kind: Kind
    first: tuple[str, ...]
    second: tuple[str, ...]
    made: float
    by: str = ""
    is_undone: bool = False
