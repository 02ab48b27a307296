"""Normalisation on the CPU (Eq. 12): four passes over a feature map, compiled, for both memory formats.

Forward: statistics of each crop and channel; then scale, shift and activation at once. Backward: two sums of each crop
and channel; then the gradient. A map is read where it lies, in float32 or bfloat16; sums and statistics are float32.
Every task is one crop and a block of its channels that stays in the cache, so nothing depends on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from iics.arrays import FloatArray
from iics.kernels import REORDERED, kernel

Map = npt.NDArray[Any]
"""Float32, or bfloat16 seen as uint16. Shape (n, pixels, c) or (n, c, pixels)."""

_CACHED_FLOATS = 32768  # of a block of channels
_NARROWEST = 16  # channels: a cache line of float32
_LONG_ROW = 512  # channels: what is kept of them all fits the first-level cache


@intrinsic  # type: ignore[untyped-decorator]
def _wide(typing_context: Any, value: Any) -> Any:  # noqa: ARG001
    """Return a stored number as float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        if signature.args[0] == types.float32:
            return arguments[0]
        bits = builder.shl(builder.zext(arguments[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(value), generate


@intrinsic  # type: ignore[untyped-decorator]
def _stored(typing_context: Any, value: Any, like: Any) -> Any:  # noqa: ARG001
    """Return a float32 as it is stored beside `like`; to bfloat16 rounded to nearest, ties to even."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        if signature.args[1] == types.float32:
            return arguments[0]
        word = ir.IntType(32)
        bits = builder.bitcast(arguments[0], word)
        last = builder.and_(builder.lshr(bits, ir.Constant(word, 16)), ir.Constant(word, 1))
        rounded = builder.add(bits, builder.add(last, ir.Constant(word, 0x7FFF)))
        is_nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        kept = builder.select(is_nan, ir.Constant(word, 0x7FC00000), rounded)
        return builder.trunc(builder.lshr(kept, ir.Constant(word, 16)), ir.IntType(16))

    return like(value, like), generate


@kernel()
def _channels_at_a_time(pixels: int, channels: int) -> int:
    return min(channels, max(_NARROWEST, _CACHED_FLOATS // pixels // _NARROWEST * _NARROWEST))


@kernel(parallel=True, fastmath=REORDERED)
def statistics_last(x: Map, mean: FloatArray, squares: FloatArray) -> None:
    """Write mean and sum of (x - mean)^2 over the pixels. Shapes (n, pixels, c), (n, c), (n, c)."""
    crops, pixels, channels = x.shape
    width = _channels_at_a_time(pixels, channels)
    blocks = -(-channels // width)
    for task in numba.prange(crops * blocks):
        i, first = task // blocks, task % blocks * width
        size = min(width, channels - first)
        total, square = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for p in range(pixels):
            row = x[i, p, first : first + size]
            for k in range(size):
                total[k] += _wide(row[k])
        for k in range(size):
            total[k] /= np.float32(pixels)
        for p in range(pixels):
            row = x[i, p, first : first + size]
            for k in range(size):
                off = _wide(row[k]) - total[k]
                square[k] += off * off
        mean[i, first : first + size] = total
        squares[i, first : first + size] = square


@kernel(parallel=True)
def scale_last(x: Map, scale: FloatArray, shift: FloatArray, low: np.float32, high: np.float32, y: Map) -> None:
    """Write x * scale + shift, cut to [low, high]. Shapes (n, pixels, c), (n, c), (n, c), (n, pixels, c)."""
    crops, pixels, channels = x.shape
    for i in numba.prange(crops):
        a, b = scale[i], shift[i]
        for p in range(pixels):
            for k in range(channels):
                z = min(max(_wide(x[i, p, k]) * a[k] + b[k], low), high)
                y[i, p, k] = _stored(z, x[i, p, k])


@kernel(parallel=True, fastmath=REORDERED)
def gradient_sums_last(
    grad: Map,
    x: Map,
    scale: FloatArray,
    shift: FloatArray,
    mean: FloatArray,
    low: np.float32,
    high: np.float32,
    sums: FloatArray,
    products: FloatArray,
) -> None:
    """Write the sums over pixels of g and of g * (x - mean), where g is `grad` where the activation let it pass."""
    crops, pixels, channels = x.shape
    width = min(channels, _LONG_ROW)
    blocks = -(-channels // width)
    for task in numba.prange(crops * blocks):
        i, first = task // blocks, task % blocks * width
        size = min(width, channels - first)
        total, product = np.zeros(size, np.float32), np.zeros(size, np.float32)
        passed = np.empty(size, np.float32)
        a, b = scale[i, first : first + size], shift[i, first : first + size]
        centre = mean[i, first : first + size]
        for p in range(pixels):
            row, incoming = x[i, p, first : first + size], grad[i, p, first : first + size]
            # Three short loops: one with all seven arrays is not computed many channels at a time.
            for k in range(size):
                z = _wide(row[k]) * a[k] + b[k]
                g = _wide(incoming[k])
                passed[k] = g if (z > low) & (z < high) else np.float32(0)
            for k in range(size):
                total[k] += passed[k]
            for k in range(size):
                product[k] += passed[k] * (_wide(row[k]) - centre[k])
        sums[i, first : first + size] = total
        products[i, first : first + size] = product


@kernel(parallel=True)
def gradient_last(
    grad: Map,
    x: Map,
    scale: FloatArray,
    shift: FloatArray,
    slope: FloatArray,
    offset: FloatArray,
    low: np.float32,
    high: np.float32,
    grad_x: Map,
) -> None:
    """Write g * scale + x * slope + offset, with g as in `gradient_sums_last`."""
    crops, pixels, channels = x.shape
    for i in numba.prange(crops):
        a, b, c, d = scale[i], shift[i], slope[i], offset[i]
        for p in range(pixels):
            for k in range(channels):
                value = _wide(x[i, p, k])
                z = value * a[k] + b[k]
                passed = _wide(grad[i, p, k])
                g = passed if (z > low) & (z < high) else np.float32(0)
                grad_x[i, p, k] = _stored(g * a[k] + value * c[k] + d[k], x[i, p, k])


@kernel(parallel=True, fastmath=REORDERED)
def statistics_first(x: Map, mean: FloatArray, squares: FloatArray) -> None:
    """As `statistics_last`, for x of shape (n, c, pixels)."""
    crops, channels, pixels = x.shape
    for i in numba.prange(crops):
        for k in range(channels):
            row = x[i, k]
            total, square = np.float32(0), np.float32(0)
            for p in range(pixels):
                total += _wide(row[p])
            centre = total / np.float32(pixels)
            for p in range(pixels):
                off = _wide(row[p]) - centre
                square += off * off
            mean[i, k], squares[i, k] = centre, square


@kernel(parallel=True)
def scale_first(x: Map, scale: FloatArray, shift: FloatArray, low: np.float32, high: np.float32, y: Map) -> None:
    """As `scale_last`, for x and y of shape (n, c, pixels)."""
    crops, channels, pixels = x.shape
    for i in numba.prange(crops):
        for k in range(channels):
            row, out, a, b = x[i, k], y[i, k], scale[i, k], shift[i, k]
            for p in range(pixels):
                out[p] = _stored(min(max(_wide(row[p]) * a + b, low), high), row[p])


@kernel(parallel=True, fastmath=REORDERED)
def gradient_sums_first(
    grad: Map,
    x: Map,
    scale: FloatArray,
    shift: FloatArray,
    mean: FloatArray,
    low: np.float32,
    high: np.float32,
    sums: FloatArray,
    products: FloatArray,
) -> None:
    """As `gradient_sums_last`, for maps of shape (n, c, pixels)."""
    crops, channels, pixels = x.shape
    for i in numba.prange(crops):
        for k in range(channels):
            row, incoming, a, b, centre = x[i, k], grad[i, k], scale[i, k], shift[i, k], mean[i, k]
            total, product = np.float32(0), np.float32(0)
            for p in range(pixels):
                value, passed = _wide(row[p]), _wide(incoming[p])
                z = value * a + b
                g = passed if (z > low) & (z < high) else np.float32(0)
                total += g
                product += g * (value - centre)
            sums[i, k], products[i, k] = total, product


@kernel(parallel=True)
def gradient_first(
    grad: Map,
    x: Map,
    scale: FloatArray,
    shift: FloatArray,
    slope: FloatArray,
    offset: FloatArray,
    low: np.float32,
    high: np.float32,
    grad_x: Map,
) -> None:
    """As `gradient_last`, for maps of shape (n, c, pixels)."""
    crops, channels, pixels = x.shape
    for i in numba.prange(crops):
        for k in range(channels):
            row, incoming, out = x[i, k], grad[i, k], grad_x[i, k]
            a, b, c, d = scale[i, k], shift[i, k], slope[i, k], offset[i, k]
            for p in range(pixels):
                value, passed = _wide(row[p]), _wide(incoming[p])
                z = value * a + b
                g = passed if (z > low) & (z < high) else np.float32(0)
                out[p] = _stored(g * a + value * c + d, row[p])
