"""A round of methods without stages: label all crops by density clusters, then train on the labels with Adam.

Crops to labels to weights, as most methods since 2020 have it (SpCL, Cluster Contrast, CAP, PPLR): features, plain
Jaccard distance, DBSCAN; crops of no cluster take no part in training. Such methods differ in their loss.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import torch

from iics.config import Settings
from iics.crops import CropSet
from iics.labelling.pseudo_labels import describe_pseudo_labels
from iics.methods.adam import AdamSettings, adam, rate_factors
from iics.methods.density_labels import LabelSettings, as_stage2, check_label_choices, check_labelling, label_crops
from iics.methods.method import Method, Stage, StageResult, State
from iics.models.features import l2_normalise
from iics.ranges import check_ranges, whole
from iics.training.context import TrainingContext
from iics.training.label_training import LabelBatches, steps_of_epochs, train_on_labels
from iics.training.losses import LabelledCrops, LabelLoss
from iics.training.step_memory import StepBatch

logger = logging.getLogger(__name__)

_IGNORED = (
    "stage1.",
    "stage2.",
    "supervised.",
    "momentum",
    "weight_decay",
    "distance.kind",
    "distance.k1",
    "distance.k2",
    "distance.lambda_value",
    "own.labels.clusters.least",
)
"""Settings that such a method does not read: it has its own, or has no such part."""


@dataclass(frozen=True)
class RoundSettings:
    """What is trained in a round."""

    epochs: Annotated[int, whole(1, 1000)] = 4
    """Epochs a round, over the crops that have a cluster."""
    clusters_per_batch: Annotated[int, whole(2, 1024)] = 16
    """P: clusters in a batch."""
    crops_per_cluster: Annotated[int, whole(2, 1024)] = 4
    """K: crops of each cluster in a batch."""
    camera_diverse: bool = False
    """Whether a cluster's crops in a batch come from as many cameras as it has."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="own.")


LossOfClusters = Callable[[int, int], LabelLoss]
"""Number of features, number of clusters: to a new loss, which learns nothing itself."""


def train_round(
    context: TrainingContext,
    state: State,
    make_loss: LossOfClusters,
    *,
    labels: LabelSettings,
    work: RoundSettings,
    rates: AdamSettings,
) -> StageResult:
    """Extract, cluster, label, train.

    Args:
        context: The round's context.
        state: The optimiser of the round before; empty in the first one.
        make_loss: Of the method.
        labels: How crops are labelled.
        work: What is trained.
        rates: How fast.

    Returns:
        State: the optimiser. Record: the terms of the loss, as means over steps; statistics of the pseudo-labels;
        cosines of all crops' features before training, by kind of pair.

    Raises:
        TrainingError: If fewer than two clusters are found.
    """
    raw = context.raw_features()
    features = l2_normalise(raw)
    units = context.units(raw)
    found = label_crops(context, features, labels, units)
    if context.round_index == 0 and found.num_clusters < work.clusters_per_batch:
        # Said once: with few crops every round is so, and the record has its number of clusters.
        logger.info(
            "There are %d clusters, fewer than the %d of a batch: batches hold all of them, as usual for few crops.",
            found.num_clusters,
            work.clusters_per_batch,
        )
    similarity = context.compare_pairs(raw)
    loss = make_loss(raw.shape[1], found.num_clusters).to(context.model.device)
    targets, camera_ids = (torch.from_numpy(ids.copy()) for ids in (found.labels, context.crops.camera_ids))
    loss.start(LabelledCrops(targets, camera_ids, features))
    optimiser = adam(context.model.backbone, rates, layer_decay=context.settings.model.layer_decay)
    if state:
        optimiser.load_state_dict(state["optimiser"])
    batch_size = min(work.clusters_per_batch, found.num_clusters) * work.crops_per_cluster
    num_steps = steps_of_epochs(work.epochs, num_crops=found.num_labelled, batch_size=batch_size)
    factors = rate_factors(rates, round_index=context.round_index, num_steps=num_steps)
    terms = train_on_labels(
        context,
        loss,
        targets,
        optimiser,
        LabelBatches(
            work.clusters_per_batch,
            work.crops_per_cluster,
            factors,
            camera_ids=camera_ids if work.camera_diverse else None,
        ),
    )
    statistics = describe_pseudo_labels(found, context.crops.camera_ids, context.crops.identity_ids)
    record = {
        **terms,
        "pseudo_labels": asdict(statistics),
        "similarity": asdict(similarity),
        **units.record(found.labels, context.crops.camera_ids),
    }
    return StageResult({"optimiser": optimiser.state_dict()}, record, found.labels)


def _any_crops(_crops: CropSet, _settings: Settings) -> None:
    pass


def density_method(
    name: str,
    *,
    stream: int,
    train: Callable[[TrainingContext, State], StageResult],
    settings: type,
    check: Callable[[CropSet, Settings], None] = _any_crops,
) -> Method:
    """Return a method whose rounds are `train_round`.

    Args:
        name: Of its only stage.
        stream: Of the stage's random choices, as in `Stage`.
        train: The stage.
        settings: Dataclass of its own settings; has `labels`, a `LabelSettings`, and `work`, a `RoundSettings`.
        check: Raises an error if its loss cannot learn from some crops; asked before they are checked for labelling.
    """

    def check_all(crops: CropSet, given: Settings) -> None:
        check(crops, given)
        check_labelling(crops, given, given.own.labels)

    stage = Stage(name, name, stream=stream, train=train, batch=_batch)
    return Method(
        stages=lambda _: (stage,),
        check=check_all,
        check_choices=lambda given: check_label_choices(given, given.own.labels),
        costs_like=_costs_like,
        settings=settings,
        ignores=lambda _: _IGNORED,
    )


def _batch(_crops: CropSet, settings: Settings) -> StepBatch:
    work: RoundSettings = settings.own.work
    return StepBatch(
        work.clusters_per_batch * work.crops_per_cluster, "--own.clusters-per-batch, --own.crops-per-cluster"
    )


def _costs_like(settings: Settings) -> Settings:
    """Return the settings of IICS whose rounds cost as much: stage 2 on features alone, which labels the same way."""
    work: RoundSettings = settings.own.work
    like = as_stage2(settings, settings.own.labels)
    stage2 = replace(
        like.stage2,
        epochs=work.epochs,
        clusters_per_batch=work.clusters_per_batch,
        crops_per_cluster=work.crops_per_cluster,
    )
    return replace(like, method="iics", own=None, stages="stage2", stage2=stage2)
