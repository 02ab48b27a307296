"""Calibration of a model: pairs that are known to be one or two people -> thresholds of the similarity.

In order of preference: query and gallery with identities, which the model was not trained on; other crops with
identities (pairs of two cameras; where one took all, of that one); without identities, two boxes or tracklets in one
picture (two people) and crops of a tracklet (one person), which are pairs of one camera. What people say of pairs is
`answer_calibration.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from iics.arrays import BoolArray, FloatArray, IntArray
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.data_splits import DataSplits
from iics.errors import EvaluationError
from iics.evaluation.known_pairs import apart_pairs, same_tracklet_pairs
from iics.evaluation.thresholds_of_pairs import PersonPairs, match_thresholds, people_of_pairs
from iics.models.match_thresholds import Calibration, MatchThresholds
from iics.similarity.cosine import CosineSimilarity

MAX_CROPS = 3000
"""Crops of each side that are compared, if there are more: 9 million pairs. What is scarce is people, not pairs."""

_LIMITS: dict[Calibration, str] = {
    "identities": "Within one camera different people look more alike; a search that includes it meets that rate.",
    "tracklets and moments": (
        "No pair spans two cameras, where one person looks far less alike than within a tracklet: expect to find much "
        "less across cameras than is said here."
    ),
    "answers": (
        "All pairs are of two cameras; within one camera different people look more alike. The intervals are of these "
        "crops. What share of the pairs of one person is above is not known: below, they are too rare to be met."
    ),
    "identities in one camera": (
        "All pairs are of one camera, where the next frame of a walk is easily found: expect to find less of people "
        "who come back, and much less in another camera."
    ),
    "answers in one camera": (
        "All pairs are of one camera, and say nothing of another. The intervals are of these crops. What share of the "
        "pairs of one person is above is not known: below, they are too rare to be met."
    ),
}
_TRAINED_ON = {
    True: " The model was trained on these crops; on others it may do worse.",
    False: "",
    None: " Whether the model was trained on these crops is not known; if it was, it may do worse on others.",
}
_FRAMES_COUNT = " Without tracklets, frames of the same people count as different people: the intervals are too narrow."
_ELSEWHERE = " Other cameras, light and people move these numbers."


def measured_thresholds(
    features_of: Callable[[CropSet], FloatArray], data: DataSplits, *, trained_on: str | None = None
) -> MatchThresholds:
    """Return the similarities that 0.1 %, 1 % and 5 % of the pairs of two different people exceed.

    Args:
        features_of: From crops to L2-normalised features.
        data: With identities, or with tracklets and times, or boxes.
        trained_on: Fingerprint of the crops that the model was trained on; None if that is not known.

    Raises:
        EvaluationError: If no pair of two people is known.
    """
    check_calibratable(data)
    # Other fingerprints say nothing: a crop more or less makes another one.
    is_their_training = True if trained_on is not None and trained_on == _fingerprint(data) else None
    if data.query is not None and data.gallery is not None and _shows_people(data.query, data.gallery):
        features = features_of(data.query), features_of(data.gallery)
        is_trained_on = False if is_their_training else None
        return identity_thresholds(*features, data.query, data.gallery, data=data.name, is_trained_on=is_trained_on)
    crops = data.to_look_at()
    features_of_all = features_of(crops)
    if _shows_people(crops, crops):
        return identity_thresholds(features_of_all, None, crops, None, data=data.name, is_trained_on=is_their_training)
    return moment_thresholds(features_of_all, crops, data=data.name, is_trained_on=is_their_training)


def _fingerprint(data: DataSplits) -> str | None:
    return None if data.train is None else data.train.fingerprint()


def check_calibratable(data: DataSplits) -> None:
    """Refuse data without a pair that is known to be two people, before any feature is computed.

    Raises:
        EvaluationError: If there are none.
    """
    if data.query is not None and data.gallery is not None and _shows_people(data.query, data.gallery):
        return
    crops = data.to_look_at()
    if _shows_people(crops, crops) or len(apart_pairs(crops, np.random.default_rng(0))):
        return
    raise EvaluationError(
        f"No two crops of {data.name} are known to be two people, so which similarity means the same person cannot be "
        "measured on them. Needed are identities of two people, or boxes in one picture, or tracklets "
        "with times that tell pictures apart (docs/thresholds.md). Without any of these, iics label MODEL estimates it "
        "from your answers to 50 pairs of crops."
    )


def identity_thresholds(
    query_features: FloatArray,
    gallery_features: FloatArray | None,
    query: CropSet,
    gallery: CropSet | None,
    *,
    data: str,
    is_trained_on: bool | None,
) -> MatchThresholds:
    """Return thresholds from pairs of known people in different cameras (or one, if it took all), without junk.

    Args:
        query_features: L2-normalised. Shape (n, d).
        gallery_features: L2-normalised; None compares the query with itself, each pair once. Shape (m, d).
        query: With identities.
        gallery: With identities, cameras numbered as in the query; None as above.
        data: What to call it.
        is_trained_on: Whether the model was trained on these crops; None if not known.

    Raises:
        EvaluationError: If cameras are numbered differently, or no two people were seen by two cameras.
    """
    pairs = _compared_people(query_features, gallery_features, query, gallery)
    is_different = ~pairs.is_same & ~pairs.is_near
    if not is_different.any():
        raise EvaluationError(f"No two people of {data} were seen by two cameras; nothing to calibrate on.")
    kind: Calibration = "identities in one camera" if pairs.is_one_camera else "identities"
    sides = pairs.people[:, None], pairs.other_people
    shown = (np.broadcast_to(side, pairs.cosines.shape)[is_different] for side in sides)
    different = PersonPairs(pairs.cosines[is_different], *shown)
    same = pairs.cosines[pairs.is_same & ~pairs.is_near]
    return MatchThresholds(
        match_thresholds(different, same, pairs.cosines[~pairs.is_same & pairs.is_near]),
        calibration=kind,
        data=data,
        split="all crops" if gallery is None else "query against gallery",
        num_people=different.num_people,
        num_different=len(different),
        num_people_pairs=len(different.first),
        num_same=len(same),
        is_trained_on=is_trained_on,
        limits=limits_of(kind, is_trained_on),
    )


def shares_above(
    thresholds: MatchThresholds,
    query_features: FloatArray,
    gallery_features: FloatArray,
    query: CropSet,
    gallery: CropSet,
) -> dict[float, float]:
    """Return the share of pairs of two people in this data above each threshold, which was measured on other data.

    Args:
        thresholds: Of the model file.
        query_features: L2-normalised. Shape (n, d).
        gallery_features: L2-normalised. Shape (m, d).
        query: With identities.
        gallery: With identities, cameras numbered as in the query.

    Returns:
        The share by the rate that the threshold stands for; empty without pairs of different cameras.

    Raises:
        EvaluationError: If cameras are numbered differently.
    """
    pairs = _compared_people(query_features, gallery_features, query, gallery)
    different = pairs.cosines[~pairs.is_same & ~pairs.is_near]
    if len(different) == 0:
        return {}
    known = [(at.rate, at.similarity) for at in thresholds.thresholds if at.similarity is not None]
    return {rate: float((different > similarity).mean()) for rate, similarity in known}


@dataclass(frozen=True, eq=False)
class _ComparedPeople:
    """Crops of known people, compared.

    Attributes:
        cosines: NaN where a pair does not count. Shape (n, m).
        is_same: Whether both are one person. Shape (n, m).
        is_near: Whether one camera took both, and others took crops, too. Shape (n, m).
        is_one_camera: Whether one camera took all.
        people: Identity of each row. Shape (n,).
        other_people: Of each column. Shape (m,).
    """

    cosines: FloatArray
    is_same: BoolArray
    is_near: BoolArray
    is_one_camera: bool
    people: IntArray
    other_people: IntArray


def _compared_people(
    query_features: FloatArray, gallery_features: FloatArray | None, query: CropSet, gallery: CropSet | None
) -> _ComparedPeople:
    """Compare crops of known people, at most 3,000 of a side; without a gallery the query with itself, each pair once.

    Raises:
        EvaluationError: If cameras are numbered differently.
    """
    if gallery is not None and gallery.camera_names != query.camera_names:
        raise EvaluationError("Query and gallery number their cameras differently. Read both with one reader.")
    generator = np.random.default_rng(0)
    rows = _drawn_people(query, generator)
    columns = rows if gallery is None else _drawn_people(gallery, generator)
    others = query if gallery is None else gallery
    cosines = query_features[rows] @ (query_features if gallery_features is None else gallery_features)[columns].T
    people, other_people = _identities(query)[rows], _identities(others)[columns]
    is_same = people[:, None] == other_people
    is_near = query.camera_ids[rows, None] == others.camera_ids[columns]
    if is_one_camera := bool(is_near.all()):
        is_near[:] = False
    if gallery is None:
        is_twice = np.tri(len(rows), dtype=np.bool_)  # each crop with itself, and each pair the other way round
        is_same[is_twice] = is_near[is_twice] = True
        cosines[is_twice] = np.nan  # and so among no kind of pair that is counted
    return _ComparedPeople(cosines, is_same, is_near, is_one_camera, people, other_people)


def moment_thresholds(
    features: FloatArray, crops: CropSet, *, data: str, is_trained_on: bool | None
) -> MatchThresholds:
    """Return thresholds without identities: from two people in one picture, and one person in a tracklet.

    Args:
        features: L2-normalised. Shape (n, d).
        crops: With tracklets and times, or boxes.
        data: What to call it.
        is_trained_on: Whether the model was trained on these crops; None if not known.

    Raises:
        EvaluationError: If no two crops are known to be two people.
    """
    generator = np.random.default_rng(0)
    apart = apart_pairs(crops, generator)
    if len(apart) == 0:
        raise EvaluationError(f"No two crops of {data} are known to be two people; nothing to calibrate on.")
    similarity = CosineSimilarity(torch.from_numpy(np.ascontiguousarray(features)))
    different = PersonPairs(similarity.pairs(apart.first, apart.second), *people_of_pairs(crops, apart))
    same: FloatArray = np.empty(0, np.float32)
    has_tracklets = crops.tracklet_ids is not None and bool((crops.tracklet_ids >= 0).any())
    if crops.tracklet_ids is not None:
        pairs = same_tracklet_pairs(crops.tracklet_ids, generator)
        same = similarity.pairs(pairs.first, pairs.second)
    return MatchThresholds(
        match_thresholds(different, same),
        calibration="tracklets and moments",
        data=data,
        split="all crops",
        num_people=different.num_people,
        num_different=len(different),
        num_people_pairs=len(different.first),
        num_same=len(same),
        is_trained_on=is_trained_on,
        limits=limits_of("tracklets and moments", is_trained_on) + ("" if has_tracklets else _FRAMES_COUNT),
    )


def limits_of(calibration: Calibration, is_trained_on: bool | None) -> str:
    """Return what thresholds of a kind do not say, in words."""
    return _LIMITS[calibration] + _TRAINED_ON[is_trained_on] + _ELSEWHERE


def _shows_people(query: CropSet, gallery: CropSet) -> bool:
    """Return whether two people are among crops of known people, who can be compared across cameras or in the one."""
    if query.identity_ids is None or gallery.identity_ids is None:
        return False
    identities = np.concatenate([query.identity_ids, gallery.identity_ids])
    return len(np.unique(identities[identities > DISTRACTOR_IDENTITY])) > 1


def _drawn_people(crops: CropSet, generator: np.random.Generator) -> IntArray:
    """Return crops of known people, at most 3,000 of them drawn at random."""
    known = np.flatnonzero(_identities(crops) > DISTRACTOR_IDENTITY)
    return known if len(known) <= MAX_CROPS else np.sort(generator.choice(known, MAX_CROPS, replace=False))


def _identities(crops: CropSet) -> IntArray:
    if crops.identity_ids is None:
        raise EvaluationError(f"{crops.name} has no identities; calibrate on tracklets and moments.")
    return crops.identity_ids
