"""A round of methods without stages: label all crops by density clusters, then train on the labels with Adam.

Crops to labels to weights, as most methods since 2020 have it (SpCL, Cluster Contrast, CAP, PPLR): features, plain
Jaccard distance, DBSCAN; crops of no cluster take no part in training. Such methods differ in their loss.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Literal

import torch
from torch import Tensor

from iics.config import Centring, ClusterSettings, DistanceSettings, Settings
from iics.crops import CropSet
from iics.errors import TrainingError, named
from iics.labelling.centring import camera_centred
from iics.labelling.labeller import Labeller, labeller_of, stage2_distance
from iics.labelling.one_camera import across_cameras
from iics.labelling.pseudo_labels import PseudoLabels, describe_pseudo_labels
from iics.labelling.units import Units, most_units_by_camera
from iics.labelling.usable_tracklets import check_tracklets
from iics.methods.adam import AdamSettings, adam, rate_factors
from iics.methods.method import StageResult, State
from iics.methods.trainable import check_comparison_fits, memory_of_features
from iics.models.backbone_spec import backbone_spec
from iics.models.features import l2_normalise
from iics.ranges import check_ranges, number, whole
from iics.similarity.by_name import DISTANCES, SEARCHES
from iics.similarity.cosine import CosineSimilarity
from iics.training.context import TrainingContext
from iics.training.label_training import LabelBatches, steps_of_epochs, train_on_labels
from iics.training.losses import LabelledCrops, LabelLoss
from iics.training.step_memory import StepBatch

logger = logging.getLogger(__name__)

LEAST_CROPS = 4
IGNORED = (
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
class LabelSettings:
    """How crops get their labels."""

    distance: str = "jaccard"
    """What is clustered, by its name among --distance.kind, which it takes the place of."""
    k1: Annotated[int, whole(1, 1000)] = 30
    """Neighbours searched for reciprocity; in place of --distance.k1."""
    k2: Annotated[int, whole(1, 1000)] = 6
    """Neighbours averaged in query expansion; in place of --distance.k2."""
    lambda_value: Annotated[float, number(0, 1)] = 0.0
    """Share of the original distance in the distance reranked; in place of --distance.lambda-value."""
    clusters: ClusterSettings = field(default_factory=lambda: ClusterSettings(rule="density"))
    """Clusters over all cameras; by density unless told otherwise."""
    centring: Centring = "off"
    """Cluster features less their camera's mean: off, mean, or scaled (divided by the standard deviation, too)."""
    one_camera_clusters: Literal["keep", "drop"] = "keep"
    """Clusters of one camera: keep, or drop (their crops do not train)."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="own.")


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


def label_crops(context: TrainingContext, features: Tensor, settings: LabelSettings, units: Units) -> PseudoLabels:
    """Return pseudo-labels over all cameras, as the first process finds them.

    Args:
        context: The round's working place.
        features: L2-normalised. Shape (n, d).
        settings: How.
        units: What is compared: tracklets, by the means of their crops' features, or the crops themselves.

    Raises:
        TrainingError: If there are fewer than two clusters.
    """
    context.report("cluster", 0, 1)
    camera_ids = context.crops.camera_ids
    labeller = labeller_with(
        context.settings, settings, round_index=context.round_index, crops_a_unit=units.crops_a_unit
    )

    def label() -> PseudoLabels:
        centred = camera_centred(features, camera_ids, centring=settings.centring)
        similarity, known = CosineSimilarity(units.mean_features(centred)), units.known(centred)
        found = units.to_crops(labeller.label(similarity, camera_ids=camera_ids[units.first_crops], known=known))
        _check_found(found, settings, "cluster")
        if settings.one_camera_clusters == "drop":
            found = across_cameras(found, camera_ids)
            _check_found(found, settings, "cluster of two cameras or more")
        return found

    found = context.processes.from_first(label)
    context.report("cluster", 1, 1)
    return found


def labeller_with(
    settings: Settings, labels: LabelSettings, *, round_index: int, crops_a_unit: float = 1.0
) -> Labeller:
    """Return the labeller of a round, from 0: the method's own distance and clusters, compared as --distance says.

    `crops_a_unit` is as in `labeller_of`.

    Raises:
        SettingsError: If settings name something that does not exist.
    """
    distance = stage2_distance(_as_stage2(settings, labels), round_index=round_index)
    return labeller_of(distance, labels.clusters, crops_a_unit=crops_a_unit)


def costs_like(settings: Settings, *, labels: LabelSettings, work: RoundSettings) -> Settings:
    """Return the settings of IICS whose rounds cost as much: stage 2 on features alone, which labels the same way."""
    like = _as_stage2(settings, labels)
    stage2 = replace(
        like.stage2,
        epochs=work.epochs,
        clusters_per_batch=work.clusters_per_batch,
        crops_per_cluster=work.crops_per_cluster,
    )
    return replace(like, method="iics", own=None, stages="stage2", stage2=stage2)


def check_label_choices(settings: Settings, labels: LabelSettings) -> None:
    """Refuse names that do not exist.

    Raises:
        SettingsError: If a distance, a clustering or a search does not exist, or is not installed.
    """
    SEARCHES[settings.distance.neighbour_search].check()
    named(DISTANCES, labels.distance, what="own.distance")
    for index in (0, 1):
        labeller_with(settings, labels, round_index=index)


def check_labelling(crops: CropSet, settings: Settings, labels: LabelSettings) -> None:
    """Refuse crops that cannot be labelled, or do not fit into memory, and names that do not exist.

    Raises:
        TrainingError: If there are too few crops, they are of one camera whose clusters are dropped, or do not fit.
        SettingsError: If a distance, a clustering or a search does not exist, or is not installed.
    """
    check_label_choices(settings, labels)
    if len(crops) < LEAST_CROPS:
        raise TrainingError(
            f"Two clusters need at least {LEAST_CROPS} crops; {crops.name} has {len(crops)}. Add crops."
        )
    if labels.one_camera_clusters == "drop" and crops.num_cameras < 2:
        raise TrainingError(
            f"All {len(crops)} crops of {crops.name} are of one camera, so --own.one-camera-clusters drop would leave "
            "no cluster to train on. Say keep."
        )
    check_tracklets(crops, settings.tracklets)
    compared = sum(most_units_by_camera(crops, settings.tracklets))
    width = backbone_spec(settings.model.backbone).num_features

    def needed(distance: DistanceSettings) -> int:
        given = replace(settings, distance=distance)
        labellers = [labeller_with(given, labels, round_index=index) for index in (0, 1)]
        labelling = max(labeller.memory(compared, num_features=width) for labeller in labellers)
        return memory_of_features(len(crops), width) + labelling

    check_comparison_fits(compared, settings.distance, needed)


def batch_of(work: RoundSettings) -> StepBatch:
    """Return the crops of a step."""
    return StepBatch(
        work.clusters_per_batch * work.crops_per_cluster, "--own.clusters-per-batch, --own.crops-per-cluster"
    )


def _as_stage2(settings: Settings, labels: LabelSettings) -> Settings:
    """Return settings whose stage 2 on features alone labels crops in the same way."""
    own = replace(settings.distance, kind=labels.distance, k1=labels.k1, k2=labels.k2, lambda_value=labels.lambda_value)
    stage2 = replace(settings.stage2, similarity="cnn", clusters=labels.clusters, distance="")
    return replace(settings, distance=own, stage2=stage2)


def _check_found(found: PseudoLabels, settings: LabelSettings, what: str) -> None:
    if found.num_clusters >= 2:
        return
    num_crops, clusters = len(found.labels), settings.clusters
    advice = "Ask for more clusters (--own.clusters.number with the rule fixed)"
    if clusters.rule == "density":
        direction = "lower" if found.num_labelled > num_crops / 2 else "raise"
        advice = (
            f"{direction.capitalize()} the distance of neighbours (--own.clusters.eps, now {clusters.eps:g})"
            + (f", lower --own.clusters.min-crops (now {clusters.min_crops})" if direction == "raise" else "")
            + ", or start from a model that was trained on people (--weights RUN), e.g. by a round of iics"
        )
    keep = ", or keep clusters of one camera (--own.one-camera-clusters keep)" if "camera" in what else ""
    number = "one" if found.num_clusters == 1 else "no"
    raise TrainingError(
        f"There is {number} {what} of {num_crops} crops; training needs at least 2. {advice}{keep}, or check that "
        "crops show people seen several times."
    )
