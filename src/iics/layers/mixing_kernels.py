"""Mixing of statistics on the CPU (Eq. 12): of a crop and of its group, and the gradients of both, compiled.

The arrays are small, (crops x channels). A task is one group, whose crops follow each other, so nothing depends on the
number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from iics.arrays import FloatArray
from iics.kernels import kernel


@kernel(parallel=True)
def mix(
    mean_in: FloatArray,
    var_in: FloatArray,
    weight: FloatArray,
    bias: FloatArray,
    alpha: FloatArray,
    eps: np.float32,
    is_given: bool,
    mean_bn: FloatArray,
    var_bn: FloatArray,
    scale: FloatArray,
    shift: FloatArray,
    inverse: FloatArray,
) -> None:
    """Write statistics of each group, unless they are given, and what each crop's are mixed to (Eq. 12).

    Shapes: (n, c) of crops, (c,) of weights, (groups, c) of `mean_bn` and `var_bn`; crops of a group follow each other.
    """
    channels, groups = len(alpha), len(mean_bn)
    size = len(mean_in) // groups
    for g in numba.prange(groups):
        if not is_given:
            for k in range(channels):
                mean_bn[g, k] = var_bn[g, k] = 0
            for i in range(g * size, g * size + size):
                for k in range(channels):
                    mean_bn[g, k] += mean_in[i, k]
            for k in range(channels):
                mean_bn[g, k] /= np.float32(size)
            for i in range(g * size, g * size + size):
                for k in range(channels):
                    off = mean_in[i, k] - mean_bn[g, k]
                    var_bn[g, k] += var_in[i, k] + off * off
            for k in range(channels):
                var_bn[g, k] /= np.float32(size)
        for i in range(g * size, g * size + size):
            for k in range(channels):
                a, own = alpha[k], np.float32(1) - alpha[k]
                inverse[i, k] = np.float32(1) / np.sqrt(a * var_bn[g, k] + own * var_in[i, k] + eps)
                scale[i, k] = weight[k] * inverse[i, k]
                shift[i, k] = bias[k] - (a * mean_bn[g, k] + own * mean_in[i, k]) * scale[i, k]


@kernel(parallel=True)
def mix_gradient(
    sums: FloatArray,
    products: FloatArray,
    mean_in: FloatArray,
    var_in: FloatArray,
    mean_bn: FloatArray,
    var_bn: FloatArray,
    scale: FloatArray,
    inverse: FloatArray,
    alpha: FloatArray,
    of_weight: FloatArray,
    of_bias: FloatArray,
    of_alpha: FloatArray,
    shared_mean: FloatArray,
    shared_var: FloatArray,
) -> None:
    """Write the gradients of weight, bias and alpha from each group, and alpha * the group's mean of those of m and v.

    `products`, of g and x - mean_in, become those of g and x - m. Shapes: (n, c) of crops, (groups, c) of groups.
    """
    channels, groups = len(alpha), len(mean_bn)
    size = len(mean_in) // groups
    for g in numba.prange(groups):
        for k in range(channels):
            of_weight[g, k] = of_bias[g, k] = of_alpha[g, k] = shared_mean[g, k] = shared_var[g, k] = 0
        for i in range(g * size, g * size + size):
            for k in range(channels):
                off = mean_in[i, k] - mean_bn[g, k]
                product = products[i, k] + alpha[k] * off * sums[i, k]
                of_m = -scale[i, k] * sums[i, k]
                of_v = np.float32(-0.5) * product * scale[i, k] * inverse[i, k] * inverse[i, k]
                products[i, k] = product
                of_weight[g, k] += product * inverse[i, k]
                of_bias[g, k] += sums[i, k]
                of_alpha[g, k] += of_v * (var_bn[g, k] - var_in[i, k]) - of_m * off
                shared_mean[g, k] += of_m
                shared_var[g, k] += of_v
        for k in range(channels):
            shared_mean[g, k] *= alpha[k] / np.float32(size)
            shared_var[g, k] *= alpha[k] / np.float32(size)


@kernel(parallel=True)
def map_coefficients(
    sums: FloatArray,
    products: FloatArray,
    mean_in: FloatArray,
    mean_bn: FloatArray,
    scale: FloatArray,
    inverse: FloatArray,
    alpha: FloatArray,
    shared_mean: FloatArray,
    shared_var: FloatArray,
    pixels: np.float32,
    freedom: np.float32,
    slope: FloatArray,
    offset: FloatArray,
) -> None:
    """Write what the gradient of a map takes from its statistics: x * slope + offset. Shapes as in `mix_gradient`."""
    crops, channels = sums.shape
    size = crops // len(mean_bn)
    for i in numba.prange(crops):
        g = i // size
        for k in range(channels):
            own = np.float32(1) - alpha[k]
            of_mean = own * -scale[i, k] * sums[i, k] + shared_mean[g, k]
            of_v = np.float32(-0.5) * products[i, k] * scale[i, k] * inverse[i, k] * inverse[i, k]
            of_mean += np.float32(2) * (mean_in[i, k] - mean_bn[g, k]) * shared_var[g, k]
            slope[i, k] = np.float32(2) / freedom * (own * of_v + shared_var[g, k])
            offset[i, k] = of_mean / pixels - slope[i, k] * mean_in[i, k]
