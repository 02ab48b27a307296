"""Where numbers stay: with the group that most of an identity's sightings were linked into."""

from __future__ import annotations

import numpy as np

from iics.arrays import IntArray


def home_of_numbers(labels: IntArray, initial: IntArray) -> dict[int, int]:
    """Return the group of each number, by number: it has the most sightings of it; on a tie the fewest of others.

    A group may be the home of several numbers: these identities are merged, and the lowest number, the oldest, stays. A
    group that is the home of none gets a new one.

    Args:
        labels: Group of each sighting, 0..g-1. Shape (k,).
        initial: Number of each before; -1 for a new one. Shape (k,).
    """
    old = initial >= 0
    pairs, shared = np.unique(np.stack([initial[old], labels[old]]), axis=1, return_counts=True)
    others = np.bincount(labels[old], minlength=1)[pairs[1]] - shared
    order = np.lexsort((-pairs[1], -others, shared))  # the last one of a number is its home
    return {int(pairs[0, pair]): int(pairs[1, pair]) for pair in order}
