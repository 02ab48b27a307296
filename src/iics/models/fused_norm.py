"""AIBN and batch normalisation (Eq. 12) with their activation as one autograd function, for the CPU.

Forward reads a feature map twice and writes it once, backward reads map and gradient twice and writes once. It keeps
the input and (crops x channels) statistics. The gradient is worked out by hand:

    y = activation(x * s + t),  s = w / sqrt(v + eps),  t = b - m * s,
    m = a * M(m_in) + (1 - a) * m_in,  v = a * (M(v_in) + M((m_in - M(m_in))^2)) + (1 - a) * v_in,

where M is the mean over a crop's normalisation group, which is its own transpose. All of it is compiled
(`iics.models.norm_kernels`); torch takes M where a group is spread over processes.
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
        Normalised, activated maps, and mean and variance of each group, or of each crop's group where groups are spread
        over processes, without gradient. Shapes (n, c, h, w), (groups or n, c), (groups or n, c).
    """
    y, batch = _FusedNorm.apply(x, weight, bias, alpha, groups, freedom, eps, bounds)  # type: ignore[no-untyped-call]
    return y, batch[0], batch[1]


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
    rows = _own_statistics(x, freedom)
    _mix(rows, torch.stack([mean, var]).float()[:, None], weight, bias, alpha, eps=eps, is_given=True)
    return scale_shift_activate(x, rows[2], rows[3], bounds)


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
    y = torch.empty_like(x)
    maps, is_last = _as_maps(x)
    factors, offsets = (_floats(values).reshape(-1, x.shape[1]) for values in (scale, shift))
    with torch_threads():
        work = norm_kernels.scale_last if is_last else norm_kernels.scale_first
        work(maps, factors, offsets, *_as_floats(bounds), _as_maps(y)[0])
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
        _mix(rows, batch, weight, bias, alpha, eps=eps, is_given=groups.is_spread)
        ctx.save_for_backward(x, alpha, rows, batch)
        ctx.groups, ctx.freedom, ctx.bounds = groups, freedom, bounds
        ctx.mark_non_differentiable(batch)
        return scale_shift_activate(x, rows[2], rows[3], bounds), batch

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, alpha, rows, batch = ctx.saved_tensors
        grad_x, maps = torch.empty_like(x), _as_maps(x)
        grad = _as_maps(grads[0].to(x.dtype).contiguous(memory_format=_format(x)))[0]
        mean_in, var_in, scale, shift, inverse = rows.numpy()
        mean_bn, var_bn = batch.numpy()
        alphas, bounds = _floats(alpha.expand(x.shape[1])), _as_floats(ctx.bounds)
        sums, products, slope, offset = np.empty((4, *mean_in.shape), np.float32)
        totals = torch.empty(5, *mean_bn.shape)  # gradients of weight, bias, alpha; what a group shares of m, v
        shared_mean, shared_var = totals[3:].numpy()
        with torch_threads():
            work: Pass = norm_kernels.gradient_sums_last if maps[1] else norm_kernels.gradient_sums_first
            work(grad, maps[0], scale, shift, mean_in, *bounds, sums, products)
            of_rows = (mean_in, var_in, mean_bn, var_bn, scale, inverse, alphas)
            norm_kernels.mix_gradient(sums, products, *of_rows, *totals.numpy())
        if ctx.groups.is_spread:
            totals[3:] = ctx.groups.mean(totals[3:].transpose(0, 1)).transpose(0, 1)
        with torch_threads():
            pixels, freedom = np.float32(x.shape[2] * x.shape[3]), np.float32(ctx.freedom)
            own = (sums, products, mean_in, mean_bn, scale, inverse, alphas)
            norm_kernels.map_coefficients(*own, shared_mean, shared_var, pixels, freedom, slope, offset)
            work = norm_kernels.gradient_last if maps[1] else norm_kernels.gradient_first
            work(grad, maps[0], scale, shift, slope, offset, *bounds, _as_maps(grad_x)[0])
        of_weight, of_bias, of_alpha = totals[:3].sum(dim=1)
        return grad_x, of_weight, of_bias, of_alpha.sum_to_size(alpha.shape), None, None, None, None


def _own_statistics(x: Tensor, freedom: int) -> Tensor:
    """Return mean and variance of each crop, and room for scale, shift and 1 / sqrt(v + eps). Shape (5, n, c)."""
    rows = torch.empty(5, *x.shape[:2])
    maps, is_last = _as_maps(x)
    with torch_threads():
        work = norm_kernels.statistics_last if is_last else norm_kernels.statistics_first
        work(maps, np.float32(freedom), *rows[:2].numpy())
    return rows


def _mix(
    rows: Tensor, batch: Tensor, weight: Tensor, bias: Tensor, alpha: Tensor, *, eps: float, is_given: bool
) -> None:
    """Fill `rows`, of `_own_statistics`, and mean and variance of the groups unless they are given. Shape (2, g, c)."""
    mean_in, var_in, *mixed = rows.numpy()
    vectors = _floats(weight), _floats(bias), _floats(alpha.expand_as(weight))
    with torch_threads():
        norm_kernels.mix(mean_in, var_in, *vectors, np.float32(eps), is_given, *batch.numpy(), *mixed)


def _format(x: Tensor) -> torch.memory_format:
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


def _as_maps(x: Tensor) -> tuple[npt.NDArray[Any], bool]:
    """Return the map as the kernels read it, and whether channels lie last."""
    bits = x.detach().view(torch.uint16) if x.dtype == torch.bfloat16 else x.detach()
    if x.is_contiguous():
        return bits.flatten(2).numpy(), False
    return bits.permute(0, 2, 3, 1).flatten(1, 2).numpy(), True


def _floats(values: Tensor) -> FloatArray:
    floats: FloatArray = values.detach().float().contiguous().numpy()
    return floats


def _as_floats(bounds: Bounds) -> tuple[np.float32, np.float32]:
    return np.float32(bounds[0]), np.float32(bounds[1])
