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
from iics.models.lanes import WIDTH, load, multiply_add, store, zeros

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
    rows, columns = (height - 1) * stride + side, (_up_to_four(width) - 1) * stride + side
    inside, outside = x.reshape(-1), y.reshape(-1)
    for task in numba.prange(crops * blocks):
        crop, block = task // blocks, task % blocks
        frame = _frame(rows * columns, taps)
        _place(inside, x.shape, crop, block, frame, rows, columns, top, left)
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
def gradient_of_maps(grad: Map, taps: FloatArray, grad_x: Map, side: int, stride: int, top: int, left: int) -> None:
    """Write the gradient of the input of `convolve`: each of its pixels sums what it has gone into.

    Input row q * stride + r - top has met the kernel rows r, r + stride, ..., in the output rows q, q - 1, ...
    """
    crops, height, width, channels = grad_x.shape
    blocks = channels // WIDTH
    margin = (side - 1) // stride
    rows, columns = (height - 1 + top) // stride + 1 + margin, (width - 1 + left) // stride + 4 + margin
    inside, outside = grad.reshape(-1), grad_x.reshape(-1)
    for task in numba.prange(crops * blocks):
        crop, block = task // blocks, task % blocks
        frame = _frame(rows * columns, taps)
        _place(inside, grad.shape, crop, block, frame, rows, columns, margin, margin)
        for y in range(height):
            q, first_y = (y + top) // stride, (y + top) % stride
            for first in range(stride):  # pixels of a row that meet the same columns of the kernel
                start = first
                first_x = (start + left) % stride
                for x in range(start, width, 4 * stride):
                    a, b, c, d = zeros(frame), zeros(frame), zeros(frame), zeros(frame)
                    for ky in range(first_y, side, stride):
                        row = q - ky // stride + margin
                        at = (row * columns + (x + left) // stride + margin) * WIDTH
                        for kx in range(first_x, side, stride):
                            tap = load(taps, ((block * side + ky) * side + kx) * WIDTH)
                            a = multiply_add(load(frame, at), tap, a)
                            b = multiply_add(load(frame, at + WIDTH), tap, b)
                            c = multiply_add(load(frame, at + 2 * WIDTH), tap, c)
                            d = multiply_add(load(frame, at + 3 * WIDTH), tap, d)
                            at -= WIDTH
                    to = ((crop * height + y) * width + x) * channels + block * WIDTH
                    store(outside, to, a)
                    if x + stride < width:
                        store(outside, to + stride * channels, b)
                    if x + 2 * stride < width:
                        store(outside, to + 2 * stride * channels, c)
                    if x + 3 * stride < width:
                        store(outside, to + 3 * stride * channels, d)


@kernel(parallel=True)
def gradient_of_taps(
    grad: Map, x: Map, sums: FloatArray, side: int, stride: int, top: int, left: int
) -> None:
    """Write the gradient of the taps of `convolve`, summed over each eight crops. Shape (n / 8, c / 16, taps, 16), flat."""
    crops, height, width, channels = grad.shape
    blocks = channels // WIDTH
    rows, columns = (height - 1) * stride + side, (width - 1) * stride + side
    inside, outside = x.reshape(-1), grad.reshape(-1)
    step = stride * WIDTH
    for task in numba.prange(-(-crops // CROPS_AT_ONCE) * blocks):
        block = task % blocks
        begin = task // blocks * CROPS_AT_ONCE
        total = np.zeros(side * side * WIDTH, sums.dtype)
        frame = _frame(rows * columns, sums)
        for crop in range(begin, min(begin + CROPS_AT_ONCE, crops)):
            _place(inside, x.shape, crop, block, frame, rows, columns, top, left)
            for ky in range(side):
                for wanted in range(0, side, 3):
                    kx = min(wanted, side - 3)  # three taps at a time, of which the last have some from before
                    tap = (ky * side + kx) * WIDTH
                    a, b, c = load(total, tap), load(total, tap + WIDTH), load(total, tap + 2 * WIDTH)
                    for oy in range(height):
                        at = ((oy * stride + ky) * columns + kx) * WIDTH
                        to = (crop * height + oy) * width * channels + block * WIDTH
                        for _ in range(width):
                            g = load(outside, to)
                            a = multiply_add(load(frame, at), g, a)
                            b = multiply_add(load(frame, at + WIDTH), g, b)
                            c = multiply_add(load(frame, at + 2 * WIDTH), g, c)
                            at += step
                            to += channels
                    if kx == wanted:
                        store(total, tap, a)
                    if kx + 1 >= wanted:
                        store(total, tap + WIDTH, b)
                    store(total, tap + 2 * WIDTH, c)
        sums[task * len(total) : (task + 1) * len(total)] = total


@kernel()
def _up_to_four(count: int) -> int:
    return -(-count // 4) * 4


@kernel()
def _frame(pixels: int, like: FloatArray) -> FloatArray:
    """Return zeros that begin with a cache line, for no sixteen of them to lie across two."""
    room = np.zeros((pixels + 1) * WIDTH, like.dtype)
    start = -room.ctypes.data % 64 // room.itemsize
    return room[start : start + pixels * WIDTH]


@kernel()
def _place(
    source: Map,
    shape: tuple[int, int, int, int],
    crop: int,
    block: int,
    frame: FloatArray,
    rows: int,
    columns: int,
    top: int,
    left: int,
) -> None:
    """Copy sixteen channels of a crop into a frame, so that its pixel 0, 0 comes to (top, left)."""
    _, height, width, channels = shape
    for row in range(min(height, rows - top)):
        at = ((row + top) * columns + left) * WIDTH
        to = (crop * height + row) * width * channels + block * WIDTH
        for _ in range(min(width, columns - left)):
            store(frame, at, load(source, to))
            at += WIDTH
            to += channels
