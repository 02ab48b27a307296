"""Where training and features take pixels from: anything that is indexed like one uint8 array of all crops."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from iics.data.crops import IntArray

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
    """The crops of a source in another order; nothing is copied before it is asked for.

    Args:
        source: Pixels of n crops.
        order: Which crop of the source comes at each place. Shape (n,).

    Raises:
        ValueError: If `order` is of another length.
    """

    def __init__(self, source: PixelSource, order: IntArray) -> None:
        if order.shape != (len(source),):
            raise ValueError(f"An order of {len(source)} crops has shape ({len(source)},), got {order.shape}.")
        self._source, self._order = source, order

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3)."""
        return self._source.shape

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: slice | IntArray, /) -> Pixels:
        return self._source[self._order[index]]
