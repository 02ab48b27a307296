"""Checks whether crops can be trained on, before anything is computed or written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from iics.config import DistanceSettings, Settings
from iics.crops import CropSet
from iics.device import processes_here
from iics.errors import TrainingError, check_setting, named
from iics.labelling.labeller import labeller_of, max_dense_crops, stage2_distance
from iics.labelling.units import most_units_by_camera
from iics.labelling.usable_tracklets import check_tracklets
from iics.memory import free_memory
from iics.methods.iics.stage1 import groups_that_fit
from iics.models.backbone_spec import backbone_spec
from iics.similarity.by_name import DISTANCES, SEARCHES, SIMILARITIES
from iics.training.losses import LOSSES, LabelledCrops

logger = logging.getLogger(__name__)

BYTES_OF_PROCESS = 10**9
"""What the program, its libraries, one batch and one block of comparisons take."""


def check_trainable(crops: CropSet, settings: Settings) -> None:
    """Refuse crops that the method cannot learn from, or that do not fit into memory.

    Raises:
        TrainingError: If no camera has 2 crops, they are of one camera and settings compare cameras, or their
            comparison does not fit into memory.
        SettingsError: If what the settings name does not exist, does not go together or is not installed.
    """
    check_choices(settings)
    if crops.num_cameras < 2:
        _check_one_camera(crops, settings)
    sizes = np.bincount(crops.camera_ids).tolist()
    if max(sizes) < 2:
        raise TrainingError("No camera has 2 crops or more; stage 1 has nothing to compare. Add crops.")
    SEARCHES[settings.distance.neighbour_search].check()
    check_tracklets(crops, settings.tracklets)
    sizes = most_units_by_camera(crops, settings.tracklets)
    compared = max(sizes) if settings.stages == "stage1" else sum(sizes)

    def needed(distance: DistanceSettings) -> int:
        return predicted_memory(sizes, replace(settings, distance=distance), num_crops=len(crops))

    check_comparison_fits(compared, settings.distance, needed)


def _check_one_camera(crops: CropSet, settings: Settings) -> None:
    """Refuse settings by which crops of one camera would teach nothing; stage 1 needs no other camera.

    Raises:
        TrainingError: If they are such.
    """
    stage2 = settings.stage2
    of_cameras: dict[str, str] = {}  # to the flag that switches it off
    if stage2.one_camera_clusters == "drop":
        of_cameras["stage2.one_camera_clusters drop"] = "--stage2.one-camera-clusters keep"
    if stage2.proxies.weight > 0:
        of_cameras[f"stage2.proxies.weight {stage2.proxies.weight:g}"] = "--stage2.proxies.weight 0"
    if settings.stages != "stage1" and of_cameras:
        raise TrainingError(
            f"All {len(crops)} crops of {crops.name} are of one camera, and what compares cameras is set: "
            f"{', '.join(of_cameras)}. Say {' '.join(of_cameras.values())}, or train stage 1 alone (--stages stage1)."
        )


def check_comparison_fits(compared: int, distance: DistanceSettings, needed: Callable[[DistanceSettings], int]) -> None:
    """Refuse crops whose comparison does not fit into memory; warn where not all pairs are compared.

    Args:
        compared: Crops that are compared at once.
        distance: How.
        needed: From how crops are compared to the bytes that labelling takes.

    Raises:
        TrainingError: If it does not.
    """
    if compared > max_dense_crops(distance):
        logger.warning(
            "%d crops are more than the %d whose pairs are all compared (--distance.max-dense-crops): each is compared "
            "with its %d nearest.",
            compared,
            max_dense_crops(distance),
            distance.graph_neighbours,
        )
    num_bytes, free = needed(distance), free_memory()
    if free is not None and num_bytes > free:
        on_graph = replace(distance, max_dense_crops=max(compared // 2, 1))
        way_out = "Train"
        if needed(on_graph) <= free:
            most = on_graph.max_dense_crops
            way_out = f"Compare fewer pairs (--distance.max-dense-crops {most}: a graph of neighbours above), train"
        raise TrainingError(
            f"Clustering {compared:,} crops needs about {num_bytes / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are "
            f"free. {way_out} on fewer crops or on a machine with more memory."
        )


def check_choices(settings: Settings) -> None:
    """Refuse unknown names, and choices that do not go together.

    Raises:
        SettingsError: If there are such.
    """
    named(LOSSES, settings.stage2.loss, what="loss")
    if settings.stages != "stage1":
        _check_weighing(settings)
    if settings.stage2.distance:
        named(DISTANCES, settings.stage2.distance, what="stage2.distance")
    labeller_of(settings.distance, settings.stage1.clusters)
    for distance in _stage2_distances(settings):
        labeller = labeller_of(distance, settings.stage2.clusters)
    chosen = settings.stage2.similarity
    similarity = named(SIMILARITIES, chosen, what="stage2.similarity")
    check_setting(
        settings.stages != "stage2" or not similarity.needs_scores,
        f"Without stage 1 there are no classifier scores: stages stage2 needs stage2.similarity cnn, not {chosen}.",
    )
    check_setting(
        similarity.has_features or not labeller.search.needs_features,
        f"distance.neighbour_search {settings.distance.neighbour_search} compares features; stage2.similarity "
        f"{chosen} needs exact.",
    )


def predicted_memory(sizes: list[int], settings: Settings, *, num_crops: int | None = None) -> int:
    """Return the most bytes that features, comparing and clustering take on this machine.

    Pixels do not count: they are in a file that the kernel maps and drops as needed, or are decoded batch by batch.

    If the number of clusters is not fixed, the number of scores is a guess. Stage 2 checks again when it is known
    (`check_scores_fit`).

    Args:
        sizes: Crops of each camera, or tracklets where these are labelled.
        settings: Of the run, which is not supervised.
        num_crops: Crops that have features; None for the sum of sizes.
    """
    num_compared, width = sum(sizes), backbone_spec(settings.model.backbone).num_features
    of_camera = labeller_of(settings.distance, settings.stage1.clusters)
    of_all = [labeller_of(distance, settings.stage2.clusters) for distance in _stage2_distances(settings)]
    groups = groups_that_fit(sizes, of_camera.max_dense_crops)
    stage1 = max(sum(of_camera.memory(sizes[camera], num_features=width) for camera in group) for group in groups)
    stage2 = max(labeller.memory(num_compared, num_features=width) for labeller in of_all)
    num_crops = num_compared if num_crops is None else num_crops
    if settings.stages == "both":
        num_scores = sum(of_camera.clustering.expected_number(size) for size in sizes)
        stage2 += SIMILARITIES[settings.stage2.similarity].memory(num_crops, num_scores) * processes_here()
    labelling = {"both": max(stage1, stage2), "stage1": stage1, "stage2": stage2}[settings.stages]
    return memory_of_features(num_crops, width) + labelling  # one process holds the matrix of all pairs


def memory_of_features(num_crops: int, width: int) -> int:
    """Return the bytes of all processes on this machine with their features: raw, normalised, and a camera's."""
    return (BYTES_OF_PROCESS + 3 * 4 * num_crops * width) * processes_here()


def _stage2_distances(settings: Settings) -> list[DistanceSettings]:
    """Return the distances of stage 2: of the first round, and of later ones."""
    return [stage2_distance(settings, round_index=index) for index in (0, 1)]


def _check_weighing(settings: Settings) -> None:
    """Refuse a loss of stage 2 that cannot weigh clusters where they are to be weighed: it is asked with two crops.

    Raises:
        SettingsError: If it cannot.
    """
    if settings.stage2.one_camera_clusters != "weigh":
        return
    loss = LOSSES[settings.stage2.loss](2, 2, settings.stage2, torch.Generator())
    loss.start(LabelledCrops(torch.arange(2), torch.arange(2), torch.eye(2), label_weights=torch.ones(2)))


def check_scores_fit(num_crops: int, num_scores: int) -> None:
    """Refuse scores that do not fit, before they are computed.

    Raises:
        TrainingError: If they do not.
    """
    needed, free = 4 * num_crops * num_scores * processes_here(), free_memory()
    if free is not None and needed > free:
        raise TrainingError(
            f"{num_crops:,} crops with scores of {num_scores:,} clusters each need {needed / 1e9:.1f} GB of memory, "
            f"{free / 1e9:.1f} GB are free. Ask for fewer clusters in the cameras (--stage1.clusters.rule fixed "
            "--stage1.clusters.number N) or compare features alone (--stage2.similarity cnn)."
        )
