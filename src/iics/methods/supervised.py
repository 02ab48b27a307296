"""Supervised training with identities (Table 3): what labels would reach, and a start for IICS elsewhere.

A round is some epochs over all crops of a person, with the batches and the loss of stage 2 (Eq. 11). Unlike in the
stages of IICS, the classes never change: head and momentum live on from round to round, and the learning rates fall
along a cosine over the whole run.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from iics.config import SupervisedSettings
from iics.crops import DISTRACTOR_IDENTITY, CropSet, IntArray
from iics.errors import TrainingError
from iics.models.heads import BNNeckHead
from iics.training.context import TrainingContext
from iics.training.label_training import steps_of_epochs, train_on_labels

logger = logging.getLogger(__name__)

LEFT_OUT = -1


@dataclass(frozen=True)
class SupervisedMetrics:
    """What a supervised round did.

    Attributes:
        loss: Mean over steps of Eq. 11.
        cross_entropy: Mean over steps of its first term.
        triplet: Mean over steps of its second term, before the weight.
        accuracy: Mean over steps of the share of crops that the head took for their identity.
        num_steps: Optimiser steps.
        num_identities: Outputs of the head.
    """

    loss: float
    cross_entropy: float
    triplet: float
    accuracy: float
    num_steps: int
    num_identities: int


@dataclass(frozen=True, eq=False)
class Learner:
    """What lives on from round to round beside the backbone.

    Attributes:
        head: One output per identity.
        optimiser: Of backbone and head.
    """

    head: BNNeckHead
    optimiser: torch.optim.Optimizer

    @classmethod
    def new(cls, context: TrainingContext, *, num_features: int) -> Learner:
        """Return a new head, drawn from the context's generator, and no momentum yet."""
        num_identities = int(identity_labels(context.crops).max()) + 1
        head = BNNeckHead(num_features, num_identities, generator=context.generator).to(context.model.device)
        return cls(head, _optimiser(context, head))

    @classmethod
    def restored(cls, context: TrainingContext, head: BNNeckHead, optimiser: dict[str, Any]) -> Learner:
        """Return the learner as it was when its head and its optimiser's state dict were saved."""
        learner = cls(head, _optimiser(context, head))
        learner.optimiser.load_state_dict(optimiser)
        return learner


def train_supervised(context: TrainingContext, learner: Learner, *, round_index: int) -> SupervisedMetrics:
    """Train backbone and head on identities for one round, in place.

    Args:
        context: The round's working place; its crops have identities.
        learner: Changed.
        round_index: From 0; places the round on the schedule of the learning rates.
    """
    settings = context.settings.supervised
    labels = identity_labels(context.crops)
    num_steps = steps_of_epochs(
        settings.epochs,
        num_crops=int((labels != LEFT_OUT).sum()),
        batch_size=settings.identities_per_batch * settings.crops_per_identity,
    )
    all_steps = context.settings.rounds * num_steps
    trained = train_on_labels(
        context,
        learner.head,
        torch.from_numpy(labels),
        learner.optimiser,
        labels_per_batch=settings.identities_per_batch,
        crops_per_label=settings.crops_per_identity,
        triplet_weight=settings.triplet_weight,
        triplet_margin=settings.triplet_margin,
        rate_factors=[cosine_decay(round_index * num_steps + step, num_steps=all_steps) for step in range(num_steps)],
        name="supervised",
    )
    return SupervisedMetrics(
        loss=trained.loss,
        cross_entropy=trained.cross_entropy,
        triplet=trained.triplet,
        accuracy=trained.accuracy,
        num_steps=trained.num_steps,
        num_identities=len(learner.head.weight),
    )


def identity_labels(crops: CropSet) -> IntArray:
    """Return identities as numbers 0 .. M - 1 in their order; -1 for junk and distractors. Shape (n,).

    Raises:
        TrainingError: If the crops have no identities.
    """
    if crops.identity_ids is None:
        raise TrainingError(
            f"--supervised needs identities, and {crops.name} has none. Leave out --supervised, or train on data that "
            "names them (the Market-1501 layout)."
        )
    is_person = crops.identity_ids > DISTRACTOR_IDENTITY
    labels: IntArray = np.full(len(crops), LEFT_OUT, dtype=np.int64)
    labels[is_person] = np.unique(crops.identity_ids[is_person], return_inverse=True)[1]
    return labels


def check_identities(crops: CropSet, settings: SupervisedSettings) -> None:
    """Refuse crops without identities to tell apart, and warn of crops that are left out.

    Raises:
        TrainingError: If there are no identities, or fewer than 2.
    """
    labels = identity_labels(crops)
    num_identities, num_left_out = int(labels.max()) + 1, int((labels == LEFT_OUT).sum())
    if num_identities < 2:
        raise TrainingError(
            f"--supervised needs at least 2 identities to tell apart; {crops.name} has {num_identities} "
            f"({num_left_out} of its {len(crops)} crops are junk or distractors)."
        )
    if num_left_out:
        logger.warning(
            "%d of %d crops of %s are left out: identity -1 is junk, 0 a distractor.",
            num_left_out,
            len(crops),
            crops.name,
        )
    if num_identities < settings.identities_per_batch:
        logger.warning(
            "%s has %d identities, fewer than the %d of a batch: batches hold all %d.",
            crops.name,
            num_identities,
            settings.identities_per_batch,
            num_identities,
        )


def cosine_decay(step: int, *, num_steps: int) -> float:
    """Return the factor of the learning rates at a step, from 0: half a cosine from 1 down to 0 at `num_steps`."""
    return (1 + math.cos(math.pi * step / num_steps)) / 2


def _optimiser(context: TrainingContext, head: BNNeckHead) -> torch.optim.Optimizer:
    settings = context.settings.supervised
    return context.optimiser(head, backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate)
