"""Labels by density over all cameras, as methods without stages take them: their settings, checks and cost.

Features, plain Jaccard distance, DBSCAN; crops of no cluster have no label.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from torch import Tensor

from iics.config import Centring, ClusterSettings, DistanceSettings, Settings
from iics.crops import CropSet
from iics.errors import TrainingError, named
from iics.labelling.centring import camera_centred
from iics.labelling.labeller import Labeller, labeller_of, stage2_distance
from iics.labelling.one_camera import across_cameras
from iics.labelling.pseudo_labels import PseudoLabels
from iics.labelling.units import Units, most_units_by_camera
from iics.labelling.usable_tracklets import check_tracklets
from iics.methods.trainable import check_comparison_fits, memory_of_features
from iics.models.backbone_spec import backbone_spec
from iics.ranges import check_ranges, number, whole
from iics.similarity.by_name import DISTANCES, SEARCHES
from iics.similarity.cosine import CosineSimilarity
from iics.training.context import TrainingContext

LEAST_CROPS = 4


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
    distance = stage2_distance(as_stage2(settings, labels), round_index=round_index)
    return labeller_of(distance, labels.clusters, crops_a_unit=crops_a_unit)


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


def as_stage2(settings: Settings, labels: LabelSettings) -> Settings:
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
