"""Crops per second of training beside its plain forms: loading, the steps of both stages, features.

Run: python -m benchmarks.training [--only stage1 ...] [--malloc as-it-comes] [...]   (--help tells all)

Forms run in turn in one process: PyTorch as one writes it first, and ours as `iics train` chooses it and with one thing
changed at a time. Plain forms start from images that lie ready; ours from pixels, in the stages with augmentation.
Freed memory is kept for both sides, unless malloc is to be timed as it comes: glibc cannot be told to forget, so that
is a process of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

import iics
from benchmarks.plain_loading import PlainLoader, unpacked
from benchmarks.plain_training import plain_work
from iics.cli.machine import machine_line
from iics.computing_settings import EngineSettings
from iics.crops import CropSet
from iics.device import choose_device
from iics.measure import seconds_in_turn
from iics.model_settings import AugmentSettings
from iics.pixels.pixel_cache import open_pixels
from iics.speed.training_speed import finisher, loaded_epoch, stage2_batches, threads_line, variants
from iics.speed.training_work import Phase, Work, Workload, our_work, training_context
from iics.training.engine import at_work, choose_engine

PHASES: tuple[Phase, ...] = ("stage1", "stage2", "features")


def main(arguments: list[str] | None = None) -> None:
    asked = parser().parse_args(arguments)
    workload = Workload(
        backbone=asked.backbone,
        height=asked.height,
        width=asked.width,
        num_extracted=asked.extracted,
        engine=EngineSettings(threads=asked.threads),
    )
    device = torch.device(choose_device(asked.device))
    engine = choose_engine(workload.engine, backbone=asked.backbone, device=device)
    keeps = asked.malloc == "kept" and device.type == "cpu"
    torch.set_num_threads(engine.num_threads)
    with at_work(engine) if asked.malloc == "kept" else nullcontext():
        print(f"<!-- {machine_line(keeps_freed_memory=keeps)}; ours on {engine} -->")
        print("| phase | form | s a run | crops/s | times plain |\n|---|---|---|---|---|")
        if "loading" in asked.only:
            crops = iics.load_sample().train
            some = np.random.default_rng(0).permutation(len(crops))[: asked.loaded]
            row("loading", *compare_loading(crops.subset(some), workload, repeats=asked.repeats))
        for phase in PHASES:
            if phase in asked.only:
                row(phase, *compare_phase(phase, workload, device, options=asked.options, repeats=asked.repeats))


def parser() -> argparse.ArgumentParser:
    asks = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ("loading", *PHASES)
    asks.add_argument("--only", nargs="+", choices=every, default=every, help="what to time")
    options, usual = ("norm", "precision", "memory-format", "compile"), ("norm", "memory-format")
    asks.add_argument("--options", nargs="*", choices=options, default=usual, help="what of ours is changed")
    asks.add_argument("--backbone", default="resnet50")
    asks.add_argument("--height", type=int, default=256)
    asks.add_argument("--width", type=int, default=128)
    asks.add_argument("--extracted", type=int, default=64, help="crops whose features are extracted")
    asks.add_argument("--loaded", type=int, default=1024, help="crops of the sample that are loaded in an epoch")
    asks.add_argument("--repeats", type=int, default=3, help="times are the median of so many runs")
    asks.add_argument("--threads", type=int, default=0)
    asks.add_argument("--device", default="auto")
    asks.add_argument("--malloc", choices=("kept", "as-it-comes"), default="kept", help="what glibc does on the CPU")
    return asks


def compare_phase(
    phase: Phase, workload: Workload, device: torch.device, *, options: list[str], repeats: int
) -> tuple[dict[str, float], dict[str, str], int]:
    """Return the seconds of every form, the plain form of each, and the crops of a run."""
    works: dict[str, Work] = {}
    plain_of: dict[str, str] = {}
    for name, norm, engine in variants(workload, device, options):
        context = training_context(phase, workload, norm=norm, engine=engine)
        plain = f"plain, {norm}"
        if plain not in works:  # before ours has trained: both start with the same weights
            works[plain], plain_of[plain] = plain_work(phase, context), plain
        works[f"ours, {name}"], plain_of[f"ours, {name}"] = our_work(phase, context), plain
    seconds = seconds_in_turn(works, repeats=repeats, finish=finisher(device))
    return seconds, plain_of, workload.num_crops(phase)


def compare_loading(
    crops: CropSet, workload: Workload, *, repeats: int
) -> tuple[dict[str, float], dict[str, str], int]:
    """Return the seconds of an epoch crop by crop and as training loads it, from its second epoch on."""
    generator = torch.Generator().manual_seed(workload.seed)
    batches = stage2_batches(crops, workload, generator=generator)
    size = {"height": workload.height, "width": workload.width}
    plain_form, our_form = "plain, 1 thread", f"ours, {threads_line()}"
    with tempfile.TemporaryDirectory() as folder:
        pixels = open_pixels(crops, **size, source="cache", cache_dir=folder)
        plain = PlainLoader(unpacked(crops, Path(folder)), **size, settings=AugmentSettings(), seed=workload.seed)
        works = {
            plain_form: lambda: plain.epoch(batches),
            our_form: lambda: loaded_epoch(pixels, batches, generator=generator),
        }
        seconds = seconds_in_turn(works, repeats=repeats)
    return seconds, dict.fromkeys(works, plain_form), sum(map(len, batches))


def row(phase: str, seconds: Mapping[str, float], plain_of: Mapping[str, str], num_crops: int) -> None:
    for form, taken in seconds.items():
        cells = phase, form, f"{taken:.3f}", f"{num_crops / taken:.1f}", f"{seconds[plain_of[form]] / taken:.2f}"
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
