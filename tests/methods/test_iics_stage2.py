import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from iics.config import ClusterSettings, ProxySettings
from iics.errors import TrainingError
from iics.methods.iics.stage2 import mu_schedule, train_stage2
from iics.models.features import l2_normalise
from iics.models.heads import BNNeckHead, classifier_scores
from iics.similarity.by_name import DISTANCES, SIMILARITIES
from iics.similarity.camera_jaccard import camera_jaccard
from iics.similarity.crop_similarity import ComparedCrops

# Two people seen by two cameras, four crops each. A crop is one colour: red for camera a, green for camera b, and
# blue tells the people apart, but less than the camera does.
CAMERAS = [0] * 8 + [1] * 8
PEOPLE = ([0] * 4 + [1] * 4) * 2
COLOURS = {(0, 0): (250, 0, 20), (0, 1): (250, 0, 120), (1, 0): (0, 250, 20), (1, 1): (0, 250, 120)}


class MeanColour(nn.Module):
    """Raw features that can be read off a crop: its mean red, green and blue, times a weight that starts at 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, images):
        return images.mean(dim=(2, 3)) * self.weight


@pytest.fixture
def context(make_crops, make_context, tiny_settings, no_augmentation):
    def make(clusters=2, **changes):
        colours = np.array([COLOURS[pair] for pair in zip(CAMERAS, PEOPLE, strict=True)], dtype=np.uint8)
        colours[:, 2] += np.arange(16, dtype=np.uint8) % 4  # no two crops of a person are equal
        pixels = np.ascontiguousarray(np.broadcast_to(colours[:, None, None], (16, 8, 4, 3)))
        stage2 = replace(
            tiny_settings.stage2, clusters_per_batch=2, clusters=ClusterSettings(number=clusters), **changes
        )
        settings = replace(tiny_settings, stage2=stage2, augment=no_augmentation)
        return make_context(make_crops([8, 8]), settings=settings, pixels=pixels, backbone=MeanColour())

    return make


@pytest.fixture
def heads():
    """Heads of both cameras that look at blue alone: each is sure who of the two a crop shows."""
    found = []
    for _ in range(2):
        head = BNNeckHead(3, 2, generator=torch.Generator())
        # Red + green is 250 in every crop; person 0 has less than 70 of blue, person 1 more.
        head.weight.data = 100 * torch.tensor([[70 / 250, 70 / 250, -1.0], [-70 / 250, -70 / 250, 1.0]])
        found.append(head)
    return found


def same_partition(labels, expected):
    pairs = set(zip(labels.tolist(), expected, strict=True))
    return len(pairs) == len(set(labels.tolist())) == len(set(expected))


def trained(context, heads=()):
    return train_stage2(context, {"heads": [dict(head.state_dict()) for head in heads]})


@pytest.mark.parametrize(
    ("round_index", "expected"),
    # 0.02 * (3/4)^0.6, 0.02 * (1/2)^0.6, 0.02 * (1/4)^0.6
    [(0, 0.02), (10, 0.016829), (20, 0.013195), (30, 0.008706), (40, 0.0)],
)
def test_mu_decays_from_its_value_in_the_first_round_to_0_after_the_last(round_index, expected):
    mu = mu_schedule(0.02, round_index=round_index, num_rounds=40, power=0.6)
    assert mu == pytest.approx(expected, abs=1e-6)


def test_mu_is_positive_in_the_last_round():
    assert mu_schedule(0.02, round_index=39, num_rounds=40, power=0.6) == pytest.approx(0.02 * (1 / 40) ** 0.6)


def test_cnn_similarity_puts_crops_of_one_camera_together(context, heads):
    assert same_partition(trained(context(similarity="cnn", mu=2.0), heads).labels, CAMERAS)


def test_overlap_alone_puts_crops_of_one_person_together(context, heads):
    assert same_partition(trained(context(similarity="overlap", mu=0.0), heads).labels, PEOPLE)


def test_inter_camera_similarity_puts_crops_of_one_person_together_if_mu_is_large(context, heads):
    assert same_partition(trained(context(similarity="inter-camera", mu=2.0), heads).labels, PEOPLE)


def test_inter_camera_similarity_without_mu_is_that_of_the_features(context, heads):
    assert same_partition(trained(context(similarity="inter-camera", mu=0.0), heads).labels, CAMERAS)


def test_similarities_of_two_crops_agree_with_equations_5_and_9(heads):
    raw = torch.tensor([COLOURS[pair] for pair in zip(CAMERAS, PEOPLE, strict=True)]) / 255
    same, across = (0, 1), (0, 8)  # person 0 twice in camera a; person 0 in cameras a and b
    cosine = 20 * 20 / (250 * 250 + 20 * 20)  # of (250, 0, 20) and (0, 250, 20)
    expected = {"cnn": (1, cosine), "overlap": (1, 1), "inter-camera": (1, cosine + 0.5)}
    crops = ComparedCrops(
        l2_normalise(raw), torch.tensor(CAMERAS), 0.5, scores=classifier_scores(raw, heads), num_heads=len(heads)
    )
    assert expected.keys() == SIMILARITIES.keys()
    for kind, (of_same, of_across) in expected.items():
        similarity = SIMILARITIES[kind].compare(crops).matrix()
        assert similarity[same].item() == pytest.approx(of_same, abs=1e-5)
        assert similarity[across].item() == pytest.approx(of_across, abs=1e-5)


@pytest.mark.parametrize("kind", ["cnn", "overlap", "inter-camera"])
@pytest.mark.parametrize("max_dense_crops", [16, 15])
def test_labels_are_the_same_from_all_pairs_and_from_a_graph_of_them(context, heads, kind, max_dense_crops):
    working_place = context(similarity=kind, mu=2.0)
    distance = replace(working_place.settings.distance, max_dense_crops=max_dense_crops)
    working_place = replace(working_place, settings=replace(working_place.settings, distance=distance))
    expected = CAMERAS if kind == "cnn" else PEOPLE
    assert same_partition(trained(working_place, heads).labels, expected)


@pytest.mark.parametrize("max_dense_crops", [100, 1])
def test_stage_2_clusters_by_its_own_distance_and_the_round(context, heads, max_dense_crops, monkeypatch):
    seen = []

    def distance_of(given):
        seen.append((given.kind, given.k2_intra, given.k2_inter))
        return camera_jaccard(given)

    monkeypatch.setitem(DISTANCES, "camera-jaccard", distance_of)
    working = context(similarity="cnn", distance="camera-jaccard")
    settings = replace(working.settings, distance=replace(working.settings.distance, max_dense_crops=max_dense_crops))
    for index in (0, 1):
        trained(replace(working, settings=settings, round_index=index), heads)
    assert seen == [("camera-jaccard", 3, 3), ("camera-jaccard", 2, 4)]


@pytest.mark.parametrize(("most_clusters_of_a_camera", "expected"), [(2, 2), (5, 5)])
def test_automatic_number_is_no_less_than_the_clusters_of_the_fullest_camera(
    context, heads, most_clusters_of_a_camera, expected
):
    working_place = context(similarity="overlap")
    stage2 = replace(working_place.settings.stage2, clusters=ClusterSettings(rule="auto"))
    working_place = replace(working_place, settings=replace(working_place.settings, stage2=stage2))
    nobody = torch.full((most_clusters_of_a_camera - 2, 3), -100.0)  # classes that no crop is taken for
    heads[1].weight.data = torch.cat([heads[1].weight.data, nobody])
    assert trained(working_place, heads).record["pseudo_labels"]["num_clusters"] == expected


def on_features_alone(context):
    return replace(
        context, settings=replace(context.settings, stage2=replace(context.settings.stage2, similarity="cnn"))
    )


def test_one_cluster_is_refused(make_crops, make_context):
    context = on_features_alone(make_context(make_crops([2, 1])))  # half of 3 crops is 1 cluster
    with pytest.raises(TrainingError) as caught:
        trained(context)
    assert str(caught.value).startswith("Stage 2 put all 3 crops into one cluster; training needs at least 2.")
    assert "--stage2.clusters.rule fixed --stage2.clusters.number N" in str(caught.value)


def test_too_few_dense_places_are_told_of_and_the_dendrogram_is_cut_instead(context, heads, caplog):
    def labelled(least):
        working_place = context(similarity="overlap", one_camera_clusters="drop")
        clusters = ClusterSettings(rule="density", min_crops=17, least=least)  # there are 16 crops
        stage2 = replace(working_place.settings.stage2, clusters=clusters)
        settings = replace(working_place.settings, stage2=stage2)
        return trained(replace(working_place, settings=settings), heads).labels

    with pytest.raises(
        TrainingError,
        match=r"found no cluster of 16.*raise --stage2.clusters.eps, now 0.5; or lower .*min-crops, now 17",
    ):
        labelled(least=0)
    assert caplog.records == []
    assert same_partition(labelled(least=2), PEOPLE)
    assert [record.getMessage() for record in caplog.records] == [
        "Round 1: density found 0 clusters to train on among 16 crops, fewer than stage2.clusters.least 2; this "
        "round, and others like it, train on all clusters of the rule auto."
    ]


def test_one_dense_cluster_is_told_to_be_too_far_reaching_whatever_its_cameras(context, heads):
    working_place = context(similarity="overlap", one_camera_clusters="drop")
    clusters = ClusterSettings(rule="density", eps=2, grow=1.5)
    settings = replace(working_place.settings, stage2=replace(working_place.settings.stage2, clusters=clusters))
    with pytest.raises(TrainingError) as caught:
        trained(replace(working_place, settings=settings), heads)
    assert str(caught.value) == (
        "Stage 2 put all 16 crops into one cluster; training needs at least 2. Ask for more clusters "
        "(--stage2.clusters.rule fixed --stage2.clusters.number N; or lower --stage2.clusters.eps, now 2 and "
        "--stage2.clusters.grow, now 1.5) or check that crops differ."
    )


def test_fewer_clusters_than_a_batch_holds_are_told_of_once_without_alarm(make_crops, make_context, caplog):
    context = on_features_alone(make_context(make_crops([3, 3])))
    with caplog.at_level(logging.INFO):
        result = trained(context)
        trained(replace(context, round_index=1))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "INFO",
            "Stage 2 found 3 clusters, fewer than the 4 of a batch: batches hold all of them, as usual for few crops.",
        )
    ]
    assert result.record["num_steps"] == 1


def test_without_triplet_weight_only_cross_entropy_is_left(context, heads):
    record = trained(context(triplet_weight=0.0, triplet_margin=2.0, similarity="cnn", mu=0.0), heads).record
    assert record["loss"] == record["cross_entropy"]
    assert record["triplet"] > 0


def test_loss_is_cross_entropy_plus_weighted_triplet(context, heads):
    record = trained(context(triplet_weight=0.5, triplet_margin=2.0, similarity="cnn", mu=0.0), heads).record
    assert record["loss"] == pytest.approx(record["cross_entropy"] + 0.5 * record["triplet"])
    assert record["triplet"] > 0


def test_epoch_has_as_many_steps_as_fill_all_crops(context, heads):
    record = trained(context(epochs=3, crops_per_cluster=3, similarity="cnn", mu=0.0), heads).record
    assert record["num_steps"] == 3 * 3  # 16 crops in batches of 2 x 3


def test_mu_and_pseudo_labels_are_recorded(context, heads):
    record = trained(context(similarity="overlap", mu=0.125), heads).record
    assert record["mu"] == 0.125
    assert record["pseudo_labels"]["num_clusters"] == 2
    assert record["pseudo_labels"]["camera_entropy_normalized"] == pytest.approx(1.0)


def test_mu_is_that_of_the_round(context, heads):
    first = context(similarity="inter-camera", mu=2.0)
    last = replace(first, round_index=1)  # of two
    assert trained(first, heads).record["mu"] == 2.0
    assert trained(last, heads).record["mu"] == pytest.approx(2 * 0.5**0.6)


def test_nothing_is_left_for_the_stage_after(context, heads):
    assert trained(context(similarity="cnn", mu=0.0), heads).state == {}


def test_centred_features_put_crops_of_one_person_together_where_plain_ones_do_not(context, heads, monkeypatch):
    monkeypatch.setattr("iics.labelling.centring.LEAST_CROPS", 8)
    given = {"similarity": "cnn", "mu": 0.0}
    assert same_partition(trained(context(**given), heads).labels, CAMERAS)
    for centring in ("mean", "scaled"):
        assert same_partition(trained(context(**given, centring=centring), heads).labels, PEOPLE)


def test_where_every_cluster_is_of_one_camera_dropping_them_is_refused(context, heads):
    with pytest.raises(TrainingError, match=r"found 2 clusters, and 0 of them of two cameras.*clusters keep"):
        trained(context(similarity="cnn", mu=0.0, one_camera_clusters="drop"), heads)


def test_dropped_clusters_take_no_part(context, heads):
    result = trained(context(clusters=3, similarity="overlap", one_camera_clusters="drop", epochs=1), heads)
    kept = result.labels >= 0
    cameras = np.array(CAMERAS)
    for label in set(result.labels[kept]):
        assert len(set(cameras[result.labels == label])) == 2
    assert result.record["pseudo_labels"]["labelled_share"] == pytest.approx(kept.mean())


def test_proxies_are_a_term_of_the_record_and_part_of_the_loss(context, heads):
    settings = {"similarity": "overlap", "proxies": ProxySettings(weight=0.5), "camera_diverse": True}
    record = trained(context(**settings), heads).record
    assert record["proxies"] > 0
    expected = record["cross_entropy"] + record["triplet"] + 0.5 * record["proxies"]
    assert record["loss"] == pytest.approx(expected, rel=1e-5)


def test_weighing_clusters_alike_changes_nothing(context, heads):
    records = [
        trained(context(similarity="overlap", one_camera_clusters=kind), heads).record for kind in ("keep", "weigh")
    ]
    assert records[0]["loss"] == pytest.approx(records[1]["loss"], rel=1e-6)  # both clusters mix two cameras evenly
