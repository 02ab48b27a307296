"""The number of clusters, chosen without labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cluster_count import (
    ClusterCount,
    choose_number_of_clusters,
    comparisons_of,
    silhouettes,
)
from iics.clustering.cuts import cut_number
from iics.similarity.distance_graph import evenly_spaced


def average_linkage(distance: np.ndarray) -> np.ndarray:
    return linkage_in_place(np.array(distance, dtype=np.float32))


def mean_silhouette(distance: np.ndarray, labels: np.ndarray, *, camera_ids: np.ndarray | None = None) -> float:
    comparisons = comparisons_of(distance, np.arange(len(distance)), camera_ids=camera_ids)
    return float(np.concatenate([silhouettes(labels, comparison) for comparison in comparisons]).mean())


def blobs(num_identities: int, crops_each: int, noise: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    features = np.repeat(generator.normal(size=(num_identities, 32)), crops_each, axis=0)
    features = features + noise * generator.normal(size=features.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = 1 - features @ features.T
    np.fill_diagonal(distance, 0)
    return (distance + distance.T) / 2


def chosen_number(
    distance: np.ndarray, *, camera_ids: np.ndarray | None = None, max_columns: int = 1000, **settings: int
) -> ClusterCount:
    """Choose the number for a distance, as training does: linkage and comparisons of the same crops."""
    columns = evenly_spaced(len(distance), max_columns)
    comparisons = comparisons_of(distance[:, columns], columns, camera_ids=camera_ids)
    return choose_number_of_clusters(average_linkage(distance), comparisons, **settings)


def test_silhouette_worked_by_hand():
    distance = np.abs(np.subtract.outer([0.0, 1, 4], [0.0, 1, 4]))
    # a = 1 and 1; b = 4 and 3; the third crop is alone: (3/4 + 2/3 + 0) / 3.
    assert mean_silhouette(distance, np.array([0, 0, 1])) == pytest.approx((3 / 4 + 2 / 3) / 3)


@pytest.mark.parametrize("num_clusters", [2, 5, 17, 29])
def test_silhouette_equals_the_reference_and_scikit_learn(reference, num_clusters):
    distance = blobs(6, 5, 0.5)
    labels = cut_number(average_linkage(distance), num_clusters)
    silhouette = mean_silhouette(distance, labels)
    assert silhouette == pytest.approx(reference.mean_silhouette(distance, labels.tolist()))
    assert silhouette == pytest.approx(silhouette_score(distance, labels, metric="precomputed"))


def test_negative_distances_score_as_if_raised_by_a_constant():
    labels = np.array([0, 0, 1])
    distance = np.array([[0.0, 0, 3], [0, 0, 2], [3, 2, 0]])  # the nearest pair at 0
    lowered = np.array([[0.0, -1, 2], [-1, 0, 1], [2, 1, 0]])
    assert mean_silhouette(lowered, labels) == mean_silhouette(distance, labels) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("num_identities", "crops_each"), [(2, 10), (7, 3), (25, 8), (60, 5)])
def test_well_separated_identities_are_counted(num_identities, crops_each):
    distance = blobs(num_identities, crops_each, 0.2)
    chosen = chosen_number(distance)
    assert abs(chosen.number - num_identities) <= 0.03 * num_identities


def test_the_choice_has_the_largest_silhouette_of_all_numbers_near_it():
    distance = blobs(10, 6, 0.5)
    chosen = chosen_number(distance)
    linkage = average_linkage(distance)
    scores = {number: mean_silhouette(distance, cut_number(linkage, number)) for number in range(2, 31)}
    assert chosen.score == pytest.approx(scores[chosen.number])
    assert chosen.score == pytest.approx(max(scores.values()))


def test_shuffled_crops_give_the_same_number():
    distance, order = blobs(20, 6, 0.6), np.random.default_rng(3).permutation(120)
    shuffled = distance[np.ix_(order, order)]
    assert chosen_number(distance).number == chosen_number(shuffled).number


def test_a_sample_of_columns_comes_to_the_same_number():
    assert chosen_number(blobs(20, 6, 0.2), max_columns=40).number == 20


@pytest.mark.parametrize("num_crops", [1, 2, 3, 4, 9])
def test_copies_of_one_crop_are_one_cluster(num_crops):
    distance = np.full((num_crops, num_crops), -1.2e-7)
    distance[0] = distance[:, 0] = 0  # rounding must not look like structure
    chosen = chosen_number(distance)
    assert (chosen.number, chosen.score) == (1, 0)


def test_two_crops_are_one_cluster_and_nothing_is_tried():
    distance = np.array([[0, 1.0], [1.0, 0]])
    assert chosen_number(distance) == ClusterCount(number=1, score=0.0)


def test_three_crops_can_be_two_clusters():
    distance = np.abs(np.subtract.outer([0.0, 1, 4], [0.0, 1, 4]))
    assert chosen_number(distance).number == 2


@pytest.mark.parametrize("num_linked", [9, 15])
def test_a_linkage_of_other_crops_is_refused(num_linked):
    distance, linkage = blobs(4, 3, 0.2), average_linkage(blobs(num_linked // 3, 3, 0.2))
    with pytest.raises(ValueError, match=f"linkage joins {num_linked} crops, but"):
        choose_number_of_clusters(linkage, comparisons_of(distance, np.arange(12)))


@pytest.mark.parametrize("camera_ids", [None, np.arange(60) % 2])
def test_any_sample_of_columns_belongs_to_the_linkage_of_all_crops(camera_ids):
    distance, columns = blobs(10, 6, 0.2), np.array([0, 7, 20, 31, 50])  # without the last crop
    comparisons = comparisons_of(distance[:, columns], columns, camera_ids=camera_ids)
    assert choose_number_of_clusters(average_linkage(distance), comparisons).number > 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_candidates": 1}, "num_candidates must be at least 2, got 1"),
        ({"min_number": 1}, "min_number must be at least 2, got 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        chosen_number(blobs(3, 3, 0.3), **settings)


def test_inter_camera_silhouette_compares_only_crops_of_different_cameras():
    # Cameras 0 and 1; cluster 0 holds one crop of each, 1 apart; cluster 1 likewise.
    camera_ids = np.array([0, 1, 0, 1])
    points = np.array([0.0, 1, 5, 6])
    distance = np.abs(np.subtract.outer(points, points))
    # Crop 0: a = |0-1| = 1, b = |0-6| = 6; crop 1: a = 1, b = |1-5| = 4; crops 2 and 3 mirror them.
    expected = np.mean([5 / 6, 3 / 4, 3 / 4, 5 / 6])
    assert mean_silhouette(distance, np.array([0, 0, 1, 1]), camera_ids=camera_ids) == pytest.approx(expected)


def test_clusters_of_one_camera_score_zero_between_cameras():
    camera_ids = np.array([0, 0, 1, 1])
    points = np.array([0.0, 1, 5, 6])
    distance = np.abs(np.subtract.outer(points, points))
    assert mean_silhouette(distance, np.array([0, 0, 1, 1]), camera_ids=camera_ids) == 0
    assert mean_silhouette(distance, np.array([0, 0, 1, 1])) > 0.7


def test_identities_are_counted_in_spite_of_a_strong_camera_offset():
    generator = np.random.default_rng(0)
    people = np.repeat(generator.normal(size=(40, 32)), 6, axis=0)
    camera_ids = np.tile(np.arange(3), 80)
    features = people + 2.0 * generator.normal(size=(3, 32))[camera_ids] + 0.2 * generator.normal(size=people.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = 1 - features @ features.T
    distance = (distance + distance.T) / 2
    plain = chosen_number(distance).number
    across = chosen_number(distance, camera_ids=camera_ids).number
    assert plain == 3 or plain >= 80  # the cameras, or each person once a camera
    assert abs(across - 40) < abs(plain - 40)


def test_no_number_below_the_smallest_allowed_is_tried():
    distance = blobs(10, 6, 0.3)
    assert chosen_number(distance).number < 15
    assert chosen_number(distance, min_number=15).number >= 15


def test_a_choice_is_never_more_than_half_the_crops():
    chosen = chosen_number(blobs(10, 6, 0.3), min_number=50)
    assert chosen.number == 30


@pytest.mark.parametrize("num_crops", [2, 3, 12])
def test_crops_of_one_camera_have_nothing_to_compare_across_cameras(num_crops):
    chosen = chosen_number(blobs(4, 3, 0.2)[:num_crops, :num_crops], camera_ids=np.zeros(num_crops, dtype=np.int64))
    assert (chosen.number, chosen.score) == (1, 0)


def test_silhouettes_of_sampled_columns_are_those_of_all():
    distance = blobs(20, 6, 0.6)
    labels, camera_ids = cut_number(average_linkage(distance), 20), np.arange(120) % 3
    for cameras in (None, camera_ids):
        of_all = np.empty(120)
        for comparison in comparisons_of(distance, np.arange(120), camera_ids=cameras):
            of_all[comparison.columns] = silhouettes(labels, comparison)
        columns = evenly_spaced(120, 31)
        for comparison in comparisons_of(distance[:, columns], columns, camera_ids=cameras):
            np.testing.assert_allclose(silhouettes(labels, comparison), of_all[comparison.columns])


# --- who is compared with whom


@pytest.mark.parametrize("num_crops", [1, 2, 7, 4000])
def test_all_crops_are_sampled_if_there_are_few(num_crops):
    assert evenly_spaced(num_crops, 4000).tolist() == list(range(num_crops))
    assert evenly_spaced(num_crops, num_crops).tolist() == list(range(num_crops))


def test_sampled_columns_worked_by_hand():
    assert evenly_spaced(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly_spaced(10, 1).tolist() == [0]


@pytest.mark.parametrize(("num_crops", "max_columns"), [(4001, 4000), (12_936, 4000), (101, 100), (1000, 999)])
def test_sampled_columns_are_many_and_evenly_spaced(num_crops, max_columns):
    columns = evenly_spaced(num_crops, max_columns)
    assert len(columns) == max_columns
    assert (columns[0], columns[-1]) == (0, num_crops - 1)
    steps = np.diff(columns)
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


def test_within_one_camera_every_crop_is_compared_with_every_column():
    distance = blobs(3, 2, 0.3)
    columns = np.array([1, 4])
    (comparison,) = comparisons_of(distance[:, columns], columns)
    assert comparison.rows.tolist() == list(range(6))
    assert comparison.columns.tolist() == [1, 4]
    assert np.array_equal(comparison.distance, distance[:, columns])
    assert comparison.counts_itself


def test_across_cameras_a_column_is_compared_with_the_crops_of_other_cameras():
    distance = blobs(3, 2, 0.3)
    columns, camera_ids = np.array([0, 1, 4, 5]), np.array([0, 1, 0, 2, 1, 0])
    comparisons = comparisons_of(distance[:, columns], columns, camera_ids=camera_ids)
    assert [c.columns.tolist() for c in comparisons] == [[0, 5], [1, 4]]  # camera 2 has no column
    assert [c.rows.tolist() for c in comparisons] == [[1, 3, 4], [0, 2, 3, 5]]
    for comparison in comparisons:
        assert np.array_equal(comparison.distance, distance[np.ix_(comparison.rows, comparison.columns)])
        assert not comparison.counts_itself


def test_negative_distances_are_raised_by_one_constant_over_all_cameras():
    distance = np.array([[0, -1.0, 2], [-1, 0, -3], [2, -3, 0]])
    first, second = comparisons_of(distance, np.arange(3), camera_ids=np.array([0, 0, 1]))
    assert first.distance.tolist() == [[5, 0]]
    assert second.distance.tolist() == [[5], [0]]
    (within,) = comparisons_of(distance, np.arange(3))
    assert within.distance.tolist() == [[0, 2, 5], [2, 0, 0], [5, 0, 0]]


def test_distances_are_copied():
    distance = blobs(3, 3, 0.3)
    before = distance.copy()
    comparisons = [
        *comparisons_of(distance, np.arange(9)),
        *comparisons_of(distance, np.arange(9), camera_ids=np.arange(9) % 2),
    ]
    assert np.array_equal(distance, before)
    kept = [comparison.distance.copy() for comparison in comparisons]
    distance[:] = 7  # as linkage overwrites it
    assert all(np.array_equal(c.distance, then) for c, then in zip(comparisons, kept, strict=True))


@pytest.mark.parametrize("shape", [(6, 6), (6, 1), (6,)])
def test_a_distance_without_the_columns_is_refused(shape):
    with pytest.raises(ValueError, match="distance needs 2 columns, got shape"):
        comparisons_of(np.zeros(shape), np.array([1, 4]))
