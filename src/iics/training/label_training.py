"""Training on labels, computed or true: P x K batches, cross-entropy and batch-hard triplet (Eq. 11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from iics.models.heads import BNNeckHead
from iics.training.batches import stage2_batches
from iics.training.context import TrainingContext
from iics.training.losses import batch_hard_triplet, check_loss
from iics.training.step import train_step, training_steps


@dataclass(frozen=True)
class LabelTraining:
    """How training on labels went: means over the steps.

    Attributes:
        loss: Eq. 11.
        cross_entropy: Its first term.
        triplet: Its second term, before the weight.
        accuracy: Share of a batch's crops that the head took for their label, augmented as they were.
        num_steps: Optimiser steps.
    """

    loss: float
    cross_entropy: float
    triplet: float
    accuracy: float
    num_steps: int


def steps_of_epochs(epochs: int, *, num_crops: int, batch_size: int) -> int:
    """Return the steps of some epochs; each epoch has as many batches as hold every crop once."""
    return epochs * math.ceil(num_crops / batch_size)


def train_on_labels(
    context: TrainingContext,
    head: BNNeckHead,
    labels: Tensor,
    optimiser: torch.optim.Optimizer,
    *,
    labels_per_batch: int,
    crops_per_label: int,
    triplet_weight: float,
    triplet_margin: float,
    rate_factors: Sequence[float],
    name: str,
) -> LabelTraining:
    """Minimise Eq. 11 over backbone and head, in place.

    Args:
        context: The working place.
        head: One output per label.
        labels: Label of each crop; crops with -1 are left out. Shape (n,).
        optimiser: Of backbone and head; its groups hold their base rate as "initial_lr".
        labels_per_batch: P.
        crops_per_label: K.
        triplet_weight: Lambda.
        triplet_margin: In feature units.
        rate_factors: What the base rates are multiplied by in each step. Length: number of steps.
        name: Of the stage, for progress and errors.

    Raises:
        TrainingError: If training diverges.
    """
    batches = stage2_batches(
        labels,
        clusters_per_batch=labels_per_batch,
        crops_per_cluster=crops_per_label,
        num_steps=len(rate_factors),
        generator=context.generator,
    )
    head.train()
    seen = []
    with training_steps(context):
        for step, (batch, factor) in enumerate(zip(batches, rate_factors, strict=True), start=1):
            for group in optimiser.param_groups:
                group["lr"] = factor * group["initial_lr"]

            def loss_of(features: Tensor, rows: slice, batch: Tensor = batch) -> Tensor:
                crop_ids = batch[rows].to(features.device)
                targets = labels[batch[rows]].to(features.device)
                logits = head(features)
                cross_entropy = F.cross_entropy(logits, targets)
                triplet = batch_hard_triplet(features, targets, crop_ids, margin=triplet_margin)
                accuracy = (logits.argmax(dim=1) == targets).float().mean()
                loss = cross_entropy + triplet_weight * triplet
                return torch.stack([loss, cross_entropy, triplet, accuracy]) * (len(crop_ids) / len(batch))

            terms = train_step(  # a triplet needs two labels, in every part
                context, optimiser, batch, unit=crops_per_label, min_units=2, group_size=None, loss_of=loss_of
            )
            seen.append(terms)
            check_loss(seen[-1][0], phase=name, step=step)
            context.report(f"{name}: train", step, len(batches), len(batch), seen[-1][0])
    context.processes.agree(head)
    loss_mean, cross_entropy_mean, triplet_mean, accuracy_mean = np.mean(seen, axis=0).tolist()
    return LabelTraining(loss_mean, cross_entropy_mean, triplet_mean, accuracy_mean, num_steps=len(batches))
