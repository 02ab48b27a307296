"""Crops of no cluster (-1): a density clustering, plugged in by one entry, through both stages and into the table."""

from __future__ import annotations

import csv
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import DBSCAN

from iics.clustering import by_name
from iics.config import ClusterSettings, DistanceSettings
from iics.errors import TrainingError
from iics.labelling.labeller import labeller_of
from iics.labelling.pseudo_labels import NO_CLUSTER
from iics.methods.iics.stage1 import train_stage1
from iics.methods.iics.stage2 import train_stage2
from iics.runs.rounds import train
from iics.similarity.cosine import CosineSimilarity
from iics.training import context as training_context

COSINE = DistanceSettings(kind="cosine")
DENSITY = ClusterSettings(rule="density")
ROUTES = [DistanceSettings(kind="cosine", max_dense_crops=most) for most in (1000, 1)]


class Density:
    """Density clusters (DBSCAN): at least 3 crops, each nearer than 0.05 to the next."""

    def look(self, distances, _camera_ids):
        columns, block = distances.sample()
        assert len(columns) == len(distances)
        return DBSCAN(eps=0.05, min_samples=3, metric="precomputed").fit_predict(np.maximum(block, 0))

    def cluster(self, _distances, seen, *, min_number):
        return seen

    def expected_number(self, num_crops):
        return num_crops // 4

    def memory(self, distances, num_crops):
        return distances.sample_memory(num_crops)


@pytest.fixture(autouse=True)
def density(monkeypatch):
    """One line in the dictionary of clusterings."""
    monkeypatch.setitem(by_name.CLUSTERINGS, "density", lambda _given: Density())


def from_angles(*degrees: float) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radians.cos(), radians.sin()], dim=1)


# Per camera: four crops of a person near 0 degrees, four of one near 90, and one crop at 200 that is nobody's.
ANGLES = [0, 1, 2, 3, 90, 91, 92, 93, 200]
EXPECTED = [0, 0, 0, 0, 1, 1, 1, 1, NO_CLUSTER]


class GivenFeatures(torch.nn.Module):
    """Raw features at the angle that a crop's pixels name, times a weight that starts at 1."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, images):
        radians = torch.deg2rad(images.mean(dim=(1, 2, 3)) * 255)
        return torch.stack([radians.cos(), radians.sin()], dim=1) * self.weight


@pytest.fixture
def context(make_crops, make_context, tiny_settings, no_augmentation):
    """Make a working place of two cameras whose crops have the angles given, all clustered by density."""

    def make(*angles):
        stage2 = replace(tiny_settings.stage2, similarity="cnn", clusters=DENSITY, clusters_per_batch=2)
        stage1 = replace(tiny_settings.stage1, clusters=DENSITY)
        settings = replace(
            tiny_settings, distance=COSINE, stage1=stage1, stage2=stage2, augment=no_augmentation, rounds=1
        )
        every = np.array([angle for camera in angles for angle in camera], dtype=np.uint8)
        pixels = np.ascontiguousarray(np.broadcast_to(every[:, None, None, None], (len(every), 8, 4, 3)))
        crops = make_crops([len(camera) for camera in angles], identity_ids=[1] * len(every))
        return make_context(crops, settings=settings, pixels=pixels, backbone=GivenFeatures())

    return make


@pytest.fixture
def trained_on(monkeypatch):
    """The crops that batches were made of."""
    seen: set[int] = set()
    augmented = training_context.TrainingContext.augmented

    def count(self, batch):
        seen.update(batch.tolist())
        return augmented(self, batch)

    monkeypatch.setattr(training_context.TrainingContext, "augmented", count)
    return seen


@pytest.mark.parametrize("distance", ROUTES, ids=["all pairs", "graph"])
def test_a_labeller_takes_another_clustering_by_its_name(distance):
    labels = labeller_of(distance, DENSITY).label(CosineSimilarity(from_angles(*ANGLES)))
    assert labels.labels.tolist() == EXPECTED
    assert (labels.num_clusters, labels.num_labelled) == (2, 8)
    assert labeller_of(distance, DENSITY).memory(100, num_features=2) > 0


def test_stage_1_trains_on_the_crops_of_clusters_only(context, trained_on):
    result = train_stage1(context(ANGLES, ANGLES), {})
    assert result.labels.tolist() == EXPECTED + EXPECTED
    assert trained_on == {at for at in range(18) if at % 9 != 8}
    assert len(result.state["heads"]) == 2
    assert all(found["num_clusters"] == 2 for found in result.record["pseudo_labels"].values())


def test_a_camera_without_a_cluster_sits_stage_1_out(context, trained_on, caplog):
    scattered = [0, 40, 80, 120, 160]
    with caplog.at_level(logging.WARNING):
        result = train_stage1(context(ANGLES, scattered), {})
    assert [record.getMessage() for record in caplog.records] == [
        "Camera b has no cluster among its 5 crops, so it sits stage 1 out."
    ]
    assert result.labels.tolist() == EXPECTED + [NO_CLUSTER] * 5
    assert list(result.record["pseudo_labels"]) == ["a"]
    assert len(result.state["heads"]) == 1
    assert trained_on == set(range(8))


def test_no_cluster_in_any_camera_is_refused(context):
    with pytest.raises(TrainingError, match=r"^No camera has a cluster; stage 1 has nothing to learn\."):
        train_stage1(context([0, 60, 120], [0, 60, 120]), {})


def test_stage_2_trains_on_the_crops_of_clusters_only(context, trained_on):
    place = context(ANGLES, ANGLES)
    result = train_stage2(place, {})
    assert result.labels.tolist() == EXPECTED + EXPECTED
    assert trained_on
    assert trained_on <= {at for at in range(18) if at % 9 != 8}
    batch = place.settings.stage2.clusters_per_batch * place.settings.stage2.crops_per_cluster
    assert result.record["num_steps"] == place.settings.stage2.epochs * -(-16 // batch)


def test_no_cluster_over_all_cameras_is_refused(context):
    with pytest.raises(TrainingError, match=r"^Stage 2 found no cluster of 6 crops; training needs at least 2\."):
        train_stage2(context([0, 50, 100], [150, 200, 250]), {})


def test_a_round_with_noise_trains_and_writes_its_table(people, tiny_settings, tmp_path: Path, monkeypatch):
    class OneInFour(Density):
        """Every fourth crop is noise, the others fall into three clusters."""

        def look(self, distances, _camera_ids):
            place = np.arange(len(distances))
            return np.where(place % 4 == 3, NO_CLUSTER, place % 4)

    monkeypatch.setitem(by_name.CLUSTERINGS, "density", lambda _given: OneInFour())
    settings = replace(
        tiny_settings,
        rounds=1,
        stage1=replace(tiny_settings.stage1, clusters=DENSITY),
        stage2=replace(tiny_settings.stage2, clusters=DENSITY),
    )
    run = train(people.train, settings=settings, out=tmp_path / "run")
    with (tmp_path / "run" / "pseudo_labels" / "round-001.csv").open() as file:
        rows = list(csv.DictReader(file))
    num_crops = len(people.train)
    for stage in ("stage1_cluster", "stage2_cluster"):
        found = np.array([int(row[stage]) for row in rows])
        assert set(found) == {NO_CLUSTER, 0, 1, 2}
        assert 0 < (found == NO_CLUSTER).sum() <= num_crops // 4
    statistics = run.history[-1]["stage2"]["pseudo_labels"]
    labelled = sum(size * count for size, count in statistics["size_counts"])
    assert labelled == num_crops - num_crops // 4
    assert np.isfinite(run.history[-1]["stage2"]["loss"])
