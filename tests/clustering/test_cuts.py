"""The ways to cut a dendrogram."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.cluster.hierarchy

from iics.clustering.average_linkage import AllPairs, linkage_in_place
from iics.clustering.cuts import QuantileCut, cut_distance, cut_number, number_by_first_appearance


def average_linkage(distance: np.ndarray) -> np.ndarray:
    return linkage_in_place(np.array(distance, dtype=np.float32))


def cut_quantile(distance: np.ndarray, q: float) -> np.ndarray:
    """Return the labels of a quantile cut, as a labeller finds them."""
    distances, rule = AllPairs(distance.astype(np.float32)), QuantileCut(q)
    return rule.cluster(distances, rule.look(distances, None), min_number=2)


def quantile_distance(distance: np.ndarray, q: float) -> float:
    return AllPairs(distance.astype(np.float32)).quantile(q)


def line(*places: float) -> np.ndarray:
    return np.abs(np.subtract.outer(places, places)).astype(np.float64)


def random_distance(num_crops: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num_crops, 3))
    return np.linalg.norm(points[:, None] - points, axis=2)


PLACES = line(0, 1, 5, 7, 20)  # joined at 1, at 2, at (5 + 7 + 4 + 6) / 4 = 5.5, at (20 + 19 + 15 + 13) / 4 = 16.75


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


@pytest.mark.parametrize("num_clusters", [1, 2, 9, 40, 79, 80])
def test_labels_equal_those_of_scipy(reference, num_clusters):
    linkage = average_linkage(random_distance(80))
    expected = scipy.cluster.hierarchy.fcluster(linkage, num_clusters, criterion="maxclust")
    labels = cut_number(linkage, num_clusters)
    assert reference.partition(labels) == reference.partition(expected)
    assert sorted(set(labels.tolist())) == list(range(num_clusters))


@pytest.mark.parametrize("threshold", [0.1, 0.7, 1.5, 3.0])
def test_cuts_by_distance_equal_those_of_scipy(reference, threshold):
    linkage = average_linkage(random_distance(80))
    expected = scipy.cluster.hierarchy.fcluster(linkage, threshold, criterion="distance")
    assert reference.partition(cut_distance(linkage, threshold)) == reference.partition(expected)


def test_ties_still_give_the_number_asked_for():
    linkage = average_linkage(1 - np.eye(9))
    for num_clusters in range(1, 10):
        labels = cut_number(linkage, num_clusters)
        assert np.unique(labels).tolist() == list(range(num_clusters))


def test_labels_are_numbered_by_first_appearance():
    assert number_by_first_appearance(np.array([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]


def test_one_crop_is_one_cluster():
    linkage = average_linkage(np.zeros((1, 1)))
    assert linkage.shape == (0, 4)
    assert cut_number(linkage, 1).tolist() == [0]
    assert cut_distance(linkage, 0.5).tolist() == [0]
    assert cut_quantile(np.zeros((1, 1)), 0.5).tolist() == [0]


def test_two_crops():
    linkage = average_linkage(line(0, 3))
    assert cut_number(linkage, 2).tolist() == [0, 1]
    assert cut_quantile(line(0, 3), 1.0).tolist() == [0, 0]


@pytest.mark.parametrize(("q", "expected"), [(0, 1), (0.1, 1), (0.11, 2), (0.5, 6), (0.51, 7), (1, 20)])
def test_quantile_worked_by_hand(q, expected):
    # The ten pairs of PLACES: 1 2 4 5 6 7 13 15 19 20.
    assert quantile_distance(PLACES, q) == expected


@pytest.mark.parametrize("q", [0, 0.0025, 0.1, 0.37, 1])
def test_quantile_equals_the_sorted_one(q):
    distance = random_distance(50).astype(np.float32)
    pairs = distance[np.triu_indices(50, 1)]
    assert quantile_distance(distance, q) == np.quantile(pairs, q, method="inverted_cdf")


def test_quantile_cut_stops_at_the_quantile_distance():
    linkage = average_linkage(PLACES)
    assert np.array_equal(cut_quantile(PLACES, 0.2), cut_distance(linkage, 2))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_smallest_quantile_joins_the_nearest_pair(seed, dtype):
    distance = random_distance(12, seed).astype(dtype)
    labels = cut_quantile(distance, 0)
    first, second = np.unravel_index(np.argmin(distance + 9 * np.eye(12)), (12, 12))
    assert labels[first] == labels[second]
    assert labels.max() == 10


def test_inputs_are_unchanged():
    distance = random_distance(20)
    before = distance.copy()
    linkage = average_linkage(distance)
    merges = linkage.copy()
    cut_quantile(distance, 0.3)
    assert np.array_equal(distance, before)
    assert np.array_equal(linkage, merges)


@pytest.mark.parametrize("num_clusters", [0, 6, -1])
def test_impossible_numbers_of_clusters_are_refused(num_clusters):
    with pytest.raises(ValueError, match=f"between 1 and the 5 crops there are, got {num_clusters}"):
        cut_number(average_linkage(PLACES), num_clusters)


def test_impossible_thresholds_are_refused():
    linkage = average_linkage(PLACES)
    with pytest.raises(ValueError, match="distance_threshold must be a number, got nan"):
        cut_distance(linkage, math.nan)
