"""A model named on the command line: a model file, the run folder that holds one, or weights that others trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from iics.device import choose_device
from iics.errors import check_setting
from iics.ranges import check_ranges, whole

if TYPE_CHECKING:
    from iics.models.reid_model import ReidModel


@dataclass(frozen=True)
class ForeignWeights:
    """Weights that others trained, as they are."""

    weights: str | None = None
    """Measure weights that others trained, instead of MODEL: `imagenet` (what timm has for the backbone), a file in
    torchvision's or timm's key names, or a checkpoint of the authors of IICS, BoT, fast-reid, layumi or torchreid."""
    backbone: str = "resnet50"
    """What --weights are of: a timm name, e.g. resnet50, vit_small_patch16_224; hf-hub:OWNER/NAME, local-dir:FOLDER."""
    height: Annotated[int, whole(32, 2048)] = 256
    """Height that crops are resized to for --weights, in pixels."""
    width: Annotated[int, whole(32, 2048)] = 128
    """Width that crops are resized to for --weights, in pixels."""
    last_stride: Literal[1, 2] | None = None
    """Stride of the last stage of --weights; by default that of the program that trained them."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        described = self.backbone, self.height, self.width, self.last_stride
        is_alone = described == ("resnet50", 256, 128, None)
        check_setting(
            self.weights is not None or is_alone,
            "--backbone, --height, --width and --last-stride describe --weights; a model knows its own. Leave them "
            "out.",
        )

    def load(self, *, device: str) -> ReidModel:
        """Return the model.

        Raises:
            SettingsError: If the backbone is unknown or the size too small.
            WeightsError: If the weights cannot be had or do not fit.
        """
        from iics.models.foreign_model import load_foreign_weights

        return load_foreign_weights(
            self.weights or "imagenet",
            backbone=self.backbone,
            height=self.height,
            width=self.width,
            last_stride=self.last_stride,
            device=choose_device(device),
        )


ForeignFlags = Annotated[ForeignWeights, tyro.conf.arg(name="")]
"""The fields of a ForeignWeights as flags of a command, without a prefix."""


def path_of_model(path: Path) -> Path:
    """Return the model file that a path names: a run folder stands for the model in it."""
    return path / "model.safetensors" if path.is_dir() else path


def load_model_or_run(path: Path, *, device: str) -> ReidModel:
    """Return the model in a file or a run folder.

    Raises:
        WeightsError: If there is none, or it cannot be read.
        RunFolderError: If the model in a run folder is another run's.
    """
    from iics.models.reid_model import load_model

    if path.is_dir():
        from iics.errors import RunFolderError
        from iics.runs.run_files import runs_in
        from iics.runs.run_whole import check_model_in
        from iics.runs.seed_runs import SeedRuns

        if SeedRuns.are_at(path):
            first = SeedRuns.read(path)
            raise RunFolderError(
                f"{path} holds the runs of several seeds, and one model is needed. Name one of them, e.g. "
                f"{first.folder_of(first.seeds[0])}."
            )

        if not path_of_model(path).exists() and (runs := runs_in(path)):
            raise RunFolderError(f"{path} holds runs, and one model is needed. Name one of them, e.g. {runs[0]}.")
        check_model_in(path)
    return load_model(path_of_model(path), device=choose_device(device))
