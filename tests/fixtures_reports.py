"""Made-up records and runs for figures and reports: plain numbers, nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from iics.reports.told_run import ToldRun
from iics.runs.record import RoundRecord

Record = dict[str, Any]


def _pair_histogram(first_bin: int, pairs: Sequence[int]) -> Record:
    counts = [[first_bin + at, number] for at, number in enumerate(pairs)]
    return {"num_pairs": sum(pairs), "mean": 0.5, "counts": counts}


@pytest.fixture(scope="session")
def statistics() -> Callable[..., Record]:
    """Make the statistics of healthy pseudo-labels: 20 clusters of 4 crops, and 5 single crops; change some."""

    def make(*, with_identities: bool = True, **changes: Any) -> Record:
        measured = (
            "adjusted_rand_index",
            "normalized_mutual_information",
            "pairwise_precision",
            "pairwise_recall",
        )
        return {
            "num_clusters": 25,
            "num_singletons": 5,
            "largest_share": 4 / 85,
            "min_size": 1,
            "median_size": 4.0,
            "max_size": 4,
            "size_counts": [[1, 5], [4, 20]],
            "camera_entropy": 0.5,
            "camera_entropy_normalized": 0.5,
            "num_across_cameras": 12,
            **dict.fromkeys(measured, 0.6 if with_identities else None),
            **changes,
        }

    return make


@pytest.fixture(scope="session")
def make_record(statistics: Callable[..., Record]) -> Callable[..., Record]:
    """Make a healthy record of a round of two cameras."""

    def make(number: int, *, with_identities: bool = True) -> Record:
        kinds = ["same_camera", "other_camera"]
        if with_identities:
            kinds += [f"{one}_identity_{other}_camera" for one in ("same", "other") for other in ("same", "other")]
        similarity = {
            "num_sampled": 85,
            "pairs": {kind: _pair_histogram(20 + 5 * at, [1, 2, 1]) for at, kind in enumerate(kinds)},
        }
        stability = None if number == 1 else {"adjusted_rand_index": 0.7, "normalized_mutual_information": 0.9}
        both = {"similarity": similarity, "stability": stability, "num_steps": 9}
        labels = statistics(with_identities=with_identities)
        evaluation = {"mean_ap": 0.3 + number / 100, "rank1": 0.5, "rank5": 0.6, "rank10": 0.7, "num_queries": 50}
        return {
            "round": number,
            "stage1": {"loss": 4 / number, "pseudo_labels": {"door": labels, "hall": labels}, **both},
            "stage2": {
                "loss": 3 / number,
                "cross_entropy": 2 / number,
                "triplet": 1 / number,
                "accuracy": 0.5,
                "mu": 0.02,
                "pseudo_labels": labels,
                **both,
            },
            "seconds": {"stage1": 30.0, "stage2": 40.0},
            "phases": {"stage1_features": {"seconds": 10.0, "images_per_second": 8.5}},
            "alpha": {"layer3.0": 0.25, "layer4.0": 0.75},
            "evaluation": evaluation if with_identities else {},
        }

    return make


@pytest.fixture(scope="session")
def make_run(make_record: Callable[..., Record]) -> Callable[..., ToldRun]:
    """Make a run of records, by default of two healthy rounds and the one before training."""

    def make(*records: Record, **changes: Any) -> ToldRun:
        start = {"round": 0, "alpha": {"layer3.0": 0.5, "layer4.0": 0.5}, "evaluation": {"mean_ap": 0.1, "rank1": 0.2}}
        values: dict[str, Any] = {
            "name": "first",
            "settings": {
                "rounds": 2,
                "seed": 7,
                "stages": "both",
                "model": {"backbone": "resnet18", "norm_stages": []},
            },
            "data": {"name": "people train", "num_crops": 170, "crops_per_camera": {"door": 85, "hall": 85}},
            **changes,
        }
        lines = records or (start, make_record(1), make_record(2))
        values.setdefault("records", tuple(map(RoundRecord.of, lines)))
        return ToldRun(**values)

    return make
