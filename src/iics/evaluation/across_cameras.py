"""Matches across cameras, judged without labels: a score that orders models on the same crops.

Each crop is matched with the most similar crops of other cameras. Three things hold for right matches:

* agreement: a crop and the most similar other crop of its camera, mostly the same person a moment later, have the same
  matches. Share of `NUM_MATCHES` matches that both have.
* nearness of other cameras: a match is near among all crops, too, not only among those of other cameras. Share of other
  cameras among the `NUM_NEAREST` nearest crops, over that by chance.
* distinctness: a match stands out. Its similarity less the mean between cameras, in standard deviations of the latter.

Each can be had for nothing: features of two numbers agree, features of noise are near no camera, features of the camera
alone stand out. Their product, the match score, is low for all of these (docs/experiments.md has how far it orders
models as mAP does). Features x cameras -> `AcrossCameras`. O(n^2) memory for at most `MOST_CROPS` crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.explained import explained, percent

NUM_MATCHES, NUM_NEAREST = 5, 20
MOST_CROPS = 1500
_DECIMALS = 5


@dataclass(frozen=True)
class AcrossCameras:
    """What was found; larger is better for every number.

    Attributes:
        num_crops: Crops looked at; all, or drawn at random.
        score: The match score, the product of the three below; to compare models on the same crops.
        agreement: Share of its matches that a crop's most similar crop of its camera has as well, mean over crops.
        near_other_cameras: Share of other cameras among the nearest crops over that by chance, mean over crops.
        distinctness: Similarity of a crop and its match less the mean between cameras, in standard deviations of the
            latter, mean over crops.
    """

    num_crops: int
    score: float
    agreement: float
    near_other_cameras: float
    distinctness: float

    def lines(self) -> list[str]:
        """Return what can be printed."""
        lines = [f"Matches across cameras ({self.num_crops:,} crops, each with its most similar ones of other cameras)"]
        lines += explained(
            "match score",
            f"{self.score:.2f}",
            "The product of the three below. On the same crops it ordered models mostly as mAP did; its value on other "
            "crops says nothing (docs/checking_data.md).",
        )
        lines += explained(
            "matches that a crop's neighbour shares",
            percent(self.agreement),
            f"Of {NUM_MATCHES} matches, those of the most similar crop of the same camera as well. Good: high.",
        )
        lines += explained(
            f"other cameras among the {NUM_NEAREST} nearest crops, of chance",
            percent(self.near_other_cameras),
            "Good: high. Near 0 %: features tell the camera, not the person.",
        )
        return lines + explained(
            "how far matches stand out, in standard deviations",
            f"{self.distinctness:.2f}",
            "Similarity of a crop and its match, less the mean between cameras. Good: high.",
        )


@dataclass(frozen=True, eq=False)
class Matches:
    """The most similar crops of other cameras.

    Attributes:
        indices: From the most similar; -1 where there are fewer. Shape (n, k).
        similarities: Their cosines; NaN where there are none. Shape (n, k).
    """

    indices: IntArray
    similarities: FloatArray


def matches_across(features: FloatArray, camera_ids: IntArray, *, num_matches: int) -> Matches:
    """Return the most similar crops of other cameras for each crop; ties by index.

    Args:
        features: L2-normalised. Shape (n, d).
        camera_ids: Camera of each crop. Shape (n,).
        num_matches: How many, at least 1.
    """
    similarity = np.where(camera_ids[:, None] != camera_ids[None, :], features @ features.T, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :num_matches].astype(np.int64)
    found = np.take_along_axis(similarity, order, axis=1)
    is_none = np.isneginf(found)
    return Matches(np.where(is_none, -1, order), np.where(is_none, np.nan, found).astype(np.float32))


def across_cameras(
    features: FloatArray, crops: CropSet, *, seed: int = 0, max_crops: int = MOST_CROPS
) -> AcrossCameras | None:
    """Return what matches across cameras look like; None if all crops looked at are of one camera.

    Args:
        features: L2-normalised, of the crops. Shape (n, d).
        crops: Their cameras count, nothing else.
        seed: Of the crops that are drawn.
        max_crops: Crops that are looked at.

    Raises:
        EvaluationError: If features and crops do not belong together.
    """
    if features.ndim != 2 or len(features) != len(crops):
        raise EvaluationError(f"{len(crops)} crops need as many rows of features, got shape {features.shape}.")
    chosen = np.arange(len(crops))
    if len(crops) > max_crops:
        chosen = np.sort(np.random.default_rng(seed).choice(len(crops), max_crops, replace=False))
    looked_at, cameras = features[chosen], crops.camera_ids[chosen]
    is_across: BoolArray = cameras[:, None] != cameras[None, :]
    if not is_across.any():
        return None
    similarity = _cosines(looked_at)
    agreement = _agreement(similarity, is_across)
    near, distinctness = _near_other_cameras(similarity, is_across), _distinctness(similarity, is_across)
    return AcrossCameras(len(chosen), agreement * near * distinctness, agreement, near, distinctness)


def _agreement(similarity: FloatArray, is_across: BoolArray) -> float:
    count = min(NUM_MATCHES, int(is_across.sum(axis=1).min()))
    among_others = np.where(is_across, similarity, -np.inf)
    matches = np.argsort(-among_others, axis=1, kind="stable")[:, :count]
    is_own = ~is_across
    np.fill_diagonal(is_own, val=False)
    neighbour = np.where(is_own, similarity, -np.inf).argmax(axis=1)
    shared = (matches[:, :, None] == matches[neighbour][:, None, :]).any(axis=2).mean(axis=1)
    # Where more crops are equally similar than there are matches, these are the first by index: no matches at all.
    num_best = (among_others == among_others.max(axis=1, keepdims=True)).sum(axis=1)
    shared = np.where(num_best > NUM_MATCHES, 0, shared)
    has_neighbour = is_own.any(axis=1)
    return float(shared[has_neighbour].mean()) if has_neighbour.any() else 0.0


def _near_other_cameras(similarity: FloatArray, is_across: BoolArray) -> float:
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    count = min(NUM_NEAREST, len(others) - 1)
    nearest = np.argsort(-others, axis=1, kind="stable")[:, :count]
    by_chance = is_across.sum(axis=1) / (len(others) - 1)
    return float((np.take_along_axis(is_across, nearest, axis=1).mean(axis=1) / by_chance).mean())


def _distinctness(similarity: FloatArray, is_across: BoolArray) -> float:
    between = similarity[is_across].astype(np.float64)
    deviation = between.std()
    best = np.where(is_across, similarity, -np.inf).max(axis=1)
    return float((best.mean(dtype=np.float64) - between.mean()) / deviation) if deviation > 0 else 0.0


def _cosines(features: FloatArray) -> FloatArray:
    """Return cosines, rounded: equal rows must come out equal, whatever the order in which their products are added."""
    cosines: FloatArray = np.round(features @ features.T, _DECIMALS)
    return cosines
