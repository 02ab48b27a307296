"""How close the clusters of the neighbour graph come to those of all pairs.

Run: python benchmarks/graph_route.py [MODEL_OR_RUN ...]

For the sample that ships (features of ImageNet and of the models given) and for synthetic crops: the adjusted Rand
index (ARI) of the clusters of the graph with those of all pairs, and with the identities, at the true number.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

import iics
from iics.config import ClusterSettings, DistanceSettings
from iics.labelling.labeller import labeller_of
from iics.models.reid_model import create_model, load_model
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.crop_similarity import CropSimilarity
from iics.speed.synthetic import synthetic_crops

ALL_PAIRS = 2**31 - 1


def main() -> None:
    cells = ("features", "crops", "distance", "neighbours", "search", "ARI with all pairs", "ARI with identities")
    print("| " + " | ".join(cells) + " |\n|" + "---|" * len(cells))
    sample = iics.load_sample().train
    identity_ids = np.asarray(sample.identity_ids)
    for model in [None, *map(Path, sys.argv[1:])]:
        if model is None:
            loaded = create_model(iics.presets.SAMPLE.model, device=torch.device("cpu"))
        else:
            loaded = load_model(model / "model.safetensors" if model.is_dir() else model)
        name = "sample, ImageNet" if model is None else f"sample, {model.name}"
        report(name, CosineSimilarity(torch.from_numpy(loaded.embed(sample))), identity_ids)
    crops = synthetic_crops(8000)
    report("synthetic, Eq. 5", crops.similarity(mu=0.02), crops.identity_ids)


def report(name: str, similarity: CropSimilarity, identity_ids: np.ndarray) -> None:
    clusters = ClusterSettings(number=len(np.unique(identity_ids)))
    for kind in ("reranked", "cosine"):
        dense = labeller_of(DistanceSettings(kind=kind, max_dense_crops=ALL_PAIRS), clusters).label(similarity).labels
        row(name, len(dense), kind, "all pairs", "-", "1", f"{adjusted_rand_score(identity_ids, dense):.3f}")
        for neighbours in (30, 50, 100, 200):
            for search in ("exact", "faiss") if neighbours == 100 else ("exact",):
                settings = DistanceSettings(
                    kind=kind, max_dense_crops=1, graph_neighbours=neighbours, neighbour_search=search
                )
                found = labeller_of(settings, clusters).label(similarity).labels
                with_dense, with_identities = (
                    f"{adjusted_rand_score(other, found):.3f}" for other in (dense, identity_ids)
                )
                row(name, len(dense), kind, neighbours, search, with_dense, with_identities)


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
