"""What `iics train` measures of a run: mAP and CMC after rounds, ranked lists and match thresholds at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from iics.config import Settings
from iics.errors import EvaluationError
from iics.training.progress import ProgressCallback, ProgressEvent

if TYPE_CHECKING:
    from iics.cli.ranked_results import EvaluatedModel
    from iics.data.crops import CropSet, DataSplits
    from iics.evaluation.evaluate import Features
    from iics.models.reid_model import ReidModel
    from iics.training.rounds import TrainingRun
    from iics.training.run import AfterRound

logger = logging.getLogger(__name__)

CONTACT_SHEET = "contact_sheet.png"


class Evaluator:
    """Measures a model after rounds, and remembers the last measurement for the picture."""

    def __init__(self, splits: DataSplits, *, when: str, settings: Settings, progress: ProgressCallback) -> None:
        self._splits, self._when, self._progress = splits, when, progress
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

    def __call__(self, model: ReidModel, round_number: int) -> Mapping[str, float]:
        """Measure before training (round 0), after the last round and, if asked, after every other."""
        if self._when == "end" and 0 < round_number < self._num_rounds:
            return {}
        from iics.evaluation.evaluate import numbers

        return numbers(self._measure(model, round_number).result)

    def write_rankings(self, run: TrainingRun) -> None:
        """Write a contact sheet and camera_pairs.json, if there is a query and measuring was asked for."""
        if self.callback() is None:
            return
        from iics.evaluation.evaluate import rank_camera_pairs
        from iics.experiments.camera_pairs_file import CameraPairMatrices

        latest = self._latest or self._measure(run.model, self._num_rounds)
        latest.write_contact_sheet(run.folder / CONTACT_SHEET)
        pairs = rank_camera_pairs(latest.query_features, latest.gallery_features, latest.query, latest.gallery)
        CameraPairMatrices(pairs.cameras, pairs.rank1, pairs.mean_ap).write(run.folder)

    def calibrate(self, run: TrainingRun) -> None:
        """Write into the model which similarity means the same person, unless never to measure."""
        if self._when == "never":
            return
        from iics.evaluation.calibration import check_calibratable, measured_thresholds
        from iics.models.model_header import write_match_thresholds
        from iics.training.model_card import write_model_card

        try:
            check_calibratable(self._splits)
            fingerprint = self._splits.train.fingerprint()
            thresholds = measured_thresholds(self._features_of(run.model), self._splits, trained_on=fingerprint)
        except EvaluationError as error:
            logger.warning("The model is not calibrated. %s", error)
            return
        write_match_thresholds(run.folder / "model.safetensors", thresholds)
        run.model.header = replace(run.model.header, match_thresholds=thresholds)
        write_model_card(run.folder)

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
        from iics.cli.ranked_results import EvaluatedModel

        query, gallery = cast("CropSet", self._splits.query), cast("CropSet", self._splits.gallery)
        total, done = len(query) + len(gallery), 0

        def count(num_done: int) -> None:
            nonlocal done
            done += num_done
            self._progress(ProgressEvent(round_number, self._num_rounds, "evaluate", done, total, num_done))

        self._latest = EvaluatedModel.embed(model, query, gallery, batch_size=self._batch_size, progress=count)
        return self._latest
