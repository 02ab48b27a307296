"""What `iics evaluate` says of data without query and gallery: label-free numbers; with identities, a bit more."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iics.arrays import FloatArray
from iics.cli.model_file import load_model_or_run
from iics.crops import DISTRACTOR_IDENTITY, CropSet
from iics.errors import EvaluationError
from iics.evaluation.label_free import LabelFreeReport, label_free_report
from iics.evaluation.mark_agreement import MarkAgreement, mark_agreement
from iics.evaluation.marks import read_marks
from iics.evaluation.metrics import RankingResult
from iics.evaluation.ranked_features import rank_crops
from iics.evaluation.scored_crops import check_scorable
from iics.models.fingerprint import model_fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnlabelledResult:
    """What was found, and prints itself.

    Attributes:
        label_free: What can be said without labels.
        ranked: Each crop of a known person searched for among all crops; None if nothing is known to be found.
        note: What `ranked` is, or why it is not there.
    """

    label_free: LabelFreeReport
    ranked: RankingResult | None
    note: str

    @classmethod
    def of(cls, features: FloatArray, crops: CropSet) -> UnlabelledResult:
        """Return the result for the features of some crops.

        Raises:
            EvaluationError: If there are fewer than three crops.
        """
        return cls(label_free_report(features, crops), *_each_against_all(features, crops))

    def __str__(self) -> str:
        return "\n".join([str(self.label_free), "", self.note, *([] if self.ranked is None else [str(self.ranked)])])


def _each_against_all(features: FloatArray, crops: CropSet) -> tuple[RankingResult | None, str]:
    if crops.identity_ids is None:
        return None, (
            f"{crops.name} has no identities, so there is no mAP and no CMC. iics label MODEL estimates rank-1"
            f"{' across' if crops.num_cameras > 1 else ', within'}\n"
            f"{'cameras' if crops.num_cameras > 1 else 'the camera'}, and which similarity means the same person, from "
            "your answers to 50 pairs of crops."
        )
    is_person = crops.identity_ids > DISTRACTOR_IDENTITY
    if not is_person.any():
        return None, f"No crop of {crops.name} shows a known person, so there is no mAP and no CMC."
    people = crops.subset(np.flatnonzero(is_person))
    try:
        check_scorable(people, crops)
    except EvaluationError as error:
        return None, f"There is no mAP and no CMC: {error}"
    do_not_count = (
        "its camera's others, where the next frame of a walk is an easy match"
        if crops.num_cameras < 2
        else "all (crops of the same person and camera do not count)"
    )
    return rank_crops(features[is_person], features, people, crops), (
        f"{crops.name} has identities but no query and gallery: each crop of a known person was searched for among\n"
        f"{do_not_count}. Not comparable with numbers of a test split."
    )


def marked_matches(file: Path, model: Path) -> MarkAgreement:
    """Return the numbers of the marks on a model's matches; others are left out, with a warning.

    Raises:
        DataError: If the table cannot be read.
        WeightsError: If the model cannot be read.
        EvaluationError: If none of the marks is on matches of the model.
    """
    marks = read_marks(file)
    fingerprint = model_fingerprint(load_model_or_run(model, device="cpu"))
    own = [mark for mark in marks if mark.model == fingerprint]
    if marks and not own:
        others = ", ".join(sorted({mark.model for mark in marks}))
        raise EvaluationError(f"{model} is model {fingerprint}; the marks in {file} are on matches of {others}.")
    if len(own) < len(marks):
        logger.warning("%s holds %d marks on matches of other models; they do not count.", file, len(marks) - len(own))
    return mark_agreement(own)
