"""Crops as arrays -> pictures: what an array has to be to be pixels, and what to do about one that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from iics.data.pixel_source import Pixels

_MOST_FROM_ONE = 1.0


def checked_pixels(array: npt.NDArray[Any]) -> Pixels:
    """Return an array of crops of one size; one crop alone becomes the only one. Shape (n, h, w, 3).

    Args:
        array: RGB, uint8, channels last. Shape (n, h, w, 3) or (h, w, 3). Nothing tells blue-first from red-first.

    Raises:
        ValueError: If it is no such array.
    """
    needed = "Pixels must be uint8 of shape (n, h, w, 3) or (h, w, 3), RGB"
    got = f"got {array.dtype} {array.shape}"
    if array.dtype != np.uint8:
        scaled = "(pixels * 255).round()" if _is_from_zero_to_one(array) else "pixels"
        way_out = f"From 0 to {1 if '255' in scaled else 255}, as these seem to be, it is {scaled}.astype('uint8')."
        raise ValueError(f"{needed}, {got}. {way_out}")
    if array.ndim not in (3, 4) or array.shape[-1] != 3:
        is_channels_first = array.ndim in (3, 4) and array.shape[-3] == 3
        way_out = " Put the channels last: numpy.moveaxis(pixels, -3, -1)." if is_channels_first else ""
        raise ValueError(f"{needed}, {got}.{way_out}")
    if 0 in array.shape:
        raise ValueError(f"{needed}, {got}: there is nothing in it.")
    pixels: Pixels = array if array.ndim == 4 else array[None]
    return pixels


def picture_of(array: npt.NDArray[Any]) -> Image.Image:
    """Return one crop as a picture.

    Args:
        array: RGB, uint8. Shape (h, w, 3).

    Raises:
        ValueError: If it is no such array.
    """
    if array.ndim != 3:
        raise ValueError(f"Each array of a list is one crop, uint8 (h, w, 3), got {array.dtype} {array.shape}.")
    return Image.fromarray(np.ascontiguousarray(checked_pixels(array)[0]))


def _is_from_zero_to_one(array: npt.NDArray[Any]) -> bool:
    is_float = np.issubdtype(array.dtype, np.floating)
    return bool(is_float and array.size and np.nanmin(array) >= 0 and np.nanmax(array) <= _MOST_FROM_ONE)
