"""Evaluation beside the product of the features alone, and beside sorting every row.

Run: python -m benchmarks.evaluation [market | msmt17] [REPEATS]

Queries and gallery are made up, at the size of a data set. Product and evaluation run in turn; the sorted form runs on
200 queries and is extrapolated, and all its metrics are compared with ours.
"""

from __future__ import annotations

import sys

import numpy as np

from iics.arrays import DoubleArray, FloatArray
from iics.cli.machine import machine_line
from iics.crops import JUNK_IDENTITY
from iics.evaluation.distance_rows import CosineRows
from iics.evaluation.labels import EvaluationLabels
from iics.measure import measured
from iics.speed.evaluation_speed import MAX_RANK, evaluate, measure_evaluation, multiply
from iics.speed.synthetic import SyntheticGallery, synthetic_gallery

SLICE = 200


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "market"
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if size == "msmt17":
        crops = synthetic_gallery(11_659, 82_161, num_identities=3060, num_cameras=15, distractors=0, junk=0)
    else:
        crops = synthetic_gallery(3368, 15_913, num_identities=750, num_cameras=6)
    print(f"<!-- {machine_line(keeps_freed_memory=False)} -->")
    print("| queries x gallery | product, s | features to metrics, s | ratio | holds, GB | by sorting, s | differ by |")
    print("|---|---|---|---|---|---|---|")
    speed = measure_evaluation(crops, repeats=repeats)
    sorting, deviation = beside_sorting(crops)
    cells = (
        f"{len(crops.query_features):,} x {len(crops.gallery_features):,}",
        f"{speed.product_seconds:.2f}",
        f"{speed.seconds:.2f}",
        f"{speed.seconds / speed.product_seconds:.2f}",
        "-" if speed.peak_bytes is None else f"{speed.peak_bytes / 1e9:.2f}",
        f"{sorting:.1f}",
        f"{deviation:.1e}",
    )
    print("| " + " | ".join(cells) + " |")


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


def beside_sorting(crops: SyntheticGallery) -> tuple[float, float]:
    """Return the sorted form's time for all queries, and the largest difference of a metric on a slice of them."""
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
    return (plain.seconds + product.seconds) * num_queries / count, deviation


if __name__ == "__main__":
    main()
