"""What people marked of a model's matches, for `iics evaluate --marks`."""

from __future__ import annotations

import logging
from pathlib import Path

from iics.cli.model_file import load_model_or_run
from iics.errors import EvaluationError
from iics.evaluation.mark_agreement import MarkAgreement, mark_agreement
from iics.evaluation.marks import read_marks
from iics.models.fingerprint import model_fingerprint

logger = logging.getLogger(__name__)


def marked_matches(file: Path, model: Path) -> MarkAgreement:
    """Return the numbers of the marks on a model's matches; others are left out, with a warning.

    Args:
        file: Table that `iics app` wrote.
        model: Model file or run folder.

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
