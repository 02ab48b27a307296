"""A run at work, the outer loop (Sec. 4.2): rounds of stage 1 then stage 2, or of identities, and what is saved."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iics.config import Settings
from iics.data.crops import CropSet, IntArray
from iics.data.pixel_source import PixelSource
from iics.models.backbone import alpha_by_block, backbone_spec
from iics.models.heads import BNNeckHead
from iics.models.reid_model import ReidModel
from iics.pseudo_labels import PartitionAgreement
from iics.training.checkpoint import LABEL_FIELDS, Checkpoint, StageName
from iics.training.context import TrainingContext
from iics.training.distributed import Processes
from iics.training.engine import Engine
from iics.training.model_card import write_model_card
from iics.training.progress import PhaseCallback, PhaseTimes, ProgressCallback, bind_round
from iics.training.randomness import stage_generator
from iics.training.recorded import recorded
from iics.training.run_folder import RunFolder
from iics.training.run_log import RunLog
from iics.training.run_whole import check_own_metrics
from iics.training.stability import stage_stability
from iics.training.stage1_intra import Stage1Metrics, train_stage1
from iics.training.stage2_inter import Stage2Metrics, mu_schedule, train_stage2
from iics.training.stage_order import STAGE_NUMBERS, ends_round, remaining_stages
from iics.training.supervised import Learner, train_supervised

AfterRound = Callable[[ReidModel, int], Mapping[str, Any]]
"""Called with the model and the round: 0 before training, then from 1 when a round is done.

What it returns is recorded as "evaluation", in any shape: numbers, text, lists and mappings of them; see `recorded`. Of
several processes, only the first calls it.
"""

AfterRecord = Callable[[Path], None]
"""Called with the run folder when the record of a round is written. Of several processes, only the first calls it."""


@dataclass(eq=False)
class RoundAtWork:
    """What a round has so far: what stage 1 hands to stage 2, what will be recorded, and the clusters before."""

    heads: list[BNNeckHead] = dataclasses.field(default_factory=list)
    stage1_labels: IntArray | None = None
    stage2_labels: IntArray | None = None
    record: dict[str, Any] = dataclasses.field(default_factory=dict)
    stage1_labels_before: IntArray | None = None
    stage2_labels_before: IntArray | None = None

    def next_round(self) -> RoundAtWork:
        """Return the round that follows."""
        return RoundAtWork(stage1_labels_before=self.stage1_labels, stage2_labels_before=self.stage2_labels)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: torch.device) -> RoundAtWork:
        """Return the round as it was when the checkpoint was saved."""
        return cls(
            heads=checkpoint.rebuilt_heads(device),
            record=json.loads(checkpoint.record),
            **{name: None if labels is None else labels.numpy() for name, labels in checkpoint.labels().items()},
        )

    def labels(self) -> dict[str, Tensor | None]:
        """Return the clusters as a checkpoint holds them, by its names for them."""
        return {
            name: None if labels is None else torch.tensor(labels)
            for name, labels in vars(self).items()
            if name in LABEL_FIELDS
        }


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
        self._learner: Learner | None = None

    def finish(self, checkpoint: Checkpoint | None) -> list[dict[str, Any]]:
        """Do everything that comes after `checkpoint`: perhaps the record of its round, then the remaining stages.

        Returns:
            One record a round, as in metrics.jsonl.
        """
        with RunLog(self.folder.path, self.settings) if self.folder else nullcontext() as log:
            history, current = self._take_up(checkpoint)
            if log is not None:
                log.log_new(history)
            for round_index, stage in remaining_stages(self.settings, checkpoint):
                self._train_stage(current, round_index, stage)
                self._save(current, round_index, stage, history)
                if ends_round(self.settings, stage):
                    self._finish_round(current, round_index, history)
                    if log is not None:
                        log.log_new(history)
                    current = current.next_round()
        if self.folder is not None:
            write_model_card(self.folder.path)
        return [json.loads(line) for line in history]

    def _take_up(self, checkpoint: Checkpoint | None) -> tuple[list[str], RoundAtWork]:
        """Return the lines of the finished rounds and what the round at work has so far."""
        if checkpoint is None:
            return self._write_metrics(self._history_before()), RoundAtWork()
        history = list(checkpoint.history)
        written = self.processes.from_first(lambda: [] if self.folder is None else self.folder.read_metrics())
        if written and self.folder is not None:
            check_own_metrics(self.folder, written, checkpoint)
        current = RoundAtWork.from_checkpoint(checkpoint, self.model.device)
        if checkpoint.optimiser is not None:
            context = self._context(checkpoint.round_index, "supervised", self._report(checkpoint.round_index))
            self._learner = Learner.restored(context, current.heads[0], checkpoint.optimiser)
        if not ends_round(self.settings, checkpoint.stage):
            return self._write_metrics(history), current
        if len(written) == len(history) + 1:  # stopped after the round's record was written
            return written, current.next_round()
        self._finish_round(current, checkpoint.round_index, history)
        return history, current.next_round()

    def _history_before(self) -> list[str]:
        if self.after_round is None:
            return []
        evaluation = self._evaluation(0)
        return [json.dumps({"round": 0, "alpha": alpha_by_block(self.model.backbone), "evaluation": evaluation})]

    def _train_stage(self, current: RoundAtWork, round_index: int, stage: StageName) -> None:
        """Train one stage and take its time, in all and by phase."""
        started = time.perf_counter()
        times = PhaseTimes(self._report(round_index))
        context = self._context(round_index, stage, times)
        train = {"stage1": self._stage1, "stage2": self._stage2, "supervised": self._supervised}[stage]
        train(context, current, round_index)
        current.record.setdefault("seconds", {})[stage] = round(time.perf_counter() - started, 2)
        current.record.setdefault("phases", {}).update(times.summary())

    def _stage1(self, context: TrainingContext, current: RoundAtWork, _round_index: int) -> None:
        result = train_stage1(context)
        current.heads, current.stage1_labels = result.heads, result.labels
        stability = stage_stability(current.stage1_labels_before, result.labels, self.crops.camera_ids)
        current.record["stage1"] = _as_record(result.metrics, stability)

    def _stage2(self, context: TrainingContext, current: RoundAtWork, round_index: int) -> None:
        settings = self.settings.stage2
        mu = mu_schedule(settings.mu, round_index=round_index, num_rounds=self.settings.rounds, power=settings.mu_power)
        result = train_stage2(context, current.heads, mu=mu)
        current.stage2_labels = result.labels
        stability = stage_stability(current.stage2_labels_before, result.labels, None)
        current.record["stage2"] = _as_record(result.metrics, stability)

    def _supervised(self, context: TrainingContext, current: RoundAtWork, round_index: int) -> None:
        num_features = backbone_spec(self.settings.model.backbone).num_features
        self._learner = self._learner or Learner.new(context, num_features=num_features)
        metrics = train_supervised(context, self._learner, round_index=round_index)
        current.record["supervised"] = dataclasses.asdict(metrics)
        current.heads = [self._learner.head]

    def _context(self, round_index: int, stage: StageName, report: PhaseCallback) -> TrainingContext:
        return TrainingContext(
            model=self.model,
            crops=self.crops,
            pixels=self.pixels,
            settings=self.settings,
            generator=stage_generator(self.settings.seed, round_index=round_index, stage_number=STAGE_NUMBERS[stage]),
            report=report,
            network=self._network,
            engine=self.engine,
            processes=self.processes,
        )

    def _report(self, round_index: int) -> PhaseCallback:
        progress = self.progress if self.processes.is_first else None
        return bind_round(progress, round_number=round_index + 1, num_rounds=self.settings.rounds)

    def _save(self, current: RoundAtWork, round_index: int, stage: StageName, history: list[str]) -> None:
        if ends_round(self.settings, stage):
            self.model.header = dataclasses.replace(self.model.header, trained_rounds=round_index + 1)
        if self.folder is None:
            return
        self.folder.save_model(self.model)
        self.folder.save_checkpoint(
            Checkpoint(
                round_index=round_index,
                stage=stage,
                backbone=self.model.backbone.state_dict(),
                heads=[dict(head.state_dict()) for head in current.heads],
                **current.labels(),  # type: ignore[arg-type]
                record=json.dumps(current.record),
                history=history,
                optimiser=None if self._learner is None else self._learner.optimiser.state_dict(),
            )
        )

    def _finish_round(self, current: RoundAtWork, round_index: int, history: list[str]) -> None:
        """Evaluate a round whose stages are saved, write its pseudo-labels, add its line to `history`."""
        record = {
            "round": round_index + 1,
            **current.record,
            "alpha": alpha_by_block(self.model.backbone),
            "evaluation": self._evaluation(round_index + 1),
        }
        if self.folder is not None and self.settings.stages != "supervised":
            labels = current.stage1_labels, current.stage2_labels
            record["pseudo_labels"] = self.folder.write_pseudo_labels(round_index, self.crops, *labels)
        history.append(json.dumps(record))
        self._write_metrics(history)
        if self.folder is not None and self.after_record is not None:
            self.after_record(self.folder.path)

    def _evaluation(self, round_number: int) -> dict[str, Any]:
        after_round = self.after_round
        if after_round is None:
            return {}
        return self.processes.from_first(lambda: recorded(after_round(self.model, round_number)))

    def _write_metrics(self, history: list[str]) -> list[str]:
        if self.folder is not None:
            self.folder.write_metrics(history)
        return history


def _as_record(metrics: Stage1Metrics | Stage2Metrics, stability: PartitionAgreement | None) -> dict[str, Any]:
    return {
        **dataclasses.asdict(metrics),
        "stability": None if stability is None else dataclasses.asdict(stability),
    }
