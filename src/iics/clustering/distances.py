"""The interfaces of distances, of all pairs or of near ones, and of a clustering.

`iics.clustering.by_name` lists the clusterings. To add one, write a file with a `Clustering` in it and give it a line
there.
"""

from __future__ import annotations

from typing import Any, Protocol

from iics.arrays import FloatArray, IntArray
from iics.clustering.known import Known
from iics.clustering.merges import Linkage

MOST_SAMPLED = 4000
"""Crops that stand for all where there are more."""


class Memory(Protocol):
    """Memory of reading distances, besides the distances themselves."""

    def sample_memory(self, num_crops: int) -> int:
        """Return the most bytes that work on `Distances.sample` takes."""

    def quantile_memory(self, num_crops: int) -> int:
        """Return the bytes that `Distances.quantile` takes."""


class Distances(Memory, Protocol):
    """Distances of n crops, or of n tracklets as one crop each; smaller is closer."""

    known: Known
    """What is known of them; `linkage` keeps apart what is apart."""

    def __len__(self) -> int:
        """Return the number of crops."""

    def sample(self) -> tuple[IntArray, FloatArray]:
        """Return all crops or evenly spaced ones, shape (c,), and the distances of all to them, shape (n, c).

        The distances may be the very array that is clustered: do not change them.
        """

    def quantile(self, q: float) -> float:
        """Return the smallest distance that a fraction q of all pairs does not exceed; n is at least 2."""

    def to_cluster(self) -> Distances:
        """Return what is to be clustered, without what only `look` needed."""

    def linkage(self) -> Linkage:
        """Return the merges of average linkage; overwrites the distances; takes one core and no interpreter lock."""

    def num_parts(self, linkage: Linkage) -> int:
        """Return the number of parts that are never joined: no distance is known between them, or they are apart."""


class Clustering(Protocol):
    """Distances to clusters, in two steps: one uses every core, the other can run for several cameras at once."""

    def look(self, distances: Distances, camera_ids: IntArray | None) -> Any:
        """Return what `cluster` must know of the distances before it overwrites them.

        Args:
            distances: Of n crops. Unchanged.
            camera_ids: Camera of each crop if there are several. Shape (n,).
        """

    def cluster(self, distances: Distances, seen: Any, *, min_number: int) -> IntArray:
        """Return the cluster of each crop, 0..k-1 without gaps; -1 for a crop that belongs to none. Shape (n,).

        Args:
            distances: As returned by `Distances.to_cluster`; overwritten.
            seen: What `look` returned.
            min_number: Smallest number of clusters, where the number is chosen.
        """

    def expected_number(self, num_crops: int) -> int:
        """Return how many clusters there will be, or a guess."""

    def memory(self, distances: Memory, num_crops: int) -> int:
        """Return the most bytes it takes besides the distances."""
