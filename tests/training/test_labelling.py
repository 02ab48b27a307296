import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from iics.cluster_count import choose_number_of_clusters
from iics.clustering import average_linkage, cut_number, cut_quantile
from iics.config import ClusterSettings, DistanceSettings
from iics.similarity.reranking import k_reciprocal_distance
from iics.training.labelling import label_crops
from iics.training.randomness import crop_order

COSINE = DistanceSettings(kind="cosine")


@pytest.fixture
def similarity():
    """Cosines of three groups of 10 crops on the unit circle, around 0, 90 and 200 degrees."""
    spread = np.random.default_rng(0).uniform(-12, 12, size=(3, 10))
    angles = np.deg2rad(np.array([[0], [90], [200]]) + spread).ravel()
    return torch.tensor(np.cos(angles[:, None] - angles[None, :]), dtype=torch.float32)


GROUPS = [0] * 10 + [1] * 10 + [2] * 10


@pytest.mark.parametrize(("number", "expected"), [(2, 2), (3, 3), (15, 15), (16, 15), (600, 15)])
def test_fixed_number_is_never_more_than_half_the_crops(similarity, number, expected):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(number=number))
    assert labels.num_clusters == expected


def test_half_of_an_odd_number_of_crops_is_rounded_down(similarity):
    labels = label_crops(similarity[:7, :7], distance=COSINE, clusters=ClusterSettings(number=600))
    assert labels.num_clusters == 3


def test_two_crops_are_one_cluster(similarity):
    assert label_crops(similarity[:2, :2], distance=COSINE, clusters=ClusterSettings()).num_clusters == 1


def test_three_clusters_are_the_three_groups(similarity):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(number=3))
    assert labels.labels.tolist() == GROUPS


def test_quantile_cuts_at_the_share_of_pairs(similarity):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(rule="quantile", quantile=0.1))
    distance = (1 - similarity).numpy()
    assert labels.labels.tolist() == cut_quantile(average_linkage(distance), distance, 0.1).tolist()
    assert 3 < labels.num_clusters < 30


def test_auto_finds_the_three_groups(similarity):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(rule="auto"))
    assert labels.labels.tolist() == GROUPS


def test_auto_over_several_cameras_compares_different_cameras(similarity):
    camera_ids = np.array([0, 1] * 15)
    clusters = ClusterSettings(rule="auto")
    labels = label_crops(similarity, distance=COSINE, clusters=clusters, camera_ids=camera_ids)
    distance = (1 - similarity).numpy()
    expected = choose_number_of_clusters(average_linkage(distance), distance, camera_ids=camera_ids)
    assert labels.num_clusters == expected.number


def test_reranked_labels_come_from_the_reranked_distance():
    features = torch.nn.functional.normalize(torch.randn(60, 4, generator=torch.Generator().manual_seed(0)))
    similarity = features @ features.T
    clusters = ClusterSettings(number=8)
    reranking = DistanceSettings(kind="reranked", k1=10, k2=3, lambda_value=0.2)
    reranked = label_crops(similarity, distance=reranking, clusters=clusters).labels
    distance = k_reciprocal_distance((1 - similarity).numpy(), k1=10, k2=3, lambda_value=0.2)
    assert reranked.tolist() == cut_number(average_linkage(distance), 8).tolist()
    assert reranked.tolist() != label_crops(similarity, distance=COSINE, clusters=clusters).labels.tolist()


def agreement_on_equal_features(identity_ids):
    similarity = torch.ones(len(identity_ids), len(identity_ids))
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(number=600))
    return adjusted_rand_score(identity_ids, labels.labels)


def test_order_by_identity_would_leak_identities_through_ties():
    assert agreement_on_equal_features(np.repeat(np.arange(4), 30)) > 0.25


def test_order_of_training_leaks_nothing_through_ties():
    identity_ids = np.repeat(np.arange(4), 30)
    found = [agreement_on_equal_features(identity_ids[crop_order(seed, 120)]) for seed in range(20)]
    assert abs(np.mean(found)) < 0.02
    assert np.max(found) < 0.06


def test_order_of_training_is_a_permutation_that_the_seed_decides():
    order = crop_order(3, 50)
    assert sorted(order) == list(range(50))
    assert np.array_equal(order, crop_order(3, 50))
    assert not np.array_equal(order, crop_order(4, 50))
