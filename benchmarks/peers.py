"""Steps and features beside peers, in one process, in turn: plain PyTorch, the same compiled, ONNX Runtime.

Run: python -m benchmarks.peers [--backbone resnet50 --height 256 --width 128] [...]   (--help tells all)

Plain forms start from images that lie ready (`benchmarks/plain_training.py`), ours and ONNX Runtime from uint8 pixels.
torch.compile takes minutes and needs a C++ compiler; ONNX Runtime computes the features of the exported model, mirror
image and normalisation included, in float32. What is not at hand is left out, and said.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.plain_training import plain_work
from benchmarks.two_builds import in_turn
from iics.cli.machine import machine_line
from iics.computing_settings import EngineSettings
from iics.device import choose_device, wait_for
from iics.export.onnx_model import PACKAGES, OnnxModel
from iics.speed.training_work import Phase, Work, Workload, our_work, training_context
from iics.training.context import TrainingContext
from iics.training.engine import at_work, choose_engine

PHASES: tuple[Phase, ...] = ("stage1", "stage2", "features")
PLAIN = "plain PyTorch, aibn"


def main(arguments: list[str] | None = None) -> None:
    asked = parser().parse_args(arguments)
    device = torch.device(choose_device(asked.device))
    engine = choose_engine(EngineSettings(threads=asked.threads), backbone=asked.backbone, device=device)
    with at_work(engine):
        print(f"<!-- {machine_line(keeps_freed_memory=device.type == 'cpu')}; auto is {engine} -->")
        print("| phase | form | s a run | crops/s | times plain |\n|---|---|---|---|---|", flush=True)
        for phase in asked.only:
            workload, works = forms(phase, asked, device)
            times = in_turn([timed(work, device) for work in works.values()], asked.repeats)
            seconds = dict(zip(works, map(statistics.median, times), strict=True))
            for form, taken in seconds.items():
                crops = workload.num_crops(phase) / taken
                print(f"| {phase} | {form} | {taken:.3f} | {crops:.1f} | {seconds[PLAIN] / taken:.2f} |", flush=True)


def parser() -> argparse.ArgumentParser:
    asks = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asks.add_argument("--only", nargs="+", choices=PHASES, default=PHASES, help="what to time")
    asks.add_argument("--backbone", default="efficientnet_lite0")
    asks.add_argument("--height", type=int, default=128)
    asks.add_argument("--width", type=int, default=64)
    asks.add_argument("--extracted", type=int, default=64, help="crops whose features are extracted")
    asks.add_argument("--without", nargs="*", choices=("compile", "onnxruntime"), default=(), help="peers to leave out")
    asks.add_argument(
        "--repeats", type=int, default=7, help="times are medians of so many, after one that does not count"
    )
    asks.add_argument("--threads", type=int, default=0)
    asks.add_argument("--device", default="auto")
    return asks


def forms(phase: Phase, asked: argparse.Namespace, device: torch.device) -> tuple[Workload, dict[str, Work]]:
    """Return the workload of a phase, and what computes it by name; all start with the same weights."""
    workload = Workload(backbone=asked.backbone, height=asked.height, width=asked.width, num_extracted=asked.extracted)
    works: dict[str, Work] = {}
    for precision in ("float32", "auto"):
        settings: Any = EngineSettings(precision=precision, threads=asked.threads)
        context = context_of(phase, workload, settings, device)
        if not works:
            works |= plain_forms(
                phase, context, bn=context_of(phase, workload, settings, device, norm="bn"), asked=asked
            )
        works[f"ours, {precision}"] = our_work(phase, context)
    if phase == "features" and "onnxruntime" not in asked.without:
        works |= by_onnxruntime(context_of(phase, workload, settings, device), asked.threads)
    return workload, works


def context_of(
    phase: Phase, workload: Workload, settings: EngineSettings, device: torch.device, *, norm: Any = "aibn"
) -> TrainingContext:
    engine = choose_engine(settings, backbone=workload.backbone, device=device)
    return training_context(phase, workload, norm=norm, engine=engine)


def plain_forms(
    phase: Phase, context: TrainingContext, *, bn: TrainingContext, asked: argparse.Namespace
) -> dict[str, Work]:
    """Return plain PyTorch with AIBN, and with the batch norms that every re-ID program has; each compiled, too."""
    works = {PLAIN: plain_work(phase, context), "plain PyTorch, bn": plain_work(phase, bn)}
    if "compile" in asked.without:
        return works
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None and context.model.device.type == "cpu":
        print("torch.compile is left out: there is no C++ compiler.", file=sys.stderr)
        return works
    compiled: Callable[[Any], Any] = torch.compile
    works["plain PyTorch, aibn, torch.compile"] = plain_work(phase, context, called=compiled)
    works["plain PyTorch, bn, torch.compile"] = plain_work(phase, bn, called=compiled)
    return works


def by_onnxruntime(context: TrainingContext, threads: int) -> dict[str, Work]:
    """Return the exported model's features of the context's crops."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        print(f"ONNX Runtime is left out: {', '.join(missing)} is not installed.", file=sys.stderr)
        return {}
    from iics.export.onnx_file import export_onnx

    context.model.backbone.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = export_onnx(context.model)
    exported, pixels = OnnxModel(file, threads=threads or torch.get_num_threads()), context.pixels[:]
    return {"ONNX Runtime, exported": lambda: exported.embed(pixels, batch_size=context.settings.inference_batch_size)}


def timed(work: Work, device: torch.device) -> Callable[[], float]:
    """Return what does some work and returns the seconds it took."""

    def run() -> float:
        start = time.perf_counter()
        work()
        wait_for(device)
        return time.perf_counter() - start

    return run


if __name__ == "__main__":
    main()
