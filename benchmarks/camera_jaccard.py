"""Seconds and memory of the camera-aware Jaccard distance, and how close its clusters come to the identities.

Run: python benchmarks/camera_jaccard.py [CROPS CAMERAS FEATURES ROUTE]

Defaults: 32,621 crops of 15 cameras, 2,048 features, as many as MSMT17 trains on with ResNet-50; routes: all-pairs,
exact, faiss. Features are random people with a shift by camera. Each run is a process of its own, or its peak would
hold the one before: give one route.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from iics.config import ClusterSettings, DistanceSettings
from iics.labelling.labeller import labeller_of
from iics.similarity.cosine import CosineSimilarity


def main() -> None:
    given = sys.argv[1:]
    num_crops, num_cameras, num_features = (
        int(value) for value in [*given[:3], *("32621", "15", "2048")[len(given[:3]) :]]
    )
    route = given[3] if len(given) > 3 else "exact"
    features, camera_ids, identity_ids = crops_of(num_crops, num_cameras, num_features)
    dense = route == "all-pairs"
    distance = DistanceSettings(
        kind="camera-jaccard",
        max_dense_crops=num_crops if dense else 1,
        neighbour_search="exact" if dense else route,
    )
    labeller = labeller_of(distance, ClusterSettings(number=len(np.unique(identity_ids))))
    _report("before", time.perf_counter())
    start = time.perf_counter()
    prepared = labeller.prepare(CosineSimilarity(features), camera_ids=camera_ids)
    _report("distance", start)
    labels = labeller.cluster(prepared).labels
    _report("distance and clusters", start)
    predicted = labeller.memory(num_crops, num_features=num_features)
    data = f"{num_crops} crops, {num_cameras} cameras, {num_features} features"
    print(f"{route}, {data}, {torch.get_num_threads()} thread(s)")
    print(f"predicted beside the features: {predicted / 1e9:.2f} GB")
    print(f"ARI with identities: {adjusted_rand_score(identity_ids, labels):.3f}")


def crops_of(num_crops: int, num_cameras: int, num_features: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return features of about 31 crops a person, their cameras and identities; made in blocks."""
    generator = torch.Generator().manual_seed(0)
    num_people = max(2, num_crops // 31)
    identity_ids = torch.randint(0, num_people, (num_crops,), generator=generator)
    camera_ids = torch.randint(0, num_cameras, (num_crops,), generator=generator)
    # Differences in 64 directions, as trained features have few that matter.
    directions = torch.randn(64, num_features, generator=generator)
    people, shifts = (torch.randn(count, 64, generator=generator) for count in (num_people, num_cameras))
    features = torch.empty(num_crops, num_features)
    for start in range(0, num_crops, 2048):
        rows = slice(start, min(start + 2048, num_crops))
        noise = torch.randn(rows.stop - start, 64, generator=generator)
        mixed = people[identity_ids[rows]] + 0.7 * shifts[camera_ids[rows]] + 0.8 * noise
        features[rows] = torch.nn.functional.normalize(mixed @ directions, dim=1)
    return features, camera_ids.numpy(), identity_ids.numpy()


def _report(what: str, start: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{what}: {time.perf_counter() - start:.1f} s, peak {peak / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
