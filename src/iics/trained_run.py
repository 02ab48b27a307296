"""A whole training: `iics.train` and `iics.resume`, as the command `iics train` does it, too.

Rounds are measured where there is a query and a gallery, the run folder holds report.html after every round (some two
seconds) and model.md in the end, and the model knows which similarity means the same person.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from iics.config import Settings
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.given_to_train import as_data, given_crops, given_folder, given_settings
from iics.judged_run import judge
from iics.measuring import Measuring
from iics.progress_display import training_display
from iics.reports.model_card import write_model_card
from iics.reports.report import write_report
from iics.runs import rounds
from iics.runs.rounds import AtEnd, TrainingRun
from iics.runs.run import AfterRound
from iics.runs.run_files import METRICS
from iics.runs.run_folder import RunFolder
from iics.runs.same_pictures import Hashing, check_measured_on, digests_of
from iics.training.distributed import Processes, joined_processes
from iics.training.progress import ProgressCallback

logger = logging.getLogger(__name__)

When = Literal["every-round", "end", "never"]
"""When a run is measured: also before training, unless never."""


def train(
    crops: CropSet,
    *,
    settings: Settings | None = None,
    out: Path | str | None = None,
    query: CropSet | None = None,
    gallery: CropSet | None = None,
    evaluate: When = "every-round",
    source: Mapping[str, str] | None = None,
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | bool = False,
) -> TrainingRun:
    """Train a model on unlabelled crops and keep everything in a new run folder, with a report of the rounds so far.

    Under torchrun, all its processes call this alike and share the work; the first one writes.

    Args:
        crops: Identities, if there are any, are only measured against. Of one camera, IICS trains stage 1 alone.
        settings: E.g. `iics.presets.MARKET1501`, or `iics.fit_settings(crops).settings`; needed.
        out: The run folder; must not exist, or be empty; needed.
        query: Crops with identities; with a gallery, mAP and CMC are measured, and the model is calibrated on both.
        gallery: Crops with identities that the query is searched in.
        evaluate: When to measure: before training and every-round, or at the end; or never.
        source: Where the crops come from, recorded in the run folder.
        measured_on: Other crops that `after_round` measures on, by name; who resumes must have the same.
        after_round: Called before training and after each round, to measure something else.
        at_end: Called with the finished run while its folder is still held.
        progress: Told about every step; True shows it, on a terminal, in a notebook or as lines.

    Raises:
        DataError: If `crops` is None, as the train split of data that is only measured or searched; or if there is one
            of query and gallery alone, or one without identities.
        IicsError: As `iics.runs.rounds.train`; a report that cannot be written is only warned of.
    """
    data = as_data(given_crops(crops), query, gallery)
    settings, out = given_settings(settings), given_folder(out)
    with joined_processes() as processes, listening(progress, processes) as listener:
        return train_on(
            data,
            settings=settings,
            out=out,
            evaluate=evaluate if query is not None else "never",
            source=source or {},
            measured_on=measured_on,
            after_round=after_round,
            at_end=at_end,
            progress=listener,
        )


def resume(
    out: Path | str,
    crops: CropSet,
    *,
    query: CropSet | None = None,
    gallery: CropSet | None = None,
    evaluate: When = "every-round",
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | bool = False,
) -> TrainingRun:
    """Go on with a run that was stopped, from the last stage it finished, to the result it would have had.

    The crops are the pictures that it was started with, wherever they lie now and in any order; so are those that it
    is measured on, which are compared with what it was measured on before. Other arguments are those of `train`.

    Raises:
        IicsError: As `train` and `iics.runs.rounds.resume`; a report that cannot be written is only warned of.
    """
    data = as_data(given_crops(crops), query, gallery)
    with joined_processes() as processes, listening(progress, processes) as listener:
        return resume_on(
            Path(out),
            data,
            evaluate=evaluate if query is not None else "never",
            measured_on=measured_on,
            after_round=after_round,
            at_end=at_end,
            progress=listener,
        )


def train_on(
    data: DataSplits,
    *,
    settings: Settings,
    out: Path,
    evaluate: When,
    source: Mapping[str, str],
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | None = None,
    hashing: Hashing = digests_of,
) -> TrainingRun:
    """Train on data as its reader found it; see `train`. It is measured if query and gallery have identities."""
    tests = measured_splits(data, evaluate)
    measuring = _measuring(tests, evaluate, settings, out, progress, after_round)
    return rounds.train(
        data.to_train_on(),
        settings=settings,
        out=out,
        source=source,
        measured_on={**tests, **(measured_on or {})},
        after_round=measuring if tests else after_round,
        after_record=_report_while_at_work(settings.rounds),
        at_end=_end(measuring if evaluate != "never" else None, data, at_end),
        progress=progress,
        hashing=hashing,
    )


def resume_on(
    out: Path,
    data: DataSplits,
    *,
    evaluate: When,
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | None = None,
    hashing: Hashing = digests_of,
) -> TrainingRun:
    """Go on with a run on data as its reader found it; see `resume`."""
    with joined_processes() as processes:  # whose first alone may see the folder
        settings = processes.from_first(lambda: RunFolder.open(out).settings())
        pictures = RunFolder.open(out).pictures() if processes.is_first else None
    tests = measured_splits(data, evaluate)
    if pictures is not None and tests:
        tests = check_measured_on(tests, pictures, settings, run=out, hashing=hashing)
    measuring = _measuring(tests, evaluate, settings, out, progress, after_round)
    return rounds.resume(
        out,
        data.to_train_on(),
        measured_on=measured_on,
        after_round=measuring if tests else after_round,
        after_record=_report_while_at_work(settings.rounds),
        at_end=_end(measuring if evaluate != "never" else None, data, at_end),
        progress=progress,
        hashing=hashing,
    )


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


def measured_splits(data: DataSplits, evaluate: When) -> dict[str, CropSet]:
    """Return what is measured on, by name; nothing if it has no identities, or nothing is to be measured."""
    query, gallery = data.query, data.gallery
    if evaluate == "never" or query is None or gallery is None:
        return {}
    has_identities = query.identity_ids is not None and gallery.identity_ids is not None
    return {"query": query, "gallery": gallery} if has_identities else {}


@contextmanager
def listening(progress: ProgressCallback | bool, processes: Processes) -> Iterator[ProgressCallback | None]:
    """Yield who is told about every step; only the first of several processes shows anything."""
    if not isinstance(progress, bool):
        yield progress
    elif progress and processes.is_first:
        with training_display() as display:
            yield display
    else:
        yield None


def _report_while_at_work(num_rounds: int) -> Callable[[Path], None]:
    """Return what writes the report after a round, but for the last one: the end of the run writes that anyway."""

    def report(folder: Path) -> None:
        last = (folder / METRICS).read_text().splitlines()[-1]
        if json.loads(last)["round"] < num_rounds:
            keep_report(folder)

    return report


def _look_at_crops(run: TrainingRun, crops: CropSet) -> None:
    """Judge a finished run by its own crops, and tell it in its report; a fault is warned of and ends no run."""
    try:
        judge(run, crops)
    except Exception as error:  # the model is trained and saved
        logger.warning(
            "The report of %s has no pictures of its crops (%s: %s). iics train --resume %s tries again.",
            run.folder,
            type(error).__name__,
            error,
            run.folder,
        )
    keep_report(run.folder)


def _measuring(
    tests: Mapping[str, CropSet],
    evaluate: When,
    settings: Settings,
    folder: Path,
    progress: ProgressCallback | None,
    also: AfterRound | None,
) -> Measuring:
    def is_due(round_number: int) -> bool:
        return evaluate == "every-round" or round_number in (0, settings.rounds)

    own = {"": (tests["query"], tests["gallery"])} if tests else {}
    return Measuring(own, is_due=is_due, settings=settings, folder=folder, progress=progress, also=also)


def _end(measuring: Measuring | None, data: DataSplits, at_end: AtEnd | None) -> AtEnd:
    """Return what happens at the end: model card, thresholds, a look at the crops, then what the caller wants."""

    def end(run: TrainingRun) -> None:
        write_model_card(run.folder)
        try:
            if measuring is not None:
                measuring.calibrate(run, data)
        finally:  # the report of the last round
            _look_at_crops(run, data.to_train_on())
        if at_end is not None:
            at_end(run)

    return end
