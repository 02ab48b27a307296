"""All files of a crop set read once: size, hashes and contrast of each crop. CropSet -> Scan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, DoubleArray, IntArray, Pixels
from iics.crops import CropSet
from iics.pixels.crop_images import ReadCrop
from iics.pixels.images import for_each_image


@dataclass(frozen=True, eq=False)
class Scan:
    """What was seen of each crop; one that could not be decoded has size (0, 0), empty hashes, contrast and colour NaN.

    Attributes:
        crops: The set.
        sizes: Width and height in pixels. Shape (n, 2).
        file_hashes: Of the encoded file and, where there is one, the box in it. Length n.
        pixel_hashes: Of the decoded crop and its size. Length n.
        contrasts: Largest standard deviation of a channel, in grey levels of 0 to 255. Shape (n,).
        colour_spreads: How much its pixels differ in colour beyond their brightness, in grey levels; about 0 for shades
            of one tint. Shape (n,).
        failures: One "place (reason)" for each crop that could not be decoded.
    """

    crops: CropSet
    sizes: IntArray
    file_hashes: tuple[bytes, ...]
    pixel_hashes: tuple[bytes, ...]
    contrasts: DoubleArray
    colour_spreads: DoubleArray
    failures: tuple[str, ...]

    @property
    def is_decoded(self) -> BoolArray:
        """Which crops could be decoded. Shape (n,)."""
        decoded: BoolArray = self.sizes[:, 0] > 0
        return decoded


def scan_crops(crops: CropSet, *, progress: Callable[[int], None] | None = None) -> Scan:
    """Read and decode every crop.

    Args:
        crops: The set.
        progress: Called with the number of crops done so far.

    Raises:
        DataError: If the archive cannot be opened.
    """
    sizes = np.zeros((len(crops), 2), dtype=np.int64)
    contrasts, colour_spreads = np.full((2, len(crops)), np.nan)
    file_hashes, pixel_hashes = [b""] * len(crops), [b""] * len(crops)

    def note(index: int, crop: ReadCrop) -> None:
        pixels = np.asarray(crop.image)
        sizes[index] = crop.image.size
        contrasts[index] = pixels.std(axis=(0, 1)).max()
        colour_spreads[index] = _colour_spread(pixels)
        pixel_hashes[index] = hashlib.sha256(repr(crop.image.size).encode() + pixels.tobytes()).digest()
        file_hashes[index] = crop.digest

    failures = for_each_image(crops, note, progress=progress)
    return Scan(crops, sizes, tuple(file_hashes), tuple(pixel_hashes), contrasts, colour_spreads, failures)


def _colour_spread(pixels: Pixels) -> float:
    """Return the largest standard deviation of a difference of two channels that brightness does not explain."""
    channels = pixels.reshape(-1, 3).astype(np.float32)
    differences = np.diff(channels - channels.mean(axis=0), axis=1)  # red to green, green to blue
    brightness = channels.mean(axis=1)
    brightness -= brightness.mean()
    power = max(float(brightness @ brightness), 1e-9)
    rest = differences - np.outer(brightness, brightness @ differences / power)
    return float(rest.std(axis=0).max())
