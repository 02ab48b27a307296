"""The numbers behind Fig. 1 and Fig. 3: features by camera, and similarities of the four kinds of pairs.

Crops, models -> arrays, kept as .npz beside the tables; drawing them is another module's work.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from iics.arrays import FloatArray, IntArray
from iics.atomic import write_atomically
from iics.crops import CropSet
from iics.device import choose_device
from iics.models.reid_model import ReidModel, create_model, load_model
from iics.paper.planned_runs import PlannedRun
from iics.paper.run_store import RunStore
from iics.similarity.pair_histograms import KINDS_BY_IDENTITY, bin_edges, counts_of_all_bins, pair_histograms
from iics.training.randomness import seeded_starting_weights

MOST_CROPS = 4000


@dataclass(frozen=True, eq=False)
class CameraFeatures:
    """Fig. 1: what is projected, and whose camera colours it.

    Attributes:
        before: L2-normalised features of the starting weights. Shape (n, d).
        after: Those of the trained model. Shape (n, d).
        camera_ids: Shape (n,).
        identity_ids: Shape (n,).
        camera_names: By camera.
    """

    before: FloatArray
    after: FloatArray
    camera_ids: IntArray
    identity_ids: IntArray
    camera_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SimilarityHistograms:
    """Fig. 3: how similar the four kinds of pairs are, at some moments; counted by `pair_histograms`.

    Attributes:
        moments: Names, e.g. "before training".
        num_sampled: Crops that were compared with all.
        edges: Of the bins of cosine similarity, from -1 to 1. Shape (bins + 1,).
        counts: Pairs of each moment and kind (`KINDS_BY_IDENTITY`) by bin. Shape (moments, 4, bins).
        means: Mean similarity of each moment and kind, NaN where there is no pair. Shape (moments, 4).
    """

    moments: tuple[str, ...]
    num_sampled: int
    edges: npt.NDArray[np.float64]
    counts: IntArray
    means: FloatArray


def figure1_features(run: PlannedRun, store: RunStore) -> CameraFeatures:
    """Return features of a run's training crops before and after training; of at most 4,000, drawn at random."""
    crops = drawn_crops(run.train)
    before, after = starting_model(run), trained_model(run, store)
    return CameraFeatures(
        before=_features(before, crops, run),
        after=_features(after, crops, run),
        camera_ids=crops.camera_ids,
        identity_ids=_identities(crops),
        camera_names=crops.camera_names,
    )


def figure3_histograms(stage1: PlannedRun, full: PlannedRun, store: RunStore) -> SimilarityHistograms:
    """Return similarities of training crops before training, after stage 1 alone, and after both stages.

    Args:
        stage1: Table 1's run of stage 1 alone.
        full: The run of the full method, with the same seed and crops.
        store: Where they lie.
    """
    crops = drawn_crops(full.train)
    models = {
        "before training": starting_model(full),
        "after stage 1 alone": trained_model(stage1, store),
        "after both stages": trained_model(full, store),
    }
    by_moment = {moment: _features(model, crops, full) for moment, model in models.items()}
    return similarity_histograms(by_moment, camera_ids=crops.camera_ids, identity_ids=_identities(crops))


def similarity_histograms(
    features: Mapping[str, FloatArray], *, camera_ids: IntArray, identity_ids: IntArray
) -> SimilarityHistograms:
    """Return the histograms of some moments; see `pair_histograms`.

    Args:
        features: L2-normalised rows by moment. Shape (n, d) each.
        camera_ids: Shape (n,).
        identity_ids: Shape (n,).
    """
    found = [pair_histograms(torch.from_numpy(rows), camera_ids, identity_ids) for rows in features.values()]
    kinds = [[one.pairs[kind] for kind in KINDS_BY_IDENTITY] for one in found]
    return SimilarityHistograms(
        moments=tuple(features),
        num_sampled=found[0].num_sampled,
        edges=bin_edges(),
        counts=np.array([[counts_of_all_bins(kind.counts) for kind in four] for four in kinds]),
        means=np.array([[np.nan if kind.mean is None else kind.mean for kind in four] for four in kinds], np.float32),
    )


def drawn_crops(crops: CropSet) -> CropSet:
    """Return the crops, or 4,000 of them where there are more, always the same ones."""
    if len(crops) <= MOST_CROPS:
        return crops
    return crops.subset(np.sort(np.random.default_rng(0).choice(len(crops), MOST_CROPS, replace=False)))


def starting_model(run: PlannedRun) -> ReidModel:
    """Return the model that a run started from."""
    with seeded_starting_weights(run.settings.seed):
        return create_model(run.settings.model, device=torch.device(choose_device(run.settings.device)))


def trained_model(run: PlannedRun, store: RunStore) -> ReidModel:
    """Return the model of a finished run."""
    return load_model(store.folder(run) / "model.safetensors", device=choose_device(run.settings.device))


def save_arrays(path: Path, values: CameraFeatures | SimilarityHistograms) -> None:
    """Write every field as an array of a .npz file, under its name.

    Raises:
        WriteError: If it cannot be written.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in vars(values).items()}
    np.savez_compressed(content, **arrays)
    write_atomically(path, content.getvalue())


def _features(model: ReidModel, crops: CropSet, run: PlannedRun) -> FloatArray:
    return model.embed(crops, batch_size=run.settings.inference_batch_size)


def _identities(crops: CropSet) -> IntArray:
    return np.zeros(len(crops), dtype=np.int64) if crops.identity_ids is None else crops.identity_ids
