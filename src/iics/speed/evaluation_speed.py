"""Speed and memory of evaluation: from features to metrics, beside the product of the features and a sorted form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from iics.arrays import DoubleArray, FloatArray
from iics.crops import JUNK_IDENTITY
from iics.evaluation.distance_rows import MAX_ROWS, CosineRows
from iics.evaluation.labels import EvaluationLabels
from iics.evaluation.metrics import RankingResult
from iics.evaluation.ranking import rank
from iics.evaluation.reranked_rows import RerankedRows, Reranking
from iics.measure import measured, seconds_in_turn
from iics.speed.synthetic_gallery import SyntheticGallery

MAX_RANK = 50
SLICE = 200


@dataclass(frozen=True)
class EvaluationSpeed:
    """What evaluation costs.

    Attributes:
        product_seconds: `queries @ gallery.T` alone, into one block of rows.
        seconds: From features to metrics.
        peak_bytes: Most memory the process held meanwhile, features included; None where the kernel does not tell.
        plain_seconds: From features to metrics by sorting row by row, extrapolated from a slice of the queries.
        num_plain: Queries in that slice.
        deviation: Largest difference between the two forms' mean AP, mINP, CMC and average precisions on the slice.
        mean_ap: What was found.
        reranked_seconds: From features to re-ranked metrics, once; None if not asked for.
        reranked_peak_bytes: As `peak_bytes`.
        reranked_mean_ap: As `mean_ap`.
    """

    product_seconds: float
    seconds: float
    peak_bytes: int | None
    plain_seconds: float
    num_plain: int
    deviation: float
    mean_ap: float
    reranked_seconds: float | None = None
    reranked_peak_bytes: int | None = None
    reranked_mean_ap: float | None = None


def measure_evaluation(crops: SyntheticGallery, *, repeats: int = 3, rerank: bool = False) -> EvaluationSpeed:
    """Return the cost of evaluation; product and evaluation run in turn, each once before."""
    whole = measured(lambda: evaluate(crops))  # before the others, whose memory the process may keep
    seconds = seconds_in_turn(
        {"product": lambda: multiply(crops), "evaluation": lambda: evaluate(crops)}, repeats=repeats
    )
    plain_seconds, num_plain, deviation = _beside_plain(crops)
    speed = EvaluationSpeed(
        product_seconds=seconds["product"],
        seconds=seconds["evaluation"],
        peak_bytes=whole.peak_bytes,
        plain_seconds=plain_seconds,
        num_plain=num_plain,
        deviation=deviation,
        mean_ap=whole.result.mean_ap,
    )
    if not rerank:
        return speed
    reranked = measured(lambda: evaluate(crops, Reranking()))
    return EvaluationSpeed(
        **speed.__dict__
        | {
            "reranked_seconds": reranked.seconds,
            "reranked_peak_bytes": reranked.peak_bytes,
            "reranked_mean_ap": reranked.result.mean_ap,
        }
    )


def evaluate(crops: SyntheticGallery, reranking: Reranking | None = None) -> RankingResult:
    """Return the metrics under the Market-1501 protocol."""
    arrays = crops.query_features, crops.gallery_features, crops.labels
    distance_of = CosineRows(*arrays) if reranking is None else RerankedRows(*arrays, reranking)
    return rank(distance_of, crops.labels, max_rank=MAX_RANK)


def multiply(crops: SyntheticGallery) -> None:
    """Compute all cosines and keep none: what evaluation by features cannot do without."""
    queries, gallery = torch.from_numpy(crops.query_features), torch.from_numpy(crops.gallery_features)
    cosines = torch.empty(min(MAX_ROWS, len(queries)), len(gallery))
    for start in range(0, len(queries), MAX_ROWS):
        block = queries[start : start + MAX_ROWS]
        torch.mm(block, gallery.T, out=cosines[: len(block)])


def plain_ranking(distance: FloatArray, labels: EvaluationLabels) -> tuple[DoubleArray, list[int], list[float]]:
    """Return average precisions, first ranks and inverse penalties, as one writes it first: each row sorted whole."""
    precisions, firsts, penalties = np.full(len(distance), np.nan), [], []
    for q, row in enumerate(distance):
        order = np.argsort(row, kind="stable")
        is_own = labels.gallery_ids[order] == labels.query_ids[q]
        is_here = labels.gallery_cameras[order] == labels.query_cameras[q]
        counts = ~(is_own & is_here) & (labels.gallery_ids[order] != JUNK_IDENTITY)
        ranks = np.flatnonzero(is_own[counts]) + 1
        if len(ranks):
            precisions[q] = np.mean(np.arange(1, len(ranks) + 1) / ranks)
            firsts.append(int(ranks[0]))
            penalties.append(len(ranks) / ranks[-1])
    return precisions, firsts, penalties


def _beside_plain(crops: SyntheticGallery) -> tuple[float, int, float]:
    """Return the sorted form's time for all queries, how many were timed, and how far the numbers of both are apart."""
    num_queries = len(crops.query_features)
    count = min(SLICE, num_queries)
    labels = crops.labels.of(slice(0, count))
    few = SyntheticGallery(crops.query_features[:count], crops.gallery_features, labels)
    distance = CosineRows(few.query_features, few.gallery_features, labels)(slice(0, count))
    plain = measured(lambda: plain_ranking(distance, labels))
    product = measured(lambda: multiply(few))
    ours = evaluate(few)
    precisions, firsts, penalties = plain.result
    cmc = [np.mean(np.array(firsts) <= k) for k in range(1, MAX_RANK + 1)]
    deviation = max(
        float(np.nanmax(np.abs(ours.average_precision - precisions))),
        abs(ours.mean_ap - float(np.nanmean(precisions))),
        abs(ours.mean_inp - float(np.mean(penalties))),
        float(np.abs(ours.cmc - cmc).max()),
    )
    if (np.isnan(ours.average_precision) != np.isnan(precisions)).any():
        deviation = float("inf")
    return (plain.seconds + product.seconds) * num_queries / count, count, deviation
