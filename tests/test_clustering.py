"""Average linkage and the ways to cut its dendrogram."""

from __future__ import annotations

import math

import numpy as np
import pytest

from iics.clustering import (
    average_linkage,
    cut_distance,
    cut_number,
    cut_quantile,
    number_by_first_appearance,
    quantile_distance,
)


def line(*places: float) -> np.ndarray:
    return np.abs(np.subtract.outer(places, places)).astype(np.float64)


def random_distance(num_crops: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num_crops, 3))
    return np.linalg.norm(points[:, None] - points, axis=2)


def as_partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == c).tolist()) for c in np.unique(labels)}


PLACES = line(0, 1, 5, 7, 20)  # joined at 1, at 2, at (5 + 7 + 4 + 6) / 4 = 5.5, at (20 + 19 + 15 + 13) / 4 = 16.75


def test_heights_worked_by_hand():
    assert average_linkage(PLACES)[:, 2].tolist() == [1, 2, 5.5, 16.75]


@pytest.mark.parametrize(
    ("num_clusters", "labels"),
    [(5, [0, 1, 2, 3, 4]), (4, [0, 0, 1, 2, 3]), (3, [0, 0, 1, 1, 2]), (2, [0, 0, 0, 0, 1]), (1, [0, 0, 0, 0, 0])],
)
def test_cut_by_number_worked_by_hand(num_clusters, labels):
    cut = cut_number(average_linkage(PLACES), num_clusters)
    assert cut.tolist() == labels
    assert cut.dtype == np.int64


@pytest.mark.parametrize(
    ("threshold", "num_clusters"), [(-1, 5), (0.99, 5), (1, 4), (5.4, 3), (5.5, 2), (100, 1), (math.inf, 1)]
)
def test_cut_by_distance_includes_merges_at_the_threshold(threshold, num_clusters):
    linkage = average_linkage(PLACES)
    assert np.array_equal(cut_distance(linkage, threshold), cut_number(linkage, num_clusters))


@pytest.mark.parametrize("seed", range(3))
def test_every_cut_equals_the_reference(reference, seed):
    distance = random_distance(18, seed)
    heights, partitions = reference.average_linkage(distance)
    linkage = average_linkage(distance)
    np.testing.assert_allclose(linkage[:, 2], heights)
    for num_clusters, partition in partitions.items():
        assert as_partition(cut_number(linkage, num_clusters)) == partition


def test_shuffled_crops_give_the_same_partition():
    distance, order = random_distance(60), np.random.default_rng(5).permutation(60)
    labels = cut_number(average_linkage(distance), 13)
    shuffled = cut_number(average_linkage(distance[np.ix_(order, order)]), 13)
    assert {frozenset(order[list(c)].tolist()) for c in as_partition(shuffled)} == as_partition(labels)


def test_ties_still_give_the_number_asked_for():
    linkage = average_linkage(1 - np.eye(9))
    for num_clusters in range(1, 10):
        labels = cut_number(linkage, num_clusters)
        assert np.unique(labels).tolist() == list(range(num_clusters))


def test_ties_are_decided_by_the_order_of_the_crops():
    # The trap: without any information the first crops are joined. Sorted by identity, they would be of one person.
    assert cut_number(average_linkage(1 - np.eye(6)), 4).tolist() == [0, 0, 0, 1, 2, 3]


def test_labels_are_numbered_by_first_appearance():
    assert number_by_first_appearance(np.array([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]


def test_copies_merge_at_height_zero_in_spite_of_rounding():
    distance = np.full((4, 4), -1.2e-7, dtype=np.float32)
    assert average_linkage(distance)[:, 2].tolist() == [0, 0, 0]


def test_a_constant_added_to_every_distance_changes_no_merge():
    distance = random_distance(30)
    lowered, linkage = average_linkage(distance - 2), average_linkage(distance)
    np.testing.assert_allclose(lowered[:, 2], linkage[:, 2] - 2)
    assert np.array_equal(lowered[:, :2], linkage[:, :2])


def test_one_crop_is_one_cluster():
    linkage = average_linkage(np.zeros((1, 1)))
    assert linkage.shape == (0, 4)
    assert cut_number(linkage, 1).tolist() == [0]
    assert cut_distance(linkage, 0.5).tolist() == [0]
    assert cut_quantile(linkage, np.zeros((1, 1)), 0.5).tolist() == [0]


def test_two_crops():
    linkage = average_linkage(line(0, 3))
    assert cut_number(linkage, 2).tolist() == [0, 1]
    assert cut_quantile(linkage, line(0, 3), 1.0).tolist() == [0, 0]


@pytest.mark.parametrize(("q", "expected"), [(0, 1), (0.1, 1), (0.11, 2), (0.5, 6), (0.51, 7), (1, 20)])
def test_quantile_worked_by_hand(q, expected):
    # The ten pairs of PLACES: 1 2 4 5 6 7 13 15 19 20.
    assert quantile_distance(PLACES, q) == expected


@pytest.mark.parametrize("q", [0, 0.0025, 0.1, 0.37, 1])
def test_quantile_equals_the_sorted_one(q):
    distance = random_distance(50)
    pairs = distance[np.triu_indices(50, 1)]
    assert quantile_distance(distance, q) == np.quantile(pairs, q, method="inverted_cdf")


def test_quantile_cut_stops_at_the_quantile_distance():
    linkage = average_linkage(PLACES)
    assert np.array_equal(cut_quantile(linkage, PLACES, 0.2), cut_distance(linkage, 2))


def test_inputs_are_unchanged():
    distance = random_distance(20)
    before = distance.copy()
    linkage = average_linkage(distance)
    merges = linkage.copy()
    cut_quantile(linkage, distance, 0.3)
    assert np.array_equal(distance, before)
    assert np.array_equal(linkage, merges)


@pytest.mark.parametrize(
    ("distance", "message"),
    [
        (np.zeros((2, 3)), r"shape \(crops, crops\), got \(2, 3\)"),
        (np.zeros((0, 0)), r"got \(0, 0\)"),
        (np.array([[0, np.nan], [1, 0]]), "NaN or infinite values"),
        (np.array([[0, 1], [np.nan, 0]]), "NaN or infinite values"),
        (np.array([[0, np.inf], [np.inf, 0]]), "NaN or infinite values"),
        (np.array([[0, 1], [1.5, 0]]), r"must be symmetric; two mirrored entries differ by 0\.5"),
    ],
)
def test_distances_that_cannot_be_clustered_are_refused(distance, message):
    with pytest.raises(ValueError, match=message):
        average_linkage(distance)


def test_asymmetry_far_from_the_diagonal_is_found():
    distance = random_distance(1100)
    distance[3, 1090] += 1
    with pytest.raises(ValueError, match="differ by 1"):
        average_linkage(distance)


@pytest.mark.parametrize("num_clusters", [0, 6, -1])
def test_impossible_numbers_of_clusters_are_refused(num_clusters):
    with pytest.raises(ValueError, match=f"between 1 and the 5 crops there are, got {num_clusters}"):
        cut_number(average_linkage(PLACES), num_clusters)


def test_impossible_thresholds_are_refused():
    linkage = average_linkage(PLACES)
    with pytest.raises(ValueError, match="distance_threshold must be a number, got nan"):
        cut_distance(linkage, math.nan)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got 1\.1"):
        cut_quantile(linkage, PLACES, 1.1)
    with pytest.raises(ValueError, match="needs at least 2 crops, got 1"):
        quantile_distance(np.zeros((1, 1)), 0.5)
    with pytest.raises(ValueError, match=r"linkage joins 5 crops, but distance has shape \(2, 2\)"):
        cut_quantile(linkage, line(0, 1), 0.5)
