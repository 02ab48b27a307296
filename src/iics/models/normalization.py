"""Grouped batch statistics and AIBN, adaptive instance and batch normalisation (Eq. 12, Sec. 3.4).

Batch statistics are taken over contiguous *groups* of crops, not over whatever sits in the batch: stage 1 forwards all
cameras at once, ordered by camera, and each camera keeps statistics of its own. The two layers here replace every
`BatchNorm2d` of a backbone. Their large-tensor work is two autograd functions that keep only the input; everything
else is small (crops x channels) tensors under ordinary autograd.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ALPHA_START = 0.5


class GroupedBatchNorm2d(nn.Module):
    """Batch normalisation over groups of crops; with one group exactly `nn.BatchNorm2d`.

    Running statistics take the mean over the groups of a step: updating them group by group would favour the last.

    Attributes:
        group_size: Crops a normalisation group in training; None for the whole batch. Set by `set_norm_group_size`.
        momentum: Share of the new statistics in the running ones (PyTorch's convention), 0.1.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, source: nn.BatchNorm2d, activation: nn.Module) -> None:
        super().__init__()
        if source.running_mean is None or source.running_var is None or not source.affine:
            raise ValueError("Only affine batch norms with running statistics can be replaced.")
        self.weight = source.weight
        self.bias = source.bias
        self.register_buffer("running_mean", source.running_mean)
        self.register_buffer("running_var", source.running_var)
        self.eps = source.eps
        self.momentum = 0.1
        self.group_size: int | None = None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w)."""
        if not self.training:
            y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        elif num_groups(x.shape[0], self.group_size) == 1:
            y = F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps
            )
        else:
            y = self._normalise_groups(x)
        activated: Tensor = self.activation(y)
        return activated

    def _normalise_groups(self, x: Tensor) -> Tensor:
        mean_in, squares = instance_moments(x)
        pixels = x.shape[2] * x.shape[3]
        groups = num_groups(x.shape[0], self.group_size)
        mean, var = group_statistics(mean_in, squares / pixels, num_groups=groups)
        count = pixels * (x.shape[0] // groups)
        update_running(self.running_mean, mean, self.momentum)
        update_running(self.running_var, var * count / max(count - 1, 1), self.momentum)
        scale = self.weight * torch.rsqrt(var + self.eps)  # (groups, c)
        shift = self.bias - mean * scale
        return scale_and_shift(x, _per_crop(scale, x), _per_crop(shift, x))


class AdaptiveInstanceBatchNorm2d(nn.Module):
    """AIBN (Eq. 12): statistics mixed as alpha * batch + (1 - alpha) * instance.

    Instance statistics are per crop and channel with unbiased variance (n - 1). With alpha fixed at 1 this is batch
    normalisation, at 0 instance normalisation, and half the channels at 0 it is IBN-a (Table 2).

    Attributes:
        mix: Holds alpha; several layers may share one (Table 4).
        group_size: As in `GroupedBatchNorm2d`.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, source: GroupedBatchNorm2d, mix: MixingWeight) -> None:
        super().__init__()
        self.weight = source.weight
        self.bias = source.bias
        self.register_buffer("running_mean", source.running_mean)
        self.register_buffer("running_var", source.running_var)
        self.eps = source.eps
        self.momentum = source.momentum
        self.group_size = source.group_size
        self.activation = source.activation
        self.mix = mix

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w)."""
        pixels = x.shape[2] * x.shape[3]
        mean_in, squares = instance_moments(x)
        var_in = squares / max(pixels - 1, 1)
        if self.training:
            mean_bn, var_bn = group_statistics(mean_in, var_in, num_groups=num_groups(x.shape[0], self.group_size))
            update_running(self.running_mean, mean_bn, self.momentum)
            update_running(self.running_var, var_bn, self.momentum)
            mean_bn, var_bn = _per_crop(mean_bn, x), _per_crop(var_bn, x)  # (n, c)
        else:
            mean_bn, var_bn = self.running_mean, self.running_var
        # One pixel has no instance variance: only the batch part is left.
        alpha = self.mix() if pixels > 1 else torch.ones_like(self.mix())
        mean = alpha * mean_bn + (1 - alpha) * mean_in
        var = alpha * var_bn + (1 - alpha) * var_in
        scale = self.weight * torch.rsqrt(var + self.eps)
        y: Tensor = self.activation(scale_and_shift(x, scale.expand_as(mean_in), (self.bias - mean * scale)))
        return y


class MixingWeight(nn.Module):
    """The alpha of Eq. 12: learned without constraint, clamped to [0, 1] where it is used."""

    def __init__(self, start: Tensor, *, learned: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(start, requires_grad=learned)

    def forward(self) -> Tensor:
        """Return alpha in [0, 1]; a scalar, or one value per channel."""
        return self.alpha.clamp(0.0, 1.0)


def set_norm_group_size(model: nn.Module, group_size: int | None) -> None:
    """Tell every normalisation layer of `model` how many contiguous crops share batch statistics in training."""
    if group_size is not None and group_size < 1:
        raise ValueError(f"A normalisation group needs at least 1 crop, got {group_size}.")
    for module in model.modules():
        if isinstance(module, GroupedBatchNorm2d | AdaptiveInstanceBatchNorm2d):
            module.group_size = group_size


def num_groups(num_crops: int, group_size: int | None) -> int:
    """Return how many whole groups a batch holds.

    Raises:
        ValueError: If a group would be cut.
    """
    if group_size is None:
        return 1
    if num_crops % group_size:
        raise ValueError(f"A batch of {num_crops} crops cuts a normalisation group of {group_size}.")
    return num_crops // group_size


def group_statistics(mean_in: Tensor, var_in: Tensor, *, num_groups: int) -> tuple[Tensor, Tensor]:
    """Return batch mean and variance of each group from the statistics of its crops.

    var_bn = E[mean_in^2 + var_in] - mu_bn^2, computed as E[var_in] + Var[mean_in], which is never negative.

    Args:
        mean_in: Mean of each crop and channel, float32. Shape (n, c).
        var_in: Variance of each crop and channel, float32. Shape (n, c).
        num_groups: Number of groups of n / num_groups contiguous crops.

    Returns:
        Mean and variance. Shapes (num_groups, c).
    """
    means = mean_in.reshape(num_groups, -1, mean_in.shape[1])
    mean = means.mean(dim=1)
    between = (means - mean[:, None]).square().mean(dim=1)
    return mean, var_in.reshape(means.shape).mean(dim=1) + between


def update_running(running: Tensor, groups: Tensor, momentum: float) -> None:
    """Move running statistics towards the mean over groups, in place. Shapes (c,) and (num_groups, c)."""
    with torch.no_grad():
        running.lerp_(groups.mean(dim=0).to(running.dtype), momentum)


def instance_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and summed squared deviation of each crop and channel over its pixels, in float32 at least.

    Args:
        x: Feature maps. Shape (n, c, h, w).

    Returns:
        Mean and sum of (x - mean)^2. Shapes (n, c).
    """
    mean, squares = _InstanceMoments.apply(x)  # type: ignore[no-untyped-call]
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


class _InstanceMoments(torch.autograd.Function):
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
        grad_scale = (grad * x).sum(dim=(2, 3), dtype=scale.dtype)
        grad_shift = grad.sum(dim=(2, 3), dtype=scale.dtype)
        return grad * scale[:, :, None, None].to(grad.dtype), grad_scale, grad_shift


def _multiply_add(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return torch.addcmul(shift[:, :, None, None].to(x.dtype), x, scale[:, :, None, None].to(x.dtype))


def _per_crop(groups: Tensor, x: Tensor) -> Tensor:
    """Repeat one row per group to one row per crop. Shapes (num_groups, c) to (n, c)."""
    return groups.repeat_interleave(x.shape[0] // groups.shape[0], dim=0)
