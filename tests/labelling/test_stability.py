import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from iics.labelling.pseudo_labels import PartitionAgreement
from iics.labelling.stability import stage_stability

SAME = PartitionAgreement(1.0, 1.0)


def test_the_first_round_has_nothing_to_compare_with():
    assert stage_stability(None, np.array([0, 1]), None) is None


@pytest.mark.parametrize("camera_ids", [None, np.array([0, 1, 1])])
def test_rounds_without_a_common_crop_have_nothing_to_compare(camera_ids):
    assert stage_stability(np.array([0, -1, -1]), np.array([-1, 0, 0]), camera_ids) is None


def test_numbers_of_clusters_do_not_matter():
    assert stage_stability(np.array([0, 0, 1, 2]), np.array([2, 2, 0, 1]), None) == SAME


def test_stage_1_is_compared_camera_by_camera():
    # Camera 0 keeps its clusters, camera 1 joins what was apart and parts what was joined: index -0.5 by hand.
    before, after = np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([1, 1, 0, 0, 0, 1, 0, 1])
    cameras = np.repeat([0, 1], 4)
    found = stage_stability(before, after, cameras)
    assert adjusted_rand_score(before[4:], after[4:]) == pytest.approx(-0.5)
    assert found.adjusted_rand_index == pytest.approx((1 - 0.5) / 2)
    assert found.normalized_mutual_information == pytest.approx(0.5)


def test_cameras_count_by_their_crops():
    before, after = np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0, 1, 0, 1])
    found = stage_stability(np.r_[before, before[:4]], np.r_[after, after[:4]], np.repeat([0, 1, 0], 4))
    assert found.adjusted_rand_index == pytest.approx((8 * 1 - 4 * 0.5) / 12)


def test_a_camera_that_sat_out_is_left_out():
    assert stage_stability(np.array([0, 0, 1, -1]), np.array([1, 1, 0, -1]), np.array([0, 0, 0, 1])) == SAME
