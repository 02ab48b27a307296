"""Average linkage of groups by mean likeness, without a matrix of all pairs.

Two groups are merged if each is the other's most alike, and their mean likeness reaches a threshold; all such pairs of
a round at once. Average linkage is reducible, so this gives the merges that joining the most alike pair first gives.
Only pairs of groups with a candidate between them are looked at. With all pairs that reach the threshold as candidates
that loses nothing: a mean reaches it only if a pair does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, DoubleArray, IntArray
from iics.people.likeness import GroupSums, Likeness

MOST_CANDIDATES = 50
"""Candidates of a sighting: its most alike. A group needs one between it and another."""
_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of sightings, each once, the first before the second.

    Attributes:
        first: Shape (m,).
        second: Shape (m,).
        likeness: Of each. Shape (m,).
    """

    first: IntArray
    second: IntArray
    likeness: DoubleArray

    def between(self, groups: IntArray) -> IntArray:
        """Return the groups of each pair. Shape (m, 2)."""
        return np.stack([groups[self.first], groups[self.second]], axis=1)


@dataclass(frozen=True, eq=False)
class Merged:
    """Groups after all merges.

    Attributes:
        labels: Group of each sighting, 0..g-1. Shape (n,).
        sums: Over groups.
        first: A group of each pair of groups that has a candidate and may be merged. Shape (p,).
        second: The other.
        likeness: Their mean. Shape (p,).
    """

    labels: IntArray
    sums: GroupSums
    first: IntArray
    second: IntArray
    likeness: DoubleArray


def candidates(likeness: Likeness, *, floor: float) -> Candidates:
    """Return the pairs that reach a floor, of each sighting the most alike; O(n^2 d) time, in blocks."""
    num = len(likeness)
    most = min(MOST_CANDIDATES, num - 1)
    firsts, seconds, values = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for start in range(0, num if most > 0 else 0, _ROWS):
        block = likeness.block(slice(start, start + _ROWS))
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        reaches = block >= floor
        many = np.flatnonzero(np.count_nonzero(reaches, axis=1) > most)
        if len(many):  # of the others all that reach it are among the most alike
            nearest = np.argpartition(-block[many], most - 1, axis=1)[:, :most]
            is_nearest = np.zeros((len(many), num), np.bool_)
            np.put_along_axis(is_nearest, nearest, True, axis=1)
            reaches[many] &= is_nearest
        row, place = np.nonzero(reaches)
        firsts.append(start + row)
        seconds.append(place)
        values.append(block[row, place])
    one, other, value = np.concatenate(firsts), np.concatenate(seconds), np.concatenate(values)
    pairs = np.minimum(one, other) * num + np.maximum(one, other)
    codes, chosen = np.unique(pairs, return_index=True)
    return Candidates(codes // num, codes % num, value[chosen].astype(np.float64))


def merge(likeness: Likeness, groups: IntArray, pairs: IntArray, apart: IntArray, *, threshold: float) -> Merged:
    """Return the groups after all merges of a mean likeness of at least `threshold`.

    Args:
        likeness: Of n sightings.
        groups: Group of each, 0..g-1, that stays together. Shape (n,).
        pairs: Of groups that may be merged; those that they become may be, too. Shape (m, 2).
        apart: Of groups that are never in one. Shape (p, 2).
        threshold: Mean likeness that two groups need.
    """
    num, labels = int(groups.max(initial=-1)) + 1, groups
    sums = likeness.sums(groups, num)
    first, second = _distinct(pairs[:, 0], pairs[:, 1], num)
    kept = _is_allowed(first, second, apart, num)
    first, second = first[kept], second[kept]
    value = sums.mean(first, second)
    while True:
        chosen = _each_others_nearest(first, second, value, num)
        chosen = chosen[value[chosen] >= threshold]
        if len(chosen) == 0:
            return Merged(labels, sums, first, second, value)
        into = np.arange(num)
        into[second[chosen]] = first[chosen]
        _, of_group = np.unique(into, return_inverse=True)
        num = int(of_group.max()) + 1
        was_merged = np.zeros(num, np.bool_)
        was_merged[of_group[first[chosen]]] = True
        labels, sums, apart = of_group[labels], sums.merged(of_group, num), of_group[apart]
        first, second, value = _renamed(of_group[first], of_group[second], value, was_merged, sums, apart)


def _renamed(
    first: IntArray, second: IntArray, value: DoubleArray, was_merged: BoolArray, sums: GroupSums, apart: IntArray
) -> tuple[IntArray, IntArray, DoubleArray]:
    """Return the pairs of groups after a round: each once, with means anew where a group has grown."""
    num = len(was_merged)
    low, high = np.minimum(first, second), np.maximum(first, second)
    codes, place = np.unique(low * num + high, return_index=True)
    is_pair = codes // num != codes % num
    first, second, value = codes[is_pair] // num, codes[is_pair] % num, value[place[is_pair]]
    is_grown = was_merged[first] | was_merged[second]
    value[is_grown] = sums.mean(first[is_grown], second[is_grown])
    kept = _is_allowed(first, second, apart, num)
    return first[kept], second[kept], value[kept]


def _each_others_nearest(first: IntArray, second: IntArray, value: DoubleArray, num: int) -> IntArray:
    """Return the pairs whose groups are each other's most alike; on a tie the earlier pair counts. Shape (k,)."""
    rank = np.empty(len(value), np.int64)
    rank[np.lexsort((-np.arange(len(value)), value))] = np.arange(len(value))
    best = np.full(num, -1)
    np.maximum.at(best, first, rank)
    np.maximum.at(best, second, rank)
    found: IntArray = np.flatnonzero((rank == best[first]) & (rank == best[second]))
    return found


def _distinct(first: IntArray, second: IntArray, num: int) -> tuple[IntArray, IntArray]:
    """Return the pairs of two groups, each once, the lower first."""
    codes = np.unique(np.minimum(first, second) * num + np.maximum(first, second))
    low, high = codes // max(num, 1), codes % max(num, 1)
    return low[low != high], high[low != high]


def _is_allowed(first: IntArray, second: IntArray, apart: IntArray, num: int) -> BoolArray:
    """Return which pairs of groups, the lower first, are not apart."""
    low, high = apart.min(axis=1, initial=num), apart.max(axis=1, initial=-1)
    is_not: BoolArray = np.isin(first * num + second, low * num + high, invert=True)
    return is_not
