"""Where training and features take pixels from: anything that is indexed like one uint8 array of all crops."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from iics.arrays import IntArray

Pixels = npt.NDArray[np.uint8]


class PixelSource(Protocol):
    """RGB pixels of n crops of one size: an array in memory, a file mapped into it, or a decoder."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice | IntArray, /) -> Pixels:
        """Return some crops in the order asked for, perhaps read-only. Shape (k, height, width, 3).

        Raises:
            DataError: If one of them cannot be decoded.
        """
        ...


class Reordered:
    """Crops of a source in another order, all or some; nothing is copied before it is asked for.

    Args:
        source: Pixels of n crops.
        order: Which crop of the source comes at each place. Shape (k,).
    """

    def __init__(self, source: PixelSource, order: IntArray) -> None:
        self._source, self._order = source, order

    @property
    def shape(self) -> tuple[int, ...]:
        """(k, height, width, 3)."""
        return len(self._order), *self._source.shape[1:]

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: slice | IntArray, /) -> Pixels:
        return self._source[self._order[index]]
