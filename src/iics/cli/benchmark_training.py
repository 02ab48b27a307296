"""`iics benchmark training`: crops per second of what training does, on this machine."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from iics.cli.machine import machine_line, print_table
from iics.cli.parse import parse
from iics.cli.source import DataSource, SourceFlags
from iics.errors import check_setting
from iics.ranges import SEED, check_ranges, whole

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.speed.training_speed import PhaseSpeed
    from iics.speed.training_work import Phase, Workload
    from iics.training.engine import Engine

PartName = Literal["loading", "stage1", "stage2", "features"]


@dataclass(frozen=True)
class TrainingSpeedCommand:
    """Time what training does, in crops per second: on random weights and pixels, and on real crops for loading."""

    only: tuple[PartName, ...] = ("loading", "stage1", "stage2", "features")
    """What to time."""
    options: tuple[Literal["norm", "precision", "memory-format", "compile"], ...] = ("norm", "memory-format")
    """What is changed for another line, one at a time: norm (to bn), precision (to the one that was not chosen; bf16 is
    slow on processors without it), memory-format (to contiguous), compile (takes minutes). May be empty."""
    backbone: str = "resnet50"
    """Backbone by its timm name, e.g. resnet50, vit_small_patch16_224."""
    height: Annotated[int, whole(32, 2048)] = 256
    """Height of a crop, in pixels."""
    width: Annotated[int, whole(32, 2048)] = 128
    """Width of a crop, in pixels."""
    cameras: Annotated[int, whole(1, 1000)] = 6
    """Cameras in a step of stage 1."""
    crops_per_camera: Annotated[int, whole(2, 1024)] = 8
    """Crops of each camera in a step of stage 1."""
    clusters_per_batch: Annotated[int, whole(2, 1024)] = 16
    """P: clusters in a batch of stage 2."""
    crops_per_cluster: Annotated[int, whole(2, 1024)] = 4
    """K: crops of each cluster in a batch of stage 2."""
    extracted: Annotated[int, whole(1, 10**6)] = 64
    """Crops whose features are extracted, at most 128 at once."""
    source: SourceFlags = field(default_factory=lambda: DataSource(data="sample"))
    """Whose training crops are loaded."""
    loaded: Annotated[int, whole(1, 10**7)] = 1024
    """Crops that are loaded in an epoch, if there are as many."""
    repeats: Annotated[int, whole(1, 1000)] = 3
    """Times are the median of so many runs; everything runs once before."""
    threads: Annotated[int, whole(0, 1024)] = 0
    """Threads on the CPU. 0: as torch takes them."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda, cuda:1. Loading is timed on the CPU."""
    seed: Annotated[int, SEED] = 0
    """Of weights, pixels and augmentation."""
    json: bool = False
    """Print the numbers as JSON."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        batch = self.clusters_per_batch * self.crops_per_cluster
        check_setting(self.loaded >= batch, f"--loaded must be at least a batch of {batch}, got {self.loaded}.")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(TrainingSpeedCommand, arguments, command="benchmark training")
    import torch

    from iics.device import choose_device
    from iics.models.backbone_spec import backbone_spec
    from iics.training.engine import at_work, choose_engine

    backbone_spec(command.backbone)
    workload = _workload(command)
    device = torch.device(choose_device(command.device))
    engine = choose_engine(workload.engine, backbone=command.backbone, device=device)
    crops = _crops(command) if "loading" in command.only else None
    with at_work(engine):
        machine = _machine(engine)
        phases = _phases(command, workload, engine, crops)
    if command.json:
        values: dict[str, Any] = {"settings": {"what": "training"} | dataclasses.asdict(command), "machine": machine}
        values |= {"engine": str(engine)}
        values |= {"phases": {part: dataclasses.asdict(speed) for part, speed in phases.items()}}
        print(json.dumps(values, indent=2, default=str))
    else:
        _print(command, f"{machine}; {engine}", phases)
    return 0


def _workload(command: TrainingSpeedCommand) -> Workload:
    from iics.computing_settings import EngineSettings
    from iics.models.backbone_spec import backbone_spec
    from iics.speed.training_work import Workload

    return Workload(
        backbone=command.backbone,
        last_stride=backbone_spec(command.backbone).usual_last_stride,
        height=command.height,
        width=command.width,
        num_cameras=command.cameras,
        crops_per_camera=command.crops_per_camera,
        clusters_per_batch=command.clusters_per_batch,
        crops_per_cluster=command.crops_per_cluster,
        num_extracted=command.extracted,
        engine=EngineSettings(threads=command.threads),
        seed=command.seed,
    )


def _machine(engine: Engine) -> str:
    from iics.memory import keep_freed_memory

    if engine.device.type != "cuda":
        return machine_line(keeps_freed_memory=keep_freed_memory())
    import torch

    return f"{machine_line(keeps_freed_memory=False)}, {torch.cuda.get_device_name(engine.device)}"


def _crops(command: TrainingSpeedCommand) -> CropSet:
    import numpy as np

    crops = command.source.load().to_train_on()
    chosen = np.random.default_rng(command.seed).permutation(len(crops))[: command.loaded]
    batch = command.clusters_per_batch * command.crops_per_cluster
    is_enough = len(chosen) >= batch
    check_setting(is_enough, f"Loading needs crops for a batch of {batch}, {crops.name} has {len(crops)}.")
    return crops.subset(chosen)


def _phases(
    command: TrainingSpeedCommand, workload: Workload, engine: Engine, crops: CropSet | None
) -> dict[str, PhaseSpeed]:
    from iics.speed.training_speed import measure_loading, measure_phase

    phases = {}
    if crops is not None:
        _say("loading")
        phases["loading"] = measure_loading(crops, workload, repeats=command.repeats)
    every: tuple[Phase, ...] = ("stage1", "stage2", "features")
    for phase in every:
        if phase in command.only:
            _say(phase)
            phases[phase] = measure_phase(
                phase, workload, device=engine.device, options=command.options, repeats=command.repeats
            )
    return phases


def _say(part: str) -> None:
    print(f"Timing {part} ...", file=sys.stderr)


def _print(command: TrainingSpeedCommand, machine: str, phases: dict[str, PhaseSpeed]) -> None:
    titles = {
        "loading": f"load {command.source.data}, augmented, from the second epoch on",
        "stage1": f"stage 1: a step of {command.cameras} cameras x {command.crops_per_camera} crops",
        "stage2": f"stage 2: a step of {command.clusters_per_batch} clusters x {command.crops_per_cluster} crops",
        "features": f"features: {command.extracted} crops and their mirror images",
    }
    print_table(
        f"{command.backbone} at {command.height}x{command.width}, random weights and pixels; {machine}; "
        f"medians of {command.repeats}, forms in turn",
        ("", "form", "s a run", "crops/s"),
        [
            (titles[part], form.form, f"{form.seconds:.3f}", f"{form.crops_per_second:.1f}")
            for part, speed in phases.items()
            for form in speed.forms
        ],
    )
