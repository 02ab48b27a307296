"""A run's model measured as training goes on: mAP and CMC after rounds, rankings and match thresholds at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from iics.config import Settings
from iics.crops import CropSet, DataSplits
from iics.errors import EvaluationError
from iics.evaluation.calibration import check_calibratable, measured_thresholds
from iics.evaluation.evaluate import check_scorable
from iics.evaluation.metrics import numbers
from iics.evaluation.ranked_results import EvaluatedModel
from iics.models.model_header import read_header
from iics.models.reid_model import ReidModel
from iics.reports.calibrated_model import store_thresholds
from iics.reports.camera_pairs_file import write_rankings
from iics.runs.rounds import TrainingRun
from iics.runs.run import AfterRound
from iics.training.progress import ProgressCallback, ProgressEvent, ignore

logger = logging.getLogger(__name__)

Tests = Mapping[str, tuple[CropSet, CropSet]]
"""Query and gallery of each test set, by what stands before the names of its scores: "" for the run's own."""


class Measuring:
    """What is called after rounds: measures, and keeps the rankings of the last round in the run folder.

    Args:
        tests: What is measured on; the first is the run's own.
        is_due: Whether a round is measured; 0 is before training.
        settings: Of the run.
        folder: Of the run.
        progress: Told about every batch.
        also: What the caller measures, too; its values win.

    Raises:
        EvaluationError: If a test set cannot be scored.
    """

    def __init__(
        self,
        tests: Tests,
        *,
        is_due: Callable[[int], bool],
        settings: Settings,
        folder: Path,
        progress: ProgressCallback | None = None,
        also: AfterRound | None = None,
    ) -> None:
        self._tests, self._is_due, self._settings, self._folder = tests, is_due, settings, folder
        self._progress, self._also = progress or ignore, also
        self._latest: EvaluatedModel | None = None
        for query, gallery in tests.values():
            check_scorable(query, gallery)

    def __call__(self, model: ReidModel, round_number: int) -> dict[str, Any]:
        """Return scores as fractions, by name; none in a round that is not due."""
        scores: dict[str, Any] = {}
        for prefix, (query, gallery) in self._tests.items() if self._is_due(round_number) else ():
            evaluated = self._measure(model, query, gallery, round_number)
            scores |= {prefix + name: value for name, value in numbers(evaluated.result).items()}
            if not prefix:
                self._latest = evaluated
                if round_number == self._settings.rounds:
                    write_rankings(evaluated, self._folder)
        own = None if self._also is None else self._also(model, round_number)
        return {**scores, **(own or {})}

    def calibrate(self, run: TrainingRun, data: DataSplits) -> None:
        """Write into the model which similarity means the same person, unless it says so already.

        Data that cannot tell is warned of.
        """
        model_file = run.folder / "model.safetensors"
        known = read_header(model_file).match_thresholds
        if known is None:
            try:
                check_calibratable(data)
                fingerprint = data.to_train_on().fingerprint()
                known = measured_thresholds(
                    lambda crops: self._features(run.model, crops), data, trained_on=fingerprint
                )
            except EvaluationError as error:
                logger.warning("The model is not calibrated. %s", error)
                return
            store_thresholds(model_file, known)
        # A finished run that is resumed keeps what was measured since, perhaps on other footage.
        run.model.header = replace(run.model.header, match_thresholds=known)

    def _features(self, model: ReidModel, crops: CropSet) -> Any:
        """Return features of crops: those measured last, or else new ones."""
        latest = self._latest
        if latest is not None and crops is latest.query:
            return latest.query_features
        if latest is not None and crops is latest.gallery:
            return latest.gallery_features
        return model.embed(crops, batch_size=self._settings.inference_batch_size)

    def _measure(self, model: ReidModel, query: CropSet, gallery: CropSet, round_number: int) -> EvaluatedModel:
        total, done = len(query) + len(gallery), 0

        def count(num_done: int) -> None:
            nonlocal done
            done += num_done
            self._progress(
                ProgressEvent(
                    round_number=round_number,
                    num_rounds=self._settings.rounds,
                    work="evaluate",
                    done=done,
                    total=total,
                    num_images=num_done,
                )
            )

        batch_size = self._settings.inference_batch_size
        return EvaluatedModel.embed(model, query, gallery, batch_size=batch_size, progress=count)
