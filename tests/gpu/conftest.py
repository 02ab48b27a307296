"""The device that is compared with the CPU: IICS_TEST_DEVICE, else a GPU if there is one, else the CPU itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from iics.device import choose_device


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The device under test."""
    return torch.device(choose_device(os.environ.get("IICS_TEST_DEVICE", "auto")))


@pytest.fixture
def dtype(device: torch.device) -> torch.dtype:
    """Float32; in double precision the CPU takes a GPU's way, because its compiled passes know no doubles."""
    return torch.float64 if device.type == "cpu" else torch.float32


@pytest.fixture(autouse=True)
def full_float32() -> Iterator[None]:
    """Convolutions of a GPU in float32 instead of TF32, whose products have 10 bits, so that the CPU compares."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before
