"""Facts."""

from __future__ import annotations

import numpy as np

from iics.reports.cluster_pictures import cluster_sizes_figure, size_groups


def test_sizes_are_grouped_by_doubling():
    # 1 | 2 | 3, 4 | 5 to 8 | 9 to 16
    pairs = [[1, 7], [2, 1], [3, 2], [4, 3], [5, 1], [8, 1], [9, 4]]
    assert size_groups(pairs, 5).tolist() == [7, 1, 5, 2, 4]


def test_each_moment_has_its_bars():
    figure = cluster_sizes_figure({"round 1": [[1, 3], [2, 2]], "round 9": [[4, 5]]}, title="Sizes", note="people")
    (ax,) = figure.axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in ax.containers}
    assert heights == {"round 1": [3, 2, 0], "round 9": [0, 0, 5]}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3-4"]


def test_clusters_of_one_crop_alone_can_be_drawn():
    figure = cluster_sizes_figure({"round 1": [[1, 3]]}, title="Sizes", note="people")
    assert [bar.get_height() for bar in figure.axes[0].containers[0]] == [3]
    assert np.allclose(figure.axes[0].get_xticks(), [0])
