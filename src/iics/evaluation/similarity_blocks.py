"""Similarities of some crops with all, a block of crops at a time."""

from __future__ import annotations

from collections.abc import Iterator

from iics.arrays import Features, IntArray

_WORK_SPACE_BYTES = 128 * 1024**2
_BYTES_PER_PAIR = 24  # the similarity, a few masks, and an order of it


def similarity_blocks(features: Features, chosen: IntArray) -> Iterator[tuple[IntArray, Features]]:
    """Yield some of the chosen crops and their cosines with all crops, until all have come.

    Args:
        features: L2-normalised. Shape (n, d).
        chosen: Indices. Shape (m,).

    Yields:
        Indices, shape (b,), and similarities that the caller may overwrite, shape (b, n); work space is 128 MB, or one
        row.
    """
    size = max(1, _WORK_SPACE_BYTES // (_BYTES_PER_PAIR * len(features)))
    for start in range(0, len(chosen), size):
        rows = chosen[start : start + size]
        yield rows, features[rows] @ features.T
