"""AIBN and batch normalisation (Eq. 12) with their activation as one autograd function, for the CPU.

Forward reads a feature map twice and writes it once, backward reads map and gradient twice and writes once. It keeps
the input and (crops x channels) statistics. The gradient is worked out by hand:

    y = activation(x * s + t),  s = w / sqrt(v + eps),  t = b - m * s,
    m = a * M(m_in) + (1 - a) * m_in,  v = a * (M(v_in) + M((m_in - M(m_in))^2)) + (1 - a) * v_in,

where M is the mean over a crop's normalisation group, which is its own transpose. All of it is compiled
(`iics.layers.norm_kernels`); torch takes M where a group is spread over processes.
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
from iics.layers import mixing_kernels, norm_kernels
from iics.layers.norm_groups import NormGroups

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
) -> tuple[Tensor, Tensor]:
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
        Normalised, activated maps, and mean and variance of each group, or of each crop's group where groups are spread
        over processes, without gradient. Shapes (n, c, h, w), (2, groups or n, c).
    """
    y, batch = _FusedNorm.apply(x, weight, bias, alpha, groups, freedom, eps, bounds)  # type: ignore[no-untyped-call]
    return y, batch


def evaluated_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    alpha: Tensor,
    *,
    mean: Tensor,
    var: Tensor,
    freedom: int,
    eps: float,
    bounds: Bounds,
) -> Tensor:
    """Normalise as `fused_norm` does, without gradient, by given statistics instead of the batch's. Shapes (c,)."""
    given = torch.stack([mean, var]).float()[:, None]
    return _mix_and_scale(x, _own_statistics(x, freedom), given, (weight, bias, alpha), eps, bounds, is_given=True)


def fused_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and sum of squared deviations of each crop and channel, without gradient. Shapes (n, c)."""
    mean, squares, *_ = _own_statistics(x, 1)
    return mean, squares


def scale_shift_activate(x: Tensor, scale: Tensor, shift: Tensor, bounds: Bounds) -> Tensor:
    """Return x * scale + shift cut to the bounds, without gradient, in the memory format of `x`.

    Args:
        x: Feature maps. Shape (n, c, h, w).
        scale: Float32. Shape (n, c), or (c,) for all crops alike.
        shift: Likewise.
        bounds: Of the activation.
    """
    y, is_last = torch.empty_like(x), _is_last(x)
    rows = (np.atleast_2d(_floats(values, x.shape[1])) for values in (scale, shift))
    with torch_threads():
        work: Pass = norm_kernels.scale_last if is_last else norm_kernels.scale_first
        work(_as_map(x, is_last=is_last), *rows, *_as_floats(bounds), _as_map(y, is_last=is_last))
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
    ) -> tuple[Tensor, Tensor]:
        groups.batch_size(len(x))  # refuses one that cuts a group
        rows = _own_statistics(x, freedom)
        if groups.is_spread:
            batch = torch.stack(groups.statistics(rows[0], rows[1]))
        else:
            batch = torch.empty(2, len(x) // (groups.size or len(x)), x.shape[1])
        weights = (weight, bias, alpha)
        y = _mix_and_scale(x, rows, batch, weights, eps, bounds, is_given=groups.is_spread)
        ctx.save_for_backward(x, alpha, rows, batch)
        ctx.groups, ctx.freedom, ctx.bounds = groups, freedom, bounds
        ctx.mark_non_differentiable(batch)
        return y, batch

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, alpha, rows, batch = ctx.saved_tensors
        grad_x, is_last = torch.empty_like(x), _is_last(x)
        grad = grads[0].to(x.dtype).contiguous(memory_format=_format(x))
        maps = _as_map(grad, is_last=is_last), _as_map(x, is_last=is_last)
        mean_in, var_in, scale, shift, inverse = rows.numpy()
        mean_bn, var_bn = batch.numpy()
        alphas, bounds = _floats(alpha, x.shape[1]), _as_floats(ctx.bounds)
        sums, products, slope, offset = np.empty((4, *mean_in.shape), np.float32)
        totals = torch.empty(5, *mean_bn.shape)  # gradients of weight, bias, alpha; what a group shares of m and v
        arrays = totals.numpy()
        with torch_threads():
            work: Pass = norm_kernels.gradient_sums_last if is_last else norm_kernels.gradient_sums_first
            work(*maps, scale, shift, mean_in, *bounds, sums, products)
            of_groups = mean_in, var_in, mean_bn, var_bn, scale, inverse, alphas
            mixing_kernels.mix_gradient(sums, products, *of_groups, *arrays)
        if ctx.groups.is_spread:
            totals[3:] = ctx.groups.mean(totals[3:].transpose(0, 1)).transpose(0, 1)
        with torch_threads():
            pixels, freedom = np.float32(maps[0].size // sums.size), np.float32(ctx.freedom)
            of_crops = sums, products, mean_in, mean_bn, scale, inverse, alphas
            mixing_kernels.map_coefficients(*of_crops, arrays[3], arrays[4], pixels, freedom, slope, offset)
            work = norm_kernels.gradient_last if is_last else norm_kernels.gradient_first
            work(*maps, scale, shift, slope, offset, *bounds, _as_map(grad_x, is_last=is_last))
        of_weight, of_bias, of_alpha = totals[:3].sum(dim=1)
        return grad_x, of_weight, of_bias, of_alpha.sum_to_size(alpha.shape), None, None, None, None


def _own_statistics(x: Tensor, freedom: int) -> Tensor:
    """Return mean and variance of each crop, and room for scale, shift and 1 / sqrt(v + eps). Shape (5, n, c)."""
    rows, is_last = torch.empty(5, *x.shape[:2]), _is_last(x)
    mean, var, *_ = rows.numpy()
    with torch_threads():
        work = norm_kernels.statistics_last if is_last else norm_kernels.statistics_first
        work(_as_map(x, is_last=is_last), np.float32(freedom), mean, var)
    return rows


def _mix_and_scale(
    x: Tensor,
    rows: Tensor,
    batch: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    eps: float,
    bounds: Bounds,
    *,
    is_given: bool,
) -> Tensor:
    """Fill `rows` and, if not given, mean and variance of the groups in `batch`, (2, g, c); return the maps."""
    y, is_last = torch.empty_like(x), _is_last(x)
    mean_in, var_in, scale, shift, inverse = rows.numpy()
    vectors = [_floats(values, x.shape[1]) for values in weights]
    with torch_threads():
        work: Pass = mixing_kernels.mix
        work(mean_in, var_in, *vectors, np.float32(eps), is_given, *batch.numpy(), scale, shift, inverse)
        work = norm_kernels.scale_last if is_last else norm_kernels.scale_first
        work(_as_map(x, is_last=is_last), scale, shift, *_as_floats(bounds), _as_map(y, is_last=is_last))
    return y


def _is_last(x: Tensor) -> bool:
    return not x.is_contiguous()


def _format(x: Tensor) -> torch.memory_format:
    return torch.channels_last if _is_last(x) else torch.contiguous_format


def _as_map(x: Tensor, *, is_last: bool) -> npt.NDArray[Any]:
    """Return the map as the kernels read it, where it lies."""
    bits = x.detach().view(torch.uint16) if x.dtype == torch.bfloat16 else x.detach()
    maps: npt.NDArray[Any] = bits.numpy()
    n, c, h, w = maps.shape
    return maps.transpose(0, 2, 3, 1).reshape(n, h * w, c) if is_last else maps.reshape(n, c, h * w)


def _floats(values: Tensor, channels: int) -> FloatArray:
    """Return numbers of channels, or one for all of them. Shape (c,), or as they are."""
    floats: FloatArray = values.detach().float().numpy()
    return np.ascontiguousarray(floats) if floats.ndim else np.full(channels, floats)


def _as_floats(bounds: Bounds) -> tuple[np.float32, np.float32]:
    return np.float32(bounds[0]), np.float32(bounds[1])
