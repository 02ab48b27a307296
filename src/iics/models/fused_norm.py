"""AIBN and batch normalisation (Eq. 12) with their activation as one autograd function, for the CPU.

Forward reads a feature map twice and writes it once, backward reads map and gradient twice and writes once. It keeps
the input and (crops x channels) statistics. The gradient is worked out by hand:

    y = activation(x * s + t),  s = w / sqrt(v + eps),  t = b - m * s,
    m = a * M(m_in) + (1 - a) * m_in,  v = a * (M(v_in) + M((m_in - M(m_in))^2)) + (1 - a) * v_in,

where M is the mean over a crop's normalisation group, which is its own transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from iics.arrays import FloatArray
from iics.kernels import torch_threads
from iics.models import norm_kernels
from iics.models.norm_groups import NormGroups

Bounds = tuple[float, float]
Pass = Callable[..., None]


def activation_bounds(activation: nn.Module) -> Bounds | None:
    """Return the interval that an activation cuts its input to, None if it does something else."""
    if isinstance(activation, nn.Identity):
        return -torch.inf, torch.inf
    if isinstance(activation, nn.ReLU6):
        return 0.0, 6.0
    return (0.0, torch.inf) if isinstance(activation, nn.ReLU) else None


def can_fuse(x: Tensor, activation: nn.Module) -> bool:
    """Return whether `x` can go through the compiled passes: dense float32 or bfloat16 on the CPU, eager mode."""
    return (
        activation_bounds(activation) is not None
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and not torch.compiler.is_compiling()
        and x.numel() > 0
        and (x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last))
    )


def fused_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    alpha: Tensor,
    *,
    groups: NormGroups,
    freedom: int,
    eps: float,
    bounds: Bounds,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise by the statistics of the batch, mixed with each crop's own.

    Args:
        x: Feature maps; `can_fuse` holds. Shape (n, c, h, w).
        weight: Gamma. Shape (c,).
        bias: Beta. Shape (c,).
        alpha: Share of the batch statistics in [0, 1]; a scalar, or one value per channel.
        groups: Which crops share batch statistics.
        freedom: What sums of squared deviations over the pixels of a crop are divided by.
        eps: Added to the variance.
        bounds: Of the activation.

    Returns:
        Normalised, activated maps, and mean and variance of each crop's group, without gradient. Shapes (n, c, h, w),
        (n, c), (n, c).
    """
    y, mean, var = _FusedNorm.apply(x, weight, bias, alpha, groups, freedom, eps, bounds)  # type: ignore[no-untyped-call]
    return y, mean, var


def fused_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and sum of squared deviations of each crop and channel, without gradient. Shapes (n, c)."""
    maps, is_last = _as_maps(x)
    mean, squares = torch.empty(x.shape[:2]), torch.empty(x.shape[:2])
    with torch_threads():
        work = norm_kernels.statistics_last if is_last else norm_kernels.statistics_first
        work(maps, mean.numpy(), squares.numpy())
    return mean, squares


def scale_shift_activate(x: Tensor, scale: Tensor, shift: Tensor, bounds: Bounds) -> Tensor:
    """Return x * scale + shift cut to the bounds, without gradient, in the memory format of `x`.

    Args:
        x: Feature maps. Shape (n, c, h, w).
        scale: Float32. Shape (n, c), or (c,) for all crops alike.
        shift: Likewise.
        bounds: Of the activation.
    """
    y = torch.empty_like(x)
    maps, is_last = _as_maps(x)
    with torch_threads():
        work = norm_kernels.scale_last if is_last else norm_kernels.scale_first
        work(maps, _rows(scale, x), _rows(shift, x), *_as_floats(bounds), _as_maps(y)[0])
    return y


class _FusedNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        alpha: Tensor,
        groups: NormGroups,
        freedom: int,
        eps: float,
        bounds: Bounds,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean_in, squares = fused_statistics(x)
        var_in = squares / freedom
        mean_bn, var_bn = groups.statistics(mean_in, var_in)
        mean = torch.lerp(mean_in, mean_bn, alpha.expand_as(mean_in))
        inverse = torch.lerp(var_in, var_bn, alpha.expand_as(var_in)).add_(eps).rsqrt_()
        scale = weight * inverse
        y = scale_shift_activate(x, scale, bias - mean * scale, bounds)
        ctx.save_for_backward(x, weight, bias, alpha, mean_in, var_in, mean_bn, var_bn, mean, inverse)
        ctx.groups, ctx.freedom, ctx.bounds = groups, freedom, bounds
        ctx.mark_non_differentiable(mean_bn, var_bn)
        return y, mean_bn, var_bn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, alpha, mean_in, var_in, mean_bn, var_bn, mean, inverse = ctx.saved_tensors
        grad = grads[0].to(x.dtype).contiguous(memory_format=_format(x))
        scale = weight * inverse
        shift = bias - mean * scale
        sums, products = _gradient_sums(grad, x, scale, shift, mean_in, ctx.bounds)
        products += (mean_in - mean) * sums  # of g and x - mean
        grad_mean, grad_var = -scale * sums, -0.5 * products * weight * inverse**3
        grad_alpha = (grad_mean * (mean_bn - mean_in) + grad_var * (var_bn - var_in)).sum_to_size(alpha.shape)
        over_groups = ctx.groups.mean(alpha * torch.stack([grad_mean, grad_var], dim=1))
        mean_of_means, mean_of_vars = over_groups.unbind(1)
        grad_mean_in = (1 - alpha) * grad_mean + mean_of_means + 2 * (mean_in - mean_bn) * mean_of_vars
        slope = 2 / ctx.freedom * ((1 - alpha) * grad_var + mean_of_vars)
        offset = grad_mean_in / (x.shape[2] * x.shape[3]) - slope * mean_in
        grad_x = _gradient(grad, x, (scale, shift, slope, offset), ctx.bounds)
        return grad_x, (products * inverse).sum(0), sums.sum(0), grad_alpha, None, None, None, None


def _gradient_sums(
    grad: Tensor, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, bounds: Bounds
) -> tuple[Tensor, Tensor]:
    sums, products = torch.empty_like(mean), torch.empty_like(mean)
    maps, is_last = _as_maps(x)
    rows = [_rows(values, x) for values in (scale, shift, mean)]
    with torch_threads():
        work: Pass = norm_kernels.gradient_sums_last if is_last else norm_kernels.gradient_sums_first
        work(_as_maps(grad)[0], maps, *rows, *_as_floats(bounds), sums.numpy(), products.numpy())
    return sums, products


def _gradient(grad: Tensor, x: Tensor, coefficients: tuple[Tensor, Tensor, Tensor, Tensor], bounds: Bounds) -> Tensor:
    grad_x = torch.empty_like(x)
    maps, is_last = _as_maps(x)
    rows = [_rows(values, x) for values in coefficients]
    with torch_threads():
        work: Pass = norm_kernels.gradient_last if is_last else norm_kernels.gradient_first
        work(_as_maps(grad)[0], maps, *rows, *_as_floats(bounds), _as_maps(grad_x)[0])
    return grad_x


def _format(x: Tensor) -> torch.memory_format:
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


def _as_maps(x: Tensor) -> tuple[npt.NDArray[Any], bool]:
    """Return the map as the kernels read it, and whether channels lie last."""
    bits = x.detach().view(torch.uint16) if x.dtype == torch.bfloat16 else x.detach()
    if x.is_contiguous():
        return bits.flatten(2).numpy(), False
    return bits.permute(0, 2, 3, 1).flatten(1, 2).numpy(), True


def _rows(values: Tensor, x: Tensor) -> FloatArray:
    rows: FloatArray = values.detach().float().expand(x.shape[:2]).contiguous().numpy()
    return rows


def _as_floats(bounds: Bounds) -> tuple[np.float32, np.float32]:
    return np.float32(bounds[0]), np.float32(bounds[1])
