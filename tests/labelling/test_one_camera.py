"""Clusters of one camera: left out, or of less weight."""

import numpy as np
import pytest

from iics.labelling.one_camera import across_cameras, camera_weights
from iics.labelling.pseudo_labels import PseudoLabels

LABELS = np.array([0, 0, 1, 1, 2, 3, 3, -1])
CAMERAS = np.array([0, 1, 2, 2, 0, 1, 0, 1])


def found():
    return PseudoLabels(LABELS, num_clusters=4)


def test_clusters_of_one_camera_and_singletons_are_left_out_and_the_others_renumbered():
    kept = across_cameras(found(), CAMERAS)
    assert kept.labels.tolist() == [0, 0, -1, -1, -1, 1, 1, -1]
    assert kept.num_clusters == 2


def test_where_no_cluster_spans_cameras_none_is_left():
    assert across_cameras(found(), np.zeros(8, dtype=np.int64)).num_clusters == 0


def test_a_cluster_weighs_as_many_cameras_as_it_evenly_mixes():
    weights = camera_weights(PseudoLabels(np.array([0, 0, 1, 1, 2, 2, 2, 2]), num_clusters=3), CAMERAS)
    assert weights.tolist() == pytest.approx([2, 1, 2])


def test_an_uneven_mix_weighs_between():
    weights = camera_weights(PseudoLabels(np.zeros(4, dtype=np.int64), num_clusters=1), np.array([0, 0, 0, 1]))
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert weights.tolist() == pytest.approx([expected])
