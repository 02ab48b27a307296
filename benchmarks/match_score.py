"""Does the match score order models as mAP does? Kendall's tau over models, and over features spoilt on purpose.

Run: python benchmarks/match_score.py MODEL ... [--data-dir FOLDER] [--people N] [--seed N]

A model is a model file, a run folder, or `imagenet` for the network before training. Data is the sample that ships or,
with --data-dir, a folder in the Market-1501 layout: all crops of some people of its query and gallery, drawn at random.
mAP is that of the queries in the gallery; the score and its parts (`iics.evaluation.across_cameras`) are of all these
crops, and see no identity. The features of the last model are spoilt in steps: noise, a vector for each camera, few
dimensions, collapse; and drawn at random. Printed: a table, and tau of each number with mAP over the networks alone and
over all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau

import iics
from iics.arrays import FloatArray, IntArray
from iics.crops import CropSet
from iics.evaluation.across_cameras import AcrossCameras, across_cameras
from iics.evaluation.metrics import numbers
from iics.evaluation.ranked_features import rank_crops
from iics.models.reid_model import ReidModel, create_model, load_model

NUMBERS = ("score", "agreement", "near_other_cameras", "distinctness")


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    is_network: bool
    mean_ap: float
    rank1: float
    across: AcrossCameras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = iics.load_sample() if args.data_dir is None else iics.load_market_layout(args.data_dir)
    query, gallery = some_people(data.query, data.gallery, args.people, np.random.default_rng(args.seed))
    print(f"{len(query)} queries, {len(gallery)} crops of the gallery\n")
    print(
        "| features | mAP | rank-1 | match score | agreement | near other cameras | distinctness |\n" + "|---" * 7 + "|"
    )
    cases = []
    features = np.empty((0, 0), np.float32)
    for name in args.models:
        model = loaded(name)
        features = np.concatenate([model.embed(crops) for crops in (query, gallery)])
        cases.append(shown(case(Path(name).name, features, query, gallery, is_network=True)))
    camera_ids = np.concatenate([query.camera_ids, gallery.camera_ids])
    for name, spoilt in spoilt_features(features, camera_ids, np.random.default_rng(args.seed)):
        cases.append(shown(case(name, spoilt, query, gallery, is_network=False)))
    for kind, kept in (("networks", [one for one in cases if one.is_network]), ("all", cases)):
        scores = [one.mean_ap for one in kept]
        taus = (
            f"{name} {kendalltau(scores, [getattr(one.across, name) for one in kept]).statistic:.2f}"
            for name in NUMBERS
        )
        print(f"\nKendall's tau with mAP, {len(kept)} ({kind}): {', '.join(taus)}")


def some_people(
    query: CropSet, gallery: CropSet, count: int, generator: np.random.Generator
) -> tuple[CropSet, CropSet]:
    known = np.unique(query.identity_ids)
    chosen = generator.choice(known, min(count, len(known)), replace=False)
    parts = (crops.subset(np.flatnonzero(np.isin(crops.identity_ids, chosen))) for crops in (query, gallery))
    return next(parts), next(parts)


def loaded(name: str) -> ReidModel:
    if name == "imagenet":
        return create_model(iics.presets.SAMPLE.model, device=torch.device("cpu"))
    path = Path(name)
    return load_model(path / "model.safetensors" if path.is_dir() else path, device="cpu")


def case(name: str, features: FloatArray, query: CropSet, gallery: CropSet, *, is_network: bool) -> Case:
    found = numbers(rank_crops(features[: len(query)], features[len(query) :], query, gallery))
    both = CropSet(
        paths=query.paths + gallery.paths,
        camera_ids=np.concatenate([query.camera_ids, gallery.camera_ids]),
        camera_names=query.camera_names,
    )
    across = across_cameras(features, both, max_crops=len(both))
    assert across is not None
    return Case(name, is_network, found["mean_ap"], found["rank1"], across)


def shown(one: Case) -> Case:
    cells = (f"{getattr(one.across, name):.3f}" for name in NUMBERS)
    print(f"| {one.name} | {100 * one.mean_ap:.1f} | {100 * one.rank1:.1f} | {' | '.join(cells)} |", flush=True)
    return one


def spoilt_features(
    features: FloatArray, camera_ids: IntArray, generator: np.random.Generator
) -> Iterator[tuple[str, FloatArray]]:
    deviation, mean = features.std(), features.mean(axis=0)
    noise = generator.standard_normal(features.shape)
    of_camera = generator.standard_normal((camera_ids.max() + 1, features.shape[1]))[camera_ids]
    directions = np.linalg.svd(features - mean, full_matrices=False)[2]
    for weight in (0.5, 1, 2, 4):
        yield f"noise x {weight}", normalised(features + weight * deviation * noise)
    for weight in (0.2, 0.7, 3):
        yield f"camera x {weight}", normalised(features + weight * deviation * of_camera)
    for count in (32, 8, 2):
        kept = directions[:count]
        yield f"{count} dimensions", normalised(mean + (features - mean) @ kept.T @ kept)
    yield "collapsed", normalised(mean + 1e-3 * (features - mean + deviation * noise))
    yield "random", normalised(noise)


def normalised(features: FloatArray) -> FloatArray:
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main()
