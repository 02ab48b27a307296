"""Normalisation on the CPU (Eq. 12): passes over a feature map, compiled; `mixing_kernels` has what lies between them.

Forward: statistics of each crop and channel; their mixture; then scale, shift and activation at once. Backward: two
sums of each crop and channel; the gradients of the mixture; then that of the map. A map is read where it lies, in
float32 or bfloat16; sums and statistics are float32. Every task is one crop, so nothing depends on the number of
threads.

Loops write into what they are given and index it from 0: numba tells LLVM that arguments do not overlap, which it
cannot tell of arrays made within, and only then are many channels computed at a time.
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


@kernel(parallel=True, fastmath=REORDERED)
def statistics_last(x: Map, freedom: np.float32, mean: FloatArray, var: FloatArray) -> None:
    """Write mean and sum of (x - mean)^2 / freedom over the pixels. Shapes (n, pixels, c), (), (n, c), (n, c)."""
    crops, pixels, channels = x.shape
    fours = pixels - pixels % 4  # four pixels at a time: sums are read and written a quarter as often
    for i in numba.prange(crops):
        for k in range(channels):
            mean[i, k] = var[i, k] = 0
        for p in range(0, fours, 4):
            for k in range(channels):
                near = _wide(x[i, p, k]) + _wide(x[i, p + 1, k])
                mean[i, k] += near + (_wide(x[i, p + 2, k]) + _wide(x[i, p + 3, k]))
        for p in range(fours, pixels):
            for k in range(channels):
                mean[i, k] += _wide(x[i, p, k])
        for k in range(channels):
            mean[i, k] /= np.float32(pixels)
        for p in range(0, fours, 4):
            for k in range(channels):
                m = mean[i, k]
                a, b = _wide(x[i, p, k]) - m, _wide(x[i, p + 1, k]) - m
                c, d = _wide(x[i, p + 2, k]) - m, _wide(x[i, p + 3, k]) - m
                var[i, k] += (a * a + b * b) + (c * c + d * d)
        for p in range(fours, pixels):
            for k in range(channels):
                off = _wide(x[i, p, k]) - mean[i, k]
                var[i, k] += off * off
        for k in range(channels):
            var[i, k] /= freedom


@kernel(parallel=True)
def scale_last(x: Map, scale: FloatArray, shift: FloatArray, low: np.float32, high: np.float32, y: Map) -> None:
    """Write x * scale + shift, cut to [low, high]. Shapes (n, pixels, c), (n or 1, c) twice, (n, pixels, c)."""
    crops, pixels, channels = x.shape
    for i in numba.prange(crops):
        row = i % len(scale)
        for p in range(pixels):
            for k in range(channels):
                z = min(max(_wide(x[i, p, k]) * scale[row, k] + shift[row, k], low), high)
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
    pairs = pixels - pixels % 2
    for i in numba.prange(crops):
        for k in range(channels):
            sums[i, k] = products[i, k] = 0
        for p in range(0, pairs, 2):
            for k in range(channels):
                value, following = _wide(x[i, p, k]), _wide(x[i, p + 1, k])
                y, z = value * scale[i, k] + shift[i, k], following * scale[i, k] + shift[i, k]
                g, h = _wide(grad[i, p, k]), _wide(grad[i, p + 1, k])
                g = g if (y > low) & (y < high) else np.float32(0)
                h = h if (z > low) & (z < high) else np.float32(0)
                sums[i, k] += g + h
                products[i, k] += g * (value - mean[i, k]) + h * (following - mean[i, k])
        for p in range(pairs, pixels):
            for k in range(channels):
                value, g = _wide(x[i, p, k]), _wide(grad[i, p, k])
                z = value * scale[i, k] + shift[i, k]
                g = g if (z > low) & (z < high) else np.float32(0)
                sums[i, k] += g
                products[i, k] += g * (value - mean[i, k])


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
def statistics_first(x: Map, freedom: np.float32, mean: FloatArray, var: FloatArray) -> None:
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
            mean[i, k], var[i, k] = centre, square / freedom


@kernel(parallel=True)
def scale_first(x: Map, scale: FloatArray, shift: FloatArray, low: np.float32, high: np.float32, y: Map) -> None:
    """As `scale_last`, for x and y of shape (n, c, pixels)."""
    crops, channels, pixels = x.shape
    for i in numba.prange(crops):
        given = i % len(scale)
        for k in range(channels):
            row, out, a, b = x[i, k], y[i, k], scale[given, k], shift[given, k]
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
