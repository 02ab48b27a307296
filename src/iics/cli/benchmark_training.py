"""`iics benchmark training`: crops per second of what training does, beside plain forms of it, on this machine."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from iics.cli.machine import console, machine_line
from iics.cli.parse import parse
from iics.cli.source import DataSource, SourceFlags
from iics.errors import check_setting
from iics.ranges import SEED, check_ranges, whole

if TYPE_CHECKING:
    from iics.crops import CropSet
    from iics.speed.norm_speed import Layout, NormComparison
    from iics.speed.training_speed import PhaseSpeed
    from iics.speed.training_work import Phase, Workload
    from iics.training.engine import Engine

PartName = Literal["norms", "loading", "stage1", "stage2", "features", "malloc"]


@dataclass(frozen=True)
class TrainingSpeedCommand:
    """Time what training does beside plain forms of it, in turn: random weights, random pixels.

    The plain form is PyTorch as it comes: float32, contiguous images that lie ready, AIBN written straight from Eq. 12,
    a forward per camera in stage 1.
    """

    only: tuple[PartName, ...] = ("norms", "loading", "stage1", "stage2", "features")
    """What to time. malloc, with and without freed memory kept, starts two processes and must be asked for."""
    options: tuple[Literal["norm", "precision", "memory-format", "compile"], ...] = ("norm", "memory-format")
    """What of ours is changed, one at a time: norm (to bn), precision (to the one that was not chosen; bf16 is slow on
    processors without it), memory-format (to contiguous), compile (takes minutes). May be empty."""
    backbone: str = "resnet50"
    """Backbone by its timm name; any with batch norms, e.g. resnet50, resnet18, efficientnet_lite0."""
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
    norm_shapes: tuple[tuple[int, int, int, int], ...] = ((64, 1024, 16, 8), (64, 256, 16, 8))
    """Feature maps that norms are timed on: crops, channels, height, width, and again."""
    source: SourceFlags = field(default_factory=lambda: DataSource(data="sample"))
    """Whose training crops are loaded."""
    loaded: Annotated[int, whole(1, 10**7)] = 1024
    """Crops that are loaded in an epoch, if there are as many."""
    repeats: Annotated[int, whole(1, 1000)] = 3
    """Times are the median of so many runs; everything runs once before."""
    threads: Annotated[int, whole(0, 1024)] = 0
    """Threads on the CPU. 0: as torch takes them."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda, cuda:1. Loading and malloc are timed on the CPU."""
    seed: Annotated[int, SEED] = 0
    """Of weights, pixels and augmentation."""
    json: bool = False
    """Print the numbers as JSON."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        batch = self.clusters_per_batch * self.crops_per_cluster
        check_setting(self.loaded >= batch, f"--loaded must be at least a batch of {batch}, got {self.loaded}.")
        for shape in self.norm_shapes:
            check_setting(
                min(shape) >= 1 and shape[2] * shape[3] > 1,
                f"--norm-shapes needs maps of more than one pixel, got {' '.join(map(str, shape))}.",
            )


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(TrainingSpeedCommand, arguments, command="benchmark training")
    import torch

    from iics.device import choose_device
    from iics.models.backbone import backbone_spec
    from iics.training.engine import at_work, choose_engine

    backbone_spec(command.backbone)
    workload = _workload(command)
    device = torch.device(choose_device(command.device))
    engine = choose_engine(workload.engine, backbone=command.backbone, device=device)
    crops = _crops(command) if "loading" in command.only else None
    # Before the others: this process keeps what memory they take.
    malloc = _malloc(command, workload) if "malloc" in command.only else {}
    with at_work(engine):
        machine = _machine(engine)
        norms = _norms(command, engine) if "norms" in command.only else []
        phases = malloc | _phases(command, workload, engine, crops)
    if command.json:
        values: dict[str, Any] = {"settings": {"what": "training"} | dataclasses.asdict(command), "machine": machine}
        values |= {"engine": str(engine), "norms": [dataclasses.asdict(norm) for norm in norms]}
        values |= {"phases": {part: dataclasses.asdict(speed) for part, speed in phases.items()}}
        print(json.dumps(values, indent=2, default=str))
    else:
        _print(command, f"{machine}; ours on {engine}", norms, phases)
    return 0


def _workload(command: TrainingSpeedCommand) -> Workload:
    from iics.computing_settings import EngineSettings
    from iics.speed.training_work import Workload

    return Workload(
        backbone=command.backbone,
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


def _malloc(command: TrainingSpeedCommand, workload: Workload) -> dict[str, PhaseSpeed]:
    from iics.speed.malloc_speed import compare_malloc

    _say("malloc")
    return {"malloc": compare_malloc("stage2", workload, repeats=command.repeats)}


def _norms(command: TrainingSpeedCommand, engine: Engine) -> list[NormComparison]:
    from iics.speed.norm_speed import compare_norms
    from iics.speed.training_speed import finisher

    _say("norms")
    layouts: tuple[Layout, ...] = ("channels_last", "contiguous")
    return [
        compare_norms(
            shape,
            layout=layout,
            has_relu=has_relu,
            repeats=command.repeats,
            device=engine.device,
            finish=finisher(engine.device),
            seed=command.seed,
        )
        for shape in command.norm_shapes
        for layout in layouts
        for has_relu in (False, True)
    ]


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


def _print(
    command: TrainingSpeedCommand, machine: str, norms: list[NormComparison], phases: dict[str, PhaseSpeed]
) -> None:
    from iics.cli.speed_tables import norm_table, phase_table

    out = console()
    out.print(
        f"{command.backbone} at {command.height}x{command.width}, random weights and pixels; {machine}; "
        f"medians of {command.repeats}, forms in turn",
        highlight=False,
    )
    if norms:
        out.print("\nNorms: forward and backward, float32", highlight=False)
        out.print(norm_table(norms))
    titles = {
        "loading": f"Loading {command.source.data}: augmented batches from the second epoch on; "
        "plain: crop by crop, with PIL",
        "stage1": f"Stage 1: a step of {command.cameras} cameras x {command.crops_per_camera} crops; "
        "plain: a forward per camera",
        "stage2": f"Stage 2: a step of {command.clusters_per_batch} clusters x {command.crops_per_cluster} crops",
        "features": f"Features: {command.extracted} crops and their mirror images",
        "malloc": "Malloc: a step of stage 2, in processes of their own",
    }
    for part, speed in phases.items():
        out.print(f"\n{titles[part]}", highlight=False)
        out.print(phase_table(speed))
    if {"stage1", "stage2", "features"} & set(phases):
        out.print("Plain forms start from images that lie ready; ours from pixels, in the stages with augmentation.")
