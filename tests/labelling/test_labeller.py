from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from iics.clustering import near_pairs
from iics.clustering.average_linkage import AllPairs, linkage_in_place
from iics.clustering.cluster_count import choose_number_of_clusters, comparisons_of
from iics.clustering.cuts import cut_distance, cut_number
from iics.clustering.near_pairs import NearPairs
from iics.config import ClusterSettings, DistanceSettings, Settings, Stage2Settings
from iics.errors import SettingsError
from iics.labelling import labeller
from iics.labelling.labeller import labeller_of, max_dense_crops, stage2_distance
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.inter_camera import InterCameraSimilarity
from iics.similarity.overlap_similarity import OverlapSimilarity
from iics.similarity.reranking import k_reciprocal_distance
from iics.training.randomness import crop_order

COSINE = DistanceSettings(kind="cosine")
AUTO = ClusterSettings(rule="auto")


def average_linkage(distance: np.ndarray) -> np.ndarray:
    return linkage_in_place(np.array(distance, dtype=np.float32))


def label_crops(similarity, *, distance, clusters, **given):
    return labeller_of(distance, clusters).label(similarity, **given)


def prepare(similarity, *, distance, clusters, **given):
    return labeller_of(distance, clusters).prepare(similarity, **given)


def from_angles(degrees):
    radians = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64))
    return torch.stack([radians.cos(), radians.sin()], dim=1).float()


SPREAD = np.random.default_rng(0).uniform(-12, 12, size=(3, 10))
FEATURES = from_angles((np.array([[0], [90], [200]]) + SPREAD).ravel())
GROUPS = [0] * 10 + [1] * 10 + [2] * 10


@pytest.fixture
def similarity():
    """Cosines of three groups of 10 crops on the unit circle, around 0, 90 and 200 degrees."""
    return CosineSimilarity(FEATURES)


def people_features(num_people, crops_each, *, noise=0.6, seed=0):
    """Return features of people, a few crops each, in an order that knows no identity; and the identities."""
    generator = torch.Generator().manual_seed(seed)
    identity_ids = torch.arange(num_people).repeat(crops_each)[
        torch.randperm(num_people * crops_each, generator=generator)
    ]
    features = torch.randn(num_people, 24, generator=generator)[identity_ids]
    features = features + noise * torch.randn(len(features), 24, generator=generator)
    return torch.nn.functional.normalize(features, dim=1), identity_ids.numpy()


def people_similarity(kind, *, num_people=30, crops_each=6, order=None):
    """Return a similarity of people seen by 3 cameras, its crops in the order given; and their cameras."""
    features, identity_ids = people_features(num_people, crops_each)
    generator = torch.Generator().manual_seed(5)
    cameras = torch.randint(0, 3, (len(features),), generator=generator)
    logits = torch.randn(num_people, 3, 10, generator=generator)[torch.from_numpy(identity_ids)]
    logits = 2 * logits + torch.randn(len(features), 3, 10, generator=generator)
    scores = logits.softmax(dim=2).reshape(len(features), -1)
    order = torch.arange(len(features)) if order is None else torch.from_numpy(order)
    features, scores, cameras = features[order], scores[order], cameras[order]
    overlap = OverlapSimilarity(scores, num_heads=3)
    kinds = {
        "cosine": lambda: CosineSimilarity(features),
        "overlap": lambda: overlap,
        "inter-camera": lambda: InterCameraSimilarity(features, overlap, cameras, mu=0.5),
    }
    return kinds[kind](), cameras.numpy()


# --- where the dendrogram is cut


@pytest.mark.parametrize(("number", "expected"), [(2, 2), (3, 3), (15, 15), (16, 15), (600, 15)])
def test_fixed_number_is_never_more_than_half_the_crops(similarity, number, expected):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(number=number))
    assert labels.num_clusters == expected


def test_half_of_an_odd_number_of_crops_is_rounded_down():
    labels = label_crops(CosineSimilarity(FEATURES[:7]), distance=COSINE, clusters=ClusterSettings(number=600))
    assert labels.num_clusters == 3


def test_three_clusters_are_the_three_groups(similarity):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(number=3))
    assert labels.labels.tolist() == GROUPS


def test_quantile_cuts_at_the_share_of_pairs(similarity):
    labels = label_crops(similarity, distance=COSINE, clusters=ClusterSettings(rule="quantile", quantile=0.1))
    distance = 1 - similarity.matrix()
    assert labels.labels.tolist() == cut_distance(average_linkage(distance), AllPairs(distance).quantile(0.1)).tolist()
    assert 3 < labels.num_clusters < 30


def test_auto_finds_the_three_groups(similarity):
    assert label_crops(similarity, distance=COSINE, clusters=AUTO).labels.tolist() == GROUPS


def test_auto_over_several_cameras_compares_different_cameras(similarity):
    camera_ids = np.array([0, 1] * 15)
    labels = label_crops(similarity, distance=COSINE, clusters=AUTO, camera_ids=camera_ids)
    distance = 1 - similarity.matrix()
    comparisons = comparisons_of(distance, np.arange(30), camera_ids=camera_ids)
    assert labels.num_clusters == choose_number_of_clusters(average_linkage(distance), comparisons).number


@pytest.mark.parametrize("max_dense", [1000, 10])
def test_auto_is_never_less_than_the_smallest_number_allowed(similarity, max_dense):
    distance = DistanceSettings(kind="cosine", max_dense_crops=max_dense)
    assert label_crops(similarity, distance=distance, clusters=AUTO, min_number=7).num_clusters >= 7


def test_reranked_labels_come_from_the_reranked_distance():
    features = torch.nn.functional.normalize(torch.randn(60, 4, generator=torch.Generator().manual_seed(0)))
    similarity, clusters = CosineSimilarity(features), ClusterSettings(number=8)
    reranking = DistanceSettings(kind="reranked", k1=10, k2=3, lambda_value=0.2)
    reranked = label_crops(similarity, distance=reranking, clusters=clusters).labels
    distance = k_reciprocal_distance(1 - similarity.matrix(), k1=10, k2=3, lambda_value=0.2)
    assert reranked.tolist() == cut_number(average_linkage(distance), 8).tolist()
    assert reranked.tolist() != label_crops(similarity, distance=COSINE, clusters=clusters).labels.tolist()


# --- order, copies, few crops, bad features


def agreement_on_equal_features(identity_ids):
    similarity = CosineSimilarity(from_angles(np.zeros(len(identity_ids))))
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


ROUTES = {
    "cosine": DistanceSettings(kind="cosine", max_dense_crops=1000),
    "reranked": DistanceSettings(k1=10, max_dense_crops=1000),
    "cosine graph": DistanceSettings(kind="cosine", max_dense_crops=1, graph_neighbours=30),
    "reranked graph": DistanceSettings(k1=10, max_dense_crops=1, graph_neighbours=30),
}


@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
@pytest.mark.parametrize("kind", ["cosine", "overlap", "inter-camera"])
@pytest.mark.parametrize("route", ROUTES)
def test_shuffled_crops_give_the_same_partition(reference, route, kind, rule):
    clusters = ClusterSettings(rule=rule, number=25, quantile=0.03)
    order = np.random.default_rng(1).permutation(180)
    found = []
    for at in (np.arange(180), order):
        similarity, cameras = people_similarity(kind, order=at)
        found.append(label_crops(similarity, distance=ROUTES[route], clusters=clusters, camera_ids=cameras))
    first, shuffled = found
    assert 3 < first.num_clusters < 170
    agreement = adjusted_rand_score(first.labels[order], shuffled.labels)
    if rule == "auto" or "graph" in route:  # sampled rows and rounded scores may move a cut by a merge
        assert agreement > 0.95
    else:
        assert reference.partition(first.labels[order]) == reference.partition(shuffled.labels)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
def test_two_crops_are_one_cluster(route, rule):
    similarity = CosineSimilarity(from_angles([0, 30]))
    clusters = ClusterSettings(rule=rule, quantile=0.5)
    labels = label_crops(similarity, distance=ROUTES[route], clusters=clusters, camera_ids=np.array([0, 1]))
    assert labels.labels.tolist() == [0, 0]


@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
def test_one_crop_is_one_cluster(rule):
    labels = label_crops(CosineSimilarity(from_angles([30])), distance=COSINE, clusters=ClusterSettings(rule=rule))
    assert labels.labels.tolist() == [0]


@pytest.mark.parametrize("route", ROUTES)
def test_copies_of_one_crop_are_one_cluster_by_the_automatic_number(route):
    # No more than k1 + 1: of more, re-ranking takes the first for each other's nearest (see test_reranking).
    copies = CosineSimilarity(torch.nn.functional.normalize(torch.arange(1.0, 13)[None], dim=1).repeat(11, 1))
    assert label_crops(copies, distance=ROUTES[route], clusters=AUTO).num_clusters == 1
    across = label_crops(copies, distance=ROUTES[route], clusters=AUTO, camera_ids=np.arange(11) % 2)
    assert across.num_clusters == 1


@pytest.mark.parametrize("route", ROUTES)
def test_copies_of_one_crop_are_cut_into_the_fixed_number(route):
    copies = CosineSimilarity(from_angles([40] * 25))
    assert label_crops(copies, distance=ROUTES[route], clusters=ClusterSettings(number=4)).num_clusters == 4


@pytest.mark.parametrize("route", ROUTES)
def test_copies_of_each_crop_fall_into_its_cluster(route):
    place = np.arange(40) % 4
    similarity = CosineSimilarity(from_angles(np.array([0, 30, 150, 200])[place]))
    labels = label_crops(similarity, distance=ROUTES[route], clusters=ClusterSettings(number=4)).labels
    assert labels.tolist() == place.tolist()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
def test_crops_of_one_camera_can_be_labelled_as_those_of_several(similarity, route, rule):
    clusters = ClusterSettings(rule=rule, number=3, quantile=0.1)
    cameras = np.zeros(30, dtype=np.int64)
    labels = label_crops(similarity, distance=ROUTES[route], clusters=clusters, camera_ids=cameras)
    plain = label_crops(similarity, distance=ROUTES[route], clusters=clusters)
    assert np.array_equal(labels.labels, plain.labels)
    assert rule != "auto" or labels.num_clusters == 3, "with no crop of another camera, this one's are compared"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("crop", [0, 17, 29])
def test_features_that_are_not_finite_are_refused(route, crop):
    features = FEATURES.clone()
    features[crop, 1] = float("nan")
    with pytest.raises(ValueError, match="distance holds NaN or infinite values; check the features"):
        label_crops(CosineSimilarity(features), distance=ROUTES[route], clusters=ClusterSettings(number=3))


@pytest.mark.parametrize("route", ROUTES)
def test_features_are_unchanged(route):
    features = FEATURES.clone()
    label_crops(CosineSimilarity(features), distance=ROUTES[route], clusters=AUTO)
    assert torch.equal(features, FEATURES)


# --- the graph of neighbours


def dense_and_graph(kind, *, graph_neighbours, distance_kind, clusters):
    similarity, cameras = people_similarity(kind)
    found = [
        label_crops(
            similarity,
            distance=DistanceSettings(distance_kind, k1=10, max_dense_crops=most, graph_neighbours=graph_neighbours),
            clusters=clusters,
            camera_ids=cameras,
        )
        for most in (180, 179)
    ]
    return found[0].labels, found[1].labels


@pytest.mark.parametrize("rule", ["fixed", "auto"])
@pytest.mark.parametrize("distance_kind", ["cosine", "reranked"])
@pytest.mark.parametrize("kind", ["cosine", "overlap", "inter-camera"])
@pytest.mark.parametrize("graph_neighbours", [180, 500])
def test_a_graph_of_all_pairs_gives_the_labels_of_the_matrix(kind, distance_kind, rule, graph_neighbours):
    dense, graph = dense_and_graph(
        kind,
        graph_neighbours=graph_neighbours,
        distance_kind=distance_kind,
        clusters=ClusterSettings(rule=rule, number=25),
    )
    assert np.array_equal(dense, graph)
    assert 2 < dense.max() + 1 <= 90


@pytest.mark.parametrize("rule", ["fixed", "auto", "quantile"])
@pytest.mark.parametrize("distance_kind", ["cosine", "reranked"])
@pytest.mark.parametrize("kind", ["cosine", "inter-camera"])
def test_a_graph_of_few_neighbours_gives_nearly_the_labels_of_the_matrix(kind, distance_kind, rule):
    dense, graph = dense_and_graph(
        kind,
        graph_neighbours=40,
        distance_kind=distance_kind,
        clusters=ClusterSettings(rule=rule, number=30, quantile=0.025),
    )
    assert adjusted_rand_score(dense, graph) > 0.9


@pytest.mark.parametrize("quantile", [0.001, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("distance_kind", ["cosine", "reranked"])
def test_the_quantile_of_the_graph_is_that_of_all_pairs(quantile, distance_kind):
    settings = {"kind": distance_kind, "k1": 10, "graph_neighbours": 180}
    similarity, clusters = people_similarity("cosine")[0], ClusterSettings(rule="quantile", quantile=quantile)
    dense, graph = (
        prepare(similarity, distance=DistanceSettings(max_dense_crops=most, **settings), clusters=clusters)
        for most in (180, 179)
    )
    assert graph.seen == pytest.approx(dense.seen, abs=3e-6)


@pytest.mark.parametrize("seed", [0, 1, 14, 24, 40, 54, 82])  # rounding put the threshold of some below the merge
def test_a_quantile_cut_of_the_graph_joins_the_pair_it_lies_at(seed):
    features = torch.randn(10, 32, generator=torch.Generator().manual_seed(seed))
    similarity = CosineSimilarity(torch.nn.functional.normalize(features, dim=1))
    clusters = ClusterSettings(rule="quantile", quantile=0.01)  # of 45 pairs: the nearest
    dense, graph = (
        label_crops(similarity, distance=DistanceSettings(kind="cosine", max_dense_crops=most), clusters=clusters)
        for most in (10, 9)
    )
    assert dense.num_clusters == 9
    assert np.array_equal(dense.labels, graph.labels)


def test_the_quantile_of_many_crops_is_that_of_a_sample(monkeypatch):
    similarity, clusters = people_similarity("cosine")[0], ClusterSettings(rule="quantile", quantile=0.1)
    distance = DistanceSettings(kind="cosine", max_dense_crops=1)
    exact = prepare(similarity, distance=distance, clusters=clusters).seen
    monkeypatch.setattr(near_pairs, "MOST_SAMPLED", 45)
    sampled = prepare(similarity, distance=distance, clusters=clusters).seen
    assert sampled != exact
    assert sampled == pytest.approx(exact, rel=0.05)


def test_the_automatic_number_of_many_crops_comes_from_a_sample(monkeypatch):
    similarity, cameras = people_similarity("cosine")
    distance = DistanceSettings(kind="cosine", max_dense_crops=1)
    monkeypatch.setattr(near_pairs, "_SAMPLED_BYTES", 4 * 180 * 60)
    prepared = prepare(similarity, distance=distance, clusters=AUTO, camera_ids=cameras)
    assert sum(len(comparison.columns) for comparison in prepared.seen) == 60
    labels = labeller_of(distance, AUTO).cluster(prepared)
    assert abs(labels.num_clusters - 30) <= 3


@pytest.mark.parametrize("distance_kind", ["cosine", "reranked"])
def test_approximate_neighbours_give_the_labels_of_exact_ones(distance_kind):
    pytest.importorskip("faiss")
    similarity, cameras = people_similarity("inter-camera", num_people=120, crops_each=10)  # more than one cell
    settings = {"kind": distance_kind, "k1": 10, "max_dense_crops": 1, "graph_neighbours": 40}
    exact, found = (
        label_crops(
            similarity,
            distance=DistanceSettings(neighbour_search=search, **settings),
            clusters=ClusterSettings(number=120),
            camera_ids=cameras,
        )
        for search in ("exact", "faiss")
    )
    assert adjusted_rand_score(exact.labels, found.labels) > 0.9


def test_approximate_neighbours_of_overlap_alone_are_refused():
    pytest.importorskip("faiss")
    distance = DistanceSettings(max_dense_crops=1, neighbour_search="faiss")
    with pytest.raises(SettingsError, match=r"Eq\. 9 alone needs exact"):
        label_crops(people_similarity("overlap")[0], distance=distance, clusters=AUTO)


# --- which route, and its memory


@pytest.mark.parametrize(("most", "is_graph"), [(31, False), (30, False), (29, True), (1, True)])
def test_all_pairs_are_compared_up_to_the_number_set(similarity, most, is_graph):
    distance = DistanceSettings(kind="cosine", max_dense_crops=most)
    prepared = prepare(similarity, distance=distance, clusters=AUTO)
    assert isinstance(prepared.distances, NearPairs) == is_graph


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(12 * 100**2, 100), (12 * 100**2 - 1, 99), (24 * 2**30, 46_340), (None, 20_000)],
)
def test_all_pairs_are_compared_up_to_a_third_of_memory(monkeypatch, memory, expected):
    monkeypatch.setattr(labeller, "total_memory", lambda: memory)
    assert max_dense_crops(DistanceSettings()) == expected
    assert max_dense_crops(DistanceSettings(max_dense_crops=7)) == 7


def test_little_memory_takes_the_graph(similarity, monkeypatch):
    monkeypatch.setattr(labeller, "total_memory", lambda: 12 * 29**2)
    prepared = prepare(similarity, distance=COSINE, clusters=ClusterSettings(number=3))
    assert isinstance(prepared.distances, NearPairs)
    monkeypatch.setattr(labeller, "total_memory", lambda: 12 * 30**2)
    prepared = prepare(similarity, distance=COSINE, clusters=ClusterSettings(number=3))
    assert prepared.distances.matrix.shape == (30, 30)


@pytest.mark.parametrize(
    ("rule", "expected"),
    # The matrix; and half of it to find a quantile in; and 4,000 columns of it three times to choose a number.
    [("fixed", 400e6), ("quantile", 600e6), ("auto", 400e6 + 480e6)],
)
def test_memory_of_all_pairs_worked_by_hand(rule, expected):
    distance = DistanceSettings(max_dense_crops=10_000)
    members = 4 * 10_000 * 21 * 12  # of the expanded sets of re-ranking
    assert labeller_of(distance, ClusterSettings(rule=rule)).memory(10_000, num_features=512) == expected + members


def test_memory_of_the_graph_worked_by_hand():
    settings = DistanceSettings(kind="cosine", max_dense_crops=1, graph_neighbours=50)
    memory = labeller_of(settings, ClusterSettings()).memory(1000, num_features=512)
    assert memory == 1000 * (90 * 50 + 4 * 256)
    with_faiss = replace(settings, neighbour_search="faiss")
    assert labeller_of(with_faiss, ClusterSettings()).memory(1000, num_features=512) == memory + 1000 * (
        90 * 50 + 3 * 4 * 256
    )


def test_memory_of_the_camera_aware_distance_worked_by_hand():
    settings = DistanceSettings(kind="camera-jaccard", max_dense_crops=1000)
    # 27 mutual neighbours averaged over 6 crops, and two lists of 21.
    of_weights = 1000 * (48 * 27 * 6 + 90 * 42)
    assert labeller_of(settings, ClusterSettings()).memory(1000, num_features=512) == 4 * 1000**2 + of_weights
    graph = replace(settings, max_dense_crops=1)
    expected = of_weights + 1000 * (90 * 100 + 4 * 256)
    assert labeller_of(graph, ClusterSettings()).memory(1000, num_features=512) == expected


@pytest.mark.parametrize("most", [1000, 1], ids=["all pairs", "graph"])
def test_cameras_reach_the_camera_aware_distance(most, reference):
    similarity, cameras = people_similarity("cosine")
    settings = DistanceSettings(kind="camera-jaccard", max_dense_crops=most, graph_neighbours=400)
    clusters = ClusterSettings(number=20)
    found = label_crops(similarity, distance=settings, clusters=clusters, camera_ids=cameras).labels
    distance = reference.camera_jaccard_distance(similarity.matrix(), cameras)
    expected = cut_number(average_linkage(distance), 20)
    assert adjusted_rand_score(expected, found) == 1
    without = label_crops(similarity, distance=settings, clusters=clusters).labels
    assert adjusted_rand_score(without, found) < 1


def test_stage_2_may_have_a_distance_of_its_own():
    settings = Settings(stage2=Stage2Settings(distance="camera-jaccard"))
    first, later = (stage2_distance(settings, round_index=index) for index in (0, 1))
    assert settings.distance.kind == "reranked"
    assert (first.kind, first.k2_intra, first.k2_inter) == ("camera-jaccard", 3, 3)
    assert (later.kind, later.k2_intra, later.k2_inter) == ("camera-jaccard", 2, 4)
    assert stage2_distance(Settings(), round_index=1) == Settings().distance


def test_memory_of_the_graph_grows_with_crops_and_neighbours():
    fixed = ClusterSettings()
    one, more, wider = (
        labeller_of(DistanceSettings(max_dense_crops=1, graph_neighbours=neighbours), fixed).memory(
            crops, num_features=512
        )
        for crops, neighbours in ((100_000, 100), (300_000, 100), (100_000, 200))
    )
    assert more == 3 * one
    assert one < wider < 2 * one
    assert one < 4 * 100_000**2 / 10


@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
@pytest.mark.parametrize("num_crops", [13_000, 40_000, 200_000])
def test_the_graph_takes_less_memory_than_all_pairs(rule, num_crops):
    clusters = ClusterSettings(rule=rule)
    graph, dense = (
        labeller_of(DistanceSettings(max_dense_crops=most), clusters).memory(num_crops, num_features=512)
        for most in (num_crops - 1, num_crops)
    )
    assert graph < dense


@pytest.mark.parametrize(("mu", "num_warnings"), [(0.001, 0), (5.0, 1)])
def test_neighbours_that_may_not_be_the_nearest_are_warned_of(mu, num_warnings, caplog):
    similarity, _ = people_similarity("inter-camera")
    heavy = InterCameraSimilarity(similarity.cosine.features, similarity.overlap, similarity.cameras, mu=mu)
    settings = DistanceSettings(max_dense_crops=1, graph_neighbours=30)
    label_crops(heavy, distance=settings, clusters=ClusterSettings(number=30))
    assert len(caplog.records) == num_warnings
    if num_warnings:
        assert "Raise distance.graph_neighbours above 30" in caplog.text


# --- a graph that falls into parts


@pytest.mark.parametrize("rule", ["fixed", "auto"])
@pytest.mark.parametrize("distance_kind", ["cosine", "reranked"])
def test_parts_of_the_graph_are_not_joined_at_random(distance_kind, rule, caplog):
    """Each of 12 people has more near crops than the graph has neighbours: nothing says which people are alike."""
    features, identity_ids = people_features(12, 40, noise=0.02)
    settings = DistanceSettings(kind=distance_kind, k1=10, max_dense_crops=1, graph_neighbours=30)
    clusters = ClusterSettings(rule=rule, number=5)
    labels = label_crops(CosineSimilarity(features), distance=settings, clusters=clusters)
    assert labels.num_clusters >= 12
    assert all(len(np.unique(identity_ids[labels.labels == cluster])) == 1 for cluster in range(labels.num_clusters))
    if rule == "fixed":
        assert labels.num_clusters == 12
        assert "falls into 12 parts, more than the 5 clusters asked for" in caplog.text
