"""Whether features for pseudo-labels may be computed in bf16: what it changes for trained models.

Run: python benchmarks/label_precision.py RUN [RUN ...]

For each run, on the sample that ships: mAP of query and gallery, and how pseudo-labels agree with the identities
(adjusted Rand index, ARI), from features of both precisions. Labels are made as in training: within each camera (mean
over the cameras, weighted by their crops), and over all cameras by re-ranked cosine, at the automatic number of
clusters and at the true one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import iics
from iics.arrays import IntArray
from iics.config import ClusterSettings, DistanceSettings
from iics.crops import CropSet
from iics.evaluation.ranked_features import rank_crops
from iics.labelling.labeller import labeller_of
from iics.models.features import extract_features, l2_normalise
from iics.models.reid_model import ReidModel, load_model
from iics.pixels.pixel_cache import open_pixels
from iics.similarity.cosine import CosineSimilarity
from iics.training.engine import Engine

HEADINGS = ("run", "features", "mAP", "rank-1", "ARI in cameras", "ARI over all", "clusters", "ARI at the true number")
PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


def main() -> None:
    data = iics.load_sample()
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    for run in map(Path, sys.argv[1:]):
        model = load_model(run / "model.safetensors")
        for name, dtype in PRECISIONS.items():
            cells = (
                run.name,
                name,
                *accuracy(model, data.query, data.gallery, dtype),
                *labels(model, data.train, dtype),
            )
            print("| " + " | ".join(cells) + " |", flush=True)


def features_of(model: ReidModel, crops: CropSet, dtype: torch.dtype) -> torch.Tensor:
    header = model.header
    engine = Engine(features_dtype=dtype)
    pixels = open_pixels(crops, height=header.height, width=header.width, letterbox=header.letterbox)
    network = engine.network(model.backbone)
    options = {
        "mean": header.mean,
        "std": header.std,
        "mirror": header.mirror,
        "batch_size": 256,
        "device": engine.device,
    }
    return l2_normalise(extract_features(model.backbone, pixels, network=network, **options))


def accuracy(model: ReidModel, query: CropSet, gallery: CropSet, dtype: torch.dtype) -> tuple[str, str]:
    result = rank_crops(*(features_of(model, crops, dtype).numpy() for crops in (query, gallery)), query, gallery)
    return f"{100 * result.mean_ap:.2f}", f"{100 * result.cmc[0]:.2f}"


def labels(model: ReidModel, crops: CropSet, dtype: torch.dtype) -> tuple[str, ...]:
    features, cameras, identities = features_of(model, crops, dtype), crops.camera_ids, np.asarray(crops.identity_ids)
    automatic = labeller_of(DistanceSettings(), ClusterSettings(rule="auto"))
    true_number = ClusterSettings(rule="fixed", number=len(np.unique(identities)))
    at_true_number = labeller_of(DistanceSettings(), true_number)

    def agreement(found: IntArray, of: IntArray) -> float:
        return float(adjusted_rand_score(identities[of], found))

    within, sizes, most = [], [], 2
    for camera in np.unique(cameras):
        own = np.flatnonzero(cameras == camera)
        found = automatic.label(CosineSimilarity(features[torch.from_numpy(own)]))
        within.append(agreement(found.labels, own))
        sizes.append(len(own))
        most = max(most, found.num_clusters)
    everyone = np.arange(len(crops))
    over_all = automatic.label(CosineSimilarity(features), camera_ids=cameras, min_number=most)
    fixed = at_true_number.label(CosineSimilarity(features), camera_ids=cameras)
    return (
        f"{np.average(within, weights=sizes):.4f}",
        f"{agreement(over_all.labels, everyone):.4f}",
        str(over_all.num_clusters),
        f"{agreement(fixed.labels, everyone):.4f}",
    )


if __name__ == "__main__":
    main()
