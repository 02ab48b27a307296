import itertools
import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.config import ClusterSettings, DistanceSettings
from iics.errors import TrainingError
from iics.labelling.labeller import labeller_of
from iics.labelling.pseudo_labels import NO_CLUSTER
from iics.layers.normalization import GroupedBatchNorm2d
from iics.methods.iics.stage1 import (
    cameras_that_take_part,
    groups_that_fit,
    label_cameras,
    train_stage1,
)
from iics.similarity.cosine import CosineSimilarity
from iics.training.progress import ProgressEvent


@pytest.fixture
def stage1_settings(tiny_settings):
    def make(**changes):
        return replace(tiny_settings, stage1=replace(tiny_settings.stage1, **changes))

    return make


def test_loss_is_the_sum_over_cameras(make_crops, make_context, stage1_settings):
    # New heads have weights near 0, so each camera's cross-entropy starts at the log of its number of clusters.
    settings = stage1_settings(
        backbone_learning_rate=1e-9, head_learning_rate=1e-9, clusters=ClusterSettings(number=6), crops_per_camera=4
    )
    result = train_stage1(make_context(make_crops([12, 8, 12]), settings=settings), {})
    assert result.record["loss"] == pytest.approx(math.log(6) + math.log(4) + math.log(6), abs=0.02)


def test_batches_hold_every_cameras_group_in_order_of_the_cameras(
    make_crops, make_context, stage1_settings, no_augmentation
):
    crops = make_crops([8, 12, 9])
    pixels = np.broadcast_to((crops.camera_ids * 100).astype(np.uint8)[:, None, None, None], (len(crops), 16, 8, 3))
    settings = replace(stage1_settings(crops_per_camera=4), augment=no_augmentation)
    context = make_context(crops, settings=settings, pixels=np.ascontiguousarray(pixels))
    batches = []

    def note(module, inputs):
        if module.training:
            norm = next(m for m in module.modules() if isinstance(m, GroupedBatchNorm2d))
            batches.append(((inputs[0][:, 0, 0, 0] * 255 / 100).round().int().tolist(), norm.groups.size))

    context.model.backbone.register_forward_pre_hook(note)
    result = train_stage1(context, {})
    assert batches == [([0] * 4 + [1] * 4 + [2] * 4, 4)] * result.record["num_steps"]


def test_camera_with_one_crop_sits_out_with_a_warning_that_names_it(make_crops, make_context, caplog):
    with caplog.at_level(logging.WARNING):
        result = train_stage1(make_context(make_crops([6, 1, 8])), {})
    assert [record.getMessage() for record in caplog.records] == [
        "Camera b has 1 crop(s); stage 1 needs at least 2, so it sits out."
    ]
    assert len(result.state["heads"]) == 2
    assert list(result.record["pseudo_labels"]) == ["a", "c"]
    assert result.labels[6] == NO_CLUSTER
    assert (np.delete(result.labels, 6) >= 0).all()


def test_a_camera_that_only_query_and_gallery_have_is_not_told_of(make_crops, caplog):
    assert len(cameras_that_take_part(make_crops([6, 0, 8]))) == 2
    assert caplog.records == []


def test_no_camera_with_two_crops_is_refused(make_crops):
    with pytest.raises(TrainingError) as caught:
        cameras_that_take_part(make_crops([1, 1, 1]))
    assert str(caught.value) == "No camera has 2 crops or more; stage 1 has nothing to compare. Add crops."


def test_small_camera_does_not_lower_the_number_of_clusters_of_later_ones(make_crops, make_context, stage1_settings):
    context = make_context(make_crops([40, 4, 40]), settings=stage1_settings(clusters=ClusterSettings(number=15)))
    features = torch.randn(84, 8, generator=torch.Generator().manual_seed(0))
    features = torch.nn.functional.normalize(features)
    found = label_cameras(context, features, cameras_that_take_part(context.crops), context.units(features))
    assert [labels.num_clusters for labels in found] == [15, 2, 15]


@pytest.fixture(params=[1, 2])
def num_threads(request):
    """Work on so many cores."""
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


@pytest.mark.usefixtures("num_threads")
@pytest.mark.parametrize("rule", ["fixed", "quantile", "auto"])
@pytest.mark.parametrize(
    "distance",
    [
        DistanceSettings(kind="cosine", max_dense_crops=1000),  # all cameras at once
        DistanceSettings(kind="cosine", max_dense_crops=120),  # in groups
        DistanceSettings(k1=5, k2=3, max_dense_crops=70),  # the largest camera as a graph, by itself
        DistanceSettings(k1=5, k2=3, max_dense_crops=1),
    ],
    ids=["one group", "groups", "one graph", "graphs"],
)
def test_cameras_clustered_at_once_get_the_labels_of_one_by_one(
    make_crops, make_context, tiny_settings, distance, rule
):
    stage1 = replace(tiny_settings.stage1, clusters=ClusterSettings(rule=rule, number=9, quantile=0.05))
    context = make_context(
        make_crops([60, 90, 2, 45, 70]), settings=replace(tiny_settings, distance=distance, stage1=stage1)
    )
    features = torch.randn(267, 8, generator=torch.Generator().manual_seed(0))
    features, cameras = torch.nn.functional.normalize(features), cameras_that_take_part(context.crops)
    found = label_cameras(context, features, cameras, context.units(features))
    expected = [labeller_of(distance, stage1.clusters).label(CosineSimilarity(features[crops])) for crops in cameras]
    assert [one.labels.tolist() for one in found] == [one.labels.tolist() for one in expected]
    assert [one.num_clusters for one in found] == [one.num_clusters for one in expected]


def test_every_camera_clustered_is_reported(make_crops, make_context):
    events = []
    context = replace(make_context(make_crops([8, 9, 1, 7])), progress=events.append, stage="stage 1", round_index=1)
    features = torch.nn.functional.normalize(torch.randn(25, 8, generator=torch.Generator().manual_seed(0)))
    label_cameras(context, features, cameras_that_take_part(context.crops), context.units(features))
    assert events == [
        ProgressEvent(round_number=2, num_rounds=2, stage="stage 1", work="cluster", done=done, total=3)
        for done in (1, 2, 3)
    ]
    assert {event.phase for event in events} == {"stage 1: cluster"}


@pytest.mark.parametrize(
    ("sizes", "max_dense", "groups"),
    [
        ([3, 4], 5, [[0, 1]]),  # 9 + 16 = 25
        ([3, 4, 1], 5, [[0, 1], [2]]),
        ([3, 5, 4], 5, [[0], [1], [2]]),
        ([9, 1, 2], 5, [[0], [1, 2]]),  # larger than a full matrix: a graph, by itself
        ([1, 9, 2], 5, [[0], [1], [2]]),
        ([2, 2, 2, 2, 2], 4, [[0, 1, 2, 3], [4]]),
        ([7], 1, [[0]]),
        ([], 5, []),
    ],
)
def test_groups_worked_by_hand(sizes, max_dense, groups):
    assert groups_that_fit(sizes, max_dense) == groups


@pytest.mark.parametrize("seed", range(10))
def test_groups_hold_every_camera_once_in_order_and_fit(seed):
    rng = np.random.default_rng(seed)
    sizes, max_dense = rng.integers(2, 40, 15).tolist(), 45
    groups = groups_that_fit(sizes, max_dense)
    assert [place for group in groups for place in group] == list(range(15))
    assert all(sum(sizes[place] ** 2 for place in group) <= max_dense**2 for group in groups)
    for group, following in itertools.pairwise(groups):
        assert sum(sizes[place] ** 2 for place in [*group, following[0]]) > max_dense**2


@pytest.mark.parametrize("rule", ["shortest", "mean", "longest"])
def test_camera_smaller_than_its_share_of_a_batch_still_gives_steps(make_crops, make_context, stage1_settings, rule):
    settings = stage1_settings(epochs=2, crops_per_camera=8, steps_per_epoch=rule)
    result = train_stage1(make_context(make_crops([20, 3]), settings=settings), {})
    # Epochs of max(1, 3 // 8), 11.5 // 8 and 20 // 8 steps.
    assert result.record["num_steps"] == 2 * {"shortest": 1, "mean": 1, "longest": 2}[rule]
    assert math.isfinite(result.record["loss"])


def test_heads_have_as_many_outputs_as_clusters_were_found(make_crops, make_context, stage1_settings):
    settings = stage1_settings(clusters=ClusterSettings(rule="quantile", quantile=0.2))
    context = make_context(make_crops([20, 12, 7]), settings=settings)
    result = train_stage1(context, {})
    outputs = [head["weight"].shape[0] for head in result.state["heads"]]
    labels = [result.labels[context.crops.camera_ids == camera] for camera in range(3)]
    assert outputs == [camera.max() + 1 for camera in labels]
    assert outputs == [statistics["num_clusters"] for statistics in result.record["pseudo_labels"].values()]
    assert len(set(outputs)) > 1


def test_heads_follow_the_order_of_the_camera_names_whatever_the_order_of_the_crops(make_crops, make_context):
    crops = make_crops([10, 6, 8])
    result = train_stage1(make_context(crops.subset(np.arange(24)[::-1])), {})
    assert list(result.record["pseudo_labels"]) == ["a", "b", "c"]
    assert [head["weight"].shape[0] for head in result.state["heads"]] == [
        5,
        3,
        4,
    ]  # 6 clusters, never more than half the crops


def test_backbone_and_heads_learn(make_crops, make_context):
    context = make_context(make_crops([12, 12]))
    before = {name: value.clone() for name, value in context.model.backbone.named_parameters()}
    result = train_stage1(context, {})
    assert all(not torch.equal(before[name], value) for name, value in context.model.backbone.named_parameters())
    assert all((head["norm.bias"] == 0).all() for head in result.state["heads"])
    assert all((head["norm.weight"] != 1).any() for head in result.state["heads"])
