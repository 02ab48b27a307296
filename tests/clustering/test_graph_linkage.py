"""Average linkage of a graph: that of the matrix which holds one far distance for every missing edge."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.cluster.hierarchy
import scipy.sparse
from scipy.spatial.distance import squareform

from iics.clustering.average_linkage import linkage_in_place
from iics.clustering.cuts import cut_distance, cut_number
from iics.clustering.graph_linkage import graph_linkage
from iics.similarity.distance_graph import DistanceGraph


def graph_of(num_crops: int, *edges: tuple[int, int, float], far: float = 1.0) -> DistanceGraph:
    first, second, distance = zip(*edges, strict=True) if edges else ((), (), ())
    pairs = np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    return DistanceGraph(num_crops, *pairs, np.array(distance, dtype=np.float32), far)


def random_graph(num_crops: int, seed: int, *, density: float, num_values: int = 0, far: float = 1.0) -> DistanceGraph:
    """Distances between -0.2 and 1, or only so many different ones, in an order that knows nothing of the crops."""
    rng = np.random.default_rng(seed)
    first, second = np.triu_indices(num_crops, 1)
    kept = rng.permutation(np.flatnonzero(rng.random(len(first)) < density))
    distance = rng.uniform(-0.2, 1, len(kept))
    if num_values:
        distance = rng.uniform(0, 1, num_values)[rng.integers(0, num_values, len(kept))]
    return DistanceGraph(num_crops, first[kept], second[kept], distance.astype(np.float32), far)


def num_components(graph: DistanceGraph) -> int:
    shape = (graph.num_crops, graph.num_crops)
    edges = scipy.sparse.coo_array((np.ones(len(graph.first)), (graph.first, graph.second)), shape=shape)
    return int(scipy.sparse.csgraph.connected_components(edges, directed=False)[0])


@pytest.fixture
def filled(reference):
    """The matrix that a graph stands for."""
    return lambda graph: reference.filled_distance(
        graph.num_crops, graph.first, graph.second, graph.distance, graph.far
    )


def test_heights_worked_by_hand():
    # 0 and 1 join at 0.2; 2 is 0.4 from 1 and far from 0: (0.4 + 1) / 2. Crops 3 and 4 are a component of their own.
    linkage = graph_linkage(graph_of(5, (0, 1, 0.2), (1, 2, 0.4), (3, 4, 0.5)))
    np.testing.assert_allclose(linkage, [[0, 1, 0.2, 2], [3, 4, 0.5, 2], [2, 5, 0.7, 3], [6, 7, 1, 5]], atol=1e-7)
    assert linkage.dtype == np.float64


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("density", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("num_crops", [5, 40, 150])
def test_every_cut_down_to_the_components_equals_that_of_scipy(filled, num_crops, density, seed):
    graph = random_graph(num_crops, seed, density=density)
    expected = scipy.cluster.hierarchy.linkage(squareform(filled(graph)), method="average")
    linkage = graph_linkage(graph)
    np.testing.assert_allclose(linkage[:, 2], expected[:, 2], atol=1e-6)
    for num_clusters in range(num_components(graph), num_crops + 1):
        assert np.array_equal(cut_number(linkage, num_clusters), cut_number(expected, num_clusters))


def test_every_cut_equals_the_reference(reference, filled):
    graph = random_graph(16, 3, density=0.4)
    heights, partitions = reference.average_linkage(filled(graph))
    linkage = graph_linkage(graph)
    np.testing.assert_allclose(linkage[:, 2], heights, atol=1e-6)
    for num_clusters in range(num_components(graph), 17):
        assert reference.partition(cut_number(linkage, num_clusters)) == partitions[num_clusters]


@pytest.mark.parametrize("num_crops", [2, 3, 30, 130])
def test_a_complete_graph_equals_the_matrix(filled, num_crops):
    graph = random_graph(num_crops, 0, density=1.0)
    linkage, expected = graph_linkage(graph), linkage_in_place(filled(graph).astype(np.float32))
    np.testing.assert_allclose(linkage[:, 2], expected[:, 2], atol=1e-5)
    for num_clusters in range(1, num_crops + 1):
        assert np.array_equal(cut_number(linkage, num_clusters), cut_number(expected, num_clusters))


def test_components_merge_at_far_in_the_order_of_their_crops():
    graph = graph_of(7, (4, 6, 0.1), (0, 2, 0.3), (1, 5, 0.2), far=0.9)
    linkage = graph_linkage(graph)
    np.testing.assert_allclose(linkage[:3, 2], [0.1, 0.2, 0.3], atol=1e-7)
    assert linkage[3:, 2].tolist() == [0.9, 0.9, 0.9]
    assert cut_number(linkage, 4).tolist() == [0, 1, 0, 2, 3, 1, 3]
    assert cut_number(linkage, 3).tolist() == [0, 0, 0, 1, 2, 0, 2]
    assert cut_number(linkage, 2).tolist() == [0, 0, 0, 0, 1, 0, 1]


def test_a_cut_below_far_never_joins_components(reference):
    graph = random_graph(60, 1, density=0.02)
    components = num_components(graph)
    assert 5 < components < 60
    assert cut_distance(graph_linkage(graph), np.nextafter(1.0, 0)).max() + 1 == components


@pytest.mark.parametrize("num_crops", [1, 2, 9])
def test_without_edges_all_merge_at_far(num_crops):
    linkage = graph_linkage(graph_of(num_crops, far=0.8))
    assert linkage.shape == (num_crops - 1, 4)
    assert (linkage[:, 2] == 0.8).all()
    for num_clusters in range(1, num_crops + 1):
        expected = [0] * (num_crops - num_clusters) + list(range(num_clusters))
        assert cut_number(linkage, num_clusters).tolist() == expected


def test_two_crops_merge_at_their_distance():
    assert graph_linkage(graph_of(2, (0, 1, 0.25))).tolist() == [[0, 1, 0.25, 2]]


def test_edges_no_closer_than_far_count_as_none():
    graph = random_graph(50, 2, density=0.3, far=0.6)
    is_close = graph.distance < 0.6
    assert 0 < is_close.sum() < len(is_close)
    close = DistanceGraph(50, graph.first[is_close], graph.second[is_close], graph.distance[is_close], 0.6)
    assert np.array_equal(graph_linkage(graph), graph_linkage(close))
    at_far = graph_of(3, (0, 1, 0.5), (1, 2, 1.0))
    assert np.array_equal(graph_linkage(at_far), graph_linkage(graph_of(3, (0, 1, 0.5))))


@pytest.mark.parametrize(("far", "lowest"), [(0.0, -1.0), (-0.5, -1.0), (3.0, 2.0)])
def test_a_constant_added_to_every_distance_changes_no_merge(far, lowest):
    edges = [(0, 1, 0.125), (1, 2, 0.25), (0, 3, 0.5), (3, 4, 0.0625), (2, 4, 0.75)]
    span = far - lowest
    moved = graph_of(6, *((p, q, far - span + span * d) for p, q, d in edges), far=far)
    linkage, expected = graph_linkage(moved), graph_linkage(graph_of(6, *edges))
    assert np.array_equal(linkage[:, :2], expected[:, :2])
    np.testing.assert_allclose(linkage[:, 2], far - span + span * expected[:, 2], atol=1e-6)


# --- ties and order


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("num_crops", [9, 100])
def test_equal_distances_everywhere_end(reference, filled, num_crops, density):
    graph = random_graph(num_crops, 0, density=density, num_values=1)
    linkage = graph_linkage(graph)
    assert scipy.cluster.hierarchy.is_valid_linkage(linkage)
    assert reference.largest_departure_from_average_linkage(linkage, filled(graph)) < 1e-6


@pytest.mark.parametrize("seed", range(40))
def test_every_merge_among_ties_is_one_of_the_smallest(reference, filled, seed):
    graph = random_graph(5 + 3 * seed, seed, density=(0.03, 0.1, 0.4, 1.0)[seed % 4], num_values=1 + seed % 3)
    linkage = graph_linkage(graph)
    assert scipy.cluster.hierarchy.is_valid_linkage(linkage)
    assert reference.largest_departure_from_average_linkage(linkage, filled(graph)) < 1e-6


def test_many_small_graphs_of_ties_end_in_dendrograms():
    for seed in range(2000):
        density = (0.1, 0.3, 0.9)[seed % 3]
        linkage = graph_linkage(random_graph(2 + seed % 40, seed, density=density, num_values=1 + seed % 4))
        assert scipy.cluster.hierarchy.is_valid_linkage(linkage)


def test_neighbouring_floats_send_no_chain_in_circles(reference, filled):
    for seed in range(100):
        rng = np.random.default_rng(seed)
        first, second = np.triu_indices(40, 1)
        steps = rng.integers(0, 4, len(first)).astype(np.int32)
        distance = (np.float32(0.3 + rng.random() / 2).view(np.int32) + steps).view(np.float32)
        graph = DistanceGraph(40, first, second, distance, 1.0)
        linkage = graph_linkage(graph)
        assert scipy.cluster.hierarchy.is_valid_linkage(linkage)
        assert reference.largest_departure_from_average_linkage(linkage, filled(graph)) < 1e-6


@pytest.mark.parametrize("density", [0.05, 0.5])
def test_shuffled_crops_give_the_same_partitions(reference, density):
    graph, order = random_graph(80, 0, density=density), np.random.default_rng(5).permutation(80)
    one, other = order[graph.first], order[graph.second]  # crop i becomes crop order[i]
    shuffled = DistanceGraph(80, np.minimum(one, other), np.maximum(one, other), graph.distance, graph.far)
    linkage, moved = graph_linkage(graph), graph_linkage(shuffled)
    np.testing.assert_allclose(linkage[:, 2], moved[:, 2], atol=1e-9)
    for num_clusters in range(num_components(graph), 80, 5):
        labels = cut_number(linkage, num_clusters)
        assert reference.partition(cut_number(moved, num_clusters)[order]) == reference.partition(labels)


def test_the_order_of_the_edges_changes_nothing():
    graph = random_graph(60, 0, density=0.3, num_values=3)
    order = np.random.default_rng(1).permutation(len(graph.first))
    shuffled = DistanceGraph(60, graph.first[order], graph.second[order], graph.distance[order], graph.far)
    assert np.array_equal(graph_linkage(graph), graph_linkage(shuffled))


def test_copies_merge_at_zero_before_anything_else(reference):
    place = np.random.default_rng(0).integers(0, 8, 40)
    first, second = np.triu_indices(40, 1)
    distance = np.abs(place[first] - place[second]) / 10
    linkage = graph_linkage(DistanceGraph(40, first, second, distance.astype(np.float32), 0.9))
    assert reference.partition(cut_distance(linkage, 1e-7)) == reference.partition(place)


def test_input_is_unchanged():
    graph = random_graph(40, 0, density=0.3)
    before = graph.first.copy(), graph.second.copy(), graph.distance.copy()
    graph_linkage(graph)
    now = graph.first, graph.second, graph.distance
    assert all(np.array_equal(one, other) for one, other in zip(now, before, strict=True))
