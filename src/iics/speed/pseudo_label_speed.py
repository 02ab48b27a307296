"""Speed and memory of pseudo-labels: every step beside a plain form of it, on synthetic crops."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.cluster.hierarchy
import torch
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from iics.arrays import DoubleArray, FloatArray
from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.merges import Linkage
from iics.config import ClusterSettings, DistanceSettings
from iics.labelling.labeller import labeller_of
from iics.labelling.pseudo_labels import PseudoLabels
from iics.measure import measured
from iics.similarity.inter_camera import inter_camera_similarity
from iics.similarity.neighbour_graph import nearest
from iics.similarity.reciprocal import reciprocal_weights
from iics.similarity.reranking import k_reciprocal_distance
from iics.similarity.score_overlap import large_scores, score_overlap
from iics.speed.plain import PlainReranking, score_overlap_rows
from iics.speed.synthetic import SyntheticCrops

MU = 0.02
OVERLAP_SLICE, RERANKING_SLICE = 20, 200
ALL_DENSE = 2**31 - 1


@dataclass(frozen=True)
class Step:
    """One step of labelling and what it costs.

    Attributes:
        name: What is computed.
        seconds: Median time.
        peak_bytes: Most memory the process held meanwhile; None where the kernel does not tell.
        plain_seconds: Time of the plain form, None where none is timed.
        note: What the plain form is, how much of it was timed, how far its numbers are from ours.
    """

    name: str
    seconds: float
    peak_bytes: int | None
    plain_seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Labelling:
    """The whole way from features and scores to labels.

    Attributes:
        step: Its cost; the plain form is the product of the features with themselves.
        num_clusters: Clusters found.
        adjusted_rand_index: Agreement with the identities.
    """

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
    crops: SyntheticCrops,
    *,
    max_dense: int,
    repeats: int = 1,
    neighbours: int = 100,
    search: str = "exact",
    with_plain: bool = False,
) -> Labelling:
    """Return the cost of labelling, beside the product of the features with themselves if asked for."""
    whole = measured(lambda: label(crops, max_dense=max_dense, neighbours=neighbours, search=search), repeats=repeats)
    product = measured(lambda: crops.features @ crops.features.T, repeats=repeats).seconds if with_plain else None
    note = "features @ features.T, float32" if with_plain else ""
    step = Step("labelling, whole", whole.seconds, whole.peak_bytes, product, note)
    labels = whole.result
    return Labelling(step, labels.num_clusters, float(adjusted_rand_score(crops.identity_ids, labels.labels)))


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
        Step(_overlap_name(crops), overlap.seconds, overlap.peak_bytes),
        Step("Eq. 5, in place", raised.seconds, raised.peak_bytes),
        Step("re-ranking", reranked.seconds, reranked.peak_bytes),
        Step("average linkage", linked.seconds, linked.peak_bytes),
    ]


def compare_steps(crops: SyntheticCrops, *, repeats: int = 3) -> list[Step]:
    """Return the cost of each step of dense labelling beside its plain form; needs five matrices.

    What a step holds at its peak includes what the comparison keeps; `measure_steps` tells what training holds.
    """
    overlap_step, overlap = _score_overlap(crops, repeats)
    raised_step, similarity = _inter_camera(crops, overlap, repeats)
    distance = np.subtract(1, similarity.numpy(), out=similarity.numpy())
    reranking_step, reranked = _reranking(distance, repeats)
    return [overlap_step, raised_step, reranking_step, _linkage(reranked, repeats)]


def _overlap_name(crops: SyntheticCrops) -> str:
    is_sparse = large_scores(crops.scores.numpy(), num_cameras=crops.num_cameras) is not None
    return f"Eq. 9, {'sparse' if is_sparse else 'dense'} route"


def _score_overlap(crops: SyntheticCrops, repeats: int) -> tuple[Step, Tensor]:
    num_crops = len(crops.scores)
    fast = measured(lambda: score_overlap(crops.scores, num_cameras=crops.num_cameras), repeats=repeats)
    rows = range(min(OVERLAP_SLICE, num_crops))
    score_overlap_rows(crops.scores, rows[:2])
    plain = measured(lambda: score_overlap_rows(crops.scores, rows), repeats=repeats)
    deviation = float((plain.result - fast.result[: len(rows)]).abs().max())
    seconds = plain.seconds * num_crops / len(rows)
    note = f"row loop in torch, {len(rows)} rows extrapolated; numbers differ by {deviation:.1e}"
    return Step(_overlap_name(crops), fast.seconds, fast.peak_bytes, seconds, note), fast.result


def _inter_camera(crops: SyntheticCrops, overlap: Tensor, repeats: int) -> tuple[Step, Tensor]:
    cameras = torch.from_numpy(crops.camera_ids)
    product = measured(lambda: crops.features @ crops.features.T, repeats=repeats).seconds
    copies: list[Tensor] = []

    def raise_in_place() -> Tensor:
        copy = copies.pop()
        return inter_camera_similarity(crops.features, copy, cameras, mu=MU, out=copy)

    fast = measured(raise_in_place, repeats=repeats, before=lambda: copies.append(overlap.clone()))
    return Step("Eq. 5, in place", fast.seconds, fast.peak_bytes, product, "features @ features.T alone"), fast.result


def _reranking(distance: FloatArray, repeats: int) -> tuple[Step, FloatArray]:
    copies: list[FloatArray] = []  # overwritten, as in training
    fast = measured(
        lambda: k_reciprocal_distance(copies.pop(), overwrite=True),
        repeats=repeats,
        before=lambda: copies.append(distance.copy()),
    )
    settings = DistanceSettings()
    num_crops = len(distance)
    rows = range(min(RERANKING_SLICE, num_crops))
    plain = PlainReranking(distance, k1=settings.k1, k2=settings.k2, lambda_value=settings.lambda_value)
    ranking = nearest(distance, min(settings.k1 + 1, num_crops))
    sparse = reciprocal_weights(ranking, lambda p, q: distance[p, q], k1=settings.k1, k2=settings.k2)
    averaged = sparse.to_dense()
    users = [np.flatnonzero(column) for column in averaged.T]
    parts: list[Callable[[], object]] = [
        lambda: plain.ranking(rows),
        lambda: plain.weights(ranking, rows),
        lambda: plain.averaged(averaged, ranking, rows),
    ]
    seconds = sum(measured(part, repeats=repeats).seconds for part in parts)
    last = measured(lambda: plain.distances(averaged, users, rows), repeats=repeats)
    seconds = (seconds + last.seconds) * num_crops / len(rows)
    np.fill_diagonal(last.result, 0)
    deviation = float(np.abs(last.result - fast.result[: len(rows)]).max())
    note = f"numpy loops over dense matrices, {len(rows)} rows extrapolated; last loop differs by {deviation:.1e}"
    return Step("re-ranking", fast.seconds, fast.peak_bytes, seconds, note), fast.result


def _linkage(distance: FloatArray, repeats: int) -> Step:
    copies: list[FloatArray] = []
    fast = measured(
        lambda: linkage_in_place(copies.pop()), repeats=repeats, before=lambda: copies.append(distance.copy())
    )
    name, link = _peer()
    pairs: list[DoubleArray] = []
    plain = measured(
        lambda: link(pairs.pop()),
        repeats=repeats,
        before=lambda: pairs.append(squareform(distance, checks=False).astype(np.float64)),
    )
    deviation = float(np.abs(plain.result[:, 2] - fast.result[:, 2]).max())
    note = f"{name}, conversion to float64 not counted; heights differ by {deviation:.1e}"
    return Step("average linkage", fast.seconds, fast.peak_bytes, plain.seconds, note)


def _peer() -> tuple[str, Callable[[DoubleArray], Linkage]]:
    """Return the fastest library there is for average linkage, and its function of condensed distances."""
    if importlib.util.find_spec("fastcluster") is None:
        return "scipy (fastcluster is not installed)", partial(scipy.cluster.hierarchy.linkage, method="average")
    import fastcluster

    return "fastcluster", partial(fastcluster.linkage, method="average", preserve_input=False)
