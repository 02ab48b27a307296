"""The number of clusters with the most camera links."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iics.clustering.average_linkage import AllPairs, linkage_in_place
from iics.clustering.camera_links import MostCameraLinks, camera_links, number_with_most_links
from iics.clustering.cluster_count import LargestSilhouette
from iics.clustering.cuts import cut_number
from iics.clustering.near_pairs import NearPairs
from iics.config import ClusterSettings, DistanceSettings
from iics.labelling.labeller import labeller_of
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.distance_graph import DistanceGraph


def points(*values: float) -> np.ndarray:
    return np.abs(np.subtract.outer(values, values)).astype(np.float32)


def people(num_people: int, num_cameras: int, **drawn: float):
    """Return distances of people, each with some crops of each camera, and the cameras."""
    features, camera_ids = people_features(num_people, num_cameras, **drawn)
    distance = 1 - features @ features.T
    return ((distance + distance.T) / 2).astype(np.float32), camera_ids


def people_features(num_people: int, num_cameras: int, *, crops_each: int = 2, offset: float = 0.5, noise: float = 0.2):
    generator = np.random.default_rng(0)
    features = np.repeat(generator.normal(size=(num_people, 32)), num_cameras * crops_each, axis=0)
    camera_ids = np.tile(np.repeat(np.arange(num_cameras), crops_each), num_people)
    features = features + offset * generator.normal(size=(num_cameras, 32))[camera_ids]
    features = features + noise * generator.normal(size=features.shape)
    return features / np.linalg.norm(features, axis=1, keepdims=True), camera_ids


def clusters(distances, camera_ids, *, min_number: int = 2) -> np.ndarray:
    rule = MostCameraLinks()
    seen = rule.look(distances, camera_ids)
    return rule.cluster(distances.to_cluster(), seen, min_number=min_number)


def test_links_worked_by_hand():
    # Joined in this order: 0 and 1 (of cameras 0 and 1), 2 and 3 (likewise), then all.
    linkage = linkage_in_place(points(0, 1, 10, 12))
    assert camera_links(linkage, np.array([0, 1, 0, 1])).tolist() == [1, 2, 1, 0]


def test_joining_clusters_that_share_a_camera_keeps_links_and_two_shared_cameras_lose_one():
    # {0, 1} of cameras 0 and 1, {2, 3} of cameras 0 and 2: one is shared. {0, 1} and {2, 3} both of 0 and 1: two are.
    linkage = linkage_in_place(points(0, 1, 10, 12))
    assert camera_links(linkage, np.array([0, 1, 0, 2]))[:2].tolist() == [2, 2]
    assert camera_links(linkage, np.array([0, 1, 0, 1]))[:2].tolist() == [1, 2]


def test_links_equal_the_reference_at_every_cut(reference):
    distance, camera_ids = people(8, 5, noise=0.6)
    camera_ids = np.random.default_rng(1).permutation(camera_ids)
    linkage = linkage_in_place(distance)
    expected = [reference.camera_links(cut_number(linkage, k).tolist(), camera_ids.tolist()) for k in range(1, 81)]
    assert camera_links(linkage, camera_ids).tolist() == expected


def test_names_of_cameras_do_not_matter():
    distance, camera_ids = people(8, 3)
    linkage = linkage_in_place(distance)
    assert np.array_equal(camera_links(linkage, camera_ids), camera_links(linkage, np.array([70, 7, 900])[camera_ids]))


def test_shuffled_crops_have_the_same_links():
    distance, camera_ids = people(8, 3, noise=0.5)
    order = np.random.default_rng(2).permutation(len(camera_ids))
    shuffled = np.ascontiguousarray(distance[np.ix_(order, order)])
    links = camera_links(linkage_in_place(distance), camera_ids)
    assert np.array_equal(camera_links(linkage_in_place(shuffled), camera_ids[order]), links)


@pytest.mark.parametrize(("num_people", "num_cameras"), [(5, 2), (30, 3), (40, 6)])
def test_separated_people_are_counted(num_people, num_cameras):
    distance, camera_ids = people(num_people, num_cameras)
    labels = clusters(AllPairs(distance), camera_ids)
    assert labels.max() + 1 == num_people
    assert all(len(set(part)) == 1 for part in np.split(labels, num_people))


def test_the_fewest_of_equally_linked_numbers_is_taken():
    assert number_with_most_links(np.array([1, 2, 3, 3, 1, 0, 0, 0])) == 3


def test_no_number_below_the_smallest_allowed_and_none_above_half_the_crops():
    links = np.array([1, 5, 3, 2, 4, 0, 0, 9])
    assert number_with_most_links(links) == 2
    assert number_with_most_links(links, min_number=3) == 3
    assert number_with_most_links(links, min_number=7) == 4


@pytest.mark.parametrize("num_crops", [1, 2, 6])
def test_crops_of_one_camera_have_no_link_and_are_one_cluster(num_crops):
    links = camera_links(linkage_in_place(points(*range(num_crops))), np.zeros(num_crops, dtype=np.int64))
    assert links.tolist() == [0] * num_crops
    assert number_with_most_links(links) == 1


def test_two_crops_are_one_cluster_whatever_their_cameras():
    # The only number tried is 2, which has no link.
    assert number_with_most_links(camera_links(linkage_in_place(points(0, 1)), np.array([0, 1]))) == 1


def test_a_graph_with_every_edge_gives_the_clusters_of_all_pairs():
    distance, camera_ids = people(12, 3, noise=0.5)
    first, second = np.triu_indices(len(distance), 1)
    graph = DistanceGraph(len(distance), first, second, distance[first, second], far=float(distance.max()) + 1)
    of_graph = clusters(NearPairs(graph), camera_ids)
    assert np.array_equal(clusters(AllPairs(distance), camera_ids), of_graph)


def test_parts_of_a_graph_that_no_edge_joins_stay_apart():
    # Four pairs, each of cameras 0 and 1; without edges between them, joining any two at `far` says nothing.
    first, second = np.array([0, 2, 4, 6]), np.array([1, 3, 5, 7])
    graph = DistanceGraph(8, first, second, np.full(4, 0.1, np.float32), far=1.0)
    assert clusters(NearPairs(graph), np.array([0, 1] * 4)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("max_dense_crops", [200, 100])
def test_links_count_people_by_their_name_on_all_pairs_and_on_a_graph_of_neighbours(max_dense_crops):
    features, camera_ids = people_features(20, 4)
    distance = DistanceSettings(max_dense_crops=max_dense_crops, graph_neighbours=30)
    labeller = labeller_of(distance, ClusterSettings(rule="links"))
    similarity = CosineSimilarity(torch.from_numpy(features.astype(np.float32)))
    assert labeller.compares_all_pairs(len(features)) == (max_dense_crops == 200)
    assert labeller.label(similarity, camera_ids=camera_ids).labels.tolist() == np.repeat(np.arange(20), 8).tolist()


def test_within_one_camera_the_number_is_that_of_the_silhouette():
    distance, _ = people(10, 1, crops_each=6)
    rule = LargestSilhouette()
    distances = AllPairs(distance.copy())
    expected = rule.cluster(distances, rule.look(distances, None), min_number=2)
    assert np.array_equal(clusters(AllPairs(distance), None), expected)


def test_a_linkage_of_other_crops_is_refused():
    with pytest.raises(ValueError, match="linkage joins 4 crops, but there are cameras of 3"):
        camera_links(linkage_in_place(points(0, 1, 10, 12)), np.array([0, 1, 0]))


def test_a_smallest_number_below_two_is_refused():
    with pytest.raises(ValueError, match="min_number must be at least 2, got 1"):
        number_with_most_links(np.array([0, 0]), min_number=1)
