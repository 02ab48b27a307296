"""Pairs that are two individuals: no clustering joins them, and all else is as average linkage would have it."""

from __future__ import annotations

import numpy as np
import pytest

from iics.clustering.apart import Apart
from iics.clustering.average_linkage import AllPairs
from iics.clustering.cluster_count import LargestSilhouette
from iics.clustering.cuts import FixedNumber, QuantileCut, cut_number
from iics.clustering.density import DensityClusters
from iics.clustering.graph_linkage import graph_linkage
from iics.clustering.known import Known
from iics.clustering.near_pairs import NearPairs
from iics.similarity.distance_graph import DistanceGraph


def line(*places):
    return np.abs(np.subtract.outer(places, places)).astype(np.float32)


def apart_pairs(*pairs):
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Apart.of(first, second)


def random_case(num_crops, num_apart, seed):
    """Return distances and pairs that are apart."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(num_crops, 4))
    distance = np.linalg.norm(points[:, None] - points, axis=2).astype(np.float32)
    return distance, Apart.of(*rng.integers(0, num_crops, (2, num_apart)))


def graph_of(distance, *, within, far):
    first, second = np.nonzero(np.triu(distance <= within, 1))
    return DistanceGraph(len(distance), first, second, distance[first, second], far)


def pairs_of(apart):
    return list(zip(apart.first.tolist(), apart.second.tolist(), strict=True))


def assert_equals_reference(reference, linkage, heights, partitions):
    finite = linkage[np.isfinite(linkage[:, 2])]
    np.testing.assert_allclose(finite[:, 2], heights, atol=1e-5)
    for num_clusters, expected in partitions.items():
        assert reference.partition(cut_number(linkage, num_clusters)) == expected


def test_merges_worked_by_hand_stop_where_pairs_are_apart():
    # 0 and 1 are nearest but apart: 1 joins 3 at 2, then both 6 at (5 + 3) / 2; nothing may join 0.
    linkage = AllPairs(line(0, 1, 3, 6), Known(apart_pairs((0, 1), (0, 2), (3, 0)))).linkage()
    assert linkage[:2].tolist() == [[1, 2, 2, 2], [3, 4, 4, 3]]
    assert linkage[2].tolist() == [0, 5, np.inf, 4]


@pytest.mark.parametrize("seed", range(6))
def test_linkage_of_all_pairs_equals_the_plain_constrained_one(reference, seed):
    distance, apart = random_case(16, 6 + 8 * seed, seed)
    expected = reference.constrained_average_linkage(distance.astype(np.float64), pairs_of(apart))
    assert_equals_reference(reference, AllPairs(distance.copy(), Known(apart)).linkage(), *expected)


@pytest.mark.parametrize("seed", range(6))
def test_linkage_of_a_graph_equals_the_plain_constrained_one(reference, seed):
    distance, apart = random_case(16, 4 + 5 * seed, seed)
    far = float(distance.max()) + 1
    graph = graph_of(distance, within=2.5, far=far)
    filled = reference.filled_distance(16, graph.first, graph.second, graph.distance, far)
    heights, partitions = reference.constrained_average_linkage(filled, pairs_of(apart))
    near = [height for height in heights if height < far - 1e-6]  # parts that no edge joins are not merged at all
    kept = {number: found for number, found in partitions.items() if number >= 16 - len(near)}
    assert_equals_reference(reference, graph_linkage(graph, apart), near, kept)


def test_large_matrices_that_close_gaps_keep_pairs_apart():
    distance, apart = random_case(300, 4000, 1)
    of_all = AllPairs(distance.copy(), Known(apart))
    linkage = of_all.linkage()
    labels = cut_number(linkage, of_all.num_parts(linkage))
    assert len(apart.joined(labels)) == 0
    # As far as it may go: any two clusters that are left hold a pair that is apart.
    of_pairs = {tuple(sorted(pair)) for pair in zip(labels[apart.first], labels[apart.second], strict=True)}
    num_clusters = int(labels.max()) + 1
    assert of_pairs == {(a, b) for b in range(num_clusters) for a in range(b)}


def test_no_pair_apart_leaves_the_merges_as_they_are():
    distance, _ = random_case(90, 0, 3)
    assert np.array_equal(AllPairs(distance.copy(), Known(Apart.none())).linkage(), AllPairs(distance.copy()).linkage())


@pytest.mark.parametrize(
    "clustering",
    [FixedNumber(4), QuantileCut(0.5), LargestSilhouette(), DensityClusters(1.5, 2)],
    ids=["fixed", "quantile", "auto", "density"],
)
@pytest.mark.parametrize("is_graph", [False, True], ids=["all pairs", "graph"])
def test_no_clustering_joins_what_is_apart(clustering, is_graph):
    distance, apart = line(0, 1, 2, 3, 20, 21, 22, 23), apart_pairs((0, 1), (4, 7))
    distances = AllPairs(distance.copy(), Known(apart))
    if is_graph:
        graph = graph_of(distance, within=30, far=31)
        distances = NearPairs(graph, type("Rows", (), {"rows": lambda _, crops: distance[crops]})(), Known(apart))
    seen = clustering.look(distances, None)
    labels = clustering.cluster(distances.to_cluster(), seen, min_number=2)
    assert len(apart.joined(labels)) == 0
    assert labels[1] == labels[2]
    assert labels[2] != labels[5]


def test_a_density_cluster_is_split_and_small_parts_become_noise():
    # One chain; 0 and 5 are apart. Average linkage halves it; with three crops a cluster, both halves stay.
    chain = line(0, 1, 2, 3.5, 4.5, 5.5)
    ends = apart_pairs((0, 5))
    assert DensityClusters(1.5, 3).cluster(AllPairs(chain, Known(ends)), None, min_number=2).tolist() == [
        0,
        0,
        0,
        1,
        1,
        1,
    ]
    # 0 is apart from all others: it is left alone, and is noise.
    alone = apart_pairs(*((0, other) for other in range(1, 6)))
    assert DensityClusters(1.5, 2).cluster(AllPairs(chain, Known(alone)), None, min_number=2).tolist() == [-1] + [0] * 5


def test_a_fixed_number_below_the_parts_says_so(caplog):
    FixedNumber(2).cluster(AllPairs(line(0, 1, 2, 9), Known(apart_pairs((0, 1), (0, 2), (1, 2)))), None, min_number=2)
    assert "Pairs that are two individuals (tracklets.apart) leave 3 parts, more than the 2 clusters" in caplog.text


def test_pairs_are_kept_once_in_order_and_among_members():
    apart = apart_pairs((3, 1), (1, 3), (2, 2), (0, 4))
    assert pairs_of(apart) == [(0, 4), (1, 3)]
    assert pairs_of(apart.among(np.array([1, 2, 3]), 5)) == [(0, 2)]
    assert apart.joined(np.array([-1, 7, 7, 7, -1])).tolist() == [1]
