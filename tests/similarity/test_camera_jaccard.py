"""Camera-aware Jaccard distance, beside the formula written plainly."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from iics.config import DistanceSettings
from iics.errors import SettingsError
from iics.similarity.by_name import DISTANCES, SEARCHES
from iics.similarity.camera_jaccard import CameraJaccardDistance, CameraLists, camera_jaccard, camera_weights
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.crop_similarity import ComparedCrops
from iics.similarity.distance_graph import distance_graph
from iics.similarity.inter_camera import INTER_CAMERA
from iics.similarity.jaccard import KnownPairs
from iics.similarity.neighbour_graph import neighbour_graph

PAPER = {"k1_intra": 5, "k1_inter": 20, "k2_intra": 2, "k2_inter": 4}
CONSTANTS = [
    PAPER,
    {"k1_intra": 5, "k1_inter": 20, "k2_intra": 3, "k2_inter": 3},
    {"k1_intra": 1, "k1_inter": 1, "k2_intra": 1, "k2_inter": 0},
    {"k1_intra": 2, "k1_inter": 3, "k2_intra": 5, "k2_inter": 7},
]


def crops_of(sizes: list[int], *, num_people: int = 8, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Return features of people and cameras, which shift them; so many crops of each camera, in no order."""
    generator = torch.Generator().manual_seed(seed)
    cameras = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    cameras = cameras[torch.randperm(len(cameras), generator=generator)]
    people = torch.randn(num_people, 12, generator=generator)
    features = people[torch.randint(0, num_people, (len(cameras),), generator=generator)]
    features = features + torch.randn(len(sizes), 12, generator=generator)[cameras]
    features = features + 0.4 * torch.randn(len(cameras), 12, generator=generator)
    return torch.nn.functional.normalize(features, dim=1), cameras.numpy()


def tied_crops(num_crops: int) -> tuple[torch.Tensor, np.ndarray]:
    """Rows of -1, 0 and 1: every product is exact, and most equal another."""
    generator = torch.Generator().manual_seed(3)
    features = torch.randint(-1, 2, (num_crops, 3), generator=generator).float() / 2
    return features, torch.randint(0, 3, (num_crops,), generator=generator).numpy()


CROPS = {
    "four cameras": crops_of([30, 25, 20, 15]),
    "a camera with fewer crops than k": crops_of([40, 3, 1, 20]),
    "two cameras, one of one crop": crops_of([30, 1]),
    "one camera": crops_of([30]),
    "few crops": crops_of([2, 1]),
    "one crop": crops_of([1]),
    "ties": tied_crops(60),
    "duplicates": tuple(torch.cat([part, part]) for part in map(torch.as_tensor, crops_of([12, 12, 3]))),
}


@pytest.fixture(params=list(CROPS))
def crops(request):
    """Features and cameras."""
    features, cameras = CROPS[request.param]
    return features, np.asarray(cameras)


def near_distances(features, cameras, constants, *, search="exact", num_neighbours=None):
    """Return the distance of every pair, computed from neighbours."""
    similarity = CosineSimilarity(features)
    k = 2 * len(features) if num_neighbours is None else num_neighbours
    graph = SEARCHES[search].find(similarity, num_neighbours=k, camera_ids=cameras)
    near = CameraJaccardDistance(CameraLists(**constants)).near(similarity, graph)
    return near, graph


@pytest.mark.parametrize("constants", CONSTANTS)
def test_all_pairs_equal_the_formula(reference, crops, constants):
    features, cameras = crops
    similarity = CosineSimilarity(features)
    found = CameraJaccardDistance(CameraLists(**constants)).all_pairs(similarity, cameras)
    expected = reference.camera_jaccard_distance(similarity.matrix(), cameras, **constants)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.array_equal(found, found.T)
    assert (found.diagonal() == 0).all()
    assert found.dtype == np.float32


@pytest.mark.parametrize("constants", CONSTANTS[:2])
def test_the_graph_equals_all_pairs_where_it_holds_all(crops, constants):
    features, cameras = crops
    near, graph = near_distances(features, cameras, constants)
    all_pairs = CameraJaccardDistance(CameraLists(**constants)).all_pairs(CosineSimilarity(features), cameras)
    everyone = np.arange(len(features))
    np.testing.assert_allclose(near.rows(everyone), all_pairs, atol=2e-6)
    edges = distance_graph(near, graph)
    assert len(edges.first) == len(features) * (len(features) - 1) // 2
    np.testing.assert_allclose(edges.distance, all_pairs[edges.first, edges.second], atol=2e-6)


def test_distances_between_few_neighbours_are_those_of_all_pairs():
    features, cameras = CROPS["four cameras"]
    near, graph = near_distances(features, cameras, PAPER, num_neighbours=42)
    all_pairs = CameraJaccardDistance(CameraLists(**PAPER)).all_pairs(CosineSimilarity(features), cameras)
    edges = distance_graph(near, graph)
    assert len(edges.first) < len(features) * (len(features) - 1) // 2
    np.testing.assert_allclose(edges.distance, all_pairs[edges.first, edges.second], atol=2e-6)
    is_far = np.ones_like(all_pairs, dtype=np.bool_)
    np.put_along_axis(is_far, graph.neighbours, False, axis=1)
    assert edges.far == pytest.approx(all_pairs[is_far].mean(), abs=1e-5)


def test_faiss_finds_the_same_where_crops_are_few(crops):
    pytest.importorskip("faiss")
    features, cameras = crops
    if len(torch.unique(features, dim=0)) < len(features):
        pytest.skip("among equals, faiss keeps any")
    exact = near_distances(features, cameras, PAPER)[0]
    found = near_distances(features, cameras, PAPER, search="faiss")[0]
    everyone = np.arange(len(features))
    np.testing.assert_allclose(found.rows(everyone), exact.rows(everyone), atol=2e-6)


def test_a_distance_worked_by_hand():
    """Two people at 0 and 90 degrees, each seen by two cameras: two crops of each by either."""
    radians = torch.deg2rad(torch.tensor([0.0, 1, 2, 3, 90, 91, 92, 93]))
    features, cameras = torch.stack([radians.cos(), radians.sin()], dim=1), np.tile([0, 0, 1, 1], 2)
    lists = CameraLists(k1_intra=1, k1_inter=1, k2_intra=1, k2_inter=0)
    found = CameraJaccardDistance(lists).all_pairs(CosineSimilarity(features), cameras)
    # R is the crop, the other of its camera, and both of the other camera; weights are nearly a quarter each.
    np.testing.assert_allclose(found[:4, :4], 0, atol=2e-3)
    assert (found[:4, 4:] == 1).all()


def test_no_camera_crowds_out_the_others():
    """Many crops of the own camera are nearer than any of another, and still the other camera's is found."""
    degrees = torch.cat([torch.linspace(0, 20, 40), torch.tensor([30.0, 31.0])])
    radians = torch.deg2rad(degrees)
    features = torch.stack([radians.cos(), radians.sin()], dim=1)
    cameras = np.array([0] * 40 + [1] * 2)
    graph = neighbour_graph(CosineSimilarity(features), num_neighbours=4, camera_ids=cameras)
    assert graph.neighbours[0].tolist() == [0, 1, 40, 41]
    assert graph.neighbours[41].tolist() == [41, 40, 39, 38]
    assert not np.isin(neighbour_graph(CosineSimilarity(features), num_neighbours=20).neighbours[0], [40, 41]).any()


def test_cameras_of_crops_decide():
    features, cameras = CROPS["four cameras"]
    distance, similarity = CameraJaccardDistance(CameraLists()), CosineSimilarity(features)
    by_camera, by_none = distance.all_pairs(similarity, cameras), distance.all_pairs(similarity)
    assert np.abs(by_camera - by_none).max() > 0.1
    renamed = distance.all_pairs(similarity, 7 - 2 * cameras)
    assert np.array_equal(by_camera, renamed)


def test_without_cameras_all_crops_are_of_one():
    features, _ = CROPS["four cameras"]
    distance, similarity = CameraJaccardDistance(CameraLists()), CosineSimilarity(features)
    expected = distance.all_pairs(similarity, np.zeros(len(features), np.int64))
    assert np.array_equal(distance.all_pairs(similarity), expected)
    near = distance.near(similarity, neighbour_graph(similarity, num_neighbours=21))
    np.testing.assert_allclose(near.rows(np.arange(len(features))), expected, atol=2e-6)


def test_the_order_of_crops_does_not_matter():
    features, cameras = CROPS["a camera with fewer crops than k"]
    order = np.random.default_rng(0).permutation(len(features))
    distance = CameraJaccardDistance(CameraLists())
    one = distance.all_pairs(CosineSimilarity(features), cameras)
    other = distance.all_pairs(CosineSimilarity(features[torch.from_numpy(order)]), cameras[order])
    np.testing.assert_allclose(other, one[np.ix_(order, order)], atol=2e-6)


def test_any_number_of_threads_gives_the_same_bits():
    features, cameras = CROPS["four cameras"]
    known = KnownPairs(CosineSimilarity(features).matrix())
    found = []
    num_threads = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(CameraJaccardDistance(CameraLists()).all_pairs(known, cameras))
    finally:
        torch.set_num_threads(num_threads)
    assert np.array_equal(*found)


def test_eq_5_is_compared_as_it_is(reference):
    features, cameras = CROPS["four cameras"]
    scores = torch.randn(len(features), 2, 6, generator=torch.Generator().manual_seed(1)).softmax(dim=2)
    similarity = INTER_CAMERA.compare(
        ComparedCrops(features, torch.from_numpy(cameras), 0.5, scores.reshape(len(features), -1), num_heads=2)
    )
    distance = CameraJaccardDistance(CameraLists())
    expected = reference.camera_jaccard_distance(similarity.matrix(), cameras)
    np.testing.assert_allclose(distance.all_pairs(similarity, cameras), expected, atol=2e-6)
    graph = neighbour_graph(similarity, num_neighbours=2 * len(features), camera_ids=cameras)
    assert (graph.num_certain == len(features)).all()
    near = distance.near(similarity, graph)
    np.testing.assert_allclose(near.rows(np.arange(len(features))), expected, atol=2e-6)


@pytest.mark.parametrize("route", ["all pairs", "graph"])
def test_features_that_are_not_finite_are_refused(route):
    features, cameras = CROPS["four cameras"]
    features = features.clone()
    features[4] = np.nan
    similarity = CosineSimilarity(features)

    def search():
        return neighbour_graph(similarity, num_neighbours=60, camera_ids=cameras)

    def compare_all():
        return CameraJaccardDistance(CameraLists()).all_pairs(similarity, cameras)

    with pytest.raises(ValueError, match="distance holds NaN or infinite values; check the features"):
        {"all pairs": compare_all, "graph": search}[route]()


def test_a_graph_too_narrow_is_refused():
    with pytest.raises(SettingsError, match=r"camera-jaccard needs 21 .* must be at least 42, got 41"):
        camera_jaccard(DistanceSettings(graph_neighbours=41))
    assert camera_jaccard(DistanceSettings(graph_neighbours=42)).num_neighbours(1000) == 21
    assert camera_jaccard(DistanceSettings()).num_neighbours(10) == 10


@pytest.mark.parametrize("num_crops", [2000, 4000])
def test_weights_take_no_more_memory_than_is_predicted(num_crops):
    features, cameras = crops_of([num_crops // 5] * 5, num_people=num_crops // 20)
    similarity, lists = CosineSimilarity(features), CameraLists()
    graph = neighbour_graph(similarity, num_neighbours=2 * lists.longest, camera_ids=cameras)
    camera_weights(similarity, graph, lists)  # compiles
    tracemalloc.start()
    try:
        camera_weights(similarity, graph, lists)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.1 * lists.memory(num_crops) < peak < lists.memory(num_crops)


def test_constants_out_of_range_are_refused():
    with pytest.raises(ValueError, match="k1_intra, k1_inter, k2_intra must be at least 1"):
        CameraLists(k1_inter=0)


def test_the_default_constants_are_the_papers():
    assert CameraLists() == CameraLists(**PAPER)
    assert isinstance(DISTANCES["camera-jaccard"](DistanceSettings()), CameraJaccardDistance)
