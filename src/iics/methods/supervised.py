"""Supervised training with identities (Table 3): as an upper bound, or to start IICS on other cameras.

A round is some epochs over all crops with an identity, with the batches and the loss of stage 2 (Eq. 11). Unlike in
IICS, the classes never change. So head and momentum are kept from round to round, and the learning rates fall along
a cosine over the whole run.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from iics.arrays import IntArray
from iics.config import Settings
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.errors import TrainingError, check_setting, named
from iics.methods.method import Method, Stage, StageResult, State
from iics.models.backbone_spec import backbone_spec
from iics.training.context import TrainingContext
from iics.training.label_training import LabelBatches, steps_of_epochs, train_on_labels
from iics.training.losses import LOSSES
from iics.training.rates import cosine_decay
from iics.training.step_memory import StepBatch

logger = logging.getLogger(__name__)

LEFT_OUT = -1


def train_supervised(context: TrainingContext, state: State) -> StageResult:
    """Train backbone and head on identities for one round.

    Args:
        context: The round's context; its crops have identities. The number of the round decides the learning rates.
        state: Head and optimiser, with its momentum, of the round before; empty in the first round.

    Returns:
        State: likewise. Record: the terms of the loss (Eq. 11), as means over steps; the number of identities.
    """
    settings = context.settings.supervised
    labels = identity_labels(context.crops)
    num_identities = int(labels.max()) + 1
    num_features = backbone_spec(context.settings.model.backbone).num_features
    loss = named(LOSSES, settings.loss, what="loss")(
        num_features, num_identities, settings, torch.Generator() if state else context.generator
    ).to(context.model.device)
    optimiser = context.optimiser(
        loss, backbone_rate=settings.backbone_learning_rate, head_rate=settings.head_learning_rate
    )
    if state:
        # Unlike in IICS, the classes stay the same from round to round: so head and momentum go on.
        loss.load_state_dict(state["loss"])
        optimiser.load_state_dict(state["optimiser"])
    num_steps = steps_of_epochs(
        settings.epochs,
        num_crops=int((labels != LEFT_OUT).sum()),
        batch_size=settings.identities_per_batch * settings.crops_per_identity,
    )
    # The rate is a function of the step in the whole run: a resumed run computes it, nothing has to be restored.
    start, all_steps = context.round_index * num_steps, context.settings.rounds * num_steps
    factors = [cosine_decay(start + step, num_steps=all_steps) for step in range(num_steps)]
    terms = train_on_labels(
        context,
        loss,
        torch.from_numpy(labels),
        optimiser,
        LabelBatches(settings.identities_per_batch, settings.crops_per_identity, factors),
    )
    left = {"loss": dict(loss.state_dict()), "optimiser": optimiser.state_dict()}
    return StageResult(left, {**terms, "num_identities": num_identities})


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


def check_identities(crops: CropSet, settings: Settings) -> None:
    """Refuse crops with fewer than two identities, and warn of crops that are left out.

    Raises:
        SettingsError: If there is no such loss, or tracklets are to be used.
        TrainingError: If there are no identities, or fewer than 2.
    """
    _check_choices(settings)
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
    of_a_batch = settings.supervised.identities_per_batch
    if num_identities < of_a_batch:
        logger.warning(
            "%s has %d identities, fewer than the %d of a batch: batches hold all %d.",
            crops.name,
            num_identities,
            of_a_batch,
            num_identities,
        )


def _check_choices(settings: Settings) -> None:
    check_setting(
        not settings.tracklets.are_used,
        "--tracklets.must-link and --tracklets.apart say how pseudo-labels are found; supervised training has none. "
        "Leave them out.",
    )
    named(LOSSES, settings.supervised.loss, what="loss")


def _batch(_crops: CropSet, settings: Settings) -> StepBatch:
    own = settings.supervised
    flags = "--supervised.identities-per-batch, --supervised.crops-per-identity"
    return StepBatch(own.identities_per_batch * own.crops_per_identity, flags)


_STAGE = Stage("supervised", "supervised", stream=3, train=train_supervised, batch=_batch, has_clusters=False)

SUPERVISED = Method(
    stages=lambda _: (_STAGE,),
    check_choices=_check_choices,
    check=check_identities,
    uses_identities=True,
    ignores=lambda _: ("stage1.", "stage2.", "distance."),
)
