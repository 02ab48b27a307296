"""Facts."""

from __future__ import annotations

import numpy as np
import pytest

from iics.reports.picture import alpha_figure, camera_pairs_figure


def test_alpha_is_drawn_as_it_is_used_by_block_and_round():
    alpha = np.array([[0.5, 0.7, 1.2], [0.5, -0.1, 0.2]])
    figure = alpha_figure(alpha, blocks=["layer3.0", "layer4.0"], rounds=[0, 1, 2], note="people")
    ax = figure.axes[0]
    assert ax.images[0].get_array().tolist() == [[0.5, 0.7, 1.0], [0.5, 0.0, 0.2]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["layer3.0", "layer4.0"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]


def test_pairs_of_cameras_are_written_in_percent():
    matrix = np.array([[np.nan, 0.25], [0.9, np.nan]])
    figure = camera_pairs_figure(matrix, cameras=["door", "<b>$"], title="Rank-1", note="people")
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.texts] == ["-", "25", "90", "-"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["door", r"<b>\$"]


def test_matrix_and_cameras_must_belong_together():
    with pytest.raises(ValueError, match="3 cameras need a matrix"):
        camera_pairs_figure(np.zeros((2, 2)), cameras=["a", "b", "c"], title="", note="")
