"""Grouped batch statistics and AIBN, adaptive instance and batch normalisation (Eq. 12, Sec. 3.4).

Batch statistics are taken over contiguous *groups* of crops, not over whatever sits in the batch: stage 1 forwards all
cameras at once, ordered by camera, and each camera keeps statistics of its own. The two layers here replace every
`BatchNorm2d` of a backbone, the activation behind it included. On the CPU they go through `iics.layers.fused_norm`,
elsewhere through `iics.layers.map_passes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.layers.fused_norm import activation_bounds, can_fuse, evaluated_norm, fused_norm, scale_shift_activate
from iics.layers.map_passes import instance_statistics, scale_and_shift
from iics.layers.norm_groups import NormGroups, SumOverProcesses, alone

ALPHA_START = 0.5


class GroupedBatchNorm2d(nn.Module):
    """Batch normalisation over groups of crops; with one group exactly `nn.BatchNorm2d`.

    Running statistics take the mean over the groups of a step: updating them group by group would favour the last.

    Attributes:
        groups: Which crops share batch statistics in training. Set by `set_norm_groups`.
        momentum: Share of the new statistics in the running ones (PyTorch's convention), 0.1.
        pending: Sums of the statistics of a step that is not finished, and of how many crops; None if every forward
            updates the running ones. Shape (2c + 1,).
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
        self.groups = NormGroups()
        self.pending: Tensor | None = None
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w) and activate them."""
        if not self.training:
            return _normalise_by(self, x, self.running_mean, self.running_var)
        if self.pending is None and self.groups.is_whole(len(x)) and not can_fuse(x, self.activation):
            args = (self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps)
            y: Tensor = self.activation(F.batch_norm(x, *args))
            return y
        pixels = x.shape[2] * x.shape[3]
        y, batch = _normalise_by_batch(self, x, torch.ones((), device=x.device), freedom=pixels)
        count = pixels * self.groups.group_size(len(x))
        record_statistics(self, batch, num_crops=len(x), unbias=count / max(count - 1, 1))
        return y


class AdaptiveInstanceBatchNorm2d(nn.Module):
    """AIBN (Eq. 12): statistics mixed as alpha * batch + (1 - alpha) * instance.

    Instance statistics are per crop and channel with unbiased variance (n - 1). With alpha fixed at 1 this is batch
    normalisation, at 0 instance normalisation, and half the channels at 0 it is IBN-a (Table 2).

    Attributes:
        mix: Holds alpha; several layers may share one (Table 4).
        groups: As in `GroupedBatchNorm2d`.
        pending: As in `GroupedBatchNorm2d`.
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
        self.groups = source.groups
        self.pending: Tensor | None = None
        self.activation = source.activation
        self.mix = mix

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w) and activate them."""
        pixels = x.shape[2] * x.shape[3]
        # One pixel has no instance variance: only the batch part is left.
        alpha = self.mix() if pixels > 1 else torch.ones_like(self.mix())
        freedom = max(pixels - 1, 1)
        if self.training:
            y, batch = _normalise_by_batch(self, x, alpha, freedom=freedom)
            record_statistics(self, batch, num_crops=len(x))
            return y
        bounds = activation_bounds(self.activation)
        if bounds is not None and can_fuse(x, self.activation) and not torch.is_grad_enabled():
            running = {"mean": self.running_mean, "var": self.running_var}
            return evaluated_norm(
                x, self.weight, self.bias, alpha, **running, freedom=freedom, eps=self.eps, bounds=bounds
            )
        mean_in, squares = instance_statistics(x)
        mean = alpha * self.running_mean + (1 - alpha) * mean_in
        var = alpha * self.running_var + (1 - alpha) * squares / freedom
        return _normalise_by(self, x, mean, var)


class MixingWeight(nn.Module):
    """The alpha of Eq. 12: learned without constraint, clamped to [0, 1] where it is used."""

    def __init__(self, start: Tensor, *, learned: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(start, requires_grad=learned)

    def forward(self) -> Tensor:
        """Return alpha in [0, 1]; a scalar, or one value per channel."""
        return self.alpha.clamp(0.0, 1.0)


NormLayer = GroupedBatchNorm2d | AdaptiveInstanceBatchNorm2d


def norm_layers(model: nn.Module) -> list[NormLayer]:
    """Return the normalisation layers of a model, in the order of its modules."""
    return [module for module in model.modules() if isinstance(module, NormLayer)]


def set_norm_groups(model: nn.Module, groups: NormGroups) -> None:
    """Tell every normalisation layer of `model` which crops of a batch share statistics in training."""
    for layer in norm_layers(model):
        layer.groups = groups


def record_statistics(layer: NormLayer, batch: Tensor, *, num_crops: int, unbias: float = 1) -> None:
    """Move a layer's running statistics towards those of a batch, or keep them until its step is finished.

    Args:
        layer: Changed in place.
        batch: Mean and variance of each group or of each crop's group: groups are of one size. Shape (2, rows, c).
        num_crops: Of the batch that they are of.
        unbias: What the variance is multiplied by before, as nn.BatchNorm2d does.
    """
    with torch.no_grad():
        mean, var = batch.mean(dim=1)
        if unbias != 1:
            var = var * unbias
        if layer.pending is None:
            layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), layer.momentum)
            layer.running_var.lerp_(var.to(layer.running_var.dtype), layer.momentum)
        else:
            # Added in place, not kept in a list: torch.compile would make code anew for every length of it.
            layer.pending.add_(torch.cat([mean, var, mean.new_ones(1)]), alpha=num_crops)


@contextmanager
def gathered_statistics(model: nn.Module) -> Iterator[None]:
    """Within the block, layers keep statistics until `update_running_statistics`: a step may have several parts."""
    for layer in norm_layers(model):
        layer.pending = layer.running_mean.new_zeros(2 * len(layer.running_mean) + 1)
    try:
        yield
    finally:
        for layer in norm_layers(model):
            layer.pending = None


@torch.no_grad()
def update_running_statistics(model: nn.Module, sum_over_processes: SumOverProcesses = alone) -> None:
    """Move running statistics once towards the mean over all groups of a step, on all processes alike.

    Args:
        model: Its layers have gathered statistics since the last call.
        sum_over_processes: Adds up what the processes gathered.
    """
    gathered = [(layer, layer.pending) for layer in norm_layers(model) if layer.pending is not None]
    if not gathered:
        return
    sums = [pending for _, pending in gathered]
    totals = torch.split(sum_over_processes(torch.cat(sums)), [len(pending) for pending in sums])
    for (layer, pending), total in zip(gathered, totals, strict=True):
        pending.zero_()
        mean, var = (total[:-1] / total[-1]).chunk(2)
        layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), layer.momentum)
        layer.running_var.lerp_(var.to(layer.running_var.dtype), layer.momentum)


def _normalise_by_batch(layer: NormLayer, x: Tensor, alpha: Tensor, *, freedom: int) -> tuple[Tensor, Tensor]:
    """Return normalised, activated maps, and mean and variance of each group or each crop's; see `fused_norm`."""
    bounds = activation_bounds(layer.activation)
    if bounds is not None and can_fuse(x, layer.activation):
        return fused_norm(
            x, layer.weight, layer.bias, alpha, groups=layer.groups, freedom=freedom, eps=layer.eps, bounds=bounds
        )
    mean_in, squares = instance_statistics(x)
    var_in = squares / freedom
    mean_bn, var_bn = layer.groups.statistics(mean_in, var_in)
    mean = alpha * mean_bn + (1 - alpha) * mean_in
    var = alpha * var_bn + (1 - alpha) * var_in
    return _normalise_by(layer, x, mean, var), torch.stack([mean_bn, var_bn]).detach()


def _normalise_by(layer: NormLayer, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """Return activated maps normalised by statistics of each crop, (n, c), or of all, (c,)."""
    scale = layer.weight * torch.rsqrt(var + layer.eps)
    shift = layer.bias - mean * scale
    bounds = activation_bounds(layer.activation)
    if bounds is not None and can_fuse(x, layer.activation) and not torch.is_grad_enabled():
        return scale_shift_activate(x, scale, shift, bounds)
    y: Tensor = layer.activation(scale_and_shift(x, scale.expand(x.shape[:2]), shift.expand(x.shape[:2])))
    return y
