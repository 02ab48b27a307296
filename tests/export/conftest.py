"""Crops to compare on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest


@pytest.fixture(scope="session")
def pixels() -> npt.NDArray[np.uint8]:
    """Forty crops of 64 x 32 pixels: a colour each, and noise."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (40, 1, 1, 3))
    return (colours + rng.normal(0, 30, (40, 64, 32, 3))).clip(0, 255).astype(np.uint8)
