"""Crops where the network is: all of them held there as uint8 if they fit, else batch after batch sent ahead of it."""

from __future__ import annotations

import logging
import math

import numpy as np
import torch
from torch import Tensor

from iics.arrays import IntArray, Pixels
from iics.device import sent
from iics.memory import free_on
from iics.pixels.pixel_source import PixelSource

logger = logging.getLogger(__name__)

_SENT_AT_ONCE = 1024


class HeldPixels:
    """The pixels of a source, of which a device holds a copy.

    Args:
        source: Pixels of n crops.
        device: That holds them.
    """

    def __init__(self, source: PixelSource, device: torch.device) -> None:
        self._source = source
        self.held = torch.empty(source.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(source), _SENT_AT_ONCE):
            block = slice(start, start + _SENT_AT_ONCE)
            self.held[block] = torch.from_numpy(_writable(source[block]))  # waits: no second copy of all in memory

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3)."""
        return self._source.shape

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: slice | IntArray, /) -> Pixels:
        return self._source[index]


def held_if_they_fit(pixels: PixelSource, device: torch.device, *, leaving: float) -> PixelSource:
    """Return pixels that a GPU holds if they take at most half of what it has free, beside what training leaves free.

    Args:
        pixels: Of all crops.
        device: Of the network.
        leaving: Bytes that are needed there for something else.

    Raises:
        DataError: If a crop cannot be decoded.
    """
    if device.type != "cuda":
        return pixels
    needed, free = math.prod(pixels.shape), free_on(device)
    if needed > (free - leaving) / 2:
        logger.info("%d crops (%.1f GB) are sent to %s batch by batch.", len(pixels), needed / 1e9, device)
        return pixels
    logger.info("%d crops (%.1f GB) stay on %s.", len(pixels), needed / 1e9, device)
    return HeldPixels(pixels, device)


def pixels_on(device: torch.device, pixels: PixelSource, crops: slice | Tensor) -> Tensor:
    """Return some crops on a device, without waiting for it.

    Args:
        device: Of the network.
        pixels: Of all crops; perhaps held by the device.
        crops: Which, on the CPU.

    Returns:
        uint8 pixels, perhaps a part of what is held. Shape (k, height, width, 3).
    """
    if isinstance(pixels, HeldPixels):
        return pixels.held[crops] if isinstance(crops, slice) else pixels.held[sent(crops, device)]
    chosen = pixels[crops if isinstance(crops, slice) else crops.numpy()]
    return sent(torch.from_numpy(_writable(chosen)), device)


def _writable(pixels: Pixels) -> Pixels:
    return np.require(pixels, requirements="W")  # torch takes no read-only memory
