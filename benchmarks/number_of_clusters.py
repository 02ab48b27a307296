"""How close numbers of clusters chosen without labels come to the true one, and what labels they give.

Run: python benchmarks/number_of_clusters.py [SOURCE ...] [--data-dir FOLDER] [--synthetic]

A source is a run, a model file, `imagenet` (the default), or a .npy file with the features of the training crops in
their order, shape (crops, channels). Data is the sample that ships or, with --data-dir, a folder in the Market-1501
layout. The training crops are taken whole, and as half of the people, half of the cameras, and 3 crops a person.
Distances are re-ranked cosine, as in training. For each rule, the true number and the best of a sweep: the number of
clusters, how many of them span cameras, the number chosen in the fullest camera alone, and the labels' adjusted Rand
index (ARI), pairwise precision and recall.

`auto` is training's rule. `links` is one that gave no better labels: a cluster seen by m cameras has m - 1 links, and
the cut with the most links is taken. Joining clusters that share no camera makes a link, joining two that share several
loses some: people that several cameras saw are then being joined with each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import iics
from iics.arrays import FloatArray, IntArray
from iics.clustering.average_linkage import AllPairs, linkage_in_place
from iics.clustering.cluster_count import LargestSilhouette, choose_number_of_clusters, comparisons_of
from iics.clustering.cuts import cut_number
from iics.clustering.merges import Linkage
from iics.crops import CropSet
from iics.labelling.pseudo_labels import PseudoLabels, describe_pseudo_labels
from iics.models.reid_model import create_model, load_model
from iics.similarity.reranking import k_reciprocal_distance

SEED = 0
HEADINGS = (
    "features",
    "crops",
    "cut by",
    "clusters",
    "of true",
    "span cameras",
    "fullest camera",
    "ARI",
    "precision",
    "recall",
)


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    features: FloatArray
    identity_ids: IntArray
    camera_ids: IntArray

    def part(self, name: str, kept: IntArray) -> Case:
        return Case(f"{self.name}, {name}", self.features[kept], self.identity_ids[kept], self.camera_ids[kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", default=["imagenet"])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--synthetic", action="store_true")
    args = parser.parse_args()
    data = iics.load_sample() if args.data_dir is None else iics.load_market_layout(args.data_dir)
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for source in args.sources:
        name = source if source == "imagenet" else Path(source).name
        for case in parts(loaded(name, features_of(source, data.train), data.train)):
            report(case)
    if args.synthetic:
        for num_identities in (50, 200, 800):
            for offset in (0.3, 0.6):
                report(synthetic(num_identities, num_cameras=6, crops_each=8, noise=0.7, camera_offset=offset))


def features_of(source: str, crops: CropSet) -> FloatArray:
    if source == "imagenet":
        return create_model(iics.presets.SAMPLE.model, device=torch.device("cpu")).embed(crops)
    path = Path(source)
    if path.suffix == ".npy":
        return np.load(path).astype(np.float32)
    return load_model(path / "model.safetensors" if path.is_dir() else path).embed(crops)


def loaded(name: str, features: FloatArray, crops: CropSet) -> Case:
    """Return the crops shuffled as training does: files are in the order of the people, and ties would show it."""
    order = np.random.default_rng(SEED).permutation(len(crops))
    return Case(name, features[order], np.asarray(crops.identity_ids)[order], crops.camera_ids[order])


def parts(whole: Case) -> Iterator[Case]:
    """Yield all crops, and those of half of the people, of half of the cameras, and three of each person."""
    yield whole
    for name, ids in (("half of the people", whole.identity_ids), ("half of the cameras", whole.camera_ids)):
        found = np.unique(ids)
        chosen = np.random.default_rng(SEED).choice(found, len(found) // 2, replace=False)
        yield whole.part(name, np.flatnonzero(np.isin(ids, chosen)))
    # The crops are shuffled: the first three of a person are any three.
    by_person = (np.flatnonzero(whole.identity_ids == person)[:3] for person in np.unique(whole.identity_ids))
    yield whole.part("3 crops a person", np.sort(np.concatenate(list(by_person))))


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
    fullest = max(number_in_camera(case, camera) for camera in np.unique(case.camera_ids))
    silhouette, distances = LargestSilhouette(), AllPairs(distance.copy())
    seen = silhouette.look(distances, case.camera_ids)
    found = {"auto": silhouette.cluster(distances, seen, min_number=fullest)}
    found["links"] = cut_number(linkage, number_with_most_links(linkage, case.camera_ids, min_number=fullest))
    sweep = np.unique(np.geomspace(2, len(distance) // 2, 60).round().astype(int)).tolist()
    cuts = [cut_number(linkage, number) for number in sweep]
    found["true number"] = cut_number(linkage, true_number)
    found["best of a sweep"] = max(cuts, key=lambda labels: adjusted_rand_score(case.identity_ids, labels))
    for rule, labels in found.items():
        number = int(labels.max()) + 1
        told = describe_pseudo_labels(PseudoLabels(labels, number), case.camera_ids, case.identity_ids)
        cells = (
            case.name,
            len(distance),
            rule,
            number,
            f"{number / true_number:.2f}",
            told.num_across_cameras,
            fullest,
            f"{told.adjusted_rand_index:.3f}",
            f"{told.pairwise_precision:.3f}",
            f"{told.pairwise_recall:.3f}",
        )
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def number_with_most_links(linkage: Linkage, camera_ids: IntArray, *, min_number: int) -> int:
    """Return the number of clusters with the most camera links, up to half the crops; the smallest on a tie."""
    num_crops = len(camera_ids)
    cameras = [{camera} for camera in camera_ids.tolist()]
    links = [0]  # with as many clusters as crops, and after each merge
    for first, second in linkage[:, :2].astype(int).tolist():
        links.append(links[-1] + 1 - len(cameras[first] & cameras[second]))
        cameras.append(cameras[first] | cameras[second])
    largest = max(2, num_crops // 2)
    return max(range(min(min_number, largest), largest + 1), key=lambda number: links[num_crops - number])


def number_in_camera(case: Case, camera: int) -> int:
    """Return the number chosen within one camera, which bounds the number over all from below, as in training."""
    features = case.features[case.camera_ids == camera]
    distance = k_reciprocal_distance(1 - features @ features.T)
    comparisons = comparisons_of(distance, np.arange(len(distance)))
    return max(2, choose_number_of_clusters(linkage_in_place(distance), comparisons).number)


if __name__ == "__main__":
    main()
