"""Cameras without colour are told, and so are cameras that turn grey for a part of the day."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from iics.data_check.check import check_data
from iics.readers.folders import load_folder


def coloured(rng):
    noise = rng.integers(0, 40, (64, 32, 3))
    return (np.kron(rng.integers(0, 216, (4, 2, 3)), np.ones((16, 16, 1))) + noise).astype(np.uint8)


def tinted(rng):
    """An infrared crop as some cameras store it: one tint, in a colour JPEG."""
    grey = np.asarray(Image.fromarray(coloured(rng)).convert("L"), dtype=np.float64)
    return (grey[..., None] * (0.9, 0.95, 1.0)).astype(np.uint8)


@pytest.fixture
def cameras(tmp_path):
    """Write cameras, each of a list of functions that draw its crops; return the report."""

    def check(**drawn):
        rng = np.random.default_rng(0)
        for camera, draws in drawn.items():
            (tmp_path / camera).mkdir()
            for number, draw in enumerate(draws):
                content = io.BytesIO()
                Image.fromarray(draw(rng)).save(content, "JPEG", quality=95)
                (tmp_path / camera / f"{number}.jpg").write_bytes(content.getvalue())
        return check_data(load_folder(tmp_path))

    return check


def test_an_infrared_camera_among_others_is_named(cameras):
    report = cameras(day=[coloured] * 4, night=[tinted] * 4)
    assert report.splits[0].colourless_per_camera == (0, 4)
    (warning,) = [text for text in report.warnings if "colour (grey or infrared)" in text]
    assert warning.startswith("In train, camera night is without colour (grey or infrared), unlike the others.")


def test_a_camera_that_turns_to_infrared_is_counted(cameras):
    report = cameras(door=[coloured] * 3 + [tinted], hall=[coloured] * 4)
    (warning,) = [text for text in report.warnings if "no colour" in text]
    assert "in camera door (1 of 4): does it turn to infrared at night?" in warning


@pytest.mark.parametrize("draw", [coloured, tinted])
def test_cameras_that_are_alike_are_no_finding(cameras, draw):
    report = cameras(door=[draw] * 4, hall=[draw] * 4)
    assert not [text for text in report.warnings if "colour" in text]
