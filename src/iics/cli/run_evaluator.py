"""What `iics train` measures of a run: mAP and CMC after rounds, ranked lists and match thresholds at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from iics.arrays import Features
from iics.config import Settings
from iics.errors import EvaluationError
from iics.training.progress import ProgressCallback, ProgressEvent

if TYPE_CHECKING:
    from iics.crops import CropSet, DataSplits
    from iics.evaluation.ranked_results import EvaluatedModel
    from iics.models.reid_model import ReidModel
    from iics.runs.rounds import TrainingRun
    from iics.runs.run import AfterRound

logger = logging.getLogger(__name__)


class Evaluator:
    """Measures a model after rounds, and leaves in the run folder its rankings and what its similarities mean."""

    def __init__(
        self, splits: DataSplits, *, when: str, settings: Settings, folder: Path, progress: ProgressCallback
    ) -> None:
        self._splits, self._when, self._folder, self._progress = splits, when, folder, progress
        self._settings = settings
        self._num_rounds, self._batch_size = settings.rounds, settings.inference_batch_size
        self._latest: EvaluatedModel | None = None
        if self.callback() is not None:
            from iics.evaluation.evaluate import check_scorable

            check_scorable(cast("CropSet", splits.query), cast("CropSet", splits.gallery))

    def callback(self) -> AfterRound | None:
        """Return what training shall call, None if there is nothing to measure."""
        query, gallery = self._splits.query, self._splits.gallery
        has_identities = all(crops is not None and crops.identity_ids is not None for crops in (query, gallery))
        return self if has_identities and self._when != "never" else None

    def measured_on(self) -> dict[str, CropSet]:
        """Return the crops that are measured on, by name; none if nothing is measured."""
        query, gallery = self._splits.query, self._splits.gallery
        if self.callback() is None or query is None or gallery is None:
            return {}
        return {"query": query, "gallery": gallery}

    def on(self, crops: Mapping[str, CropSet]) -> Evaluator:
        """Return an evaluator that measures on these crops instead."""
        splits = (
            replace(self._splits, query=crops.get("query"), gallery=crops.get("gallery")) if crops else self._splits
        )
        return Evaluator(splits, when=self._when, settings=self._settings, folder=self._folder, progress=self._progress)

    def __call__(self, model: ReidModel, round_number: int) -> Mapping[str, float]:
        """Measure before training (round 0), after the last round and, if asked, after every other."""
        if self._when == "end" and 0 < round_number < self._num_rounds:
            return {}
        from iics.evaluation.evaluate import numbers
        from iics.reports.camera_pairs_file import write_rankings

        self._latest = self._measure(model, round_number)
        if round_number == self._num_rounds:
            write_rankings(self._latest, self._folder)
        return numbers(self._latest.result)

    def calibrate(self, run: TrainingRun) -> None:
        """Write into the model which similarity means the same person, unless it says so or nothing is measured."""
        if self._when == "never":
            return
        from iics.evaluation.calibration import check_calibratable, measured_thresholds
        from iics.models.model_header import read_header
        from iics.reports.calibrated_model import store_thresholds

        model_file = run.folder / "model.safetensors"
        known = read_header(model_file).match_thresholds
        if known is not None:  # a finished run that is resumed keeps what was measured since, perhaps on other footage
            run.model.header = replace(run.model.header, match_thresholds=known)
            return
        try:
            check_calibratable(self._splits)
            fingerprint = self._splits.to_train_on().fingerprint()
            thresholds = measured_thresholds(self._features_of(run.model), self._splits, trained_on=fingerprint)
        except EvaluationError as error:
            logger.warning("The model is not calibrated. %s", error)
            return
        store_thresholds(model_file, thresholds)
        run.model.header = replace(run.model.header, match_thresholds=thresholds)

    def _features_of(self, model: ReidModel) -> Callable[[CropSet], Features]:
        """Return what gives the features of crops: those measured last, or else the model."""
        at_hand: dict[int, Features] = {}
        if self._latest is not None:
            latest = self._latest
            at_hand = {id(latest.query): latest.query_features, id(latest.gallery): latest.gallery_features}

        def features_of(crops: CropSet) -> Features:
            if id(crops) in at_hand:
                return at_hand[id(crops)]
            return model.embed(crops, batch_size=self._batch_size)

        return features_of

    def _measure(self, model: ReidModel, round_number: int) -> EvaluatedModel:
        from iics.evaluation.ranked_results import EvaluatedModel

        query, gallery = cast("CropSet", self._splits.query), cast("CropSet", self._splits.gallery)
        total, done = len(query) + len(gallery), 0

        def count(num_done: int) -> None:
            nonlocal done
            done += num_done
            self._progress(ProgressEvent(round_number, self._num_rounds, "evaluate", done, total, num_done))

        return EvaluatedModel.embed(model, query, gallery, batch_size=self._batch_size, progress=count)
