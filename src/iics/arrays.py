"""What arrays hold: one name for each type of element."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
"""Distances, similarities, pixels as numbers: what is large."""
DoubleArray = npt.NDArray[np.float64]
"""Times, boxes, metrics: what is small."""
Features = npt.NDArray[np.float32]
"""L2-normalised rows. Shape (n, d)."""
