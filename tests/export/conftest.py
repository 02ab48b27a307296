"""Crops to compare on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from iics.export.input_form import TOOLS
from iics.export.onnx_file import export_onnx
from iics.models.reid_model import ReidModel

if TYPE_CHECKING:
    from iics.models.match_thresholds import MatchThresholds


@pytest.fixture(scope="session")
def pixels() -> npt.NDArray[np.uint8]:
    """Forty crops of 64 x 32 pixels: a colour each, and noise."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (40, 1, 1, 3))
    return (colours + rng.normal(0, 30, (40, 64, 32, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def for_opencv(aibn_model: ReidModel) -> bytes:
    """`aibn_model` as a file that takes what OpenCV has: float32, blue first."""
    return export_onnx(aibn_model, form=TOOLS["opencv"])


@pytest.fixture(scope="session")
def without_mirror(aibn_model: ReidModel, thresholds: MatchThresholds) -> bytes:
    """The same without mirror images, of a model with thresholds and a card."""
    header = replace(aibn_model.header, match_thresholds=thresholds)
    model = ReidModel(aibn_model.backbone, header, device=aibn_model.device)
    return export_onnx(model, form=replace(TOOLS["opencv"], mirror=False), card="# A card")
