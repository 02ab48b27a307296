"""Speed and memory of evaluation: from features to metrics, beside the product of the features alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from iics.evaluation.distance_rows import MAX_ROWS, CosineRows
from iics.evaluation.metrics import RankingResult
from iics.evaluation.ranking import rank
from iics.evaluation.reranked_rows import RerankedRows, Reranking
from iics.measure import measured, seconds_in_turn
from iics.speed.synthetic import SyntheticGallery

MAX_RANK = 50


@dataclass(frozen=True)
class EvaluationSpeed:
    """What evaluation costs.

    Attributes:
        product_seconds: `queries @ gallery.T` alone, into one block of rows.
        seconds: From features to metrics.
        peak_bytes: Most memory the process held meanwhile, features included; None where the kernel does not tell.
        mean_ap: What was found.
        reranked_seconds: From features to re-ranked metrics, once; None if not asked for.
        reranked_peak_bytes: As `peak_bytes`.
        reranked_mean_ap: As `mean_ap`.
    """

    product_seconds: float
    seconds: float
    peak_bytes: int | None
    mean_ap: float
    reranked_seconds: float | None = None
    reranked_peak_bytes: int | None = None
    reranked_mean_ap: float | None = None


def measure_evaluation(crops: SyntheticGallery, *, repeats: int = 3, rerank: bool = False) -> EvaluationSpeed:
    """Return the cost of evaluation; product and evaluation run in turn, each once before."""
    whole = measured(lambda: evaluate(crops))  # before the others, whose memory the process may keep
    works = {"product": lambda: multiply(crops), "evaluation": lambda: evaluate(crops)}
    seconds = seconds_in_turn(works, repeats=repeats)
    reranked = measured(lambda: evaluate(crops, Reranking())) if rerank else None
    return EvaluationSpeed(
        product_seconds=seconds["product"],
        seconds=seconds["evaluation"],
        peak_bytes=whole.peak_bytes,
        mean_ap=whole.result.mean_ap,
        reranked_seconds=reranked.seconds if reranked else None,
        reranked_peak_bytes=reranked.peak_bytes if reranked else None,
        reranked_mean_ap=reranked.result.mean_ap if reranked else None,
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
