"""What linking finds: which sightings are one person, how sure that is, and what it could not decide."""

from __future__ import annotations

from dataclasses import dataclass

from iics.arrays import DoubleArray, IntArray


@dataclass(frozen=True)
class Doubt:
    """Two groups of sightings that may be one person, and stay apart.

    Attributes:
        first: A sighting of the one group: the one nearest to the other group.
        second: Of the other.
        certainty: That they are one person, 0 to 1.
    """

    first: int
    second: int
    certainty: float


@dataclass(frozen=True, eq=False)
class Linked:
    """Which of k sightings are one person.

    Attributes:
        labels: Group of each, 0..g-1 without gaps, numbered by first appearance. Shape (k,).
        certainty: How sure it is that a sighting is of its group's person, 0 to 1; 1 where it is alone. Shape (k,).
        doubts: Links that were not made but may be right, the likeliest first.
    """

    labels: IntArray
    certainty: DoubleArray
    doubts: tuple[Doubt, ...]
