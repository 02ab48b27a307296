"""A run's model measured as training goes on: mAP and CMC after rounds, rankings and match thresholds at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from iics.arrays import Pixels
from iics.config import Settings
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.errors import EvaluationError
from iics.evaluation.calibration import check_calibratable, measured_thresholds
from iics.evaluation.metrics import numbers
from iics.evaluation.ranked_features import open_set_crops
from iics.evaluation.ranked_results import EvaluatedModel
from iics.evaluation.scored_crops import check_scorable, evaluation_labels
from iics.models.centre_choice import CentreChoice
from iics.models.model_file import read_header
from iics.models.reid_model import ReidModel
from iics.pixels.pixel_cache import kept_pixels
from iics.reports.calibrated_model import store_thresholds
from iics.reports.camera_pairs_file import write_rankings
from iics.runs.rounds import TrainingRun
from iics.runs.run import AfterRound
from iics.training.progress import ProgressCallback, ProgressEvent, ignore

logger = logging.getLogger(__name__)

_BESIDE = ("mean_ap", "rank1")
"""Scores of the features that a round is not judged by."""

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
        self._pixels: dict[int, Pixels | None] = {}
        self._told: set[CentreChoice] = set()
        for query, gallery in tests.values():
            check_scorable(query, gallery)

    def __call__(self, model: ReidModel, round_number: int) -> dict[str, Any]:
        """Return scores as fractions, by name; none in a round that is not due."""
        scores: dict[str, Any] = {}
        for prefix, (query, gallery) in self._tests.items() if self._is_due(round_number) else ():
            plain = self._measure(model, query, gallery, round_number)
            evaluated, centre_scores = self._centred(model, plain)
            measured = {**numbers(evaluated.result), **centre_scores}
            if evaluation_labels(query, gallery).is_one_camera:
                measured["within_camera"] = 1  # what protocol that was; read by the model card
            scores |= {prefix + name: value for name, value in measured.items()}
            if not prefix:
                self._latest = plain
                if round_number == self._settings.rounds:
                    write_rankings(evaluated, self._folder)
                    scores |= _open_set_scores(evaluated)
        own = None if self._also is None else self._also(model, round_number)
        return {**scores, **(own or {})}

    def _centred(self, model: ReidModel, plain: EvaluatedModel) -> tuple[EvaluatedModel, dict[str, Any]]:
        """Return what the round is judged by, plain or centred, and the scores of the other beside it."""
        if model.camera_means is None:  # before training
            return plain, {}
        centred, _ = plain.centred(model.camera_means, "on")
        _, choice = plain.centred(model.camera_means, self._settings.centre)
        if choice.centre != "off" and choice not in self._told:
            choice.log()
            self._told.add(choice)
        headline, other = (centred, plain) if choice.is_centred else (plain, centred)
        beside = "plain" if choice.is_centred else "centred"
        scores: dict[str, Any] = {f"{beside}_{name}": numbers(other.result)[name] for name in _BESIDE}
        return headline, {**scores, **choice.json_values()}

    def calibrate(self, run: TrainingRun, data: DataSplits) -> None:
        """Write into the model which similarity means the same person, unless it says so already.

        Data that cannot tell is told of.
        """
        model_file = run.folder / "model.safetensors"
        known = read_header(model_file).match_thresholds
        if known is None:
            try:
                check_calibratable(data)
            except EvaluationError:
                logger.info(
                    "No pair of crops is known to be of two people, so which similarity means the same person is not "
                    "known, either: iics label %s estimates it from your answers to 50 pairs.",
                    run.folder,
                )
                return
            try:
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
        pixels = self._decoded(model, query, round_number), self._decoded(model, gallery, round_number)

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
        return EvaluatedModel.embed(model, query, gallery, batch_size=batch_size, pixels=pixels, progress=count)

    def _decoded(self, model: ReidModel, crops: CropSet, round_number: int) -> Pixels | None:
        """Return the pixels of crops that are measured on, from the file that is built once; None to decode them."""
        pixels, header = self._settings.pixels, model.header
        if header.interpolation != "bicubic":  # which is what files hold
            return None

        def report(done: int) -> None:
            self._progress(
                ProgressEvent(
                    round_number=round_number,
                    num_rounds=self._settings.rounds,
                    work="read crops",
                    done=done,
                    total=len(crops),
                )
            )

        if id(crops) not in self._pixels:  # `self._tests` holds the crops, so no others get their id
            self._pixels[id(crops)] = kept_pixels(
                crops,
                height=header.height,
                width=header.width,
                letterbox=header.letterbox,
                source=pixels.source,
                cache_dir=pixels.cache_dir,
                num_threads=pixels.workers or None,
                progress=report,
            )
        return self._pixels[id(crops)]


def _open_set_scores(evaluated: EvaluatedModel) -> dict[str, float]:
    """Return open-set figures where queries without an answer are among those measured on; none elsewhere."""
    if evaluated.result.num_unmatched == 0:
        return {}
    crops = evaluated.query_features, evaluated.gallery_features, evaluated.query, evaluated.gallery
    return open_set_crops(*crops).scores()
