"""Every step of labelling beside its plain form, on synthetic crops; needs memory for five matrices of all pairs.

Run: python -m benchmarks.labelling_steps [CROPS [REPEATS]]   (12,936 crops and 3 repeats, if not said)

What a step holds at its peak includes what the comparison keeps; `iics benchmark pseudo-labels` tells what training
holds. The last line is the whole way, beside the product of the features with themselves.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.cluster.hierarchy
import torch
from scipy.spatial.distance import squareform
from torch import Tensor

from benchmarks.plain_labelling import PlainReranking, score_overlap_rows
from iics.arrays import DoubleArray, FloatArray
from iics.cli.machine import machine_line
from iics.clustering.average_linkage import linkage_in_place
from iics.config import DistanceSettings
from iics.measure import measured
from iics.memory import keep_freed_memory
from iics.similarity.inter_camera import inter_camera_similarity
from iics.similarity.neighbour_graph import nearest
from iics.similarity.reciprocal import reciprocal_weights
from iics.similarity.reranking import k_reciprocal_distance
from iics.similarity.score_overlap import score_overlap
from iics.speed.pseudo_label_speed import ALL_DENSE, MU, measure_labelling, overlap_name, warm_up
from iics.speed.synthetic import SyntheticCrops, synthetic_crops

OVERLAP_SLICE, RERANKING_SLICE = 20, 200

Step = tuple[str, float, float, str]
"""Name, seconds, seconds of the plain form, what the plain form is and how far its numbers are from ours."""


def main() -> None:
    num_crops = int(sys.argv[1]) if len(sys.argv) > 1 else 12_936
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    machine = machine_line(keeps_freed_memory=keep_freed_memory())
    crops = synthetic_crops(num_crops)
    warm_up(crops)
    whole = measure_labelling(crops, max_dense=ALL_DENSE, repeats=repeats).step
    product = measured(lambda: crops.features @ crops.features.T, repeats=repeats).seconds
    print(f"<!-- {machine} -->\n| crops | step | s | plain s | times | plain form |\n|---|---|---|---|---|---|")
    for name, seconds, plain, note in [
        *compare_steps(crops, repeats=repeats),
        (whole.name, whole.seconds, product, "features @ features.T, float32"),
    ]:
        print(f"| {num_crops:,} | {name} | {seconds:.2f} | {plain:.2f} | {plain / seconds:.2f} | {note} |", flush=True)


def compare_steps(crops: SyntheticCrops, *, repeats: int = 3) -> list[Step]:
    overlap_step, overlap = _score_overlap(crops, repeats)
    raised_step, similarity = _inter_camera(crops, overlap, repeats)
    distance = np.subtract(1, similarity.numpy(), out=similarity.numpy())
    reranking_step, reranked = _reranking(distance, repeats)
    return [overlap_step, raised_step, reranking_step, _linkage(reranked, repeats)]


def _score_overlap(crops: SyntheticCrops, repeats: int) -> tuple[Step, Tensor]:
    num_crops = len(crops.scores)
    fast = measured(lambda: score_overlap(crops.scores, num_cameras=crops.num_cameras), repeats=repeats)
    rows = range(min(OVERLAP_SLICE, num_crops))
    score_overlap_rows(crops.scores, rows[:2])
    plain = measured(lambda: score_overlap_rows(crops.scores, rows), repeats=repeats)
    deviation = float((plain.result - fast.result[: len(rows)]).abs().max())
    seconds = plain.seconds * num_crops / len(rows)
    note = f"row loop in torch, {len(rows)} rows extrapolated; numbers differ by {deviation:.1e}"
    return (overlap_name(crops), fast.seconds, seconds, note), fast.result


def _inter_camera(crops: SyntheticCrops, overlap: Tensor, repeats: int) -> tuple[Step, Tensor]:
    cameras = torch.from_numpy(crops.camera_ids)
    product = measured(lambda: crops.features @ crops.features.T, repeats=repeats).seconds
    copies: list[Tensor] = []

    def raise_in_place() -> Tensor:
        copy = copies.pop()
        return inter_camera_similarity(crops.features, copy, cameras, mu=MU, out=copy)

    fast = measured(raise_in_place, repeats=repeats, before=lambda: copies.append(overlap.clone()))
    return ("Eq. 5, in place", fast.seconds, product, "features @ features.T alone"), fast.result


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
    return ("re-ranking", fast.seconds, seconds, note), fast.result


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
    return "average linkage", fast.seconds, plain.seconds, note


def _peer() -> tuple[str, Callable[[DoubleArray], DoubleArray]]:
    """Return the fastest library there is for average linkage, and its function of condensed distances."""
    if importlib.util.find_spec("fastcluster") is None:
        return "scipy (fastcluster is not installed)", partial(scipy.cluster.hierarchy.linkage, method="average")
    import fastcluster

    return "fastcluster", partial(fastcluster.linkage, method="average", preserve_input=False)


if __name__ == "__main__":
    main()
