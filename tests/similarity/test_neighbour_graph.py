"""The nearest crops of every crop by an exact search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iics.similarity import neighbour_graph as module
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.neighbour_graph import neighbour_graph
from iics.similarity.overlap_similarity import OverlapSimilarity

NUM_CAMERAS = 3


def from_angles(*degrees: float) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def random_features(num_crops: int, seed: int = 0) -> torch.Tensor:
    features = torch.randn(num_crops, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(features, dim=1)


def tied_features(num_crops: int, seed: int = 0) -> torch.Tensor:
    """Rows of -1, 0 and 1: every product is exact, and most equal another."""
    return torch.randint(-1, 2, (num_crops, 3), generator=torch.Generator().manual_seed(seed)).float()


def inter_camera(num_crops: int, *, mu: float, seed: int = 0) -> InterCameraSimilarity:
    generator = torch.Generator().manual_seed(seed + 1)
    logits = 3 * torch.randn(num_crops, NUM_CAMERAS, 8, generator=generator)
    cameras = torch.randint(0, NUM_CAMERAS, (num_crops,), generator=generator)
    overlap = OverlapSimilarity(logits.softmax(dim=2).reshape(num_crops, -1), num_heads=NUM_CAMERAS)
    return InterCameraSimilarity(random_features(num_crops, seed), overlap, cameras, mu=mu)


@pytest.fixture
def brute_force(reference):
    """The k nearest of each crop, from the matrix of all pairs."""

    def nearest(similarity: CropSimilarity, k: int) -> np.ndarray:
        matrix = similarity.matrix()
        return np.array([reference.nearest_crops(matrix, p)[:k] for p in range(len(matrix))])

    return nearest


@pytest.fixture(params=[2048, 64, 7, 1])
def block(request, monkeypatch):
    """The search takes crops so many at a time."""
    monkeypatch.setattr(module, "_BLOCK", request.param)


def test_neighbours_worked_by_hand():
    graph = neighbour_graph(CosineSimilarity(from_angles(0, 10, 25, 90)), num_neighbours=3)
    assert graph.neighbours.tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 2, 1]]
    cosines = np.cos(np.radians([[10, 25], [10, 15], [15, 25], [65, 80]]))
    np.testing.assert_allclose(graph.similarity[:, 1:], cosines, atol=1e-6)
    assert (graph.similarity[:, 0] == np.inf).all()
    assert graph.neighbours.dtype == np.int32
    assert graph.similarity.dtype == np.float32


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(("num_crops", "k"), [(1, 1), (2, 1), (2, 2), (7, 3), (8, 8), (50, 1), (50, 12), (50, 49)])
def test_neighbours_by_cosine_equal_brute_force(brute_force, num_crops, k):
    similarity = CosineSimilarity(random_features(num_crops))
    graph = neighbour_graph(similarity, num_neighbours=k)
    expected = brute_force(similarity, k)
    assert np.array_equal(graph.neighbours, expected)
    others = similarity.matrix()[np.arange(num_crops)[:, None], expected[:, 1:]]
    np.testing.assert_allclose(graph.similarity[:, 1:], others, atol=1e-6)
    assert (graph.num_certain == k).all()


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("seed", range(5))
def test_among_ties_and_copies_the_smaller_index_is_nearer(brute_force, seed):
    similarity = CosineSimilarity(tied_features(60, seed))
    graph = neighbour_graph(similarity, num_neighbours=9)
    assert np.array_equal(graph.neighbours, brute_force(similarity, 9))


@pytest.mark.usefixtures("block")
def test_a_crop_is_first_among_its_copies():
    graph = neighbour_graph(CosineSimilarity(torch.ones(20, 4)), num_neighbours=4)
    for crop in range(20):
        assert graph.neighbours[crop].tolist() == [crop, *[other for other in range(5) if other != crop][:3]]


def test_neighbours_by_overlap_equal_brute_force(brute_force):
    similarity = inter_camera(60, mu=0.1).overlap
    graph = neighbour_graph(similarity, num_neighbours=12)
    assert np.array_equal(graph.neighbours, brute_force(similarity, 12))


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("mu", [0.0, 0.02, 0.2, 2.0])
def test_certain_neighbours_by_inter_camera_similarity_equal_brute_force(brute_force, mu):
    similarity = inter_camera(90, mu=mu)
    graph = neighbour_graph(similarity, num_neighbours=30)
    expected = brute_force(similarity, 30)
    for crop, num_certain in enumerate(graph.num_certain):
        assert graph.neighbours[crop, :num_certain].tolist() == expected[crop, :num_certain].tolist()
    assert graph.num_certain.min() >= 1


@pytest.mark.parametrize(("mu", "least", "most"), [(0.0, 30, 30), (0.02, 25, 30), (2.0, 1, 20)])
def test_the_larger_mu_the_fewer_neighbours_are_certain(mu, least, most):
    num_certain = neighbour_graph(inter_camera(90, mu=mu), num_neighbours=30).num_certain
    assert least <= num_certain.mean() <= most


def test_inter_camera_neighbours_come_in_the_order_of_their_similarity():
    similarity = inter_camera(90, mu=0.5)
    graph = neighbour_graph(similarity, num_neighbours=30)
    matrix = similarity.matrix()
    np.testing.assert_allclose(
        graph.similarity[:, 1:], matrix[np.arange(90)[:, None], graph.neighbours[:, 1:]], atol=1e-5
    )
    assert (np.diff(graph.similarity[:, 1:], axis=1) <= 0).all()


@pytest.mark.parametrize("mu", [0.02, 2.0])
@pytest.mark.parametrize("k", [40, 41, 1000])
def test_all_neighbours_are_certain_where_all_crops_are_kept(brute_force, mu, k):
    similarity = inter_camera(40, mu=mu)
    graph = neighbour_graph(similarity, num_neighbours=k)
    assert (graph.num_certain == 40).all()
    assert np.array_equal(graph.neighbours, brute_force(similarity, 40))


def test_shuffled_crops_have_the_same_neighbours():
    features, order = random_features(70), torch.randperm(70, generator=torch.Generator().manual_seed(3))
    graph = neighbour_graph(CosineSimilarity(features), num_neighbours=10)
    shuffled = neighbour_graph(CosineSimilarity(features[order]), num_neighbours=10)
    assert np.array_equal(order.numpy()[shuffled.neighbours], graph.neighbours[order.numpy()])
