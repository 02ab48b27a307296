"""Arrays by what they hold; their shapes stand where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
"""Features, similarities, distances, scores: what there is much of."""
DoubleArray = npt.NDArray[np.float64]
"""Sums, means and times: what rounding must not spoil."""
IntArray = npt.NDArray[np.int64]
"""Cameras, identities, labels, counts."""
IndexArray = npt.NDArray[np.integer[Any]]
"""Places in other arrays, of any width."""
Int32Array = npt.NDArray[np.int32]
"""Places of which there are many for each crop."""
BoolArray = npt.NDArray[np.bool_]
"""Whether."""
Pixels = npt.NDArray[np.uint8]
"""Red, green and blue, from 0 to 255."""
Colour = tuple[int, int, int]
"""Red, green and blue of one pixel, from 0 to 255."""
