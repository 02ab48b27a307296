"""One optimiser step: a batch in parts, one after another, each part shared by all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import gathered_statistics, set_norm_groups, update_running_statistics
from iics.training.context import TrainingContext

LossOf = Callable[[Tensor, slice], Tensor]
"""Raw features of some rows of the batch, and which rows: to the terms that add up over the parts, the loss first."""


@contextmanager
def training_steps(context: TrainingContext) -> Iterator[None]:
    """Train the backbone within the block; running statistics move once a step, by the mean over all its groups."""
    backbone = context.model.backbone.train()
    in_one_go = context.processes.count == 1 and context.engine.num_parts == 1
    with nullcontext() if in_one_go else gathered_statistics(backbone):
        yield


def train_step(
    context: TrainingContext,
    optimiser: torch.optim.Optimizer,
    batch: Tensor,
    *,
    unit: int,
    group_size: int | None,
    loss_of: LossOf,
    min_units: int = 1,
) -> Tensor:
    """Minimise the loss of one batch; return its terms, which a GPU may still have to compute. Nobody waits for it.

    Args:
        context: The working place.
        optimiser: Of the backbone and whatever else `loss_of` trains.
        batch: Crop indices. Shape (b,).
        unit: Crops that belong together: of one camera, of one label. Parts are not cut within them.
        group_size: Crops of a normalisation group; None makes each part one group.
        loss_of: See `LossOf`. Every process calls it with all rows of a part.
        min_units: Units that a part has at least, if the batch has them: a loss may compare units.
    """
    backbone, processes = context.model.backbone, context.processes
    images_of = context.augmented(batch)
    optimiser.zero_grad(set_to_none=True)
    terms = torch.zeros((), device=context.model.device)
    for rows in parts(len(batch), unit=unit, num_parts=context.engine.num_parts, min_units=min_units):
        size = rows.stop - rows.start
        shares = processes.shares(size, unit=group_size or 1)
        own = processes.own(shares)
        spread = shares if processes.count > 1 else ()
        set_norm_groups(backbone, NormGroups(group_size, spread, processes.rank, processes.sum))
        features = context.network(images_of(slice(rows.start + own.start, rows.start + own.stop)))
        part = loss_of(processes.gather_rows(features, shares), rows)
        torch.autograd.backward(part[0])
        terms = terms + part.detach()
    processes.sum_gradients(backbone)
    optimiser.step()
    update_running_statistics(backbone, processes.sum)
    return terms


def parts(num_crops: int, *, unit: int, num_parts: int, min_units: int = 1) -> list[slice]:
    """Return the rows of the parts of a batch: whole units, as even as they go.

    There are fewer than `num_parts` where they would have fewer than `min_units` units each.
    """
    num_units = -(-num_crops // unit)
    num_parts = max(1, min(num_parts, num_units // min_units))
    ends = [min(num_crops, num_units * (part + 1) // num_parts * unit) for part in range(num_parts)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
