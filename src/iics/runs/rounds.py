"""A run of rounds (Sec. 4.2): how it starts, and how it goes on after it was stopped.

A resumed run computes what the unbroken one would have: a checkpoint follows every stage, and every random choice comes
from a generator seeded by (seed, round, stage).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from iics.config import Settings
from iics.crops import CropSet
from iics.device import choose_device
from iics.errors import TrainingError
from iics.labelling.labeller import with_resolved_route
from iics.methods.by_name import ends_round, method_of, settings_for, stages_of
from iics.models.reid_model import ReidModel, create_model
from iics.models.weights_origin import WeightsOrigin
from iics.pixels.digests import Digests
from iics.pixels.held_pixels import held_if_they_fit
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_source import PixelSource, Reordered
from iics.runs.checkpoint import Checkpoint
from iics.runs.loggers import check_loggers
from iics.runs.run import AfterRecord, AfterRound, Run
from iics.runs.run_crops import TRAIN, RunCrops
from iics.runs.run_folder import RunFolder
from iics.runs.run_whole import check_own_model
from iics.runs.same_pictures import (
    Hashing,
    check_measured_on,
    check_same_pictures_everywhere,
    digests_of,
    in_order_of_the_run,
)
from iics.training.distributed import Processes, joined_processes
from iics.training.engine import Engine, at_work, choose_engine, decided_precision
from iics.training.progress import ProgressCallback, ProgressEvent
from iics.training.randomness import crop_order, seeded_starting_weights
from iics.training.step_memory import check_step_fits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A finished run.

    Attributes:
        model: The model after the last round.
        folder: Where everything lies.
        history: One record a round, of plain values as in metrics.jsonl; the first is round 0 if there was an
            `after_round`. `iics.runs.record.RoundRecord.of` reads one into types.
        decoded: Crops trained on, and their pixels as training had them, while `at_end` is called; None after it.
    """

    model: ReidModel
    folder: Path
    history: list[dict[str, Any]]
    decoded: tuple[CropSet, PixelSource] | None = dataclasses.field(default=None, repr=False)


AtEnd = Callable[[TrainingRun], None]
"""Called with a finished run while its folder is still held. Of several processes, only the first calls it."""


def train(
    crops: CropSet,
    *,
    settings: Settings,
    out: Path | str,
    source: Mapping[str, str] | None = None,
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    after_record: AfterRecord | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | None = None,
    hashing: Hashing = digests_of,
) -> TrainingRun:
    """Train a model on unlabelled crops and keep everything in a new run folder.

    Under torchrun, all its processes call this alike and share the work; the first one writes.

    Args:
        crops: Identities, if there are any, are only measured against. Of one camera, IICS trains stage 1 alone.
        settings: E.g. `iics.presets.MARKET1501`.
        out: The run folder; must not exist, or be empty.
        source: Where the crops come from, recorded in the run folder.
        measured_on: Crops that `after_round` measures on, by name, e.g. "query"; who resumes must have the same.
        after_round: Called before training and after each round, e.g. to evaluate.
        after_record: Called when the record of a round is written, e.g. to report on the run so far.
        at_end: Called when training is finished and its folder still held, e.g. to calibrate the model.
        progress: Told about every step.
        hashing: How pictures are hashed; runs that follow each other on the same crops share a `HashedOnce`.

    Raises:
        DataError: If a crop cannot be read.
        RunFolderError: If `out` is not empty.
        SettingsError: If a setting names something that does not exist.
        TrainingError: If the crops cannot be trained on.
        WeightsError: If the starting weights cannot be had.
        WriteError: If something cannot be written.
    """
    with joined_processes() as processes, ExitStack() as held:
        resolved = processes.from_first(lambda: with_resolved_settings(settings))
        settings, why_others = settings_for(crops, resolved)
        _check_same_crops_everywhere(crops, processes)
        method_of(settings).check(crops, settings)
        check_loggers(settings.loggers)
        if processes.is_first:
            RunFolder.check_new(out)
            if why_others:
                logger.warning("%s", why_others)
        model = starting_model(settings)
        processes.agree(model.backbone)
        engine = _engine(settings, model)
        of_maps = _check_steps_fit(model, crops, settings, engine)
        digests = hashing(crops, settings)
        check_same_pictures_everywhere(crops, digests, processes)
        shuffled, pixels = _shuffle_and_open(crops, digests, settings, progress if processes.is_first else None)
        folder = None
        if processes.is_first:
            tests = {name: (test, hashing(test, settings)) for name, test in (measured_on or {}).items()}
            pictures = RunCrops.of({TRAIN: (crops, digests), **tests})
            folder = RunFolder.create(out, settings=settings, crops=crops, source=source or {}, pictures=pictures)
            held.enter_context(folder.writing())
            folder.save_model(model)
        pixels = held_if_they_fit(pixels, engine.device, leaving=of_maps)
        run = Run(model, shuffled, pixels, settings, engine, processes, folder, after_round, after_record, progress)
        return _finished(run, None, Path(out), at_end)


def resume(
    out: Path | str,
    crops: CropSet,
    *,
    measured_on: Mapping[str, CropSet] | None = None,
    after_round: AfterRound | None = None,
    after_record: AfterRecord | None = None,
    at_end: AtEnd | None = None,
    progress: ProgressCallback | None = None,
    hashing: Hashing = digests_of,
) -> TrainingRun:
    """Go on with a run that was stopped, from the last stage it finished, to the result it would have had.

    The crops are the pictures that it was started with, wherever they lie now and in any order; so are those of
    `measured_on`, if they are given. Other arguments are those of `train`.

    Raises:
        DataError: If a crop cannot be read.
        RunFolderError: If `out` is no run folder, or the crops are others.
        TrainingError: If the crops no longer fit into memory.
        WeightsError: If no stage was finished and the starting weights cannot be had.
    """
    with joined_processes() as processes, ExitStack() as held:
        folder = RunFolder.open(out) if processes.is_first else None
        if folder is not None:
            held.enter_context(folder.writing())
        settings, checkpoint, pictures = processes.from_first(lambda: _state(cast(RunFolder, folder)))
        digests = hashing(crops, settings)
        if pictures is not None:
            crops, digests = in_order_of_the_run(TRAIN, crops, digests, pictures, run=Path(out))
        if folder is not None:
            _check_same_data(folder, crops, pictures)
            if pictures is not None:
                check_measured_on(measured_on or {}, pictures, settings, run=folder.path, hashing=hashing)
        if pictures is None:
            _check_same_crops_everywhere(crops, processes)
            check_same_pictures_everywhere(crops, digests, processes)
        method_of(settings).check(crops, settings)
        check_loggers(settings.loggers)
        model = starting_model(settings) if checkpoint is None else _model_of(checkpoint, settings)
        if folder is not None and checkpoint is not None:
            check_own_model(folder, checkpoint)
        processes.agree(model.backbone)
        engine = _engine(settings, model)
        of_maps = _check_steps_fit(model, crops, settings, engine)
        shuffled, pixels = _shuffle_and_open(crops, digests, settings, progress if processes.is_first else None)
        if folder is not None and not folder.model_path.exists():
            folder.save_model(model)  # killed before the first one was written, or deleted since
        if folder is not None:
            folder.delete_old_checkpoints()
        pixels = held_if_they_fit(pixels, engine.device, leaving=of_maps)
        run = Run(model, shuffled, pixels, settings, engine, processes, folder, after_round, after_record, progress)
        return _finished(run, checkpoint, Path(out), at_end)


def _finished(run: Run, checkpoint: Checkpoint | None, out: Path, at_end: AtEnd | None) -> TrainingRun:
    """Do what is left of a run."""
    with at_work(run.engine):
        finished = TrainingRun(run.model, out, run.finish(checkpoint))
    if at_end is not None and run.folder is not None:
        at_end(dataclasses.replace(finished, decoded=(run.crops, run.pixels)))
    return finished


def _state(folder: RunFolder) -> tuple[Settings, Checkpoint | None, RunCrops | None]:
    return folder.settings(), folder.latest_checkpoint(), folder.pictures()


def _check_same_data(folder: RunFolder, crops: CropSet, pictures: RunCrops | None) -> None:
    """Refuse other crops by their names where an older version kept no contents; other identities or tracklets."""
    if pictures is None:
        folder.check_same_crops(crops)
    else:
        folder.check_same_identities(crops)
    folder.check_same_tracklets(crops)


def _check_same_crops_everywhere(crops: CropSet, processes: Processes) -> None:
    if len(set(processes.gather((crops.fingerprint(), crops.tracklet_fingerprint())))) > 1:
        raise TrainingError(
            f"The processes do not see the same crops as {crops.name}. Give every machine the same files, below the "
            "same folders."
        )


def _check_steps_fit(model: ReidModel, crops: CropSet, settings: Settings, engine: Engine) -> float:
    batches = [stage.batch(crops, settings) for stage in stages_of(settings)]
    return check_step_fits(model, crops, settings, engine, batches)


def with_resolved_settings(settings: Settings) -> Settings:
    """Return settings that no longer leave to the machine what a result depends on."""
    device = torch.device(choose_device(settings.device))
    engine = decided_precision(settings.engine, backbone=settings.model.backbone, device=device)
    return dataclasses.replace(with_resolved_route(settings), engine=engine)


def _engine(settings: Settings, model: ReidModel) -> Engine:
    engine = choose_engine(settings.engine, backbone=settings.model.backbone, device=model.device)
    logger.info("Computing on %s.", engine)
    return engine


def starting_model(settings: Settings) -> ReidModel:
    """Return the model that a run of these settings starts from.

    Raises:
        WeightsError: If its weights cannot be had.
    """
    with seeded_starting_weights(settings.seed):
        return create_model(settings.model, device=torch.device(choose_device(settings.device)))


def _model_of(checkpoint: Checkpoint, settings: Settings) -> ReidModel:
    without_weights = dataclasses.replace(settings.model, weights="none")
    model = create_model(without_weights, device=torch.device(choose_device(settings.device)))
    model.backbone.load_state_dict(checkpoint.backbone)
    trained_rounds = checkpoint.round_index + int(ends_round(settings, checkpoint.stage_index))
    origin = WeightsOrigin(**checkpoint.origin) if checkpoint.origin else None
    model.header = dataclasses.replace(model.header, trained_rounds=trained_rounds, origin=origin)
    return model


def _shuffle_and_open(
    crops: CropSet, digests: Digests, settings: Settings, progress: ProgressCallback | None
) -> tuple[CropSet, PixelSource]:
    """Return the crops and their pixels in the order of the seed; runs of all seeds share one file of pixels."""
    order = crop_order(settings.seed, len(crops))

    def report(done: int) -> None:
        if progress is not None:
            event = ProgressEvent(
                round_number=0, num_rounds=settings.rounds, work="read crops", done=done, total=len(crops)
            )
            progress(event)

    pixels = open_pixels(
        crops,
        digests=digests,
        height=settings.model.height,
        width=settings.model.width,
        letterbox=settings.model.letterbox,
        source=settings.pixels.source,
        cache_dir=settings.pixels.cache_dir,
        num_threads=settings.pixels.workers or None,
        progress=report,
    )
    return crops.subset(order), Reordered(pixels, order)
