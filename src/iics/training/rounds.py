"""The outer loop (Sec. 4.2): rounds of stage 1 then stage 2, what is saved after each, how a run goes on.

A resumed run computes what the unbroken one would have: a checkpoint follows every stage, and every random choice comes
from a generator seeded by (seed, round, stage).
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iics.config import Settings
from iics.data.crops import CropSet, IntArray
from iics.data.pixel_cache import open_pixels
from iics.data.pixel_source import PixelSource, Reordered
from iics.device import choose_device
from iics.models.backbone import alpha_by_block
from iics.models.heads import BNNeckHead
from iics.models.reid_model import ReidModel, create_model
from iics.training.context import TrainingContext
from iics.training.labelling import with_resolved_route
from iics.training.progress import ProgressCallback, bind_round
from iics.training.randomness import crop_order, seeded_starting_weights, stage_generator
from iics.training.run_folder import Checkpoint, RunFolder, StageName
from iics.training.scalars import write_scalars
from iics.training.stage1_intra import train_stage1
from iics.training.stage2_inter import mu_schedule, train_stage2
from iics.training.trainable import check_trainable

AfterRound = Callable[[ReidModel, int], Mapping[str, float]]
"""Called with the model and the round: 0 before training, then from 1 when a round is done.

What it returns is recorded as "evaluation".
"""


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A finished run.

    Attributes:
        model: The model after the last round.
        folder: Where everything lies.
        history: One record a round, as in metrics.jsonl; the first is round 0 if there was an `after_round`.
    """

    model: ReidModel
    folder: Path
    history: list[dict[str, Any]]


def train(
    crops: CropSet,
    *,
    settings: Settings,
    out: Path | str,
    source: Mapping[str, str] | None = None,
    after_round: AfterRound | None = None,
    progress: ProgressCallback | None = None,
) -> TrainingRun:
    """Train a model on unlabelled crops and keep everything in a new run folder.

    Args:
        crops: At least two cameras. Identities, if there are any, are only measured against.
        settings: E.g. `iics.presets.MARKET1501`.
        out: The run folder; must not exist, or be empty.
        source: Where the crops come from, recorded in the run folder.
        after_round: Called before training and after each round, e.g. to evaluate.
        progress: Told about every step.

    Raises:
        DataError: If a crop cannot be read.
        RunFolderError: If `out` is not empty.
        SettingsError: If a setting names something that does not exist.
        TrainingError: If the crops cannot be trained on.
        WeightsError: If the starting weights cannot be had.
        WriteError: If something cannot be written.
    """
    settings = with_resolved_route(settings)
    check_trainable(crops, settings)
    RunFolder.check_new(out)
    model = _starting_model(settings)
    shuffled, pixels = _shuffle_and_open(crops, settings, progress)
    folder = RunFolder.create(out, settings=settings, crops=crops, source=source or {})
    folder.save_model(model)
    run = _Run(model, shuffled, pixels, settings, folder, after_round, progress)
    return run.finish(None)


def resume(
    out: Path | str,
    crops: CropSet,
    *,
    after_round: AfterRound | None = None,
    progress: ProgressCallback | None = None,
) -> TrainingRun:
    """Go on with a run that was stopped, from the last stage it finished, to the result it would have had.

    Args:
        out: The run folder.
        crops: The crops it was started with, in the same order.
        after_round: As in `train`.
        progress: As in `train`.

    Raises:
        DataError: If a crop cannot be read.
        RunFolderError: If `out` is no run folder, or the crops are others.
        TrainingError: If the crops no longer fit into memory.
        WeightsError: If no stage was finished and the starting weights cannot be had.
    """
    folder = RunFolder.open(out)
    folder.check_same_crops(crops)
    settings = folder.settings()
    check_trainable(crops, settings)
    checkpoint = folder.latest_checkpoint()
    model = _starting_model(settings) if checkpoint is None else _model_of(checkpoint, settings)
    shuffled, pixels = _shuffle_and_open(crops, settings, progress)
    return _Run(model, shuffled, pixels, settings, folder, after_round, progress).finish(checkpoint)


def remaining_stages(settings: Settings, checkpoint: Checkpoint | None) -> Iterator[tuple[int, StageName]]:
    """Yield round (from 0) and stage of everything that is still to do, in order."""
    stages: tuple[StageName, ...] = ("stage1", "stage2") if settings.stages == "both" else (settings.stages,)
    done = (-1, "") if checkpoint is None else (checkpoint.round_index, checkpoint.stage)
    for round_index in range(settings.rounds):
        for stage in stages:
            if (round_index, stage) > done:
                yield round_index, stage


def ends_round(settings: Settings, stage: StageName) -> bool:
    """Return whether `stage` is the last one of a round."""
    return stage == "stage2" or settings.stages == "stage1"


def _starting_model(settings: Settings) -> ReidModel:
    with seeded_starting_weights(settings.seed):
        return create_model(settings.model, device=torch.device(choose_device(settings.device)))


def _model_of(checkpoint: Checkpoint, settings: Settings) -> ReidModel:
    without_weights = dataclasses.replace(settings.model, weights="none")
    model = create_model(without_weights, device=torch.device(choose_device(settings.device)))
    model.backbone.load_state_dict(checkpoint.backbone)
    trained_rounds = checkpoint.round_index + int(ends_round(settings, checkpoint.stage))
    model.header = dataclasses.replace(model.header, trained_rounds=trained_rounds)
    return model


def _shuffle_and_open(
    crops: CropSet, settings: Settings, progress: ProgressCallback | None
) -> tuple[CropSet, PixelSource]:
    """Return the crops and their pixels in the order of the seed; runs of all seeds share one file of pixels."""
    order = crop_order(settings.seed, len(crops))
    report = bind_round(progress, round_number=0, num_rounds=settings.rounds)
    pixels = open_pixels(
        crops,
        height=settings.model.height,
        width=settings.model.width,
        source=settings.pixels.source,
        cache_dir=settings.pixels.cache_dir,
        num_threads=settings.pixels.workers or None,
        progress=lambda done: report("read crops", done, len(crops), 0, None),
    )
    return crops.subset(order), Reordered(pixels, order)


@dataclass(eq=False)
class _Round:
    """What a round has so far: what stage 1 hands to stage 2, and what will be recorded."""

    heads: list[BNNeckHead] = dataclasses.field(default_factory=list)
    stage1_labels: IntArray | None = None
    stage2_labels: IntArray | None = None
    record: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: torch.device) -> _Round:
        return cls(
            heads=checkpoint.rebuilt_heads(device),
            stage1_labels=None if checkpoint.stage1_labels is None else checkpoint.stage1_labels.numpy(),
            stage2_labels=None if checkpoint.stage2_labels is None else checkpoint.stage2_labels.numpy(),
            record=json.loads(checkpoint.record),
        )


@dataclass(eq=False)
class _Run:
    """A run at work: the model and its folder change, the rest stays."""

    model: ReidModel
    crops: CropSet
    pixels: PixelSource
    settings: Settings
    folder: RunFolder
    after_round: AfterRound | None
    progress: ProgressCallback | None

    def finish(self, checkpoint: Checkpoint | None) -> TrainingRun:
        """Do everything that comes after `checkpoint`: perhaps the record of its round, then the remaining stages."""
        history, current = self._take_up(checkpoint)
        for round_index, stage in remaining_stages(self.settings, checkpoint):
            started = time.perf_counter()
            if stage == "stage1":
                self._stage1(current, round_index)
            else:
                self._stage2(current, round_index)
            current.record.setdefault("seconds", {})[stage] = round(time.perf_counter() - started, 2)
            self._save(current, round_index, stage, history)
            if ends_round(self.settings, stage):
                self._finish_round(current, round_index, history)
                current = _Round()
        return TrainingRun(self.model, self.folder.path, [json.loads(line) for line in history])

    def _take_up(self, checkpoint: Checkpoint | None) -> tuple[list[str], _Round]:
        """Return the lines of the finished rounds and what the round at work has so far."""
        if checkpoint is None:
            history = self._history_before()
            self.folder.write_metrics(history)
            return history, _Round()
        history, written = list(checkpoint.history), self.folder.read_metrics()
        current = _Round.from_checkpoint(checkpoint, self.model.device)
        if not ends_round(self.settings, checkpoint.stage):
            self.folder.write_metrics(history)
            return history, current
        if len(written) == len(history) + 1:  # stopped after the round's record was written
            return written, _Round()
        self._finish_round(current, checkpoint.round_index, history)
        return history, _Round()

    def _history_before(self) -> list[str]:
        if self.after_round is None:
            return []
        evaluation = dict(self.after_round(self.model, 0))
        record = {"round": 0, "alpha": alpha_by_block(self.model.backbone), "evaluation": evaluation}
        write_scalars(self.folder.path / "tensorboard", record)
        return [json.dumps(record)]

    def _stage1(self, current: _Round, round_index: int) -> None:
        result = train_stage1(self._context(round_index, stage_number=1))
        current.heads, current.stage1_labels = result.heads, result.labels
        current.record["stage1"] = dataclasses.asdict(result.metrics)

    def _stage2(self, current: _Round, round_index: int) -> None:
        settings = self.settings.stage2
        mu = mu_schedule(settings.mu, round_index=round_index, num_rounds=self.settings.rounds, power=settings.mu_power)
        result = train_stage2(self._context(round_index, stage_number=2), current.heads, mu=mu)
        current.stage2_labels = result.labels
        current.record["stage2"] = dataclasses.asdict(result.metrics)

    def _context(self, round_index: int, *, stage_number: int) -> TrainingContext:
        return TrainingContext(
            model=self.model,
            crops=self.crops,
            pixels=self.pixels,
            settings=self.settings,
            generator=stage_generator(self.settings.seed, round_index=round_index, stage_number=stage_number),
            report=bind_round(self.progress, round_number=round_index + 1, num_rounds=self.settings.rounds),
        )

    def _save(self, current: _Round, round_index: int, stage: StageName, history: list[str]) -> None:
        if ends_round(self.settings, stage):
            self.model.header = dataclasses.replace(self.model.header, trained_rounds=round_index + 1)
        self.folder.save_model(self.model)
        self.folder.save_checkpoint(
            Checkpoint(
                round_index=round_index,
                stage=stage,
                backbone=self.model.backbone.state_dict(),
                heads=[dict(head.state_dict()) for head in current.heads],
                stage1_labels=None if current.stage1_labels is None else torch.tensor(current.stage1_labels),
                stage2_labels=None if current.stage2_labels is None else torch.tensor(current.stage2_labels),
                record=json.dumps(current.record),
                history=history,
            )
        )

    def _finish_round(self, current: _Round, round_index: int, history: list[str]) -> None:
        """Evaluate a round whose stages are saved, write its pseudo-labels and scalars, add its line to `history`."""
        evaluation = {} if self.after_round is None else dict(self.after_round(self.model, round_index + 1))
        record = {
            "round": round_index + 1,
            **current.record,
            "alpha": alpha_by_block(self.model.backbone),
            "evaluation": evaluation,
        }
        self.folder.write_pseudo_labels(round_index, self.crops, current.stage1_labels, current.stage2_labels)
        history.append(json.dumps(record))
        self.folder.write_metrics(history)
        write_scalars(self.folder.path / "tensorboard", record)
