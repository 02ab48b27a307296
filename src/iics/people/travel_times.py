"""Travel times between cameras: learned from confident links, or given as a table; they narrow links down."""

from __future__ import annotations

from dataclasses import dataclass

from iics.arrays import DoubleArray, IntArray


@dataclass(frozen=True, eq=False)
class TravelTimes:
    """How long people take from camera to camera, from leaving the one to coming to the other.

    Attributes:
        names: Of the cameras.
        shortest: Seconds that nobody is faster than, from (row) and to (column); NaN if unknown. Shape (c, c).
        median: Shape (c, c).
        num_links: Links behind each; 0 if unknown or given. Shape (c, c).
    """

    names: tuple[str, ...]
    shortest: DoubleArray
    median: DoubleArray
    num_links: IntArray
