"""The number of clusters, chosen without labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from iics.cluster_count import choose_number_of_clusters, mean_silhouette
from iics.clustering import average_linkage, cut_number


def blobs(num_identities: int, crops_each: int, noise: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    features = np.repeat(generator.normal(size=(num_identities, 32)), crops_each, axis=0)
    features = features + noise * generator.normal(size=features.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = 1 - features @ features.T
    np.fill_diagonal(distance, 0)
    return (distance + distance.T) / 2


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
    chosen = choose_number_of_clusters(average_linkage(distance), distance)
    assert abs(chosen.number - num_identities) <= 0.03 * num_identities


def test_the_choice_reports_what_it_tried():
    distance = blobs(10, 6, 0.5)
    linkage = average_linkage(distance)
    chosen = choose_number_of_clusters(linkage, distance)
    assert chosen.candidates.tolist() == sorted(set(chosen.candidates.tolist()))
    assert chosen.candidates.min() == 2
    assert chosen.candidates.max() == 30
    assert chosen.score == chosen.scores.max() == chosen.scores[chosen.candidates == chosen.number][0]
    assert chosen.score == pytest.approx(mean_silhouette(distance, cut_number(linkage, chosen.number)))


def test_shuffled_crops_give_the_same_number():
    distance, order = blobs(20, 6, 0.6), np.random.default_rng(3).permutation(120)
    shuffled = distance[np.ix_(order, order)]
    first = choose_number_of_clusters(average_linkage(distance), distance)
    second = choose_number_of_clusters(average_linkage(shuffled), shuffled)
    assert first.number == second.number


def test_a_subset_of_rows_comes_to_the_same_number():
    distance = blobs(20, 6, 0.2)
    linkage = average_linkage(distance)
    assert choose_number_of_clusters(linkage, distance, max_rows=40).number == 20


@pytest.mark.parametrize("num_crops", [1, 2, 3, 4, 9])
def test_copies_of_one_crop_are_one_cluster(num_crops):
    distance = np.full((num_crops, num_crops), -1.2e-7)
    distance[0] = distance[:, 0] = 0  # rounding must not look like structure
    chosen = choose_number_of_clusters(average_linkage(distance), distance)
    assert (chosen.number, chosen.score) == (1, 0)


def test_two_crops_are_one_cluster_and_nothing_is_tried():
    distance = np.array([[0, 1.0], [1.0, 0]])
    chosen = choose_number_of_clusters(average_linkage(distance), distance)
    assert chosen.number == 1
    assert chosen.candidates.size == chosen.scores.size == 0


def test_three_crops_can_be_two_clusters():
    distance = np.abs(np.subtract.outer([0.0, 1, 4], [0.0, 1, 4]))
    assert choose_number_of_clusters(average_linkage(distance), distance).number == 2


def test_errors_say_what_arrived():
    distance = blobs(3, 3, 0.2)
    linkage = average_linkage(distance)
    with pytest.raises(ValueError, match=r"linkage joins 9 crops, but distance has shape \(4, 4\)"):
        choose_number_of_clusters(linkage, distance[:4, :4])
    with pytest.raises(ValueError, match="num_candidates must be at least 2 and max_rows 1, got 1 and 5"):
        choose_number_of_clusters(linkage, distance, num_candidates=1, max_rows=5)
    with pytest.raises(ValueError, match="needs at least 2, got 1"):
        mean_silhouette(distance, np.zeros(9, dtype=np.int64))


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
    linkage = average_linkage(distance)
    plain = choose_number_of_clusters(linkage, distance).number
    across = choose_number_of_clusters(linkage, distance, camera_ids=camera_ids).number
    assert plain == 3 or plain >= 80  # the cameras, or each person once a camera
    assert abs(across - 40) < abs(plain - 40)


def test_no_number_below_the_smallest_allowed_is_tried():
    distance = blobs(10, 6, 0.3)
    chosen = choose_number_of_clusters(average_linkage(distance), distance, min_number=15)
    assert chosen.candidates.min() == 15
    assert chosen.number >= 15


def test_a_smallest_number_below_two_is_refused():
    distance = blobs(3, 3, 0.3)
    with pytest.raises(ValueError, match="min_number must be at least 2, got 1"):
        choose_number_of_clusters(average_linkage(distance), distance, min_number=1)
