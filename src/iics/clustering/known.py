"""What is known of n things before they are clustered: where things are crops, little; of tracklets, more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from iics.arrays import DoubleArray
from iics.clustering.apart import Apart


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of them.

    Attributes:
        apart: Pairs that are two individuals: no cluster holds both.
        most_clusters: The most clusters that make sense; None for half of n, two crops each.
        alone: Computes the silhouette of each where it is a cluster by itself, as the crops in it would have it; None
            where that is 0, of single crops. Shape (n,).
    """

    apart: Apart = field(default_factory=Apart.none)
    most_clusters: int | None = None
    alone: Callable[[], DoubleArray] | None = None

    def most_of(self, num: int) -> int:
        """Return the most clusters of so many, at least 1."""
        return max(1, num // 2 if self.most_clusters is None else self.most_clusters)
