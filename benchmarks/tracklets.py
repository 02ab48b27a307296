"""Time of labels found over tracklets, beside that of labels found over crops: the table of docs/performance.md.

Run: python benchmarks/tracklets.py [CROPS] [CROPS_A_TRACKLET] [linkage] [graph] [density]   (12936 5, all three)

From features and scores to labels of all crops, stage 2's way (Eq. 9, Eq. 5, re-ranking, average linkage), on a graph
of neighbours, and by density. Tracklets are tested for breaks, and means taken, within the time. Seconds are the
processor's, on one thread: the medians of three runs, in turn, in one process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from iics.arrays import IntArray
from iics.config import ClusterSettings, DistanceSettings
from iics.crops import CropSet
from iics.labelling.labeller import Labeller, labeller_of
from iics.labelling.units import Units, single_crops, units_of
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.overlap_similarity import OverlapSimilarity
from iics.speed.synthetic import SyntheticCrops, synthetic_crops
from iics.tracklet_settings import TrackletSettings

MU, REPEATS = 0.02, 3


def labeller(name: str, num_people: int, crops_a_unit: float) -> Labeller:
    """Return how labels are found, by name."""
    number, dense = ClusterSettings(number=num_people), 2**31 - 1
    density = ClusterSettings(rule="density", eps=0.6, min_crops=2)
    distance, clusters = {
        "linkage": (DistanceSettings(max_dense_crops=dense), number),
        "graph": (DistanceSettings(max_dense_crops=1), number),
        "density": (DistanceSettings(kind="jaccard", max_dense_crops=dense), density),
    }[name]
    return labeller_of(distance, clusters, crops_a_unit=crops_a_unit)


def labels_of(crops: SyntheticCrops, units: Units, name: str) -> IntArray:
    """Return labels of crops, found over units; density clusters compare features alone, as their methods do."""
    features, cameras = units.mean_features(crops.features), crops.camera_ids[units.first_crops]
    similarity = CosineSimilarity(features)
    if name != "density":
        overlap = OverlapSimilarity(units.mean(crops.scores), num_heads=crops.num_cameras)
        similarity = InterCameraSimilarity(features, overlap, torch.from_numpy(cameras), mu=MU)
    found = labeller(name, len(np.unique(crops.identity_ids)), units.crops_a_unit).label(
        similarity, camera_ids=cameras, known=units.known(crops.features)
    )
    return units.to_crops(found).labels


def timed(run: Callable[[], IntArray]) -> tuple[float, IntArray]:
    """Return processor seconds and the result."""
    before = time.process_time()
    result = run()
    return time.process_time() - before, result


def compare(crops: SyntheticCrops, crops_a_tracklet: int, chosen: list[str]) -> None:
    """Print a line for each way to labels."""
    num_crops = len(crops.features)
    tracklets = np.arange(num_crops) // crops_a_tracklet
    paths, names = tuple(Path(f"{at}.jpg") for at in range(num_crops)), tuple(map(str, range(crops.num_cameras)))
    listed = CropSet(paths, crops.camera_ids, names, tracklet_ids=tracklets)

    def over_crops(name: str) -> IntArray:
        return labels_of(crops, single_crops(num_crops), name)

    def over_tracklets(name: str) -> IntArray:
        return labels_of(crops, units_of(listed, crops.features, TrackletSettings(must_link=True)), name)

    for name in chosen:
        by_crops, by_tracklets = [], []
        for _ in range(REPEATS):
            by_crops.append(timed(partial(over_crops, name)))
            by_tracklets.append(timed(partial(over_tracklets, name)))
        seconds = [median(seconds for seconds, _ in runs) for runs in (by_crops, by_tracklets)]
        agreement = [adjusted_rand_score(crops.identity_ids, runs[-1][1]) for runs in (by_crops, by_tracklets)]
        print(
            f"| {name} | {seconds[0]:.2f} | {seconds[1]:.2f} | {seconds[0] / seconds[1]:.1f} | {agreement[0]:.3f} | "
            f"{agreement[1]:.3f} |",
            flush=True,
        )


def main() -> None:
    """Warm up on a few crops, then compare."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    chosen = [word for word in sys.argv[1:] if not word.isdigit()] or ["linkage", "graph", "density"]
    num_crops, crops_a_tracklet = (*numbers, *(12_936, 5)[len(numbers) :])
    torch.set_num_threads(1)
    few = synthetic_crops(600, num_scores=60, num_features=64, crops_a_tracklet=crops_a_tracklet)
    print("| clustering | crops, s | tracklets, s | times as fast | ARI, crops | ARI, tracklets |")
    print("|---|---|---|---|---|---|")
    compare(few, crops_a_tracklet, chosen)
    compare(synthetic_crops(num_crops, crops_a_tracklet=crops_a_tracklet), crops_a_tracklet, chosen)


if __name__ == "__main__":
    main()
