"""Pairs that are known to be two individuals (cannot-link): no merge joins them, no cluster holds both.

In average linkage their distance is infinite. The mean distance of two clusters is then infinite as soon as one pair
between them is, so merges never join them, and stop where nothing else is left to merge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import IndexArray, IntArray


@dataclass(frozen=True, eq=False)
class Apart:
    """Pairs of n things, each pair once, that are not one individual.

    Attributes:
        first: One of each pair. Shape (m,).
        second: The other, larger. Shape (m,).
    """

    first: IndexArray
    second: IndexArray

    @classmethod
    def none(cls) -> Apart:
        """Return no pair."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, first: IndexArray, second: IndexArray) -> Apart:
        """Return pairs in order, each once, whichever of the two comes first; nothing is apart from itself."""
        pairs = np.stack([np.minimum(first, second), np.maximum(first, second)])
        pairs = np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
        return cls(pairs[0].astype(np.int64), pairs[1].astype(np.int64))

    def __len__(self) -> int:
        return len(self.first)

    def among(self, members: IndexArray, num_all: int) -> Apart:
        """Return the pairs of which both are members, by their places among the members.

        Args:
            members: Indices of some of all, ascending. Shape (k,).
            num_all: How many there are.
        """
        places = np.full(num_all, -1)
        places[members] = np.arange(len(members))
        first, second = places[self.first], places[self.second]
        are_members = (first >= 0) & (second >= 0)
        return Apart(first[are_members], second[are_members])

    def of_one(self, groups: IntArray) -> Apart:
        """Return the pairs of one group, e.g. one camera. Groups have shape (n,)."""
        is_own = groups[self.first] == groups[self.second]
        return Apart(self.first[is_own], self.second[is_own])

    def joined(self, labels: IntArray) -> IndexArray:
        """Return which pairs a partition has in one cluster; -1 is in none. Shape (number of those,)."""
        of_first = labels[self.first]
        return np.flatnonzero((of_first >= 0) & (of_first == labels[self.second]))
