"""The loop of a run (Sec. 4.2): rounds of a method's stages, and what is saved and recorded after each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iics.arrays import IntArray
from iics.config import Settings
from iics.crops import CropSet
from iics.labelling.stability import stage_stability
from iics.methods.by_name import ends_round, remaining_stages, stages_of
from iics.methods.method import Stage, State
from iics.models.backbone import alpha_by_block
from iics.models.camera_means import CameraMeans
from iics.models.model_file import write_camera_means
from iics.models.reid_model import ReidModel
from iics.pixels.pixel_source import PixelSource
from iics.runs.checkpoint import Checkpoint
from iics.runs.record import RoundRecord, StageRecord
from iics.runs.recorded import recorded
from iics.runs.run_folder import RunFolder
from iics.runs.run_log import RunLog
from iics.runs.run_whole import check_own_metrics, means_of
from iics.training.camera_means import measured_camera_means
from iics.training.context import TrainingContext
from iics.training.distributed import Processes
from iics.training.engine import Engine
from iics.training.progress import ProgressCallback, WorkTimes, ignore
from iics.training.randomness import stage_generator

AfterRound = Callable[[ReidModel, int], Mapping[str, Any]]
"""Called with the model and the round: 0 before training, then from 1 when a round is done.

What it returns is recorded as "evaluation", in any shape: numbers, text, lists and mappings of them; see `recorded`. Of
several processes, only the first calls it.
"""

AfterRecord = Callable[[Path], None]
"""Called with the run folder when the record of a round is written. Of several processes, only the first calls it."""


@dataclass(eq=False)
class RoundAtWork:
    """What a round has so far: what stages hand on, their clusters and those of the round before, what is recorded."""

    state: State = field(default_factory=dict)
    labels: dict[str, IntArray] = field(default_factory=dict)
    labels_before: dict[str, IntArray] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    def next_round(self) -> RoundAtWork:
        """Return the round that follows."""
        return RoundAtWork(state=self.state, labels_before=self.labels)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> RoundAtWork:
        """Return the round as it was when the checkpoint was saved."""
        labels, before = (
            {name: found.numpy() for name, found in clusters.items()}
            for clusters in (checkpoint.labels, checkpoint.labels_before)
        )
        return cls(checkpoint.state, labels, before, json.loads(checkpoint.record))


@dataclass(eq=False)
class Run:
    """A run at work: the model and its folder change, the rest stays.

    Attributes:
        model: Being trained, in place; the same on every process.
        crops: In the order that training shuffled them to.
        pixels: Of the crops.
        settings: Of the run.
        engine: How the network is computed.
        processes: Who shares the work.
        folder: Where everything is written; None on all processes but the first.
        after_round: Called by the first process.
        after_record: Likewise.
        progress: Told by the first process about every step.
    """

    model: ReidModel
    crops: CropSet
    pixels: PixelSource
    settings: Settings
    engine: Engine
    processes: Processes
    folder: RunFolder | None
    after_round: AfterRound | None
    after_record: AfterRecord | None
    progress: ProgressCallback | None

    def __post_init__(self) -> None:
        self._network: Callable[[Tensor], Tensor] = self.engine.network(self.model.backbone)
        self._stages = stages_of(self.settings)

    def finish(self, checkpoint: Checkpoint | None) -> list[dict[str, Any]]:
        """Do everything that comes after `checkpoint`: perhaps the record of its round, then the remaining stages.

        Returns:
            One record a round, as in metrics.jsonl.
        """
        with RunLog(self.folder.path, self.settings) if self.folder else nullcontext() as log:
            history, current = self._take_up(checkpoint)
            if log is not None:
                log.log_new(history)
            for round_index, stage_index in remaining_stages(self.settings, checkpoint.place if checkpoint else None):
                self._train_stage(current, round_index, self._stages[stage_index])
                self._save(current, round_index, stage_index, history)
                if ends_round(self.settings, stage_index):
                    self._finish_round(current, round_index, history)
                    if log is not None:
                        log.log_new(history)
                    current = current.next_round()
        return [json.loads(line) for line in history]

    def _take_up(self, checkpoint: Checkpoint | None) -> tuple[list[str], RoundAtWork]:
        """Return the lines of the finished rounds and what the round at work has so far."""
        if checkpoint is None:
            return self._write_metrics(self._history_before()), RoundAtWork()
        if ends_round(self.settings, checkpoint.stage_index):
            self._take_camera_means(checkpoint)
        history = list(checkpoint.history)
        written = self.processes.from_first(lambda: [] if self.folder is None else self.folder.read_metrics())
        if written and self.folder is not None:
            check_own_metrics(self.folder, written, checkpoint)
        current = RoundAtWork.from_checkpoint(checkpoint)
        if not ends_round(self.settings, checkpoint.stage_index):
            return self._write_metrics(history), current
        if len(written) == len(history) + 1:  # stopped after the round's record was written
            return written, current.next_round()
        self._finish_round(current, checkpoint.round_index, history)
        return history, current.next_round()

    def _history_before(self) -> list[str]:
        if self.after_round is None:
            return []
        return [self._record(0, {}).line]

    def _train_stage(self, current: RoundAtWork, round_index: int, stage: Stage) -> None:
        """Train one stage, record what it did, and take its time, in all and by work."""
        started = time.perf_counter()
        self.model.camera_means = None  # they are of the weights before
        times = WorkTimes(self.progress if self.progress is not None and self.processes.is_first else ignore)
        context = TrainingContext(
            model=self.model,
            crops=self.crops,
            pixels=self.pixels,
            settings=self.settings,
            generator=stage_generator(self.settings.seed, round_index=round_index, stage_number=stage.stream),
            network=self._network,
            engine=self.engine,
            processes=self.processes,
            progress=times,
            stage=stage.title,
            round_index=round_index,
        )
        result = stage.train(context, current.state)
        current.state = result.state
        current.record[stage.name] = recorded(result.record, by=stage.title)
        if result.labels is not None:
            before = current.labels_before.get(stage.name)
            stability = stage_stability(before, result.labels, self.crops.camera_ids if stage.in_cameras else None)
            current.labels[stage.name] = result.labels
            current.record[stage.name] |= {"stability": None if stability is None else asdict(stability)}
        current.record.setdefault("seconds", {})[stage.name] = round(time.perf_counter() - started, 2)
        phases = {f"{stage.name}_{work}": numbers for work, numbers in times.summary().items()}
        current.record.setdefault("phases", {}).update(phases)
        StageRecord.of(current.record[stage.name], stage.name)  # a method's mistake ends the run before it is saved

    def _take_camera_means(self, checkpoint: Checkpoint) -> None:
        """Take the means of a finished round from its model file, which gets them if an older version wrote it."""
        folder = self.folder
        self.model.camera_means = self.processes.from_first(
            lambda: None if folder is None else means_of(folder, checkpoint)
        )
        if self.model.camera_means is None:
            self.model.camera_means = self._camera_means()
            if folder is not None:
                write_camera_means(folder.model_path, self.model.camera_means)

    def _camera_means(self) -> CameraMeans:
        batch_size = self.settings.inference_batch_size
        return measured_camera_means(
            self.model, self.crops, self.pixels, batch_size=batch_size, processes=self.processes
        )

    def _save(self, current: RoundAtWork, round_index: int, stage_index: int, history: list[str]) -> None:
        if ends_round(self.settings, stage_index):
            self.model.header = replace(self.model.header, trained_rounds=round_index + 1)
            self.model.camera_means = self._camera_means()
        if self.folder is None:
            return
        labels, before = (
            {name: torch.tensor(found) for name, found in clusters.items()}
            for clusters in (current.labels, current.labels_before)
        )
        self.folder.save_model(self.model)
        self.folder.save_checkpoint(
            Checkpoint(
                round_index=round_index,
                stage_index=stage_index,
                stage=self._stages[stage_index].name,
                backbone=self.model.backbone.state_dict(),
                state=current.state,
                labels=labels,
                labels_before=before,
                record=json.dumps(current.record),
                history=history,
                origin={} if self.model.header.origin is None else asdict(self.model.header.origin),
            )
        )

    def _finish_round(self, current: RoundAtWork, round_index: int, history: list[str]) -> None:
        """Evaluate a round whose stages are saved, write its pseudo-labels, add its line to `history`."""
        record = self._record(round_index + 1, current.record)
        if self.folder is not None and current.labels:
            labels_hash = self.folder.write_pseudo_labels(round_index, self.crops, current.labels)
            record = RoundRecord.of({**record.values, "pseudo_labels": labels_hash})
        history.append(record.line)
        self._write_metrics(history)
        if self.folder is not None and self.after_record is not None:
            self.after_record(self.folder.path)

    def _record(self, number: int, of_stages: Mapping[str, Any]) -> RoundRecord:
        alpha = alpha_by_block(self.model.backbone)
        return RoundRecord.of({"round": number, **of_stages, "alpha": alpha, "evaluation": self._evaluation(number)})

    def _evaluation(self, round_number: int) -> dict[str, Any]:
        after_round = self.after_round
        if after_round is None:
            return {}
        return self.processes.from_first(lambda: recorded(after_round(self.model, round_number)))

    def _write_metrics(self, history: list[str]) -> list[str]:
        if self.folder is not None:
            self.folder.write_metrics(history)
        return history
