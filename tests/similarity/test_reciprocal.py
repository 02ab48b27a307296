"""Weights over reciprocal neighbours (Zhong et al., CVPR 2017)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse

from iics.similarity.reciprocal import neighbours_needed, reciprocal_weights
from iics.similarity.sparse_overlap import SparseRows


def from_angles(*degrees: float) -> np.ndarray:
    """Return 1 - cosine of unit vectors at these angles."""
    radians = np.radians(degrees)
    return (1 - np.cos(radians[:, None] - radians)).astype(np.float32)


def random_distance(num_crops: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(6, 12))[rng.integers(0, 6, num_crops)] + 0.7 * rng.normal(size=(num_crops, 12))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = 1 - features @ features.T
    np.fill_diagonal(distance, 0)
    return ((distance + distance.T) / 2).astype(np.float32)


def nearest(distance: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest of each crop, itself first, then by (distance, index)."""
    itself_first = distance.copy()
    np.fill_diagonal(itself_first, -np.inf)
    return np.argsort(itself_first, axis=1, kind="stable")[:, :k].astype(np.int32)


def weights_of(distance: np.ndarray, *, k1: int, k2: int, k: int | None = None) -> np.ndarray:
    """Return the weights as a full matrix; k neighbours are given, by default as many as needed."""
    neighbours = nearest(distance, neighbours_needed(len(distance), k1, k2) if k is None else k)
    return full(reciprocal_weights(neighbours, lambda p, q: distance[p, q], k1=k1, k2=k2))


def full(rows: SparseRows) -> np.ndarray:
    num_crops = len(rows.masses)
    return scipy.sparse.csr_array((rows.values, rows.columns, rows.row_starts), shape=(num_crops, num_crops)).toarray()


@pytest.mark.parametrize(
    ("num_crops", "k1", "k2", "needed"),
    [(100, 20, 6, 21), (100, 5, 30, 30), (100, 5, 6, 6), (8, 20, 6, 8), (1, 1, 1, 1)],
)
def test_neighbours_needed_are_those_of_the_larger_search_and_never_more_than_there_are(num_crops, k1, k2, needed):
    assert neighbours_needed(num_crops, k1, k2) == needed


def test_two_crops_worked_by_hand():
    distance = np.array([[0, 0.4], [0.4, 0]], dtype=np.float32)
    far = math.exp(-0.4)
    np.testing.assert_allclose(weights_of(distance, k1=1, k2=1), np.array([[1, far], [far, 1]]) / (1 + far), atol=1e-6)
    np.testing.assert_allclose(weights_of(distance, k1=1, k2=2), 0.5, atol=1e-6)


def test_a_neighbour_that_does_not_look_back_has_no_weight():
    # On a line of angles the last crop's nearest is the third, whose own nearest are the first two.
    weights = weights_of(from_angles(0, 1, 2.5, 20), k1=2, k2=1)
    assert (weights[3] > 0).tolist() == [False, False, False, True]
    assert (weights[0] > 0).tolist() == [True, True, True, False]


@pytest.mark.parametrize("num_crops", [1, 2, 3, 7, 21, 22, 60])
@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (6, 1), (1, 3), (5, 40), (7, 2)])
def test_weights_equal_the_reference(reference, num_crops, k1, k2):
    distance = random_distance(num_crops)
    np.testing.assert_allclose(
        weights_of(distance, k1=k1, k2=k2), reference.reciprocal_weights(distance, k1, k2), atol=1e-6
    )


@pytest.mark.parametrize("seed", range(5))
def test_weights_of_ties_and_copies_equal_the_reference(reference, seed):
    places = np.random.default_rng(seed).integers(0, 6, 40)
    distance = (np.abs(places[:, None] - places) / 8).astype(np.float32)
    np.testing.assert_allclose(
        weights_of(distance, k1=8, k2=4), reference.reciprocal_weights(distance, 8, 4), atol=1e-6
    )


@pytest.mark.parametrize("k", [7, 11, 30, 50])
def test_more_neighbours_than_needed_change_nothing(k):
    distance = random_distance(50)
    assert np.array_equal(weights_of(distance, k1=6, k2=3, k=k), weights_of(distance, k1=6, k2=3))


def test_rows_sum_to_one_and_hold_no_negative_weight():
    neighbours = nearest(random_distance(200), 21)
    rows = reciprocal_weights(neighbours, lambda p, q: random_distance(200)[p, q], k1=20, k2=6)
    np.testing.assert_allclose(rows.masses, 1, atol=1e-5)
    assert (rows.values > 0).all()


def test_a_constant_added_to_every_distance_changes_no_weight():
    distance = random_distance(60)
    neighbours = nearest(distance, 11)
    near = full(reciprocal_weights(neighbours, lambda p, q: distance[p, q], k1=10, k2=3))
    far = full(reciprocal_weights(neighbours, lambda p, q: distance[p, q] + np.float32(1000), k1=10, k2=3))
    np.testing.assert_allclose(near, far, atol=1e-4)  # exp(-1000) alone would be 0


def test_only_the_distances_of_near_crops_are_asked_for():
    distance, asked = random_distance(300), []

    def pair_distance(first, second):
        asked.append(len(first))
        return distance[first, second]

    reciprocal_weights(nearest(distance, 11), pair_distance, k1=10, k2=3)
    assert sum(asked) <= 300 * 11 * 7  # a crop and 10 more, each with the 6 that its half search allows
    assert sum(asked) < 300 * 300 / 4


def test_weights_follow_a_permutation_of_the_crops():
    distance, order = random_distance(80), np.random.default_rng(1).permutation(80)
    permuted = weights_of(distance[np.ix_(order, order)], k1=10, k2=4)
    np.testing.assert_allclose(permuted, weights_of(distance, k1=10, k2=4)[np.ix_(order, order)], atol=1e-6)


def test_fewer_neighbours_than_needed_are_refused():
    """Reading on would leave the array."""
    with pytest.raises(ValueError, match="k1=20 and k2=6 need 21 neighbours of each crop, got 5"):
        reciprocal_weights(np.zeros((50, 5), np.int32), lambda p, q: np.zeros(len(p), np.float32), k1=20, k2=6)
