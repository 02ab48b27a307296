"""Augmentation and normalisation on the CPU: uint8 crops to float32 images in one pass over memory.

A row of an image is a few runs: border, what comes from the crop, border, and what is erased. Each is a loop without a
condition, so that it is computed many numbers at a time.
"""

from __future__ import annotations

import numba
import numpy as np

from iics.arrays import BoolArray, FloatArray, IntArray, Pixels
from iics.kernels import kernel, on_each_thread


def augmented_by_kernel(
    pixels: Pixels,
    is_mirrored: BoolArray,
    offsets: IntArray,
    erased: IntArray,
    *,
    scale: FloatArray,
    shift: FloatArray,
    images: FloatArray,
) -> None:
    """Write augmented, normalised images.

    Args:
        pixels: Crops, contiguous. Shape (n, h, w, 3).
        is_mirrored: As in `AugmentDraws`. Shape (n,).
        offsets: Likewise. Shape (2, n).
        erased: Likewise. Shape (4, n).
        scale: What a pixel is multiplied by, per channel. Shape (3,).
        shift: What is added. Shape (3,).
        images: Filled, contiguous. Shape (n, h, w, 3).
    """
    num_crops, height, width, _ = pixels.shape
    rows, out = pixels.reshape(num_crops, height, 3 * width), images.reshape(num_crops, height, 3 * width)
    tiled = np.tile(scale, width), np.tile(shift, width)
    on_each_thread(_augment, rows, is_mirrored, offsets, erased, *tiled, out)


def normalised_by_kernel(pixels: Pixels, *, scale: FloatArray, shift: FloatArray, images: FloatArray) -> None:
    """Write normalised images; arguments as for `augmented_by_kernel`."""
    num_crops, height, width, _ = pixels.shape
    rows, out = pixels.reshape(num_crops * height, 3 * width), images.reshape(num_crops * height, 3 * width)
    on_each_thread(_normalise, rows, np.tile(scale, width), np.tile(shift, width), out)


@kernel()
def _normalise_run(row: Pixels, scale: FloatArray, shift: FloatArray, out: FloatArray) -> None:
    for k in range(len(out)):
        out[k] = np.float32(row[k]) * scale[k] + shift[k]


@kernel()
def _normalise_mirrored_run(row: Pixels, scale: FloatArray, shift: FloatArray, out: FloatArray) -> None:
    """Normalise a run of pixels from its last to its first."""
    scale0, scale1, scale2 = scale[0], scale[1], scale[2]
    shift0, shift1, shift2 = shift[0], shift[1], shift[2]
    num_pixels = len(out) // 3
    for j in range(num_pixels):
        # Unsigned: numba need not ask whether an index counts from the end, and the loop is vectorised.
        source, target = numba.uintp(3 * (num_pixels - 1 - j)), numba.uintp(3 * j)
        out[target] = np.float32(row[source]) * scale0 + shift0
        out[target + numba.uintp(1)] = np.float32(row[source + numba.uintp(1)]) * scale1 + shift1
        out[target + numba.uintp(2)] = np.float32(row[source + numba.uintp(2)]) * scale2 + shift2


@kernel()
def _normalise(
    rows: Pixels, scale: FloatArray, shift: FloatArray, out: FloatArray, thread: int, num_threads: int
) -> None:
    for i in range(thread, len(rows), num_threads):
        _normalise_run(rows[i], scale, shift, out[i])


@kernel()
def _copy(row: FloatArray, start: int, end: int, out: FloatArray) -> None:
    for k in range(start, end):  # compiled in a third of the time of out[start:end] = row[start:end]
        out[k] = row[k]


@kernel()
def _augment(
    pixels: Pixels,
    is_mirrored: BoolArray,
    offsets: IntArray,
    erased: IntArray,
    scale: FloatArray,
    shift: FloatArray,
    images: FloatArray,
    thread: int,
    num_threads: int,
) -> None:
    """Fill images (n, h, 3 w) from pixels of that shape; scale and shift are those of a row, (3 w,)."""
    num_crops, height, length = pixels.shape
    for i in range(thread, num_crops, num_threads):
        down, right = offsets[0, i], 3 * offsets[1, i]
        start = min(max(-right, 0), length)  # the crop reaches from here ...
        end = max(min(length - right, length), start)  # ... to here, the rest is border
        for y in range(height):
            image = images[i, y]
            source = y + down
            if 0 <= source < height:
                run = slice(start, end)
                _copy(shift, 0, start, image)  # black, normalised
                _copy(shift, end, length, image)
                if is_mirrored[i]:
                    row = pixels[i, source, length - end - right : length - start - right]
                    _normalise_mirrored_run(row, scale[run], shift[run], image[run])
                else:
                    row = pixels[i, source, start + right : end + right]
                    _normalise_run(row, scale[run], shift[run], image[run])
            else:
                _copy(shift, 0, length, image)
            if erased[0, i] <= y < erased[1, i]:
                for k in range(3 * erased[2, i], 3 * erased[3, i]):
                    image[k] = 0
