"""Average linkage of a distance matrix: the merges, whatever the order of the crops, ties and rounding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.cluster.hierarchy
from scipy.spatial.distance import squareform

from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cuts import cut_number


def average_linkage(distance: np.ndarray) -> np.ndarray:
    return linkage_in_place(np.array(distance, dtype=np.float32))


def line(*places: float) -> np.ndarray:
    return np.abs(np.subtract.outer(places, places)).astype(np.float64)


def random_distance(num_crops: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(num_crops, 5))
    return np.linalg.norm(points[:, None] - points, axis=2).astype(np.float32)


def mirrored(distance: np.ndarray) -> np.ndarray:
    upper = np.triu(distance, 1)
    return upper + upper.T


def neighbouring_floats(num_crops: int, seed: int, *, sign: int, num_values: int) -> np.ndarray:
    """Distances that are all one of a few float32 numbers with none between them: a mean is rounded to one of them."""
    rng = np.random.default_rng(seed)
    value = np.float32(sign * (rng.random() + 1e-3))
    steps = rng.integers(0, num_values, (num_crops, num_crops)).astype(np.int32)
    return mirrored((value.view(np.int32) + steps).view(np.float32))


def tied_distance(num_crops: int, seed: int, *, num_values: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.random(num_values).astype(np.float32)
    return mirrored(values[rng.integers(0, num_values, (num_crops, num_crops))])


def is_dendrogram(linkage: np.ndarray) -> bool:
    """Every node is joined once, the heights ascend, the last merge holds all crops."""
    num_merges = len(linkage)
    joined = np.bincount(linkage[:, :2].astype(np.int64).ravel(), minlength=2 * num_merges)
    heights = linkage[:, 2]
    return bool((joined == 1).all() and (np.diff(heights) >= 0).all() and linkage[-1, 3] == num_merges + 1)


def assert_same_clusters(linkage: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(linkage[:, 2], expected[:, 2], atol=1e-5, rtol=0)
    for num_clusters in range(1, len(linkage) + 2):
        assert np.array_equal(cut_number(linkage, num_clusters), cut_number(expected, num_clusters))


def test_heights_worked_by_hand():
    # Joined at 1, at 2, at (5 + 7 + 4 + 6) / 4 = 5.5, at (20 + 19 + 15 + 13) / 4 = 16.75.
    linkage = average_linkage(line(0, 1, 5, 7, 20))
    assert linkage.tolist() == [[0, 1, 1, 2], [2, 3, 2, 2], [5, 6, 5.5, 4], [4, 7, 16.75, 5]]
    assert linkage.dtype == np.float64


@pytest.mark.parametrize("seed", range(5))
def test_every_cut_equals_the_reference(reference, seed):
    distance = random_distance(18, seed)
    heights, partitions = reference.average_linkage(distance)
    linkage = average_linkage(distance)
    np.testing.assert_allclose(linkage[:, 2], heights, atol=1e-5)
    for num_clusters, partition in partitions.items():
        assert reference.partition(cut_number(linkage, num_clusters)) == partition


# Rows that are used up are taken out where more than 64 are left: 63 to 65, and once and more than once beyond.
@pytest.mark.parametrize("num_crops", [2, 3, 10, 63, 64, 65, 66, 127, 128, 129, 130, 300])
def test_every_cut_equals_that_of_scipy(num_crops):
    distance = random_distance(num_crops, seed=num_crops)
    expected = scipy.cluster.hierarchy.linkage(squareform(distance.astype(np.float64)), method="average")
    assert_same_clusters(average_linkage(distance), expected)


@pytest.mark.parametrize("num_crops", [65, 200])
def test_every_cut_equals_that_of_fastcluster(num_crops):
    fastcluster = pytest.importorskip("fastcluster")
    distance = random_distance(num_crops, seed=1)
    expected = fastcluster.linkage(squareform(distance.astype(np.float64)), method="average")
    assert_same_clusters(average_linkage(distance), expected)


@pytest.mark.parametrize("num_crops", [40, 65, 130])
def test_shuffled_crops_give_the_same_partitions(reference, num_crops):
    distance, order = random_distance(num_crops), np.random.default_rng(5).permutation(num_crops)
    linkage, shuffled = average_linkage(distance), average_linkage(distance[np.ix_(order, order)])
    np.testing.assert_allclose(linkage[:, 2], shuffled[:, 2], atol=1e-5)
    for num_clusters in (2, 5, 13, num_crops // 2, num_crops - 3):
        labels = cut_number(linkage, num_clusters)
        assert reference.partition(cut_number(shuffled, num_clusters)) == reference.partition(labels[order])


# --- ties, copies, negative distances


@pytest.mark.parametrize("num_crops", [3, 9, 64, 65, 130])
def test_equal_distances_end_in_one_cluster(num_crops):
    linkage = average_linkage(0.3 * (1 - np.eye(num_crops)))
    assert is_dendrogram(linkage)
    np.testing.assert_allclose(linkage[:, 2], 0.3, atol=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_every_merge_among_ties_is_one_of_the_smallest(reference, seed):
    distance = tied_distance((7, 25, 70, 140)[seed % 4], seed, num_values=1 + seed % 5)
    linkage = average_linkage(distance)
    assert is_dendrogram(linkage)
    assert reference.largest_departure_from_average_linkage(linkage, distance) < 1e-5


def test_many_small_matrices_of_ties_end_in_dendrograms():
    for seed in range(2000):
        assert is_dendrogram(average_linkage(tied_distance(4 + seed % 30, seed, num_values=2 + seed % 3)))


# Found by search among 5 million: here a mean, once rounded, is below both numbers it is the mean of. A chain that
# trusts it comes back to a cluster that it already holds, joins it twice, and may leave the array.
@pytest.mark.parametrize(
    ("num_crops", "sign", "num_values", "seed"),
    [
        (12, -1, 6, 14809),
        (16, -1, 3, 17598),
        (24, -1, 3, 9315),
        (64, -1, 6, 1797),
        (100, -1, 4, 236),
        (100, 1, 2, 25429),
        (200, 1, 2, 3855),
        (200, 1, 6, 4476),
    ],
)
def test_no_rounding_sends_the_chain_in_circles(reference, num_crops, sign, num_values, seed):
    distance = neighbouring_floats(num_crops, seed, sign=sign, num_values=num_values)
    linkage = average_linkage(distance)
    assert is_dendrogram(linkage)
    assert reference.largest_departure_from_average_linkage(linkage, distance) < 1e-5


def test_ties_are_decided_by_the_order_of_the_crops():
    # The trap: without any information the first crops are joined. Sorted by identity, they would be of one person.
    assert cut_number(average_linkage(1 - np.eye(6)), 4).tolist() == [0, 0, 0, 1, 2, 3]


def test_copies_merge_at_height_zero_in_spite_of_rounding():
    distance = np.full((4, 4), -1.2e-7, dtype=np.float32)
    assert average_linkage(distance)[:, 2].tolist() == [0, 0, 0]


def test_copies_merge_before_anything_else(reference):
    place = np.random.default_rng(0).integers(0, 20, 90)
    linkage = average_linkage(random_distance(20)[np.ix_(place, place)])
    assert reference.partition(cut_number(linkage, len(set(place)))) == reference.partition(place)
    assert (linkage[:, 2] == 0).sum() == 90 - len(set(place))


@pytest.mark.parametrize("num_crops", [30, 130])
def test_a_constant_added_to_every_distance_changes_no_merge(num_crops):
    distance = np.round(random_distance(num_crops) * 2**12) / 2**12  # so that adding loses no bit
    linkage, lowered = average_linkage(distance), average_linkage(distance - 8)
    assert (lowered[:, 2] < 0).all()
    np.testing.assert_allclose(lowered[:, 2], linkage[:, 2] - 8, atol=1e-5)
    for num_clusters in range(1, num_crops + 1):
        assert np.array_equal(cut_number(linkage, num_clusters), cut_number(lowered, num_clusters))


def test_negative_heights_are_kept():
    linkage = average_linkage(np.array([[0, -0.5, 0.1], [-0.5, 0, 0.2], [0.1, 0.2, 0]]))
    np.testing.assert_allclose(linkage[:, 2], [-0.5, 0.15], atol=1e-7)


def test_linkages_at_once_are_the_same_as_one_after_the_other():
    distances = [random_distance(num_crops, seed=num_crops) for num_crops in (300, 200, 301, 130, 64, 250)]
    expected = [linkage_in_place(distance.copy()) for distance in distances]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(linkage_in_place, distances))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("diagonal", [7.0, -7.0, np.nan, np.inf])
def test_the_diagonal_plays_no_part(diagonal):
    distance = random_distance(30)
    expected = average_linkage(distance)
    np.fill_diagonal(distance, diagonal)
    assert np.array_equal(average_linkage(distance), expected)


def test_one_crop_has_no_merges():
    assert average_linkage(np.zeros((1, 1))).shape == (0, 4)


def test_two_crops_have_one():
    assert average_linkage(line(0, 3)).tolist() == [[0, 1, 3, 2]]
