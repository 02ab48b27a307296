"""The neighbour graph by an inverted file of faiss: nearly the nearest."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from iics.errors import SettingsError
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.faiss_search import approximate_neighbour_graph, check_faiss
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.neighbour_graph import NeighbourGraph, neighbour_graph
from iics.similarity.overlap_similarity import OverlapSimilarity

NUM_CROPS, NUM_CAMERAS, K = 3000, 4, 20


@pytest.fixture(autouse=True)
def _faiss(request):
    if "without_faiss" not in request.fixturenames:
        pytest.importorskip("faiss")


@pytest.fixture
def without_faiss(monkeypatch):
    """As if the extra were not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faiss" else find_spec(name))


def clustered_features(num_crops: int) -> torch.Tensor:
    """So many crops, about 10 of each person."""
    generator = torch.Generator().manual_seed(0)
    people = torch.randn(max(1, num_crops // 10), 32, generator=generator)
    features = people[torch.randint(0, len(people), (num_crops,), generator=generator)]
    features = features + 0.4 * torch.randn(num_crops, 32, generator=generator)
    return torch.nn.functional.normalize(features, dim=1)


def inter_camera(num_crops: int, *, mu: float) -> InterCameraSimilarity:
    generator = torch.Generator().manual_seed(1)
    scores = (2 * torch.randn(num_crops, NUM_CAMERAS, 5, generator=generator)).softmax(dim=2).reshape(num_crops, -1)
    cameras = torch.randint(0, NUM_CAMERAS, (num_crops,), generator=generator)
    overlap = OverlapSimilarity(scores, num_heads=NUM_CAMERAS)
    return InterCameraSimilarity(clustered_features(num_crops), overlap, cameras, mu=mu)


def similarity_of(kind: str, num_crops: int) -> CosineSimilarity | InterCameraSimilarity:
    if kind == "cosine":
        return CosineSimilarity(clustered_features(num_crops))
    return inter_camera(num_crops, mu=float(kind.removeprefix("mu ")))


def recall(found: NeighbourGraph, exact: NeighbourGraph) -> float:
    pairs = zip(found.neighbours.tolist(), exact.neighbours.tolist(), strict=True)
    return float(np.mean([len(set(row) & set(true)) / len(true) for row, true in pairs]))


@pytest.mark.parametrize("kind", ["cosine", "mu 0.02", "mu 0.2"])
def test_most_of_the_nearest_crops_are_found(kind):
    similarity = similarity_of(kind, NUM_CROPS)
    found = approximate_neighbour_graph(similarity, num_neighbours=K)
    assert found.neighbours.shape == found.similarity.shape == (NUM_CROPS, K)
    assert recall(found, neighbour_graph(similarity, num_neighbours=K)) > 0.9


@pytest.mark.parametrize("kind", ["cosine", "mu 0.2"])
@pytest.mark.parametrize("num_crops", [2, 10, 1500])
def test_every_crop_is_first_among_its_own_neighbours_and_no_crop_comes_twice(kind, num_crops):
    found = approximate_neighbour_graph(similarity_of(kind, num_crops), num_neighbours=K)
    assert np.array_equal(found.neighbours[:, 0], np.arange(num_crops))
    assert (found.similarity[:, 0] == np.inf).all()
    rows = np.sort(found.neighbours, axis=1)
    assert (np.diff(rows, axis=1) > 0).all()
    assert rows.min() == 0
    assert rows.max() == num_crops - 1


def test_a_crop_is_among_more_copies_than_neighbours():
    found = approximate_neighbour_graph(CosineSimilarity(torch.eye(2)[torch.arange(60) % 2]), num_neighbours=K)
    assert np.array_equal(found.neighbours[:, 0], np.arange(60))
    assert all(len(set(row)) == K for row in found.neighbours.tolist())
    assert (found.neighbours % 2 == np.arange(60)[:, None] % 2).all()


@pytest.mark.parametrize("kind", ["cosine", "mu 0.2"])
def test_similarities_are_those_of_the_crops_found_in_their_order(kind):
    similarity = similarity_of(kind, 1500)
    found = approximate_neighbour_graph(similarity, num_neighbours=K)
    expected = similarity.matrix()[np.arange(1500)[:, None], found.neighbours[:, 1:]]
    np.testing.assert_allclose(found.similarity[:, 1:], expected, atol=1e-5)
    assert (np.diff(found.similarity[:, 1:], axis=1) <= 0).all()


@pytest.mark.parametrize("num_crops", [1, 2, 10, 60])
def test_few_crops_are_searched_exactly(num_crops):
    similarity = similarity_of("cosine", num_crops)
    found, exact = (search(similarity, num_neighbours=K) for search in (approximate_neighbour_graph, neighbour_graph))
    assert np.array_equal(found.neighbours, exact.neighbours)
    np.testing.assert_allclose(found.similarity, exact.similarity, atol=1e-6)


def test_more_neighbours_than_the_searched_cells_hold_are_found_all_the_same():
    found = approximate_neighbour_graph(similarity_of("cosine", 1100), num_neighbours=1000)
    assert found.neighbours.min() >= 0
    assert all(len(set(row)) == 1000 for row in found.neighbours.tolist())


def test_the_same_crops_give_the_same_graph():
    similarity = similarity_of("mu 0.2", NUM_CROPS)
    first, second = (approximate_neighbour_graph(similarity, num_neighbours=K) for _ in range(2))
    assert np.array_equal(first.neighbours, second.neighbours)
    assert np.array_equal(first.similarity, second.similarity)


def test_no_neighbour_is_certain_but_the_crop_itself():
    found = approximate_neighbour_graph(similarity_of("cosine", 100), num_neighbours=K)
    assert (found.num_certain == 1).all()


def test_overlap_alone_is_refused():
    with pytest.raises(SettingsError) as caught:
        approximate_neighbour_graph(inter_camera(10, mu=0.1).overlap, num_neighbours=5)
    assert str(caught.value) == "distance.neighbour_search faiss compares features; Eq. 9 alone needs exact."


@pytest.mark.usefixtures("without_faiss")
def test_a_missing_package_is_named_with_the_way_to_install_it():
    message = "distance.neighbour_search faiss needs the package faiss: pip install 'iics[faiss]'."
    with pytest.raises(SettingsError) as caught:
        check_faiss()
    assert str(caught.value) == message
    with pytest.raises(SettingsError) as caught:
        approximate_neighbour_graph(similarity_of("cosine", 10), num_neighbours=5)
    assert str(caught.value) == message


def test_wide_features_are_searched_by_their_main_directions():
    narrow = clustered_features(NUM_CROPS)
    spread = torch.randn(32, 300, generator=torch.Generator().manual_seed(2))
    similarity = CosineSimilarity(torch.nn.functional.normalize(narrow @ spread, dim=1))
    found = approximate_neighbour_graph(similarity, num_neighbours=K)
    assert recall(found, neighbour_graph(similarity, num_neighbours=K)) > 0.9
    expected = similarity.matrix()[np.arange(NUM_CROPS)[:, None], found.neighbours[:, 1:]]
    np.testing.assert_allclose(found.similarity[:, 1:], expected, atol=1e-5)


def test_features_that_are_not_finite_are_refused():
    features = torch.full((4, 3), torch.nan)
    with pytest.raises(ValueError, match="features hold NaN or infinite values"):
        approximate_neighbour_graph(CosineSimilarity(features), num_neighbours=2)
