"""Tracklets: are crops of one close, and two people in one picture far apart? Features -> numbers, without labels.

Two crops of one tracklet are one person, two crops in one picture are two people. No other pair is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import CropSet
from iics.evaluation.explained import explained, explained_threshold, percent
from iics.evaluation.known_pairs import CropPairs, apart_pairs, same_tracklet_pairs
from iics.evaluation.similarity_blocks import similarity_blocks
from iics.evaluation.thresholds_of_pairs import PersonPairs, match_thresholds, people_of_pairs
from iics.models.match_thresholds import MatchThreshold
from iics.pictures import picture_ids
from iics.similarity.cosine import CosineSimilarity

_MOST_CROPS = 5000
"""Crops whose nearest is looked for among all; the work space is a block of them."""


@dataclass(frozen=True)
class TrackletAgreement:
    """Similarities of the pairs that are known.

    Attributes:
        coherence: Share of crops whose nearest crop in another picture of the same camera is of their own tracklet;
            None without tracklets of two crops.
        num_crops: Crops that share is of.
        num_same: Pairs of one tracklet.
        num_apart: Pairs of two people in one picture.
        num_independent: Number of different pairs of people among the latter; thresholds need enough of them.
        same_similarity: Mean similarity of the former, None without.
        apart_similarity: Mean similarity of the latter, None without.
        roc_area: Chance that a pair of one tracklet is more similar than a pair of two people; None without either.
        thresholds: For false match rates of 0.1 %, 1 % and 5 %; none without pairs of two people.
    """

    coherence: float | None
    num_crops: int
    num_same: int
    num_apart: int
    num_independent: int
    same_similarity: float | None
    apart_similarity: float | None
    roc_area: float | None
    thresholds: tuple[MatchThreshold, ...]

    def lines(self) -> list[str]:
        """Return what can be printed."""
        lines = [
            f"Tracklets ({self.num_same:,} pairs of one tracklet, {self.num_apart:,} of two people in one picture)"
        ]
        if self.coherence is not None:
            lines += explained(
                "nearest crop in another picture is of the same tracklet",
                percent(self.coherence),
                "Within the camera. Good: near 100 %. The same person on a second walk counts as wrong here, so the "
                "truth is a little better.",
            )
        if self.same_similarity is not None:
            meaning = "Easy pairs: frames that follow each other. Good: near 1."
            lines += explained("mean similarity, one tracklet", f"{self.same_similarity:.3f}", meaning)
        if self.apart_similarity is not None:
            meaning = "Good: far below the number for one tracklet."
            lines += explained("mean similarity, two people in one picture", f"{self.apart_similarity:.3f}", meaning)
        if self.roc_area is not None:
            lines += explained(
                "area under the ROC curve",
                f"{self.roc_area:.4f}",
                "Chance that a pair of one tracklet is more similar than a pair of two people. Good: near 1; 0.5 is "
                "chance. Says nothing of pairs from two cameras, which are harder.",
            )
        for threshold in self.thresholds:
            lines += explained_threshold(
                threshold,
                exceeded_by="pairs of two people",
                needed=f"pairs of different tracklets, got {self.num_independent:,}",
                note="",
                found_of="pairs of one tracklet",
            )
        return lines


def tracklet_agreement(features: FloatArray, crops: CropSet, *, seed: int = 0) -> TrackletAgreement:
    """Return how well features agree with tracklets and pictures.

    Args:
        features: L2-normalised. Shape (n, d).
        crops: Of the features; without tracklets and boxes nothing is known.
        seed: Of what is drawn: crops, and one partner of a tracklet for each crop.
    """
    generator = np.random.default_rng(seed)
    nothing = CropPairs.none()
    same = nothing if crops.tracklet_ids is None else same_tracklet_pairs(crops.tracklet_ids, generator)
    apart = apart_pairs(crops, generator)
    chosen = same.first if len(same) <= _MOST_CROPS else generator.choice(same.first, _MOST_CROPS, replace=False)
    is_own = _nearest_is_own_tracklet(features, crops, np.sort(chosen))
    similarity = CosineSimilarity(torch.from_numpy(np.ascontiguousarray(features)))
    of_same, of_apart = (similarity.pairs(pairs.first, pairs.second) for pairs in (same, apart))
    area = None
    if len(same) and len(apart):
        is_same = np.repeat([1, 0], [len(same), len(apart)])
        area = float(roc_auc_score(is_same, np.concatenate([of_same, of_apart])))
    return TrackletAgreement(
        coherence=float(is_own.mean()) if len(is_own) else None,
        num_crops=len(is_own),
        num_same=len(same),
        num_apart=len(apart),
        num_independent=apart.num_independent,
        same_similarity=float(of_same.mean()) if len(same) else None,
        apart_similarity=float(of_apart.mean()) if len(apart) else None,
        roc_area=area,
        thresholds=match_thresholds(PersonPairs(of_apart, *people_of_pairs(crops, apart)), of_same)
        if len(apart)
        else (),
    )


def _nearest_is_own_tracklet(features: FloatArray, crops: CropSet, chosen: IntArray) -> BoolArray:
    """Return whether the nearest crop of the same camera in another picture is of the own tracklet.

    Crops without a tracklet are never the nearest; crops whose tracklet has no other picture are not asked.
    """
    if crops.tracklet_ids is None:
        return np.empty(0, dtype=np.bool_)
    tracklets, cameras, pictures = crops.tracklet_ids, crops.camera_ids, picture_ids(crops)
    found = [np.empty(0, dtype=np.bool_)]
    for rows, similarity in similarity_blocks(features, chosen):
        is_other = (cameras[rows, None] != cameras) | (tracklets < 0)
        if pictures is not None:
            is_other |= (pictures[rows, None] == pictures) & (pictures != -1)
        is_other[np.arange(len(rows)), rows] = True
        similarity[is_other] = -np.inf
        is_own = tracklets[rows, None] == tracklets
        has_answer = (is_own & ~is_other).any(axis=1)
        found.append((tracklets[similarity.argmax(axis=1)] == tracklets[rows])[has_answer])
    return np.concatenate(found)
