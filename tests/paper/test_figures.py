"""Figures become files that can be opened."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from iics.paper.figure_data import CameraFeatures, similarity_histograms
from iics.paper.figures import (
    SweepRow,
    TsnePanel,
    choose_crops,
    draw_figure1,
    draw_figure3,
    draw_figure4,
    mu_sweep_figure,
    tsne_figure,
    tsne_points,
)


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


def test_means_and_deviations_over_seeds_are_drawn():
    rows = [
        SweepRow(0.02, 0, 0.5, 0.8),
        SweepRow(0.0, 0, 0.3, 0.6),
        SweepRow(0.0, 1, 0.4, 0.6),
        SweepRow(0.02, 1, 0.5, 0.8),
    ]
    figure = mu_sweep_figure(rows, data="people-dev")
    (ax,) = figure.axes
    drawn = {container.get_label(): container for container in ax.containers}
    assert drawn["mAP"].lines[0].get_xydata().tolist() == [[0.0, pytest.approx(35)], [0.02, pytest.approx(50)]]
    assert drawn["rank-1"].lines[0].get_xydata().tolist() == [[0.0, pytest.approx(60)], [0.02, pytest.approx(80)]]
    bar = drawn["mAP"].lines[2][0].get_segments()[0]  # 30 and 40 %: deviation 7.07 with n - 1
    assert bar[:, 1] == pytest.approx([35 - 7.0711, 35 + 7.0711], abs=1e-3)
    note = " ".join(figure.get_supxlabel().split())  # broken into lines
    assert note == "people-dev: 4 runs, seeds 0, 1; mean and standard deviation over seeds."


def test_one_seed_has_no_deviation():
    figure = mu_sweep_figure([SweepRow(0.0, 3, 0.3, 0.6)], data="people-dev")
    assert figure.get_supxlabel() == "people-dev: 1 run, seed 3."
    assert not any(container.has_yerr for container in figure.axes[0].containers)


def test_a_mu_of_one_seed_has_no_bar_beside_one_of_two():
    rows = [SweepRow(0.0, 0, 0.3, 0.6), SweepRow(0.0, 1, 0.4, 0.7), SweepRow(0.02, 0, 0.5, 0.8)]
    (ax,) = mu_sweep_figure(rows, data="people-dev").axes
    drawn = {container.get_label(): container for container in ax.containers}
    bars = [segment for segment in drawn["mAP"].lines[2][0].get_segments() if len(segment)]
    assert [bar[:, 0].tolist() for bar in bars] == [[0.0, 0.0]]


def test_a_sweep_without_runs_is_refused():
    with pytest.raises(ValueError, match="at least one run, got none"):
        mu_sweep_figure([], data="people-dev")


def test_the_same_crops_are_chosen_before_and_after():
    chosen = choose_crops(100, max_crops=10, seed=3)
    assert np.array_equal(chosen, choose_crops(100, max_crops=10, seed=3))
    assert not np.array_equal(chosen, choose_crops(100, max_crops=10, seed=4))
    assert (len(chosen), len(set(chosen.tolist()))) == (10, 10)
    assert np.array_equal(choose_crops(4, max_crops=10), np.arange(4))


def test_crops_that_are_alike_lie_together():
    groups = np.repeat(np.eye(2, 8), 20, axis=0) + np.random.default_rng(0).normal(0, 0.01, (40, 8))
    features = (groups / np.linalg.norm(groups, axis=1, keepdims=True)).astype(np.float32)
    points = tsne_points(features, seed=1)
    assert points.shape == (40, 2)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, np.inf)
    is_first = np.arange(40) < 20
    assert (is_first[distance.argmin(axis=1)] == is_first).all()
    assert np.array_equal(points, tsne_points(features, seed=1))


def test_too_few_crops_are_refused():
    with pytest.raises(ValueError, match="t-SNE needs at least 5 crops, got 4"):
        tsne_points(np.eye(4, dtype=np.float32))


def test_each_camera_has_its_points_colour_and_name():
    points, cameras = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 1, 2])
    panels = [TsnePanel(title, points, cameras) for title in ("before training", "after training")]
    figure = tsne_figure(panels, camera_names=("door", "hall", "gate"), data="people train", seed=5)
    assert [ax.get_title() for ax in figure.axes] == ["before training", "after training"]
    for ax in figure.axes:
        assert [len(one.get_offsets()) for one in ax.collections] == [3, 2, 1]
        assert len({tuple(one.get_facecolor()[0]) for one in ax.collections}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["door", "hall", "gate"]
    assert figure.get_supxlabel() == "people train: t-SNE of 6 crops, seed 5."


def test_points_and_cameras_must_belong_together():
    with pytest.raises(ValueError, match="2 cameras need as many points"):
        TsnePanel("before", np.zeros((3, 2)), np.array([0, 1]))
