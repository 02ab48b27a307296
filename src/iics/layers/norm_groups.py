"""Normalisation groups: contiguous crops of a batch that share batch statistics, on one process or spread over several.

The mean over groups, M, is the one operation that looks across crops. It is symmetric, so its gradient is M again: each
process sends the sums of its own rows and gets the means of the groups they are in, forward and backward alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

SumOverProcesses = Callable[[Tensor], Tensor]
"""Returns the sum over all processes of their tensors of one shape."""


def alone(tensor: Tensor) -> Tensor:
    """Return the sum over one process."""
    return tensor


@dataclass(frozen=True)
class NormGroups:
    """How the crops of a batch fall into groups, and who has which.

    Attributes:
        size: Crops a group; None for one group of the whole batch.
        shares: Crops of the batch that each process has, in order; empty if one process has all.
        rank: Which of them this process is.
        sum_over_processes: Adds up what the processes have.

    Raises:
        ValueError: If a size is below 1.
    """

    size: int | None = None
    shares: tuple[int, ...] = ()
    rank: int = 0
    sum_over_processes: SumOverProcesses = alone

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"A normalisation group needs at least 1 crop, got {self.size}.")

    def batch_size(self, num_crops: int) -> int:
        """Return the crops of the whole batch, of which this process has `num_crops`.

        Raises:
            ValueError: If a group would be cut, or this process was to have another number.
        """
        if self.shares and self.shares[self.rank] != num_crops:
            raise ValueError(f"Process {self.rank} was to have {self.shares[self.rank]} crops, got {num_crops}.")
        total = sum(self.shares) if self.shares else num_crops
        if self.size is not None and total % self.size:
            raise ValueError(f"A batch of {total} crops cuts a normalisation group of {self.size}.")
        return total

    def group_size(self, num_crops: int) -> int:
        """Return the crops of a group, wherever they are, for a batch of which this process has `num_crops`."""
        return self.size or self.batch_size(num_crops)

    @property
    def is_spread(self) -> bool:
        """Whether any group has crops on two processes."""
        if self.size is None:
            return len(self.shares) > 1
        return any(boundary % self.size for boundary in accumulate(self.shares))

    def is_whole(self, num_crops: int) -> bool:
        """Return whether the crops that this process has are one group, and all of it."""
        return not self.is_spread and self.size in (None, num_crops)

    def statistics(self, mean_in: Tensor, var_in: Tensor) -> tuple[Tensor, Tensor]:
        """Return batch mean and variance of each crop's group from the statistics of its crops (Eq. 12).

        var_bn = E[mean_in^2 + var_in] - mu_bn^2, computed as E[var_in] + Var[mean_in], which is never negative.

        Args:
            mean_in: Mean of each crop and channel, float32. Shape (n, c).
            var_in: Variance of each crop and channel, float32. Shape (n, c).

        Returns:
            Mean and variance, the same for all crops of a group. Shapes (n, c).
        """
        mean, var_within = self.mean(torch.stack([mean_in, var_in], dim=1)).unbind(1)
        return mean, var_within + self.mean((mean_in - mean).square())

    def mean(self, rows: Tensor) -> Tensor:
        """Return for each crop the mean over its group, of the shape of `rows`, (n, ...); differentiable."""
        total = self.batch_size(len(rows))
        if self.is_spread:
            spread: Tensor = _SpreadMean.apply(rows, self, total)  # type: ignore[no-untyped-call]
            return spread
        size = self.size or len(rows)
        groups = rows.reshape(-1, size, *rows.shape[1:])
        return groups.mean(dim=1, keepdim=True).expand_as(groups).reshape(rows.shape)

    def spread_mean(self, rows: Tensor, total: int) -> Tensor:
        """Return `mean` where groups have crops on several processes, of which there are `total` crops."""
        size = self.size or total
        start = sum(self.shares[: self.rank])
        group = torch.arange(start, start + len(rows), device=rows.device) // size
        sums = rows.new_zeros(total // size, *rows.shape[1:]).index_add_(0, group, rows)
        return (self.sum_over_processes(sums) / size)[group]


class _SpreadMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, groups: NormGroups, total: int) -> Tensor:
        ctx.groups, ctx.total = groups, total
        return groups.spread_mean(rows, total)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.groups.spread_mean(grads[0], ctx.total), None, None
