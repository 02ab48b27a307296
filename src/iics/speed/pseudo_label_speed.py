"""Speed and memory of pseudo-labels: every step, and the whole way, on synthetic crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from iics.clustering.average_linkage import linkage_in_place
from iics.config import ClusterSettings, DistanceSettings
from iics.labelling.labeller import labeller_of
from iics.labelling.pseudo_labels import PseudoLabels
from iics.measure import Measured, measured
from iics.similarity.inter_camera import inter_camera_similarity
from iics.similarity.reranking import k_reciprocal_distance
from iics.similarity.score_overlap import large_scores, score_overlap
from iics.speed.synthetic import SyntheticCrops

MU = 0.02
ALL_DENSE = 2**31 - 1


@dataclass(frozen=True)
class Step:
    """One step of labelling and what it costs.

    Attributes:
        name: What is computed.
        seconds: Median time.
        peak_bytes: Most memory the process held meanwhile; None where the kernel does not tell.
    """

    name: str
    seconds: float
    peak_bytes: int | None


@dataclass(frozen=True)
class Labelling:
    """The whole way from features and scores to labels: its cost, what it found, how far identities agree (ARI)."""

    step: Step
    num_clusters: int
    adjusted_rand_index: float


def warm_up(crops: SyntheticCrops) -> None:
    """Have every kernel compiled and every thread started, on a few crops."""
    few = SyntheticCrops(
        crops.features[:500], crops.scores[:500], crops.identity_ids[:500], crops.camera_ids[:500], crops.num_cameras
    )
    for max_dense in (ALL_DENSE, 1):
        label(few, max_dense=max_dense)


def label(crops: SyntheticCrops, *, max_dense: int, neighbours: int = 100, search: str = "exact") -> PseudoLabels:
    """Return the pseudo-labels of stage 2, re-ranked, as many clusters as there are identities."""
    distance = DistanceSettings(max_dense_crops=max_dense, graph_neighbours=neighbours, neighbour_search=search)
    clusters = ClusterSettings(number=max(2, len(np.unique(crops.identity_ids))))
    return labeller_of(distance, clusters).label(crops.similarity(mu=MU))


def measure_labelling(
    crops: SyntheticCrops, *, max_dense: int, repeats: int = 1, neighbours: int = 100, search: str = "exact"
) -> Labelling:
    """Return the cost of labelling, the median of so many runs."""
    whole = measured(lambda: label(crops, max_dense=max_dense, neighbours=neighbours, search=search), repeats=repeats)
    labels = whole.result
    agreement = float(adjusted_rand_score(crops.identity_ids, labels.labels))
    return Labelling(_step("labelling, whole", whole), labels.num_clusters, agreement)


def measure_steps(crops: SyntheticCrops) -> list[Step]:
    """Return the cost of each step of dense labelling as it is in training: once, all in one matrix."""
    cameras = torch.from_numpy(crops.camera_ids)
    overlap = measured(lambda: score_overlap(crops.scores, num_cameras=crops.num_cameras))
    raised = measured(
        lambda: inter_camera_similarity(crops.features, overlap.result, cameras, mu=MU, out=overlap.result)
    )
    distance = raised.result.numpy()
    np.subtract(1, distance, out=distance)
    reranked = measured(lambda: k_reciprocal_distance(distance, overwrite=True))
    linked = measured(lambda: linkage_in_place(distance))
    return [
        _step(overlap_name(crops), overlap),
        _step("Eq. 5, in place", raised),
        _step("re-ranking", reranked),
        _step("average linkage", linked),
    ]


def overlap_name(crops: SyntheticCrops) -> str:
    """Return Eq. 9 with the route that these scores take."""
    is_sparse = large_scores(crops.scores.numpy(), num_cameras=crops.num_cameras) is not None
    return f"Eq. 9, {'sparse' if is_sparse else 'dense'} route"


def _step(name: str, done: Measured[Any]) -> Step:
    return Step(name, done.seconds, done.peak_bytes)
