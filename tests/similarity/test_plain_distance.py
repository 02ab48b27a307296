"""1 - similarity of all pairs: what is refused, and rounding that differs across the diagonal."""

from __future__ import annotations

import numpy as np
import pytest

from iics.similarity.plain_distance import PlainDistance, check_distance


class Given:
    """A similarity that somebody else computed."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = matrix

    def matrix(self) -> np.ndarray:
        return self._matrix.astype(np.float32)


def random_similarity(num_crops: int) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(num_crops, 5))
    return (1 - np.linalg.norm(points[:, None] - points, axis=2)).astype(np.float32)


def test_distances_are_one_minus_similarity():
    similarity = random_similarity(40)
    before = similarity.copy()
    assert np.array_equal(PlainDistance().all_pairs(Given(similarity)), 1 - similarity)
    assert np.array_equal(similarity, before)


@pytest.mark.parametrize("num_crops", [6, 130])
def test_rounding_that_differs_across_the_diagonal_counts_as_its_mean(num_crops):
    noise = np.random.default_rng(1).normal(scale=1e-7, size=(num_crops, num_crops))
    similarity = (random_similarity(num_crops) + noise).astype(np.float32)
    distance = PlainDistance().all_pairs(Given(similarity))
    assert not np.array_equal(similarity, similarity.T)
    assert np.array_equal(distance, distance.T)
    np.testing.assert_allclose(distance, 1 - similarity, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("is_mirrored", [True, False])
@pytest.mark.parametrize("place", [(1, 0), (2, 7), (130, 4), (299, 298)])
def test_one_value_that_is_not_finite_is_refused_wherever_it_stands(value, is_mirrored, place):
    similarity = random_similarity(300)
    similarity[place] = value
    if is_mirrored:
        similarity[place[::-1]] = value
    with pytest.raises(ValueError, match="distance holds NaN or infinite values; check the features"):
        PlainDistance().all_pairs(Given(similarity))


@pytest.mark.parametrize("place", [(3, 290), (290, 3), (1, 0), (299, 298), (128, 127)])
def test_asymmetry_is_refused_wherever_it_stands(place):
    similarity = random_similarity(300)
    similarity[place] += 1
    with pytest.raises(ValueError, match="distance must be symmetric; two mirrored entries differ by 1"):
        PlainDistance().all_pairs(Given(similarity))


def test_the_largest_asymmetry_is_told_and_the_diagonal_plays_no_part():
    distance = 1 - random_similarity(300)
    np.fill_diagonal(distance, np.nan)
    assert check_distance(distance) == 0
    distance[5, 200] += 2**-16
    distance[7, 3] += 2**-15
    assert check_distance(distance) == pytest.approx(2**-15, abs=1e-6)
