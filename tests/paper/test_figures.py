"""Figures become files that can be opened."""

import numpy as np
import pytest
from PIL import Image

from iics.paper.figure_data import CameraFeatures, similarity_histograms
from iics.paper.figures import draw_figure1, draw_figure3, draw_figure4
from iics.paper.plot_mu_sweep import SweepRow


@pytest.fixture
def features():
    """Two moments of 24 crops of 4 people by 2 cameras."""
    generator = np.random.default_rng(0)
    before, after = generator.normal(size=(2, 24, 8)).astype(np.float32)
    before, after = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (before, after))
    return CameraFeatures(before, after, np.arange(24) % 2, np.arange(24) // 6 + 1, ("door", "hall"))


def are_pictures(files):
    assert [file.suffix for file in files] == [".svg", ".pdf", ".png"]
    with Image.open(files[2]) as picture:
        return picture.size[0] > 500 and all(file.stat().st_size > 1000 for file in files)


def test_figure_1_is_drawn(features, tmp_path):
    assert are_pictures(draw_figure1(features, tmp_path / "figure1", data="people"))
    assert "before training" in (tmp_path / "figure1.svg").read_text()


def test_too_few_crops_have_no_figure_1(features, tmp_path):
    few = CameraFeatures(
        features.before[:4], features.after[:4], features.camera_ids[:4], features.identity_ids[:4], ("door", "hall")
    )
    assert draw_figure1(few, tmp_path / "figure1", data="people") == []


def test_figure_3_is_drawn(features, tmp_path):
    moments = {"before training": features.before, "after both stages": features.after}
    histograms = similarity_histograms(moments, camera_ids=features.camera_ids, identity_ids=features.identity_ids)
    assert are_pictures(draw_figure3(histograms, tmp_path / "figure3", data="people"))


def test_figure_4_is_drawn_of_what_is_finished(tmp_path):
    rows = [SweepRow(mu=mu, seed=0, mean_ap=0.4 + mu, rank1=0.6 + mu) for mu in (0.0, 0.02, 0.05)]
    assert are_pictures(draw_figure4(rows, tmp_path / "figure4", data="people"))
    assert draw_figure4([], tmp_path / "other", data="people") == []
