"""Small places to work in: a network of one convolution, crops without files, and runs that are trained once."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from iics.config import Settings
from iics.crops import CropSet
from iics.data_splits import DataSplits
from iics.layers.normalization import GroupedBatchNorm2d
from iics.model_settings import AugmentSettings
from iics.models.reid_model import ModelHeader, ReidModel
from iics.runs.checkpoint import Checkpoint, read_checkpoint
from iics.runs.rounds import TrainingRun, train
from iics.speed.training_work import Workload, training_context
from iics.training.context import TrainingContext
from iics.training.engine import Engine
from iics.training.progress import ProgressEvent

MakeCrops = Callable[..., CropSet]
MakeContext = Callable[..., TrainingContext]


@pytest.fixture
def make_crops() -> MakeCrops:
    """Make crops without files: so many of each camera, cameras named a, b, c, ... ."""

    def make(camera_sizes: list[int], identity_ids: list[int] | None = None) -> CropSet:
        camera_ids = np.repeat(np.arange(len(camera_sizes)), camera_sizes)
        return CropSet(
            paths=tuple(Path(f"{number:03d}.png") for number in range(len(camera_ids))),
            camera_ids=camera_ids,
            camera_names=tuple("abcdefgh"[: len(camera_sizes)]),
            identity_ids=None if identity_ids is None else np.array(identity_ids),
        )

    return make


@pytest.fixture
def make_context(tiny_settings: Settings) -> MakeContext:
    """Make a stage's working place around crops: noise for pixels and a network of one convolution by default."""

    def make(
        crops: CropSet,
        *,
        settings: Settings = tiny_settings,
        pixels: np.ndarray | None = None,
        backbone: nn.Module | None = None,
    ) -> TrainingContext:
        if pixels is None:
            pixels = np.random.default_rng(0).integers(0, 256, (len(crops), 16, 8, 3), dtype=np.uint8)
        if backbone is None:
            torch.manual_seed(0)
            norm = GroupedBatchNorm2d(nn.BatchNorm2d(8), nn.ReLU())
            backbone = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        header = dataclasses.replace(ModelHeader.from_settings(settings.model), mean=(0, 0, 0), std=(1, 1, 1))
        model = ReidModel(backbone, header, device=torch.device("cpu"))
        return TrainingContext(
            model=model,
            crops=crops,
            pixels=pixels,
            settings=settings,
            generator=torch.Generator().manual_seed(0),
            network=Engine().network(model.backbone),
        )

    return make


@pytest.fixture(scope="session")
def no_augmentation() -> AugmentSettings:
    return AugmentSettings(mirror_probability=0, pad=0, erase_probability=0)


@dataclass(frozen=True)
class UnbrokenRun:
    """A run of two rounds, and its folder as a kill would have left it when each stage began."""

    run: TrainingRun
    at_stage: dict[str, Path]


@pytest.fixture(scope="session")
def unbroken(people: DataSplits, tiny_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> UnbrokenRun:
    """`tiny_settings` on `people`, trained without a break; `after_round` returns {"score": round}."""
    root = tmp_path_factory.mktemp("unbroken")
    at_stage: dict[str, Path] = {}

    def keep_folder(event: ProgressEvent) -> None:
        name = f"round {event.round_number} {event.phase[:7]}"
        if name not in at_stage and (root / "run").exists():
            at_stage[name] = root / name
            shutil.copytree(root / "run", root / name)

    run = train(
        people.train,
        settings=tiny_settings,
        out=root / "run",
        source={"data": "people"},
        after_round=lambda model, round_number: {"score": round_number},
        progress=keep_folder,
    )
    return UnbrokenRun(run, at_stage)


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look at the crops and no report when training ends: they take longer than training in tests of neither."""
    monkeypatch.setattr("iics.trained_run.judge", lambda *_: None)
    monkeypatch.setattr("iics.trained_run.write_report", lambda _: None)


@pytest.fixture(scope="session")
def as_first_version() -> Callable[[Path], None]:
    """Write a run folder's checkpoints, settings and data as versions before 2.0 did, which knew no methods."""

    def rewrite(folder: Path) -> None:
        for file in (folder / "checkpoints").iterdir():
            values = _of_first_version(read_checkpoint(file))
            buffer = io.BytesIO()
            torch.save(values, buffer)
            file.write_bytes(buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest())
        settings = json.loads((folder / "settings.json").read_text())
        del settings["stage2"]["loss"], settings["supervised"]["loss"]
        if settings.pop("method") == "supervised":
            settings["stages"] = "supervised"
        (folder / "settings.json").write_text(json.dumps(settings))
        data = json.loads((folder / "data.json").read_text())
        del data["deciding_settings"]
        (folder / "data.json").write_text(json.dumps({**data, "settings": "0123456789abcdef"}))

    return rewrite


def _of_first_version(checkpoint: Checkpoint) -> dict[str, Any]:
    state, labels, before = checkpoint.state, checkpoint.labels, checkpoint.labels_before
    of_loss = {name.removeprefix("head."): tensor for name, tensor in state.get("loss", {}).items()}
    return {
        "round_index": checkpoint.round_index,
        "stage": checkpoint.stage,
        "backbone": checkpoint.backbone,
        "heads": [of_loss] if of_loss else state.get("heads", []),
        "stage1_labels": labels.get("stage1"),
        "stage2_labels": labels.get("stage2"),
        "record": checkpoint.record,
        "history": checkpoint.history,
        "optimiser": state.get("optimiser"),
        "stage1_labels_before": before.get("stage1"),
        "stage2_labels_before": before.get("stage2"),
        "run": checkpoint.run,
    }


@pytest.fixture(scope="session")
def without_seconds() -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """A run's history without how long it took, the one thing two equal runs differ in."""

    def strip(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: value for key, value in record.items() if key not in ("seconds", "phases")} for record in history]

    return strip


@pytest.fixture(scope="session")
def read_metrics() -> Callable[[Path], list[dict[str, Any]]]:
    """Read metrics.jsonl of a run folder."""

    def read(folder: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

    return read


@pytest.fixture(scope="session")
def read_events() -> Callable[[Path], Any]:
    """Read the TensorBoard events of a run folder as TensorBoard does."""

    def read(folder: Path) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # tensorboard's own imports
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        everything = {"scalars": 0, "histograms": 0}
        return EventAccumulator(str(folder / "tensorboard"), size_guidance=everything).Reload()

    return read


@pytest.fixture(scope="session")
def same_weights() -> Callable[[Path, Path], bool]:
    """Compare the models of two run folders, bit by bit."""

    def compare(first: Path, second: Path) -> bool:
        one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
        return one.keys() == other.keys() and all(_same_bits(one[key], other[key]) for key in one)

    return compare


def _same_bits(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()


@pytest.fixture(scope="session")
def small_workload() -> Workload:
    """What a step or an extraction computes in tests: 2 cameras x 4 crops, 3 clusters x 2 crops, 5 crops."""
    return Workload(
        backbone="resnet18",
        height=64,
        width=32,
        num_cameras=2,
        crops_per_camera=4,
        clusters_per_batch=3,
        crops_per_cluster=2,
        num_extracted=5,
    )


@pytest.fixture
def context_of(small_workload: Workload, no_augmentation: AugmentSettings) -> Callable[..., TrainingContext]:
    """Make the working place of a phase that is timed, without augmentation and with a given engine."""
    workload = dataclasses.replace(small_workload, augment=no_augmentation)
    return lambda phase, **settings: training_context(phase, workload, norm="aibn", engine=Engine(**settings))
