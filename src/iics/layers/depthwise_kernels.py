"""Depthwise convolution on the CPU, channels last, compiled: forward, and the gradients of the maps and of the weights.

Every task has sixteen channels of a crop, or of eight. It copies them into a frame of zeros in the cache, widened to
the precision it computes in, so that no loop asks where the map ends; sums stay in registers. Nothing depends on the
number of threads. Arrays are flat where sixteen numbers are read at once.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from iics.arrays import FloatArray
from iics.kernels import kernel
from iics.layers.lanes import WIDTH, load, multiply_add, store, zeros

Map = npt.NDArray[Any]
"""Float32, float64, or bfloat16 seen as uint16. Shape (n, h, w, c)."""

CROPS_AT_ONCE = 8
"""Whose gradients of the weights are summed by one task."""


@kernel(parallel=True)
def convolve(x: Map, taps: FloatArray, y: Map, side: int, stride: int, top: int, left: int) -> None:
    """Write y[oy, ox] = sum of x[oy * stride + ky - top, ox * stride + kx - left] * taps[ky, kx].

    Args:
        x: Input.
        taps: Weights. Shape (c / 16, side * side, 16), flat.
        y: Output.
        side: Of the kernel.
        stride: Of the kernel.
        top: Rows of zeros above.
        left: Columns of zeros on the left.
    """
    crops, height, width, channels = y.shape
    blocks = channels // WIDTH
    rows, columns = (height - 1) * stride + side, (-(-width // 4) * 4 - 1) * stride + side
    outside = y.reshape(-1)
    for task in numba.prange(crops * blocks):
        crop, block = task // blocks, task % blocks
        frame = _frame(rows * columns, taps)
        _place(x, crop, block, frame, (rows, columns), top, left)
        step = stride * WIDTH
        for oy in range(height):
            for ox in range(0, width, 4):
                a, b, c, d = zeros(frame), zeros(frame), zeros(frame), zeros(frame)
                for ky in range(side):
                    at = ((oy * stride + ky) * columns + ox * stride) * WIDTH
                    for kx in range(side):
                        tap = load(taps, ((block * side + ky) * side + kx) * WIDTH)
                        a = multiply_add(load(frame, at), tap, a)
                        b = multiply_add(load(frame, at + step), tap, b)
                        c = multiply_add(load(frame, at + 2 * step), tap, c)
                        d = multiply_add(load(frame, at + 3 * step), tap, d)
                        at += WIDTH
                to = ((crop * height + oy) * width + ox) * channels + block * WIDTH
                store(outside, to, a)
                if ox + 1 < width:
                    store(outside, to + channels, b)
                if ox + 2 < width:
                    store(outside, to + 2 * channels, c)
                if ox + 3 < width:
                    store(outside, to + 3 * channels, d)


@kernel(parallel=True)
def gradients(
    grad: Map, x: Map, taps: FloatArray, grad_x: Map, sums: FloatArray, side: int, stride: int, top: int, left: int
) -> None:
    """Write the gradients of `convolve`: of its input, and of its taps, these summed over eight crops at a time.

    Args:
        grad: Of its output.
        x: Its input.
        taps: As it had them.
        grad_x: Of its input.
        sums: Of its taps. Shape (n / 8, c / 16, side * side, 16), flat.
        side: As it had it, and so on.
        stride: Likewise.
        top: Likewise.
        left: Likewise.
    """
    crops, height, width, channels = x.shape
    blocks, size, margin = channels // WIDTH, side * side * WIDTH, (side - 1) // stride
    made = ((grad.shape[1] - 1) * stride + side, (grad.shape[2] - 1) * stride + side)
    met = ((height - 1 + top) // stride + 1 + margin, (width - 1 + left) // stride + 4 + margin)
    for task in numba.prange(-(-crops // CROPS_AT_ONCE) * blocks):
        block, begin = task % blocks, task // blocks * CROPS_AT_ONCE
        tap, total = taps[block * size : (block + 1) * size], sums[task * size : (task + 1) * size]
        total[:] = 0
        source, target = _frame(made[0] * made[1], taps), _frame(met[0] * met[1], taps)
        for crop in range(begin, min(begin + CROPS_AT_ONCE, crops)):
            _place(x, crop, block, source, made, top, left)
            _place(grad, crop, block, target, met, margin, margin)
            _add_gradient_of_taps(total, source, made[1], target, met[1], margin, grad.shape, side, stride)
            _write_gradient_of_map(grad_x, crop, block, target, met[1], margin, tap, side, stride, top, left)


@kernel()
def _add_gradient_of_taps(
    total: FloatArray,
    source: FloatArray,
    columns: int,
    target: FloatArray,
    target_columns: int,
    margin: int,
    shape: tuple[int, int, int, int],
    side: int,
    stride: int,
) -> None:
    _, height, width, _ = shape
    step = stride * WIDTH
    for ky in range(side):
        for wanted in range(0, side, 3):
            kx = min(wanted, side - 3)  # three taps at a time, of which the last have some from before
            tap = (ky * side + kx) * WIDTH
            a, b, c = load(total, tap), load(total, tap + WIDTH), load(total, tap + 2 * WIDTH)
            for oy in range(height):
                at = ((oy * stride + ky) * columns + kx) * WIDTH
                to = ((oy + margin) * target_columns + margin) * WIDTH
                for _ in range(width):
                    g = load(target, to)
                    a = multiply_add(load(source, at), g, a)
                    b = multiply_add(load(source, at + WIDTH), g, b)
                    c = multiply_add(load(source, at + 2 * WIDTH), g, c)
                    at += step
                    to += WIDTH
            if kx == wanted:
                store(total, tap, a)
            if kx + 1 >= wanted:
                store(total, tap + WIDTH, b)
            store(total, tap + 2 * WIDTH, c)


@kernel()
def _write_gradient_of_map(
    grad_x: Map,
    crop: int,
    block: int,
    target: FloatArray,
    columns: int,
    margin: int,
    taps: FloatArray,
    side: int,
    stride: int,
    top: int,
    left: int,
) -> None:
    """Sum for each pixel of the input what it has gone into.

    Row q * stride + r - top has met the kernel rows r, r + stride, ..., in the output rows q, q - 1, ...
    """
    _, height, width, channels = grad_x.shape
    outside, next_pixel = grad_x.reshape(-1), stride * channels
    for y in range(height):
        row, first_y = (y + top) // stride + margin, (y + top) % stride
        for start in range(min(stride, width)):  # pixels of a row that have met the same columns of the kernel
            first_x = (start + left) % stride
            for x in range(start, width, 4 * stride):
                a, b, c, d = zeros(target), zeros(target), zeros(target), zeros(target)
                corner = row * columns + (x + left) // stride + margin
                for ky in range(first_y, side, stride):
                    at = (corner - ky // stride * columns) * WIDTH
                    for kx in range(first_x, side, stride):
                        tap = load(taps, (ky * side + kx) * WIDTH)
                        a = multiply_add(load(target, at), tap, a)
                        b = multiply_add(load(target, at + WIDTH), tap, b)
                        c = multiply_add(load(target, at + 2 * WIDTH), tap, c)
                        d = multiply_add(load(target, at + 3 * WIDTH), tap, d)
                        at -= WIDTH
                to = ((crop * height + y) * width + x) * channels + block * WIDTH
                store(outside, to, a)
                if x + stride < width:
                    store(outside, to + next_pixel, b)
                if x + 2 * stride < width:
                    store(outside, to + 2 * next_pixel, c)
                if x + 3 * stride < width:
                    store(outside, to + 3 * next_pixel, d)


@kernel()
def _frame(pixels: int, like: FloatArray) -> FloatArray:
    """Return zeros that begin with a cache line, for no sixteen of them to lie across two."""
    room = np.zeros((pixels + 1) * WIDTH, like.dtype)
    start = -room.ctypes.data % 64 // room.itemsize
    return room[start : start + pixels * WIDTH]


@kernel()
def _place(maps: Map, crop: int, block: int, frame: FloatArray, size: tuple[int, int], top: int, left: int) -> None:
    """Copy sixteen channels of a crop into a frame of so many rows and columns, its pixel 0, 0 to (top, left)."""
    _, height, width, channels = maps.shape
    source, (rows, columns) = maps.reshape(-1), size
    for row in range(min(height, rows - top)):
        at = ((row + top) * columns + left) * WIDTH
        to = (crop * height + row) * width * channels + block * WIDTH
        for _ in range(min(width, columns - left)):
            store(frame, at, load(source, to))
            at += WIDTH
            to += channels
