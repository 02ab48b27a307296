"""Each query camera against each gallery camera."""

import numpy as np
import pytest

from iics.errors import EvaluationError
from iics.evaluation import distance_rows
from iics.evaluation.camera_pairs import compare_camera_pairs
from iics.evaluation.labels import EvaluationLabels

NAMES = ("door", "hall", "stairs", "car-park")


def compare(distance, labels, names=NAMES):
    return compare_camera_pairs(lambda block: distance[block], labels, camera_names=names)


# Camera 0 has two queries, camera 2 one; camera 1 shows both people, camera 2 only person 1.
LABELS = EvaluationLabels(
    query_ids=np.array([1, 2, 1]),
    gallery_ids=np.array([1, 2, 1, 5]),
    query_cameras=np.array([0, 0, 2]),
    gallery_cameras=np.array([1, 1, 2, 2]),
)
DISTANCE = np.array([[0.1, 0.2, 0.5, 0.4], [0.1, 0.2, 0.0, 0.0], [0.3, 0.2, 0.0, 0.1]], np.float32)


def test_a_matrix_worked_by_hand():
    pairs = compare(DISTANCE, LABELS, ("a", "b", "c"))
    nan = np.nan
    np.testing.assert_array_equal(pairs.num_scored, [[0, 2, 1], [0, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(pairs.rank1, [[nan, 0.5, 0], [nan, nan, nan], [nan, 0, nan]])
    np.testing.assert_allclose(pairs.mean_ap, [[nan, 0.75, 0.5], [nan, nan, nan], [nan, 0.5, nan]])


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_plain_loops(seed, random_labels, few_values, plain_ranking, monkeypatch):
    labels, distance = random_labels(seed), few_values(seed)
    monkeypatch.setattr(distance_rows, "WORK_SPACE_BYTES", 20 * 4 * 230)  # 20 queries at a time
    pairs = compare(distance, labels)
    arrays = (labels.query_ids, labels.gallery_ids, labels.query_cameras, labels.gallery_cameras)
    for a in range(4):
        for b in range(4):
            rank1, mean_ap, num_scored = plain_ranking.camera_pair(distance, *arrays, a, b)
            np.testing.assert_allclose(pairs.rank1[a, b], rank1, atol=1e-12)
            np.testing.assert_allclose(pairs.mean_ap[a, b], mean_ap, atol=1e-12)
            assert pairs.num_scored[a, b] == num_scored
    assert np.isnan(np.diag(pairs.rank1)).all()


def test_cells_without_a_valid_query_are_empty_in_print():
    assert str(compare(DISTANCE, LABELS, ("a", "b", "car-park"))).splitlines()[:5] == [
        "rank-1, in %: query camera (rows) against gallery camera (columns)",
        "              a      b  car-park",
        "a             -   50.0       0.0",
        "b             -      -         -",
        "car-park      -    0.0         -",
    ]


def test_a_camera_without_a_name_is_refused(random_labels, few_values):
    with pytest.raises(EvaluationError, match="Cameras are numbered 0 to 3, but there are 3 names"):
        compare(few_values(0), random_labels(0), NAMES[:3])


def test_one_camera_only_is_refused():
    labels = EvaluationLabels([1, 2], [1, 2], [0, 0], [0, 0])
    with pytest.raises(EvaluationError, match="every such gallery crop comes from its query's own camera"):
        compare(np.zeros((2, 2), np.float32), labels)
