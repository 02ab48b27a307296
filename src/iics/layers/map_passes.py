"""What a normalisation layer does with whole feature maps, on any device: instance statistics, then scale and shift.

Two autograd functions that keep only their input; everything between them is (crops x channels) and ordinary autograd,
which torch.compile can fuse. On the CPU `iics.layers.fused_norm` does the same in fewer passes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def instance_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and summed squared deviation of each crop and channel over its pixels, in float32 at least.

    Args:
        x: Feature maps. Shape (n, c, h, w).

    Returns:
        Mean and sum of (x - mean)^2. Shapes (n, c).
    """
    mean, squares = _InstanceStatistics.apply(x)  # type: ignore[no-untyped-call]
    return mean, squares


def scale_and_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return x * scale + shift with one scale and shift per crop and channel; dtype and memory format of `x` stay.

    Args:
        x: Feature maps. Shape (n, c, h, w).
        scale: Factors, float32. Shape (n, c).
        shift: Offsets, float32. Shape (n, c).
    """
    y: Tensor = _ScaleAndShift.apply(x, scale, shift)  # type: ignore[no-untyped-call]
    return y


class _InstanceStatistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = wide.mean(dim=(2, 3))
        squares = (wide - mean[:, :, None, None]).square_().sum(dim=(2, 3))
        ctx.save_for_backward(x, mean)
        return mean, squares

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad_mean, grad_squares = grads
        x, mean = ctx.saved_tensors
        slope = 2 * grad_squares
        offset = grad_mean / (x.shape[2] * x.shape[3]) - slope * mean
        return _multiply_add(x, slope, offset)


class _ScaleAndShift(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale)
        return _multiply_add(x, scale, shift)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (grad,) = grads
        x, scale = ctx.saved_tensors
        grad_scale = (grad.to(scale.dtype) * x).sum(dim=(2, 3))
        grad_shift = grad.sum(dim=(2, 3), dtype=scale.dtype)
        return (grad * scale[:, :, None, None]).to(x.dtype), grad_scale, grad_shift


def _multiply_add(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    # In the precision of scale and shift: in half precision, rounding a large shift would drown a small deviation.
    return torch.addcmul(shift[:, :, None, None], x, scale[:, :, None, None]).to(x.dtype)
