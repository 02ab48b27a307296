"""How close the automatic number of clusters comes to the true one, and what it costs in agreement with identities.

Run: python benchmarks/number_of_clusters.py [MODEL_OR_RUN ...]

For the sample that ships, whole and in random subsets of identities and cameras, and for synthetic features: the true
number of identities, the number chosen by the plain and by the inter-camera silhouette, and the adjusted Rand index
(ARI) of the pseudo-labels at the chosen number, at the true number and at the best of a sweep. Distances are re-ranked
cosine, as in training. Without a model, features are ImageNet's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import iics
from iics.arrays import IntArray
from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cluster_count import choose_number_of_clusters, comparisons_of
from iics.clustering.cuts import cut_number
from iics.models.reid_model import create_model, load_model
from iics.similarity.reranking import k_reciprocal_distance

SEED = 0
HEADINGS = ("features", "crops", "cameras", "true", "plain", "inter-camera", "ARI auto", "ARI true", "ARI best (at)")


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    features: np.ndarray
    identity_ids: IntArray
    camera_ids: IntArray


def main() -> None:
    sample = iics.load_sample().train
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    models = [Path(argument) for argument in sys.argv[1:]]
    for model in [None, *models]:
        if model is None:
            loaded = create_model(iics.presets.SAMPLE.model, device=torch.device("cpu"))
        else:
            loaded = load_model(model / "model.safetensors" if model.is_dir() else model)
        name = "ImageNet" if model is None else model.name
        whole = Case(name, loaded.embed(sample), np.asarray(sample.identity_ids), sample.camera_ids)
        for num_identities, num_cameras in ((None, 6), (75, 6), (30, 6), (None, 2), (75, 2), (None, 1)):
            report(subset(whole, num_identities, num_cameras))
    for num_identities in (50, 200, 800):
        for offset in (0.3, 0.6):
            report(synthetic(num_identities, num_cameras=6, crops_each=8, noise=0.7, camera_offset=offset))


def subset(case: Case, num_identities: int | None, num_cameras: int) -> Case:
    """Return the crops of some identities and cameras, drawn at random."""
    generator = np.random.default_rng(SEED)
    identities = np.unique(case.identity_ids)
    chosen = identities if num_identities is None else generator.choice(identities, num_identities, replace=False)
    cameras = generator.choice(np.unique(case.camera_ids), num_cameras, replace=False)
    kept = np.flatnonzero(np.isin(case.identity_ids, chosen) & np.isin(case.camera_ids, cameras))
    return Case(case.name, case.features[kept], case.identity_ids[kept], case.camera_ids[kept])


def synthetic(num_identities: int, *, num_cameras: int, crops_each: int, noise: float, camera_offset: float) -> Case:
    """Return features identity + camera offset + noise, unit vectors times their factors, in 128 dimensions."""
    generator = np.random.default_rng(SEED)

    def directions(count: int) -> np.ndarray:
        vectors = generator.normal(size=(count, 128))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    identity_ids = np.repeat(np.arange(1, num_identities + 1), crops_each)
    camera_ids = generator.integers(num_cameras, size=len(identity_ids))
    features = directions(num_identities + 1)[identity_ids] + camera_offset * directions(num_cameras)[camera_ids]
    features += noise * directions(len(identity_ids))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    name = f"synthetic, noise {noise}, camera offset {camera_offset}"
    return Case(name, features.astype(np.float32), identity_ids, camera_ids)


def report(case: Case) -> None:
    distance = k_reciprocal_distance(1 - case.features @ case.features.T)
    linkage = linkage_in_place(distance.copy())
    true_number = len(np.unique(case.identity_ids))
    num_cameras = len(np.unique(case.camera_ids))
    everyone = np.arange(len(distance))
    plain = choose_number_of_clusters(linkage, comparisons_of(distance, everyone)).number
    across: int | None = None
    if num_cameras > 1:
        in_one_camera = max(number_in_camera(case, camera) for camera in np.unique(case.camera_ids))
        comparisons = comparisons_of(distance, everyone, camera_ids=case.camera_ids)
        across = choose_number_of_clusters(linkage, comparisons, min_number=in_one_camera).number

    def agreement(number: int) -> float:
        return float(adjusted_rand_score(case.identity_ids, cut_number(linkage, number)))

    sweep = np.unique(np.geomspace(2, len(distance) // 2, 60).round().astype(int))
    best = max(sweep.tolist(), key=agreement)
    cells = (
        case.name,
        len(distance),
        num_cameras,
        true_number,
        plain,
        "-" if across is None else across,
        f"{agreement(plain if across is None else across):.3f}",
        f"{agreement(true_number):.3f}",
        f"{agreement(best):.3f} ({best})",
    )
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def number_in_camera(case: Case, camera: int) -> int:
    """Return the number chosen within one camera, which bounds the number over all from below, as in training."""
    features = case.features[case.camera_ids == camera]
    distance = k_reciprocal_distance(1 - features @ features.T)
    comparisons = comparisons_of(distance, np.arange(len(distance)))
    return max(2, choose_number_of_clusters(linkage_in_place(distance), comparisons).number)


if __name__ == "__main__":
    main()
