"""Training on labels, computed or true: P x K batches, and any loss that labels train (`iics.training.losses`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iics.device import sent
from iics.training.batches import stage2_batches
from iics.training.context import TrainingContext
from iics.training.losses import LabelLoss
from iics.training.rates import scale_rates
from iics.training.step import train_step, training_steps
from iics.training.step_terms import StepTerms


@dataclass(frozen=True)
class LabelBatches:
    """Which batches, and how fast each is learned from.

    Attributes:
        labels_per_batch: P.
        crops_per_label: K.
        rate_factors: What the base rates are multiplied by in each step. Length: number of steps.
        camera_ids: Camera of each crop, for labels whose crops come from as many cameras as they have; None draws them
            from all alike. Shape (n,).
    """

    labels_per_batch: int
    crops_per_label: int
    rate_factors: Sequence[float]
    camera_ids: Tensor | None = None


def steps_of_epochs(epochs: int, *, num_crops: int, batch_size: int) -> int:
    """Return the steps of some epochs; each epoch has as many batches as hold every crop once."""
    return epochs * math.ceil(num_crops / batch_size)


def train_on_labels(
    context: TrainingContext,
    loss: LabelLoss,
    labels: Tensor,
    optimiser: torch.optim.Optimizer,
    batches: LabelBatches,
) -> dict[str, float]:
    """Minimise a loss over backbone and what the loss itself learns, in place.

    Args:
        context: The working place.
        loss: E.g. Eq. 11; see `LabelLoss`.
        labels: Label of each crop; crops with -1 are left out. Shape (n,).
        optimiser: Of backbone and loss; its groups hold their base rate as "initial_lr".
        batches: Which.

    Returns:
        Each term of the loss by its name, as the mean over steps, and `num_steps`.

    Raises:
        TrainingError: If training diverges.
    """
    drawn = stage2_batches(
        labels,
        clusters_per_batch=batches.labels_per_batch,
        crops_per_cluster=batches.crops_per_label,
        num_steps=len(batches.rate_factors),
        generator=context.generator,
        camera_ids=batches.camera_ids,
    )
    loss.train()
    names: list[str] = []
    seen = StepTerms(context, len(drawn))
    with training_steps(context):
        for batch, factor in zip(drawn, batches.rate_factors, strict=True):
            scale_rates(optimiser, factor)

            def loss_of(features: Tensor, rows: slice, batch: Tensor = batch) -> Tensor:
                crop_ids = batch[rows]
                terms = loss(features, *(sent(each, features.device) for each in (labels[crop_ids], crop_ids)))
                names[:] = terms
                return torch.stack([*terms.values()]) * (len(crop_ids) / len(batch))

            terms = train_step(  # a triplet needs two labels, in every part
                context, optimiser, batch, unit=batches.crops_per_label, min_units=2, group_size=None, loss_of=loss_of
            )
            loss.after_step()
            seen.add(terms, num_images=len(batch))
    context.processes.agree(loss)
    return {**dict(zip(names, seen.means(), strict=True)), "num_steps": len(drawn)}
