"""Training whose run folder always holds report.html: `iics.train` and `iics.resume`.

The page is written anew whenever a round is recorded, also for a run that is stopped later: some two seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from iics.config import Settings
from iics.crops import CropSet
from iics.errors import DataError
from iics.reports.model_card import write_model_card
from iics.reports.report import write_report
from iics.runs import rounds
from iics.runs.rounds import AtEnd, TrainingRun
from iics.runs.run import AfterRound
from iics.training.progress import ProgressCallback

logger = logging.getLogger(__name__)


def train(
    crops: CropSet,
    *,
    settings: Settings,
    out: Path | str,
    source: Mapping[str, str] | None = None,
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | None = None,
) -> TrainingRun:
    """Train a model on unlabelled crops and keep everything in a new run folder, with a report of the rounds so far.

    Under torchrun, all its processes call this alike and share the work; the first one writes.

    Args:
        crops: At least two cameras. Identities, if there are any, are only measured against.
        settings: E.g. `iics.presets.MARKET1501`.
        out: The run folder; must not exist, or be empty.
        source: Where the crops come from, recorded in the run folder.
        measured_on: Crops that `after_round` measures on, by name, e.g. "query"; who resumes must have the same.
        after_round: Called before training and after each round, e.g. to evaluate.
        at_end: Called with the finished run while its folder is still held, e.g. to calibrate the model.
        progress: Told about every step.

    Raises:
        DataError: If `crops` is None, as the train split of data that is only measured or searched.
        IicsError: As `iics.runs.rounds.train`; a report that cannot be written is only warned of.
    """
    return rounds.train(
        _given(crops),
        settings=settings,
        out=out,
        source=source,
        measured_on=measured_on,
        after_round=after_round,
        after_record=keep_report,
        at_end=_then(at_end),
        progress=progress,
    )


def resume(
    out: Path | str,
    crops: CropSet,
    *,
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | None = None,
) -> TrainingRun:
    """Go on with a run that was stopped, from the last stage it finished, to the result it would have had.

    Args:
        out: The run folder.
        crops: The pictures it was started with, wherever they lie now and in any order.
        measured_on: As in `train`; what is given is compared with what the run was measured on.
        after_round: As in `train`.
        at_end: As in `train`.
        progress: As in `train`.

    Raises:
        IicsError: As `iics.runs.rounds.resume`; a report that cannot be written is only warned of.
    """
    return rounds.resume(
        out,
        _given(crops),
        measured_on=measured_on,
        after_round=after_round,
        after_record=keep_report,
        at_end=_then(at_end),
        progress=progress,
    )


def _given(crops: CropSet | None) -> CropSet:
    if crops is None:
        raise DataError(
            "There are no crops to train on (None): the data has no split train. DataSplits.to_train_on() says what it "
            "has instead."
        )
    return crops


def _then(at_end: AtEnd | None) -> AtEnd:
    """Return what happens at the end of a run: its model card is written, then what the caller wants."""

    def end(run: TrainingRun) -> None:
        write_model_card(run.folder)
        if at_end is not None:
            at_end(run)

    return end


def keep_report(folder: Path) -> None:
    """Write the report of a run at work; a fault of it, whatever it is, is warned of and ends no run."""
    try:
        write_report(folder)
    except Exception as error:  # hours of training weigh more than a page that can be written again
        logger.warning(
            "The report of %s was not written (%s: %s). Training goes on; iics report %s tries again.",
            folder,
            type(error).__name__,
            error,
            folder,
        )
