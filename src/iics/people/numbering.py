"""Which number a linked group keeps: that of the identity whose sightings it has most of, if none has more of them."""

from __future__ import annotations

import numpy as np

from iics.arrays import IntArray


def kept_numbers(labels: IntArray, initial: IntArray) -> IntArray:
    """Return the number that each group keeps, -1 for a new one; no number is kept twice.

    The pairs of group and identity that share most sightings come first; then the lower number, hence the older.

    Args:
        labels: Group of each sighting, 0..g-1. Shape (k,).
        initial: Number of each before; -1 for a new one. Shape (k,).
    """
    kept = np.full(int(labels.max(initial=-1)) + 1, -1, np.int64)
    old = initial >= 0
    pairs, shared = np.unique(np.stack([labels[old], initial[old]]), axis=1, return_counts=True)
    taken: set[int] = set()
    for pair in np.lexsort((pairs[1], -shared)):
        group, number = int(pairs[0, pair]), int(pairs[1, pair])
        if kept[group] < 0 and number not in taken:
            kept[group] = number
            taken.add(number)
    return kept
