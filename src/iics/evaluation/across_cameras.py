"""Matches across cameras, judged without labels: do they lead back, and do they depend on half of the features?

Each crop is matched with the most similar crop of another camera. Two things that the right match does mostly, and an
arbitrary one seldom:

* it leads back: of the crops in the first crop's camera, the one that is most similar to the match is the first crop,
  or one of its `NUM_NEAR` most similar crops there (mostly the same person's);
* it does not depend on which features are looked at: each half of the channels, drawn at random, has the same match.

Features x cameras -> `AcrossCameras`. O(n^2) memory for at most `MOST_CROPS` crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import CropSet
from iics.errors import EvaluationError
from iics.evaluation.explained import explained, percent

NUM_NEAR = 5
"""Crops of its own camera that count as a crop's surroundings: a person stays in view for some pictures."""
MOST_CROPS = 1500


@dataclass(frozen=True)
class AcrossCameras:
    """What was found; shares of crops, in [0, 1].

    Attributes:
        num_crops: Crops looked at; all, or drawn at random.
        led_back: Share of crops whose match in another camera leads back to them, or to one near them.
        led_back_by_chance: The same if the way back ended anywhere in the crop's camera.
        halves_agree: Share of crops for which both halves of the channels have the same match.
        similarity: Mean similarity of crops and their matches.
    """

    num_crops: int
    led_back: float
    led_back_by_chance: float
    halves_agree: float
    similarity: float

    def lines(self) -> list[str]:
        """Return what can be printed."""
        lines = [f"Matches across cameras ({self.num_crops:,} crops, each with the most similar one of another camera)"]
        lines += explained(
            "matches that lead back",
            percent(self.led_back),
            "The crop most similar to the match, in the first crop's camera, is the first crop or one of its "
            f"{NUM_NEAR} most similar ones there. Chance is {percent(self.led_back_by_chance)}. Good: high. People whom "
            "one camera alone saw have no right match, and keep it below 100 %.",
        )
        return lines + explained(
            "matches that both halves of the features have",
            percent(self.halves_agree),
            "Channels are split in two at random, and each half chooses its match. Good: high. Near 0 % the matches "
            "are arbitrary.",
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
    similarity = np.where(_is_across(camera_ids), features @ features.T, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :num_matches].astype(np.int64)
    found = np.take_along_axis(similarity, order, axis=1)
    is_none = np.isneginf(found)
    return Matches(np.where(is_none, -1, order), np.where(is_none, np.nan, found).astype(np.float32))


def across_cameras(
    features: FloatArray, crops: CropSet, *, seed: int = 0, max_crops: int = MOST_CROPS
) -> AcrossCameras | None:
    """Return how far matches across cameras can be trusted; None if all crops looked at are of one camera.

    Args:
        features: L2-normalised, of the crops. Shape (n, d).
        crops: Their cameras count, nothing else.
        seed: Of the crops that are drawn, and of the halves.
        max_crops: Crops that are looked at.

    Raises:
        EvaluationError: If features and crops do not belong together.
    """
    if features.ndim != 2 or len(features) != len(crops):
        raise EvaluationError(f"{len(crops)} crops need as many rows of features, got shape {features.shape}.")
    generator = np.random.default_rng(seed)
    chosen = np.arange(len(crops))
    if len(crops) > max_crops:
        chosen = np.sort(generator.choice(len(crops), max_crops, replace=False))
    looked_at, cameras = features[chosen], crops.camera_ids[chosen]
    if len(np.unique(cameras)) < 2:
        return None
    similarity = looked_at @ looked_at.T
    best, best_similarity = _best(similarity, _is_across(cameras))
    sizes = (~_is_across(cameras)).sum(axis=1)
    return AcrossCameras(
        num_crops=len(chosen),
        led_back=float(_leads_back(similarity, best, cameras).mean()),
        led_back_by_chance=float(np.minimum((NUM_NEAR + 1) / sizes, 1).mean()),
        halves_agree=float(_halves_agree(looked_at, cameras, generator).mean()),
        similarity=float(best_similarity.mean()),
    )


def _leads_back(similarity: FloatArray, best: IntArray, cameras: IntArray) -> BoolArray:
    is_own = ~_is_across(cameras)  # with the crop itself
    back, _ = _best(similarity[best], is_own)
    reached = similarity[np.arange(len(back)), back]
    # Counted with equals: features that are all the same lead nowhere.
    at_least_as_near: IntArray = (is_own & (similarity >= reached[:, None])).sum(axis=1)
    leads_back: BoolArray = (best >= 0) & (back >= 0) & (at_least_as_near <= NUM_NEAR + 1)
    return leads_back


def _halves_agree(features: FloatArray, cameras: IntArray, generator: np.random.Generator) -> BoolArray:
    is_across, matches = _is_across(cameras), []
    for channels in np.array_split(generator.permutation(features.shape[1]), 2):
        half = features[:, channels]
        norms = np.linalg.norm(half, axis=1, keepdims=True)
        half = half / np.where(norms > 0, norms, 1)
        matches.append(_best(half @ half.T, is_across)[0])
    return (matches[0] == matches[1]) & (matches[0] >= 0)


def _best(similarity: FloatArray, may_be: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the column of the largest value that may be one, and the value; -1 if it is one of too many equals.

    A few are copies of one picture; features that are all the same have no match.
    """
    allowed = np.where(may_be, similarity, -np.inf)
    best = allowed.argmax(axis=1)
    value = allowed[np.arange(len(best)), best]
    num_equal = (allowed == value[:, None]).sum(axis=1)
    return np.where(num_equal <= NUM_NEAR, best, -1).astype(np.int64), value


def _is_across(camera_ids: IntArray) -> BoolArray:
    is_across: BoolArray = camera_ids[:, None] != camera_ids[None, :]
    return is_across
