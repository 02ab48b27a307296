"""Calibration of a model by what people say of pairs of crops: answers -> thresholds of the similarity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from iics.arrays import FloatArray
from iics.crops import CropSet
from iics.evaluation.answer_estimates import answered_thresholds, check_answers
from iics.evaluation.answers import AskedPair
from iics.evaluation.calibration import limits_of
from iics.evaluation.drawn_pairs import PairsAcross, apart_by
from iics.models.match_thresholds import Calibration, MatchThresholds


def answer_thresholds(
    pairs: Sequence[AskedPair], features: FloatArray, crops: CropSet, *, data: str, is_trained_on: bool | None
) -> MatchThresholds:
    """Return thresholds from what people said of pairs that were drawn from these crops.

    Args:
        pairs: As drawn, answered so far as they are.
        features: L2-normalised. Shape (n, d).
        crops: Of the features.
        data: What to call it.
        is_trained_on: Whether the model was trained on these crops; None if not known.

    Raises:
        EvaluationError: If answers are too few or contradict each other, or crops came or went since.
    """
    check_answers(pairs)
    kind: Calibration = "answers" if crops.num_cameras > 1 else "answers in one camera"
    said = Counter(pair.answer for pair in pairs if pair.kind == "any pair")
    return MatchThresholds(
        answered_thresholds(pairs, PairsAcross.of(features, apart_by(crops)).similarity),
        calibration=kind,
        data=data,
        split="all crops",
        num_people=0,
        num_different=said["no"],
        num_people_pairs=said["no"],
        num_same=said["yes"],
        is_trained_on=is_trained_on,
        limits=limits_of(kind, is_trained_on),
    )
