"""What a run would take on this machine: memory and disk from formulas, time from a short probe times what is repeated.

DataSplits x Settings -> RunEstimate.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from iics.config import ClusterSettings, Settings
from iics.data_splits import DataSplits
from iics.device import choose_device
from iics.errors import TrainingError, check_setting
from iics.labelling.labeller import labeller_of
from iics.labelling.units import most_units_by_camera
from iics.measure import measured
from iics.memory import free_memory
from iics.methods.by_name import method_of, settings_for, stages_of
from iics.methods.iics.stage1 import num_rounds_of_stage1
from iics.methods.trainable import predicted_memory
from iics.models.reid_model import starting_problem
from iics.pixels.cache_folder import cache_folder
from iics.runs.loggers import check_loggers
from iics.runs.probe import Speed, probe_clustering, probe_phase, probe_reading
from iics.speed.training_work import Phase
from iics.training.batches import stage1_steps
from iics.training.engine import Engine, at_work, choose_engine
from iics.training.label_training import steps_of_epochs

SECONDS_A_PHASE = 4.0
_READING = "reading crops"


@dataclass(frozen=True)
class RepeatedWork:
    """Something a run does again and again.

    Attributes:
        name: What it is.
        unit: What is counted: "crop", "step of 48 crops" or "clustering".
        count: How often in the whole run.
        seconds_each: Measured, or extrapolated from what was.
        measured_on: What the probe computed.
    """

    name: str
    unit: str
    count: int
    seconds_each: float
    measured_on: str

    @property
    def seconds(self) -> float:
        """In the whole run."""
        return self.count * self.seconds_each


@dataclass(frozen=True)
class RunEstimate:
    """What a run would take.

    Attributes:
        settings: The settings in a few words.
        engine: How and where the network is computed.
        load: Programs that wanted a core in the minute before, of all on the machine; None where it is not known.
        num_cores: Cores of the machine.
        works: What the run repeats; times add up.
        start_seconds: Spent once, on loading compiled code.
        clustering_bytes: Most memory while crops are compared and clustered, as training predicts it.
        step_bytes: Most memory of a training step, from the probe; None where it was not seen.
        free_bytes: Memory that is free now; None where the kernel does not tell.
        pixel_bytes: Size of the files of decoded crops: those trained and those measured on.
        free_disk_bytes: Room where they go.
        pixel_folder: Where that is.
        weights_problem: Why the starting weights cannot be had here, and what to do; None if they can.
    """

    settings: str
    engine: str
    load: float | None
    num_cores: int
    works: tuple[RepeatedWork, ...]
    start_seconds: float
    clustering_bytes: int
    step_bytes: int | None
    free_bytes: int | None
    pixel_bytes: int
    free_disk_bytes: int
    pixel_folder: str
    weights_problem: str | None = None

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.start_seconds + sum(work.seconds for work in self.works)

    @property
    def is_busy(self) -> bool:
        """Whether other programs probably slowed the probe down."""
        return self.load is not None and self.load > 0.3 * self.num_cores

    @property
    def peak_bytes(self) -> int:
        """Most memory of the whole run."""
        return max(self.clustering_bytes, self.step_bytes or 0)


def estimate_run(
    splits: DataSplits, settings: Settings, *, num_seeds: int = 1, seconds_a_phase: float = SECONDS_A_PHASE
) -> RunEstimate:
    """Return what `iics train` on a data set would take on this machine as it is now, evaluated every round.

    Takes a few times `seconds_a_phase`. What cannot be trained on, or would not fit into memory, is refused as training
    would refuse it.

    Args:
        splits: The data set.
        settings: Of a run of a method that is known to cost what IICS costs.
        num_seeds: Runs that follow one another, as `iics train --seeds` makes them: crops are read once.
        seconds_a_phase: Time for each of three probes of the network, roughly.

    Raises:
        DataError: If a crop that is read for the probe cannot be decoded.
        TrainingError: If the crops cannot be trained on, or a step does not fit onto the GPU.
        SettingsError: If the run is of another method.
    """
    train = splits.to_train_on()
    settings, _ = settings_for(train, settings)
    method, title = method_of(settings), stages_of(settings)[-1].title
    method.check(train, settings)
    check_loggers(settings.loggers)
    check_setting(
        method.costs_like is not None,
        f"No estimate is made of --method {settings.method}: what its rounds cost is known for IICS and for methods "
        "that cluster all crops.",
    )
    settings = settings if method.costs_like is None else method.costs_like(settings)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    folder = cache_folder(settings.pixels.cache_dir)
    device = torch.device(choose_device(settings.device))
    engine = choose_engine(settings.engine, backbone=settings.model.backbone, device=device)
    sizes = [size for size in np.bincount(train.camera_ids).tolist() if size > 1]
    whole = replace(settings.tracklets, broken="trust")  # few are broken
    compared = [size for size in most_units_by_camera(train, whole) if size > 1]
    reading = probe_reading(train, settings)
    try:
        with at_work(engine):
            phases = _Phases.probe(settings, engine, len(sizes), seconds_a_phase)
            clustering = _clusterings(settings, compared, title)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"A training step does not fit onto {device}: {str(error).split('. ')[0]}. Train with batches in parts "
            "(--engine.parts 2), smaller crops or a smaller backbone."
        ) from error
    speeds = (phases.features, *phases.training.values(), *(speed for _, speed in clustering))
    size = settings.model
    works = *_network_works(splits, settings, sizes, reading, phases, title), *(work for work, _ in clustering)
    of_seeds = "" if num_seeds == 1 else f" for each of {num_seeds} seeds"
    return RunEstimate(
        settings=f"{size.backbone} at {size.height}x{size.width}, {settings.rounds} rounds{of_seeds}",
        engine=str(engine),
        load=load,
        num_cores=os.cpu_count() or 1,
        works=tuple(_repeated(work, num_seeds) for work in works),
        start_seconds=sum(speed.first_seconds for speed in speeds),
        clustering_bytes=predicted_memory(compared, settings, num_crops=len(train)),
        step_bytes=phases.step_bytes(settings.engine.parts) if device.type == "cpu" else None,
        free_bytes=free_memory(),
        pixel_bytes=(len(train) + _num_tested(splits)) * size.height * size.width * 3,
        free_disk_bytes=shutil.disk_usage(_existing(folder)).free,
        pixel_folder=str(folder),
        weights_problem=starting_problem(settings.model),
    )


@dataclass(frozen=True)
class _Phases:
    """Speeds of the network, and what the process held before the first step of training."""

    features: Speed
    training: dict[Phase, Speed]
    bytes_before: int | None

    @classmethod
    def probe(cls, settings: Settings, engine: Engine, num_cameras: int, seconds: float) -> _Phases:
        def speed(phase: Phase) -> Speed:
            return probe_phase(phase, settings, engine, num_cameras=num_cameras, seconds=seconds)

        features = speed("features")
        before = measured(lambda: None).peak_bytes
        stages: tuple[Phase, ...] = ("stage1", "stage2")
        if settings.stages != "both":
            stages = ("stage1",) if settings.stages == "stage1" else ("stage2",)
        return cls(features, {stage: speed(stage) for stage in stages}, before)

    def step_bytes(self, num_parts: int) -> int | None:
        """Return the most memory of a step: what the probe's steps needed, in proportion to the crops of a batch."""
        speeds = self.training.values()
        peaks = [speed.peak_bytes for speed in speeds if speed.peak_bytes is not None]
        if self.bytes_before is None or len(peaks) < len(speeds):
            return None
        grown = max(peaks) - self.bytes_before
        probed = max(speed.num_measured for speed in speeds)
        full = max(speed.num_crops for speed in speeds)
        return self.bytes_before + round(max(grown, 0) * full / probed / num_parts)


def _repeated(work: RepeatedWork, num_seeds: int) -> RepeatedWork:
    """Return the work of several runs; crops are read once, into files that all of them read."""
    return work if work.name == _READING else replace(work, count=num_seeds * work.count)


def _network_works(
    splits: DataSplits, settings: Settings, sizes: list[int], reading: Speed, phases: _Phases, title: str
) -> list[RepeatedWork]:
    num_crops, rounds = len(splits.to_train_on()), settings.rounds
    stage1, stage2 = settings.stage1, settings.stage2
    num_steps = {
        "stage1": stage1.epochs
        * stage1_steps(sizes, crops_per_camera=stage1.crops_per_camera, rule=stage1.steps_per_epoch),
        "stage2": steps_of_epochs(
            stage2.epochs, num_crops=num_crops, batch_size=stage2.clusters_per_batch * stage2.crops_per_cluster
        ),
    }
    rounds_of = {"stage1": num_rounds_of_stage1(settings), "stage2": rounds}
    num_passes = sum(rounds_of[stage] for stage in phases.training)
    num_evaluated = (rounds + 1) * _num_tested(splits)
    per_crop = phases.features.seconds / phases.features.num_crops
    extracted = f"{phases.features.num_measured} crops at once"
    works = [
        RepeatedWork(
            _READING,
            "crop",
            num_crops + _num_tested(splits),
            reading.seconds / reading.num_crops,
            f"{reading.num_measured} crops",
        ),
        RepeatedWork("features", "crop", num_passes * num_crops, per_crop, extracted),
    ]
    for stage, speed in phases.training.items():
        name = "stage 1" if stage == "stage1" else title
        unit, probed = f"step of {speed.num_crops} crops", f"steps of up to {speed.num_measured} crops"
        works.append(
            RepeatedWork(f"{name}: training", unit, rounds_of[stage] * num_steps[stage], speed.seconds, probed)
        )
    if num_evaluated:
        works.append(RepeatedWork("evaluation", "crop", num_evaluated, per_crop, extracted))
    return works


def _num_tested(splits: DataSplits) -> int:
    return 0 if splits.query is None or splits.gallery is None else len(splits.query) + len(splits.gallery)


_Clustering = tuple[str, ClusterSettings, list[int], int, int | None, int]
"""Name, how, crops of each group, cameras in a group, scores if they are compared, and rounds that have it."""


def _clusterings(settings: Settings, sizes: list[int], title: str) -> list[tuple[RepeatedWork, Speed]]:
    """Return the clusterings of a round's stages, extrapolated: pairs grow with the square of the crops."""
    num_crops, num_cameras = sum(sizes), len(sizes)
    in_cameras = labeller_of(settings.distance, settings.stage1.clusters).clustering
    has_both = settings.stages == "both"
    num_scores = sum(in_cameras.expected_number(size) for size in sizes) if has_both else None
    num_stage1 = num_rounds_of_stage1(settings)
    stage1: _Clustering = "stage 1", settings.stage1.clusters, sizes, 1, None, num_stage1
    stage2: _Clustering = title, settings.stage2.clusters, [num_crops], num_cameras, num_scores, settings.rounds
    stages = {"both": [stage1, stage2], "stage1": [stage1], "stage2": [stage2]}[settings.stages]
    found = []
    for name, clusters, groups, cameras, scores, rounds in stages:
        speed = probe_clustering(settings, clusters, num_crops=max(groups), num_cameras=cameras, num_scores=scores)
        factor = sum((size / speed.num_crops) ** 2 for size in groups)
        what = f"{speed.num_crops:,} synthetic crops"
        each = factor * speed.seconds
        found.append((RepeatedWork(f"{name}: clustering", "clustering", rounds, each, what), speed))
    return found


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
