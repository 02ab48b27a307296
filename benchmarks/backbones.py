"""Crops a second of several backbones: a step of stage 1, a step of stage 2, an extraction of features; on the CPU.

Every backbone with its usual norm and stride, random weights and pixels, each phase in turn over all of them.

Run: python -m benchmarks.backbones [NAME ...]   (lite0, MobileNetV2, ViT-S and ResNet-50, if none is said; 128x64)
"""

from __future__ import annotations

import sys

import torch

from iics.cli.machine import computer_line
from iics.computing_settings import EngineSettings
from iics.measure import seconds_in_turn
from iics.models.backbone_spec import backbone_spec
from iics.models.map_memory import map_numbers
from iics.speed.training_work import Phase, Workload, our_work, training_context
from iics.training.engine import at_work, choose_engine

NAMES = ("efficientnet_lite0", "mobilenetv2_100", "vit_small_patch16_224", "resnet50")
HEIGHT, WIDTH = 128, 64
PHASES: tuple[Phase, ...] = ("stage1", "stage2", "features")
REPEATS = 3


def workload_of(name: str) -> Workload:
    return Workload(
        backbone=name,
        height=HEIGHT,
        width=WIDTH,
        num_cameras=4,
        clusters_per_batch=8,
        num_extracted=32,
        engine=EngineSettings(precision="float32"),
        last_stride=backbone_spec(name).usual_last_stride,
    )


def main(names: tuple[str, ...]) -> None:
    cpu = torch.device("cpu")
    loads = {name: workload_of(name) for name in names}
    engines = {name: choose_engine(load.engine, backbone=name, device=cpu) for name, load in loads.items()}
    speeds: dict[str, list[float]] = {name: [] for name in names}
    million_maps = dict.fromkeys(names, 0.0)
    for phase in PHASES:
        works = {}
        for name, load in loads.items():
            context = training_context(phase, load, norm=backbone_spec(name).usual_norm, engine=engines[name])
            million_maps[name] = map_numbers(context.model.backbone, height=HEIGHT, width=WIDTH).kept / 1e6
            works[name] = our_work(phase, context)
        with at_work(engines[names[0]]):
            seconds = seconds_in_turn(works, repeats=REPEATS)
        for name, taken in seconds.items():
            speeds[name].append(loads[name].num_crops(phase) / taken)
    print(f"{computer_line()}; float32; crops of {HEIGHT}x{WIDTH}; medians of {REPEATS}")
    print("| backbone | length of a feature | kept a crop, million | stage 1, crops/s | stage 2 | features |")
    print("|---|---|---|---|---|---|")
    for name, (stage1, stage2, features) in speeds.items():
        length = backbone_spec(name).num_features
        print(f"| {name} | {length} | {million_maps[name]:.2f} | {stage1:.0f} | {stage2:.0f} | {features:.0f} |")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or NAMES)
