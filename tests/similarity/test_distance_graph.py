"""Distance graph: the distances of near crops, and one for all other pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iics.similarity.cosine import CosineSimilarity
from iics.similarity.crop_similarity import CropSimilarity
from iics.similarity.distance_graph import DistanceGraph, distance_graph
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.neighbour_graph import neighbour_graph
from iics.similarity.overlap_similarity import OverlapSimilarity
from iics.similarity.plain_distance import NearPlainDistance
from iics.similarity.reranking import RerankedDistance, k_reciprocal_distance

NUM_CROPS = 90


def from_angles(*degrees: float) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def cosine() -> CosineSimilarity:
    generator = torch.Generator().manual_seed(0)
    people = torch.randn(15, 12, generator=generator).repeat(6, 1)
    features = people + 0.5 * torch.randn(NUM_CROPS, 12, generator=generator)
    return CosineSimilarity(torch.nn.functional.normalize(features, dim=1))


def inter_camera() -> InterCameraSimilarity:
    generator = torch.Generator().manual_seed(1)
    scores = (2 * torch.randn(NUM_CROPS, 3, 8, generator=generator)).softmax(dim=2).reshape(NUM_CROPS, -1)
    cameras = torch.randint(0, 3, (NUM_CROPS,), generator=generator)
    return InterCameraSimilarity(cosine().features, OverlapSimilarity(scores, num_heads=3), cameras, mu=0.3)


KINDS = {"cosine": cosine, "inter-camera": inter_camera}


@pytest.fixture(params=KINDS)
def similarity(request) -> CropSimilarity:
    return KINDS[request.param]()


def full_distance(similarity: CropSimilarity, **settings: float) -> np.ndarray:
    """Return the distance of all pairs: re-ranked with the given settings, or 1 - similarity."""
    distance = 1 - similarity.matrix()
    np.fill_diagonal(distance, 0)
    return k_reciprocal_distance(distance, **settings) if settings else distance


RERANKING = {"k1": 10, "k2": 4, "lambda_value": 0.3}


def test_edges_worked_by_hand():
    similarity = CosineSimilarity(from_angles(0, 60, 90))
    found = distance_graph(NearPlainDistance(similarity), neighbour_graph(similarity, num_neighbours=2))
    # The nearest of the crop at 0 is that at 60, and those at 60 and 90 are each other's.
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(0, 1), (1, 2)]
    np.testing.assert_allclose(found.distance, [1 - 0.5, 1 - np.sqrt(3) / 2], atol=1e-6)
    # Not among their neighbours: 90 as seen from 0, 0 as seen from 60 and from 90.
    assert found.far == pytest.approx((1 + 0.5 + 1) / 3, abs=1e-6)
    assert found.num_crops == 3


@pytest.mark.parametrize("k", [2, 15, 60, NUM_CROPS])
def test_pairs_with_an_edge_are_those_of_which_one_is_a_neighbour_of_the_other(similarity, k):
    graph = neighbour_graph(similarity, num_neighbours=k)
    found = distance_graph(NearPlainDistance(similarity), graph)
    expected = {(min(p, int(q)), max(p, int(q))) for p in range(NUM_CROPS) for q in graph.neighbours[p] if p != q}
    edges = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert set(edges) == expected
    assert len(edges) == len(expected)


@pytest.mark.parametrize("k", [2, 15, NUM_CROPS])
def test_plain_edges_are_one_minus_similarity(similarity, k):
    found = distance_graph(NearPlainDistance(similarity), neighbour_graph(similarity, num_neighbours=k))
    expected = full_distance(similarity)
    np.testing.assert_allclose(found.distance, expected[found.first, found.second], atol=1e-5)


# Inter-camera neighbours are certain, and so the same as those of the matrix, where all crops are kept.
@pytest.mark.parametrize(("kind", "k"), [("cosine", 11), ("cosine", 40), ("cosine", 90), ("inter-camera", 90)])
@pytest.mark.parametrize("lambda_value", [0.0, 0.3, 1.0])
def test_reranked_edges_equal_the_entries_of_the_reranked_matrix(kind, k, lambda_value):
    similarity, settings = KINDS[kind](), RERANKING | {"lambda_value": lambda_value}
    graph = neighbour_graph(similarity, num_neighbours=k)
    found = distance_graph(RerankedDistance(**settings).near(similarity, graph), graph)
    expected = full_distance(similarity, **settings)
    np.testing.assert_allclose(found.distance, expected[found.first, found.second], atol=1e-5)


def test_reranked_rows_equal_the_rows_of_the_reranked_matrix():
    similarity = cosine()
    reranked = RerankedDistance(**RERANKING).near(similarity, neighbour_graph(similarity, num_neighbours=11))
    crops = np.array([7, 0, 89, 7])
    np.testing.assert_allclose(reranked.rows(crops), full_distance(similarity, **RERANKING)[crops], atol=1e-5)
    assert reranked.rows(crops).shape == (4, NUM_CROPS)


def test_plain_rows_are_one_minus_similarity(similarity):
    crops = np.array([7, 0, 89])
    np.testing.assert_allclose(NearPlainDistance(similarity).rows(crops), full_distance(similarity)[crops], atol=1e-5)


def test_a_crop_is_at_distance_zero_from_itself(similarity):
    graph = neighbour_graph(similarity, num_neighbours=20)
    everyone = np.arange(NUM_CROPS)
    assert (NearPlainDistance(similarity).rows(everyone).diagonal() == 0).all()
    np.testing.assert_allclose(
        RerankedDistance(**RERANKING).near(similarity, graph).rows(everyone).diagonal(), 0, atol=1e-6
    )


@pytest.mark.parametrize("is_reranked", [False, True])
@pytest.mark.parametrize("k", [11, 40, NUM_CROPS - 1])
def test_far_is_the_mean_distance_to_the_crops_that_are_no_neighbours(similarity, k, is_reranked):
    graph = neighbour_graph(similarity, num_neighbours=k)
    distance = RerankedDistance(**RERANKING).near(similarity, graph) if is_reranked else NearPlainDistance(similarity)
    rows = distance.rows(np.arange(NUM_CROPS)).astype(np.float64)
    others = [rows[p, q] for p in range(NUM_CROPS) for q in range(NUM_CROPS) if q not in graph.neighbours[p]]
    assert len(others) == NUM_CROPS * (NUM_CROPS - k)
    assert distance_graph(distance, graph).far == pytest.approx(np.mean(others), abs=1e-6)


def test_far_is_more_than_any_distance_where_every_pair_has_an_edge(similarity):
    found = distance_graph(NearPlainDistance(similarity), neighbour_graph(similarity, num_neighbours=NUM_CROPS))
    assert len(found.first) == NUM_CROPS * (NUM_CROPS - 1) // 2
    assert found.far == found.distance.max() + 1 > 1


def test_far_of_many_crops_is_close_to_the_mean_over_all(monkeypatch):
    features = torch.nn.functional.normalize(torch.randn(600, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    similarity = CosineSimilarity(features)  # more crops than rows are sampled
    graph = neighbour_graph(similarity, num_neighbours=20)
    far = distance_graph(NearPlainDistance(similarity), graph).far
    monkeypatch.setattr("iics.similarity.distance_graph._SAMPLED_ROWS", 600)
    assert far == pytest.approx(distance_graph(NearPlainDistance(similarity), graph).far, rel=0.02)


def test_one_crop_has_no_edges():
    similarity = CosineSimilarity(from_angles(30))
    found = distance_graph(NearPlainDistance(similarity), neighbour_graph(similarity, num_neighbours=5))
    assert (found.num_crops, len(found.first), found.far) == (1, 0, 1)


# --- what is refused


def graph_of(first, second, distance, *, far=1.0):
    return DistanceGraph(4, np.array(first), np.array(second), np.array(distance, dtype=np.float32), far)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([0, 2], [1, 2], "Edge 1 joins 2 and 2; the first must be the smaller of two of the 4 crops."),
        ([3, 0], [1, 2], "Edge 0 joins 3 and 1; the first must be the smaller of two of the 4 crops."),
        ([0, 1], [1, 4], "Edge 1 joins 1 and 4; the first must be the smaller of two of the 4 crops."),
        ([-1, 1], [1, 2], "Edge 0 joins -1 and 1; the first must be the smaller of two of the 4 crops."),
    ],
)
def test_edges_that_lead_nowhere_are_refused(first, second, message):
    with pytest.raises(ValueError) as caught:
        graph_of(first, second, [0.1, 0.2])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("first", "second", "distance", "shapes"),
    [
        ([0], [1, 2], [0.1], r"\(1,\), \(2,\), \(1,\)"),
        ([0], [1], [0.1, 0.2], r"\(1,\), \(1,\), \(2,\)"),
        ([[0]], [[1]], [[0.1]], r"\(1, 1\), \(1, 1\), \(1, 1\)"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(first, second, distance, shapes):
    with pytest.raises(ValueError, match=f"Every edge needs two crops and a distance, got shapes {shapes}"):
        graph_of(first, second, distance)


@pytest.mark.parametrize(
    ("distance", "far"), [(np.nan, 1.0), (np.inf, 1.0), (-np.inf, 1.0), (0.5, np.nan), (0.5, np.inf)]
)
def test_distances_that_are_not_finite_are_refused(distance, far):
    with pytest.raises(ValueError, match="distance holds NaN or infinite values; check the features"):
        graph_of([0], [1], [distance], far=far)


@pytest.mark.parametrize("is_reranked", [False, True])
def test_features_that_are_not_finite_are_refused(is_reranked):
    features = cosine().features.clone()
    features[17, 3] = float("nan")
    similarity = CosineSimilarity(features)
    with pytest.raises(ValueError, match="NaN or infinite"):  # noqa: PT012 - any step may find it
        graph = neighbour_graph(similarity, num_neighbours=20)
        distance = (
            RerankedDistance(**RERANKING).near(similarity, graph) if is_reranked else NearPlainDistance(similarity)
        )
        distance_graph(distance, graph)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": 0}, "k1 and k2 must be at least 1, got k1=0, k2=4"),
        ({"lambda_value": 1.5}, r"lambda_value must lie in \[0, 1\], got 1\.5"),
    ],
)
def test_reranking_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RerankedDistance(**(RERANKING | settings))
