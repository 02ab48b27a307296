"""Labels by density over all cameras, and the checks before them."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from iics.config import ClusterSettings
from iics.errors import SettingsError, TrainingError
from iics.labelling.units import single_crops
from iics.methods import trainable
from iics.methods.by_name import method_of, stages_of, with_own_settings
from iics.methods.density_labels import LabelSettings, label_crops, labeller_with
from iics.similarity.cosine import CosineSimilarity
from iics.similarity.reranking import k_reciprocal_distance

METHODS = ("cluster-contrast", "camera-proxies")
TEN = single_crops(10)
DENSITY = LabelSettings(distance="cosine", clusters=ClusterSettings(rule="density", eps=0.01, min_crops=3))


def from_angles(*degrees: float) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


# Two people of two cameras, one person of camera b alone, and a crop that is nobody's.
ANGLES = from_angles(0, 1, 2, 90, 91, 92, 180, 181, 182, 250)
CAMERAS = [0, 0, 1, 0, 1, 1, 1, 1, 1, 0]


@pytest.fixture
def context(make_crops, make_context):
    crops = replace(make_crops([5, 5]), camera_ids=np.array(CAMERAS))
    return make_context(crops)


@pytest.fixture(params=METHODS)
def settings(request, tiny_settings):
    return with_own_settings(replace(tiny_settings, method=request.param))


def test_crops_get_the_labels_of_their_density_clusters(context):
    assert label_crops(context, ANGLES, DENSITY, TEN).labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, -1]


def test_clusters_of_one_camera_can_be_dropped(context):
    labels = label_crops(context, ANGLES, replace(DENSITY, one_camera_clusters="drop"), TEN)
    assert labels.labels.tolist() == [0, 0, 0, 1, 1, 1, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": 0.00001}, r"no cluster of 10 crops.* Raise .*--own\.clusters\.eps, now 1e-05.*--weights RUN"),
        ({"eps": 1.9}, r"one cluster of 10 crops.* Lower .*--own\.clusters\.eps, now 1\.9\)"),
        ({"rule": "fixed", "number": 2, "min_crops": 2}, None),
    ],
)
def test_too_few_clusters_are_refused_with_a_way_out(context, change, message):
    settings = replace(DENSITY, clusters=replace(DENSITY.clusters, **change))
    if message is None:
        assert label_crops(context, ANGLES, settings, TEN).num_clusters == 2
        return
    with pytest.raises(TrainingError, match=message):
        label_crops(context, ANGLES, settings, TEN)


def test_too_few_clusters_of_two_cameras_are_refused(context):
    settings = replace(DENSITY, one_camera_clusters="drop")
    with pytest.raises(TrainingError, match=r"no cluster of two cameras or more of 10 crops.*one-camera-clusters keep"):
        label_crops(context, from_angles(0, 1, 240, 2, 60, 30, 180, 181, 182, 90), settings, TEN)


def test_the_distance_is_the_methods_own_and_how_it_is_compared_everybodys(tiny_settings):
    given = replace(tiny_settings.distance, k1=5, max_dense_crops=7, graph_neighbours=50)
    labels = LabelSettings(distance="reranked")
    labeller = labeller_with(replace(tiny_settings, distance=given), labels, round_index=0)
    distances = labeller.distance.all_pairs(CosineSimilarity(ANGLES))
    assert labeller.distance.num_neighbours(100) == 31
    assert np.array_equal(
        distances, k_reciprocal_distance(1 - (ANGLES @ ANGLES.T).numpy(), k1=30, k2=6, lambda_value=0)
    )
    assert (labeller.max_dense_crops, labeller.num_neighbours) == (7, 50)


# --- checks


def test_enough_crops_are_accepted(settings, people):
    method_of(settings).check(people.train, settings)
    assert [stage.batch(people.train, settings).num_crops for stage in stages_of(settings)] == [64]


def test_too_few_crops_are_refused(settings, people):
    few = people.train.subset(np.array([0, 20, 40]))
    with pytest.raises(TrainingError, match=r"Two clusters need at least 4 crops; .* has 3"):
        method_of(settings).check(few, settings)


def test_crops_that_do_not_fit_are_refused(settings, people, monkeypatch):
    monkeypatch.setattr(trainable, "free_memory", lambda: 1)
    with pytest.raises(TrainingError, match="Clustering 54 crops needs about"):
        method_of(settings).check(people.train, settings)


def test_a_graph_of_neighbours_is_warned_of(settings, people, caplog):
    settings = replace(settings, distance=replace(settings.distance, max_dense_crops=20))
    with caplog.at_level(logging.WARNING):
        method_of(settings).check(people.train, settings)
    assert "54 crops are more than the 20 whose pairs are all compared" in caplog.text


@pytest.mark.parametrize("name", ["distance", "rule"])
def test_unknown_names_are_refused(settings, people, name):
    labels = settings.own.labels
    change = {"distance": "jacard"} if name == "distance" else {"clusters": replace(labels.clusters, rule="dbscan")}
    settings = replace(settings, own=replace(settings.own, labels=replace(labels, **change)))
    with pytest.raises(SettingsError, match="There is no"):
        method_of(settings).check(people.train, settings)
