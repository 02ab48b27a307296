"""Several processes, perhaps on several machines (torchrun): who does what, and what they tell each other.

Each process forwards its part of a batch, the features of the whole batch are gathered, and everybody computes the same
loss on all of them. So gradients of the backbone add up over the processes, heads and pseudo-labels are the same
everywhere, and nothing depends on the number of processes but the last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from iics.device import choose_device
from iics.training.ending_together import Watch, launched_by_torchrun

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long a process waits for the others, e.g. while the first one evaluates; `Watch` notices those that died."""
_BUCKET_FLOATS = 8 << 20


@dataclass(frozen=True)
class Processes:
    """The processes that work on one run, seen from one of them.

    Attributes:
        rank: Which one this is, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def shares(self, total: int, *, unit: int = 1) -> tuple[int, ...]:
        """Return how many of `total` rows each process gets: whole units of rows, as evenly as they go.

        Where there are fewer units than processes, units are cut.
        """
        if -(-total // unit) < self.count:
            unit = 1
        num_units = -(-total // unit)
        ends = [min(total, num_units * (rank + 1) // self.count * unit) for rank in range(self.count)]
        return tuple(end - start for start, end in zip([0, *ends], ends, strict=False))

    def own(self, shares: Sequence[int]) -> slice:
        """Return the rows of this process."""
        ends = list(accumulate(shares))
        return slice(ends[self.rank] - shares[self.rank], ends[self.rank])

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes of a tensor of the same shape."""
        if self.count == 1:
            return tensor
        total = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    def gather_rows(self, rows: Tensor, shares: Sequence[int]) -> Tensor:
        """Return the rows of all processes, in order.

        Its gradient is that of the own rows, which is right for a loss that every process computes on all of them.

        Args:
            rows: Of this process. Shape (shares[rank], ...).
            shares: Rows of each process.
        """
        if self.count == 1:
            return rows
        gathered: Tensor = _GatherRows.apply(rows, self, tuple(shares))  # type: ignore[no-untyped-call]
        return gathered

    def sum_gradients(self, module: nn.Module) -> None:
        """Add up the gradients of a module over the processes, in place. The same parameters have one everywhere."""
        if self.count == 1:
            return
        for bucket in _buckets([p.grad for p in module.parameters() if p.grad is not None]):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            dist.all_reduce(flat)
            for gradient, part in zip(bucket, torch.split(flat, [g.numel() for g in bucket]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def agree(self, module: nn.Module) -> None:
        """Give a module the first process's parameters and buffers, in place."""
        if self.count > 1:
            for tensor in module.state_dict().values():
                shared = tensor.detach().contiguous()
                dist.broadcast(shared, src=0)
                tensor.detach().copy_(shared)

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first process makes; the others wait for it. It must be picklable."""
        made = [make() if self.is_first else None]
        if self.count > 1:
            dist.broadcast_object_list(made, src=0)
        value: Any = made[0]
        result: T = value
        return result

    def send(self, tensor: Tensor, *, to: int) -> None:
        """Send a tensor to a process that receives it."""
        dist.send(tensor, dst=to)

    def receive(self, tensor: Tensor, *, source: int) -> None:
        """Fill a tensor with what a process sends."""
        dist.recv(tensor, src=source)

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, in order, on each of them. They must be picklable."""
        if self.count == 1:
            return [value]
        gathered: list[Any] = [None] * self.count
        dist.all_gather_object(gathered, value)
        return gathered


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the processes that torchrun started, for the block; alone if it started none.

    If one of them fails or dies, the others end with its reason. With GPUs, each process takes the one of its local
    rank.
    """
    if dist.is_available() and dist.is_initialized():  # by a block around this one, or by the caller's program
        yield Processes(dist.get_rank(), dist.get_world_size())
        return
    if not launched_by_torchrun():
        yield Processes()
        return
    watch = Watch.start()
    try:
        has_gpu = torch.cuda.is_available()
        if has_gpu:
            torch.cuda.set_device(choose_device("cuda"))
        dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo", timeout=PATIENCE)
        yield Processes(dist.get_rank(), dist.get_world_size())
        dist.barrier()
        watch.finish()
        dist.destroy_process_group()
    except BaseException as error:
        watch.report(error)
        raise


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: Processes, shares: tuple[int, ...]) -> Tensor:
        ctx.own = processes.own(shares)
        padded = rows.new_zeros(max(shares), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in shares]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, shares, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.own], None, None


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield gradients of one type in lists that are sent together."""
    bucket: list[Tensor] = []
    size = 0
    for gradient in gradients:
        if bucket and (size + gradient.numel() > _BUCKET_FLOATS or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.numel()
    if bucket:
        yield bucket
