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

from iics.atomic import write_atomically
from iics.data.crops import CropSet
from iics.device import choose_device
from iics.experiments.planned_runs import PlannedRun
from iics.experiments.run_store import RunStore
from iics.models.reid_model import ReidModel, create_model, load_model
from iics.training.randomness import seeded_starting_weights

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

MOST_CROPS = 4000
NUM_BINS = 100
PAIR_KINDS = (
    "same identity, same camera",
    "same identity, different cameras",
    "different identities, same camera",
    "different identities, different cameras",
)
"""Blue, red, yellow and green in the paper's Fig. 3."""


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
    """Fig. 3: how similar the four kinds of pairs are, at some moments.

    Attributes:
        moments: Names, e.g. "before training".
        edges: Of the bins of cosine similarity, from -1 to 1. Shape (bins + 1,).
        counts: Pairs of each moment and kind (`PAIR_KINDS`) by bin. Shape (moments, 4, bins).
        means: Mean similarity of each moment and kind, NaN where there is no pair. Shape (moments, 4).
    """

    moments: tuple[str, ...]
    edges: FloatArray
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
    """Count cosine similarities of all pairs by kind. Quadratic in the crops, a row of pairs at a time.

    Args:
        features: L2-normalised rows by moment. Shape (n, d) each.
        camera_ids: Shape (n,).
        identity_ids: Shape (n,).
    """
    edges = np.linspace(-1, 1, NUM_BINS + 1, dtype=np.float32)
    counts = np.zeros((len(features), len(PAIR_KINDS), NUM_BINS), dtype=np.int64)
    sums = np.zeros((len(features), len(PAIR_KINDS)))
    for at, rows in enumerate(features.values()):
        for first in range(len(rows) - 1):
            similarity = np.clip(rows[first + 1 :] @ rows[first], -1, 1)
            is_other_person = identity_ids[first + 1 :] != identity_ids[first]
            kind = 2 * is_other_person + (camera_ids[first + 1 :] != camera_ids[first])
            place = np.minimum(((similarity + 1) * (NUM_BINS / 2)).astype(np.int64), NUM_BINS - 1)
            counts[at] += np.bincount(kind * NUM_BINS + place, minlength=counts[at].size).reshape(counts[at].shape)
            sums[at] += np.bincount(kind, weights=similarity, minlength=len(PAIR_KINDS))
    totals = counts.sum(axis=2)
    means = np.divide(sums, totals, out=np.full_like(sums, np.nan), where=totals > 0)
    return SimilarityHistograms(tuple(features), edges, counts, means.astype(np.float32))


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
