import numpy as np
import pytest

from iics.paper.plot_tsne import TsnePanel, choose_crops, tsne_figure, tsne_points


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
