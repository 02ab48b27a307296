"""A model named on the command line: a model file, or the run folder that holds one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iics.device import choose_device

if TYPE_CHECKING:
    from iics.models.reid_model import ReidModel


def load_model_or_run(path: Path, *, device: str) -> ReidModel:
    """Return the model in a file or a run folder.

    Raises:
        WeightsError: If there is none, or it cannot be read.
    """
    from iics.models.reid_model import load_model

    return load_model(path / "model.safetensors" if path.is_dir() else path, device=choose_device(device))
