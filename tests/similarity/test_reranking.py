"""k-reciprocal distance (Zhong et al., CVPR 2017)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from iics.similarity.reranking import k_reciprocal_distance, published_distance


def cosine_distance(num_crops: int, seed: int = 0, num_identities: int = 6, dimensions: int = 12) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(num_identities, dimensions))
    features = centres[generator.integers(0, num_identities, num_crops)]
    features = features + 0.7 * generator.normal(size=features.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = 1 - features @ features.T
    return ((distance + distance.T) / 2).astype(np.float32)


def test_two_crops_worked_by_hand():
    distance = np.array([[0, 0.4], [0.4, 0]], dtype=np.float32)
    # Weights (1, e)/(1 + e) and (e, 1)/(1 + e) with e = exp(-0.4): S = 2e/(1 + e), S/(2 - S) = e, Jaccard 1 - e.
    alone = k_reciprocal_distance(distance, k2=1)
    assert alone[0, 1] == pytest.approx(0.7 * (1 - math.exp(-0.4)) + 0.3 * 0.4, abs=1e-6)
    # Averaged over each other the weights are equal: Jaccard 0.
    assert k_reciprocal_distance(distance, k2=2)[0, 1] == pytest.approx(0.3 * 0.4, abs=1e-6)


def test_crops_without_common_neighbours_have_jaccard_distance_one():
    degrees = np.radians([0, 1, 2.5, 90, 91, 92.5])
    distance = (1 - np.cos(degrees[:, None] - degrees)).astype(np.float32)
    reranked = k_reciprocal_distance(distance, k1=2, k2=2)
    np.testing.assert_allclose(reranked[:3, 3:], 0.7 + 0.3 * distance[:3, 3:], atol=1e-6)
    assert reranked[:3, :3].max() < 0.2


@pytest.mark.parametrize("num_crops", [1, 2, 3, 7, 21, 22, 60])
@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (6, 1), (1, 3), (5, 40)])
def test_distance_equals_the_reference(reference, num_crops, k1, k2):
    distance = cosine_distance(num_crops)
    expected = reference.k_reciprocal_distance(distance, k1, k2, 0.3)
    np.testing.assert_allclose(k_reciprocal_distance(distance, k1=k1, k2=k2), expected, atol=1e-5)


@pytest.mark.parametrize("lambda_value", [0.0, 0.8, 1.0])
def test_lambda_mixes_jaccard_and_distance(reference, lambda_value):
    distance = cosine_distance(30)
    reranked = k_reciprocal_distance(distance, k1=8, k2=3, lambda_value=lambda_value)
    np.testing.assert_allclose(reranked, reference.k_reciprocal_distance(distance, 8, 3, lambda_value), atol=1e-5)
    if lambda_value == 1:
        np.testing.assert_allclose(reranked, distance, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_ties_and_duplicates_equal_the_reference(reference, seed):
    places = np.random.default_rng(seed).integers(0, 6, 40)  # many crops on each place, many equal distances
    distance = (np.abs(places[:, None] - places) / 8).astype(np.float32)
    expected = reference.k_reciprocal_distance(distance, 8, 4)
    np.testing.assert_allclose(k_reciprocal_distance(distance, k1=8, k2=4), expected, atol=1e-5)


def test_asymmetric_rounding_equals_the_reference_and_becomes_symmetric(reference):
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(50, 50))
    distance = (cosine_distance(50) + noise).astype(np.float32)
    reranked = k_reciprocal_distance(distance)
    np.testing.assert_allclose(reranked, reference.k_reciprocal_distance(distance), atol=1e-5)
    assert np.array_equal(reranked, reranked.T)


def test_distance_is_symmetric_in_range_and_zero_on_the_diagonal():
    distance = cosine_distance(300, num_identities=40)  # more than one tile of the symmetric pass
    reranked = k_reciprocal_distance(distance)
    assert reranked.dtype == np.float32
    assert np.array_equal(reranked, reranked.T)
    assert not reranked.diagonal().any()
    assert reranked.min() >= -1e-6
    assert (reranked <= 0.7 + 0.3 * distance + 1e-5).all()


def test_distance_follows_a_permutation_of_the_crops():
    distance, order = cosine_distance(80), np.random.default_rng(1).permutation(80)
    permuted = k_reciprocal_distance(distance[np.ix_(order, order)])
    np.testing.assert_allclose(permuted, k_reciprocal_distance(distance)[np.ix_(order, order)], atol=1e-6)


def test_copies_of_one_crop_have_distance_zero_among_few():
    np.testing.assert_allclose(k_reciprocal_distance(np.zeros((6, 6), dtype=np.float32)), 0, atol=1e-6)


def test_equal_distances_favour_the_first_crops():
    # The trap: among ties the smaller index is nearer, so equal distances do not stay equal. Training shuffles crops.
    distance = np.full((30, 30), 0.5, dtype=np.float32)
    reranked = k_reciprocal_distance(distance, k1=4, k2=1)
    assert reranked[0, 1] < 0.5
    assert reranked[20, 21] == pytest.approx(0.7 + 0.3 * 0.5)


def test_far_crops_do_not_divide_by_zero():
    distance = np.full((3, 3), 5000, dtype=np.float32)  # exp(-5000) is 0 in every precision
    assert np.isfinite(k_reciprocal_distance(distance)).all()


def test_input_is_unchanged():
    distance = cosine_distance(40)
    before = distance.copy()
    k_reciprocal_distance(distance)
    assert np.array_equal(distance, before)


@pytest.mark.parametrize("num_crops", [1, 40, 300])
def test_overwriting_writes_into_the_given_array_and_gives_the_same(num_crops):
    distance = cosine_distance(num_crops)
    expected = k_reciprocal_distance(distance)
    reranked = k_reciprocal_distance(distance, overwrite=True)
    assert reranked is distance
    assert np.array_equal(reranked, expected)


@pytest.mark.parametrize("kind", ["float64", "fortran"])
def test_arrays_that_cannot_be_overwritten_are_left_alone(kind):
    distance = cosine_distance(40)
    given = distance.astype(np.float64) if kind == "float64" else np.asfortranarray(distance)
    before = given.copy()
    assert np.array_equal(k_reciprocal_distance(given, overwrite=True), k_reciprocal_distance(distance))
    assert np.array_equal(given, before)


@pytest.mark.parametrize("seed", range(20))
def test_negative_distances_and_noise_equal_the_reference(reference, seed):
    distance = cosine_distance(45, seed, num_identities=3 + seed) - np.float32(0.5)  # Eq. 5 makes some negative
    np.fill_diagonal(distance, -0.5)
    expected = reference.k_reciprocal_distance(distance, 6, 3)
    np.testing.assert_allclose(k_reciprocal_distance(distance, k1=6, k2=3), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": 0}, "k1 and k2 must be at least 1, got k1=0, k2=6"),
        ({"k2": 0}, "k1 and k2 must be at least 1, got k1=20, k2=0"),
        ({"lambda_value": 1.5}, r"lambda_value must lie in \[0, 1\], got 1\.5"),
        ({"lambda_value": math.nan}, "lambda_value must lie in .*got nan"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        k_reciprocal_distance(np.zeros((2, 2), dtype=np.float32), **settings)


@pytest.mark.parametrize(
    ("distance", "message"),
    [
        (np.zeros((2, 3)), r"shape \(crops, crops\), got \(2, 3\)"),
        (np.zeros((0, 0)), r"got \(0, 0\)"),
        (np.array([[0, np.nan], [np.nan, 0]]), "NaN or infinite values; check the features"),
        (np.array([[0, np.inf], [np.inf, 0]]), "NaN or infinite"),
    ],
)
def test_distances_that_cannot_be_ranked_are_refused(distance, message):
    with pytest.raises(ValueError, match=message):
        k_reciprocal_distance(distance.astype(np.float32))


@pytest.mark.parametrize("num_crops", [2, 7, 21, 60])
@pytest.mark.parametrize(("k1", "k2", "lambda_value"), [(20, 6, 0.3), (6, 1, 0.0), (5, 40, 1.0)])
def test_published_form_equals_the_reference(reference, num_crops, k1, k2, lambda_value):
    distance = cosine_distance(num_crops)
    expected = reference.published_distance(distance, k1, k2, lambda_value)
    reranked = published_distance(distance, k1=k1, k2=k2, lambda_value=lambda_value)
    np.testing.assert_allclose(reranked, expected, atol=1e-5)


def test_published_form_of_two_crops_worked_by_hand():
    distance = np.array([[0, 0.4], [0.4, 0]], dtype=np.float32)
    # Divided by their largest both are 1 apart, however near they were.
    reranked = published_distance(distance, k2=1)
    assert reranked[0, 1] == pytest.approx(0.7 * (1 - math.exp(-1)) + 0.3, abs=1e-6)


def test_published_form_of_copies_of_one_crop_is_zero_and_of_bad_input_is_refused():
    np.testing.assert_allclose(published_distance(np.zeros((6, 6), dtype=np.float32)), 0, atol=1e-6)
    with pytest.raises(ValueError, match="NaN or infinite"):
        published_distance(np.full((2, 2), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match=r"\(crops, crops\), got \(2, 3\)"):
        published_distance(np.zeros((2, 3), dtype=np.float32))
