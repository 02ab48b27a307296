"""Crops as arrays -> pictures: what an array has to be to be pixels, and what to do about one that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from iics.arrays import Pixels

_MOST_FROM_ONE, _MOST_OF_BYTES = 1.0, 255


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
        raise ValueError(f"{needed}, {got}. {_as_bytes(array)}")
    if array.ndim not in (3, 4) or array.shape[-1] != 3:
        is_channels_first = array.ndim in (3, 4) and array.shape[-3] == 3
        way_out = " Put the channels last: numpy.moveaxis(pixels, -3, -1)." if is_channels_first else ""
        if array.ndim == 2 or array.shape[-1:] in ((2,), (4,)):  # grey, or with transparency: Pillow knows these
            way_out = " Pass it as a picture: PIL.Image.fromarray(pixels)."
        raise ValueError(f"{needed}, {got}.{way_out}")
    if 0 in array.shape:
        raise ValueError(f"{needed}, {got}: there is nothing in it.")
    pixels: Pixels = array if array.ndim == 4 else array[None]
    return pixels


def picture_of(crop: object) -> Image.Image:
    """Return one crop as a picture.

    Args:
        crop: A picture, returned as it is, or an array: RGB, uint8, of shape (h, w, 3).

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(crop, Image.Image):
        return crop
    if not isinstance(crop, np.ndarray):
        kind = type(crop)
        raise ValueError(
            f"Each crop is a picture of Pillow or an array, uint8 (h, w, 3), got {kind.__module__}.{kind.__name__}."
            f"{' Take crop.cpu().numpy().' if kind.__name__ == 'Tensor' else ''}"
        )
    if crop.ndim > 3 or crop.ndim < 2:
        raise ValueError(f"Each array of a list is one crop, uint8 (h, w, 3), got {crop.dtype} {crop.shape}.")
    return Image.fromarray(np.ascontiguousarray(checked_pixels(crop)[0]))


def _as_bytes(array: npt.NDArray[Any]) -> str:
    """Return how numbers become bytes, as far as they say what they are: a cast alone would wrap larger ones round."""
    if array.dtype == np.bool_:
        return "White being True, it is pixels.astype('uint8') * 255."
    if array.dtype.kind not in "iuf" or not array.size or not np.isfinite(array).all() or array.min() < 0:
        return "Needed are whole numbers from 0 to 255."
    if array.dtype.kind == "f" and array.max() <= _MOST_FROM_ONE:
        return "From 0 to 1, as these seem to be, it is (pixels * 255).round().astype('uint8')."
    if array.max() <= _MOST_OF_BYTES:
        return "From 0 to 255, as these seem to be, it is pixels.astype('uint8')."
    if array.dtype == np.uint16:
        return "Of 16 bits, as these seem to be, it is (pixels >> 8).astype('uint8')."
    return "Numbers above 255 are no bytes: bring them to 0 to 255 first."
