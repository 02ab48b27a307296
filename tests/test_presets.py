"""The presets hold the constants of Sec. 4.2, each of them."""

import pytest

from iics.config import ClusterSettings, DistanceSettings, Settings, Stage2Settings
from iics.model_settings import ModelSettings
from iics.presets import BY_NAME, DUKEMTMC, MARKET1501, MSMT17, OWN_CAMERAS, SAMPLE
from iics.settings_json import from_json, to_json

PAPER = {
    "rounds": 40,
    "stages": "both",
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "model.backbone": "resnet50",
    "model.weights": "imagenet",
    "model.norm": "aibn",
    "model.norm_stages": (),  # the later half: layer3 and layer4
    "model.alpha_sharing": "block",
    "model.last_stride": 1,
    "model.height": 256,
    "model.width": 128,
    "augment.mirror_probability": 0.5,
    "augment.pad": 10,
    "augment.erase_probability": 0.5,
    "augment.erase_min_area": 0.02,
    "augment.erase_max_area": 0.4,
    "augment.erase_min_aspect": 0.3,
    "distance.kind": "reranked",
    "distance.k1": 20,
    "distance.k2": 6,
    "distance.lambda_value": 0.3,
    "stage1.epochs": 2,
    "stage1.crops_per_camera": 8,
    "stage1.steps_per_epoch": "shortest",
    "stage1.backbone_learning_rate": 0.0005,
    "stage1.head_learning_rate": 0.005,
    "stage1.clusters.rule": "fixed",
    "stage1.clusters.number": 600,
    "stage1.clusters.quantile": 0.0025,
    "stage2.epochs": 2,
    "stage2.clusters_per_batch": 16,
    "stage2.crops_per_cluster": 4,
    "stage2.backbone_learning_rate": 0.001,
    "stage2.head_learning_rate": 0.01,
    "stage2.similarity": "inter-camera",
    "stage2.mu": 0.02,
    "stage2.mu_power": 0.6,
    "stage2.triplet_weight": 1.0,
    "stage2.triplet_margin": 0.3,
    "stage2.clusters.rule": "fixed",
    "stage2.clusters.number": 800,
    "stage2.clusters.quantile": 0.0017,
}
MSMT17_DIFFERS = {"stage1.epochs": 12, "stage2.clusters.number": 1200}


def value_at(settings, path):
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings


@pytest.mark.parametrize("path", PAPER)
def test_market1501_and_dukemtmc_have_the_papers_value(path):
    assert value_at(MARKET1501, path) == PAPER[path]
    assert value_at(DUKEMTMC, path) == PAPER[path]


@pytest.mark.parametrize("path", PAPER)
def test_msmt17_has_the_papers_value(path):
    assert value_at(MSMT17, path) == (PAPER | MSMT17_DIFFERS)[path]


def test_the_defaults_are_the_papers_for_market1501():
    assert Settings() == MARKET1501


def test_your_own_cameras_take_what_the_study_found_best():
    stage1, stage2 = OWN_CAMERAS.stage1, OWN_CAMERAS.stage2
    assert stage1.clusters.rule == "auto"
    assert stage1.steps_per_epoch == "mean"
    assert (stage1.epochs, stage1.rounds, stage2.epochs) == (1, 1, 3)
    assert stage1.rates == stage2.rates == "cosine"
    assert stage2.clusters == ClusterSettings(rule="density", eps=0.5, min_crops=4, grow=0.75, least=16)
    assert (stage2.centring, stage2.one_camera_clusters, stage2.camera_diverse) == ("mean", "drop", True)
    assert stage2.proxies.weight == 0.5
    assert stage2.mu == 0.05
    assert OWN_CAMERAS.distance == DistanceSettings(k1=15, k2=4, lambda_value=0.0)
    assert OWN_CAMERAS.model == ModelSettings()
    assert OWN_CAMERAS.rounds == 40


def test_the_sample_is_trained_by_the_papers_method_with_automatic_numbers():
    assert SAMPLE.stage1.clusters.rule == SAMPLE.stage2.clusters.rule == "auto"
    assert SAMPLE.distance == DistanceSettings()
    assert SAMPLE.stage2 == Stage2Settings(mu=0.05, clusters=ClusterSettings(rule="auto"))


def test_the_sample_is_small_and_needs_no_download():
    assert (SAMPLE.model.backbone, SAMPLE.model.height, SAMPLE.model.width) == ("efficientnet_lite0", 128, 64)
    assert SAMPLE.rounds < 40


def test_msmt17_keeps_the_quantile_of_stage_2():
    assert MSMT17.stage2.clusters == ClusterSettings(number=1200, quantile=0.0017)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_preset_survives_the_settings_file(name, tmp_path):
    assert from_json(to_json(BY_NAME[name]), source=tmp_path / "settings.json") == BY_NAME[name]


def test_presets_are_found_by_name():
    assert set(BY_NAME) == {"market1501", "dukemtmc", "msmt17", "iics", "own-cameras", "own-cameras-offline", "sample"}
    assert BY_NAME["msmt17"] is MSMT17
