"""Density clustering on all pairs and on a graph of neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import DBSCAN

from iics.clustering import density, near_pairs
from iics.clustering.average_linkage import AllPairs
from iics.clustering.density import DensityClusters
from iics.clustering.near_pairs import NearPairs
from iics.config import ClusterSettings, DistanceSettings
from iics.errors import SettingsError, TrainingError
from iics.labelling.labeller import labeller_of
from iics.models.features import l2_normalise
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.distance_graph import DistanceGraph


def line(*places: float) -> np.ndarray:
    return np.abs(np.subtract.outer(places, places)).astype(np.float32)


def clusters(distance: np.ndarray, *, eps: float, min_crops: int, grow: float = 0) -> list[int]:
    return DensityClusters(eps, min_crops, grow).cluster(AllPairs(distance), None, min_number=2).tolist()


def graph_of(distance: np.ndarray, *, within: float, far: float) -> DistanceGraph:
    first, second = np.nonzero(np.triu(distance <= within, 1))
    return DistanceGraph(len(distance), first, second, distance[first, second], far)


def random_features(num_crops: int = 300, num_people: int = 30) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    people = torch.randn(num_people, 16, generator=generator)
    return l2_normalise(
        people[torch.arange(num_crops) % num_people] + 0.5 * torch.randn(num_crops, 16, generator=generator)
    )


def test_clusters_and_noise_worked_by_hand():
    # 0, 1, 2 and 10, 11, 12 are dense; 3.5 is near no core (2 has 1 and 3.5 is 1.5 away); 20 is alone.
    assert clusters(line(0, 1, 2, 20, 10, 11, 12, 3.5), eps=1, min_crops=3) == [0, 0, 0, -1, 1, 1, 1, -1]


def test_a_crop_at_the_border_joins_without_being_a_core():
    # With 4 crops within 1, only 1 and 1.5 are cores; 0 and 2.5 are within 1 of one, and 3.5 only of 2.5.
    assert clusters(line(0, 1, 1.5, 2.5, 0.9, 3.5), eps=1, min_crops=4) == [0, 0, 0, 0, 0, -1]


def test_crops_far_from_each_other_are_all_noise():
    assert clusters(line(0, 5, 10), eps=1, min_crops=2) == [-1, -1, -1]


def test_the_diagonal_plays_no_part():
    distance = line(0, 1, 2, 20)
    np.fill_diagonal(distance, np.inf)
    assert clusters(distance, eps=1, min_crops=2) == [0, 0, 0, -1]


def test_distances_below_0_are_near():
    assert clusters(line(0, 0.2, 9) - np.float32(0.3), eps=0.1, min_crops=2) == [0, 0, -1]


@pytest.mark.parametrize("rows_at_once", [1, 7, 256])
@pytest.mark.parametrize("eps", [0.1, 0.15, 0.2])
def test_all_pairs_are_clustered_as_scikit_learn_clusters_a_full_matrix(monkeypatch, rows_at_once, eps):
    monkeypatch.setattr(density, "_ROWS_AT_ONCE", rows_at_once)
    features = random_features().numpy()
    distance = np.clip(1 - features @ features.T, 0, None)
    distance = np.maximum(distance, distance.T)
    np.fill_diagonal(distance, 0)
    expected = DBSCAN(eps=eps, min_samples=4, metric="precomputed").fit(distance).labels_
    assert clusters(distance, eps=eps, min_crops=4) == expected.tolist()
    assert {-1, 0, 1} <= set(expected.tolist())


def test_a_graph_with_all_near_pairs_is_clustered_like_all_pairs():
    distance = line(0, 1, 2, 20, 10, 11, 12, 3.5)
    graph = NearPairs(graph_of(distance, within=3, far=8))
    assert DensityClusters(1, 3).cluster(graph, None, min_number=2).tolist() == clusters(distance, eps=1, min_crops=3)


@pytest.mark.parametrize("lambda_value", [0.0, 0.3])
def test_neighbours_are_enough_for_the_clusters_of_all_pairs(lambda_value):
    given = DistanceSettings(lambda_value=lambda_value, max_dense_crops=300)
    on_graph = DistanceSettings(lambda_value=lambda_value, max_dense_crops=2, graph_neighbours=60)
    rule = ClusterSettings(rule="density", eps=0.4)
    similarity = CosineSimilarity(random_features())
    found = [labeller_of(distance, rule).label(similarity) for distance in (given, on_graph)]
    assert np.array_equal(found[0].labels, found[1].labels)
    assert found[0].num_clusters > 1


def test_noise_is_no_cluster_of_the_pseudo_labels():
    rule = ClusterSettings(rule="density", eps=0.001)
    found = labeller_of(DistanceSettings(kind="cosine"), rule).label(CosineSimilarity(random_features()))
    assert (found.num_clusters, found.num_labelled) == (0, 0)


def test_an_eps_beyond_the_graph_is_refused():
    graph = NearPairs(graph_of(line(0, 1, 2, 20), within=3, far=0.9))
    with pytest.raises(TrainingError, match=r"clusters\.eps 1 is not below 0\.900, the mean distance .* smaller eps"):
        DensityClusters(1, 2).cluster(graph, None, min_number=2)


def test_pairs_that_do_not_fit_are_refused_before_they_are_kept(monkeypatch):
    monkeypatch.setattr(near_pairs, "free_memory", lambda: 100)
    with pytest.raises(TrainingError, match=r"16 pairs of 4 crops lie within clusters\.eps 1\.5; .* smaller eps"):
        clusters(line(0, 0.1, 0.2, 0.3), eps=1.5, min_crops=2)


@pytest.mark.parametrize(("name", "value"), [("eps", 0.0), ("eps", 2.1), ("min_crops", 1)])
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(SettingsError, match=rf"clusters\.{name}"):
        ClusterSettings(**{name: value})


def test_growing_clusters_take_crops_and_each_other_up_to_the_mean_distance_worked_by_hand():
    # Dense are 0, 1, 2 and 10, 11, 12. 4 is 3 away from the first on average, 15 is 4 away from the second.
    places = (0, 1, 2, 10, 11, 12, 4, 15)
    assert clusters(line(*places), eps=1, min_crops=3, grow=3.1) == [0, 0, 0, 1, 1, 1, 0, -1]
    assert clusters(line(*places), eps=1, min_crops=3, grow=4.1) == [0, 0, 0, 1, 1, 1, 0, 1]
    assert clusters(line(*places), eps=1, min_crops=3, grow=11) == [0] * 8


def test_a_chain_that_density_found_is_not_cut_by_its_mean_distance():
    # The ends of the chain are 5 apart; average linkage alone, up to 1, cuts it into pairs.
    assert clusters(line(0, 1, 2, 3, 4, 5, 20), eps=1, min_crops=3, grow=1) == [0] * 6 + [-1]


def test_crops_in_thin_places_found_clusters_of_their_own_if_they_are_enough():
    # No crop has 3 within 0.5, so density finds nothing; 0, 1 and 2 join below 2, and so do 10 and 11, too few.
    assert clusters(line(0, 1, 2, 10, 11), eps=0.5, min_crops=3, grow=2) == [0, 0, 0, -1, -1]


def test_a_graph_with_all_near_pairs_grows_like_all_pairs():
    features = random_features().numpy()
    distance = np.clip(1 - features @ features.T, 0, None)
    distance = np.maximum(distance, distance.T)
    np.fill_diagonal(distance, 0)
    graph = graph_of(distance, within=2, far=5)
    found = DensityClusters(0.12, 4, 0.25).cluster(NearPairs(graph), None, min_number=2).tolist()
    assert found == clusters(distance.copy(), eps=0.12, min_crops=4, grow=0.25)
    assert found != clusters(distance.copy(), eps=0.12, min_crops=4)


def test_growing_to_the_distance_of_crops_without_an_edge_is_refused():
    graph = graph_of(line(0, 1, 2, 20), within=2, far=5)
    with pytest.raises(TrainingError, match=r"clusters\.grow 5 is not below 5\.000, .* Ask for a smaller grow"):
        DensityClusters(1, 2, 5).cluster(NearPairs(graph), None, min_number=2)
