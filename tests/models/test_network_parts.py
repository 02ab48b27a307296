"""GeM pooling and the neck of a network that is trained here."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from iics.errors import SettingsError, WeightsError
from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import set_norm_groups
from iics.model_settings import ModelSettings
from iics.models.model_file import read_header
from iics.models.network_parts import (
    FeatureNorm,
    GeneralisedMean,
    NetworkParts,
    fit_parts,
    trained_as,
    trained_parts,
)
from iics.models.reid_model import create_model, load_model

PLAIN = ModelSettings(backbone="test_resnet", weights="none", height=64, width=32)
BOTH = replace(PLAIN, pooling="gem", neck="batchnorm")
CPU = torch.device("cpu")


def model_of(settings):
    torch.manual_seed(0)
    return create_model(settings, device=CPU)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 32, 3), dtype=np.uint8)


def test_gem_worked_by_hand():
    pooled = GeneralisedMean()(torch.tensor([[[[1.0, 2.0], [3.0, 0.0]]]]))
    assert pooled.item() == pytest.approx(((1 + 8 + 27 + 0) / 4) ** (1 / 3))


def test_gem_of_power_1_is_the_average():
    pool, maps = GeneralisedMean(), torch.rand(3, 5, 4, 2)
    nn.init.ones_(pool.p)
    torch.testing.assert_close(pool(maps), maps.mean(dim=(2, 3)))
    assert GeneralisedMean(keeps_map=True)(maps).shape == (3, 5, 1, 1)


def test_gem_learns_its_power():
    pool = GeneralisedMean()
    pool(torch.rand(3, 5, 4, 2)).sum().backward()
    assert pool.p.grad is not None
    assert pool.p.grad.abs().item() > 0


def test_gem_of_bfloat16_maps_is_computed_in_float32():
    maps = torch.rand(3, 5, 4, 2).bfloat16()
    assert torch.equal(GeneralisedMean()(maps), GeneralisedMean()(maps.float()))


def test_the_neck_is_a_batch_norm_without_offset():
    neck, reference, x = FeatureNorm(6), nn.BatchNorm1d(6), torch.randn(9, 6)
    torch.testing.assert_close(neck(x), reference(x))
    torch.testing.assert_close(neck.eval()(x), reference.eval()(x))
    assert not neck.norm.bias.requires_grad


def test_the_neck_takes_its_statistics_over_the_groups_of_the_backbone():
    neck, x = FeatureNorm(6), torch.randn(8, 6)
    set_norm_groups(neck, NormGroups(4))
    expected = torch.cat([F.batch_norm(part, None, None, training=True) for part in x.split(4)])
    torch.testing.assert_close(neck(x), expected)


@pytest.mark.parametrize("backbone", ["test_resnet", "efficientnet_lite0", "mobilenetv3_small_050", "regnety_002"])
def test_pooling_and_neck_change_the_feature_of_any_backbone_and_not_its_length(backbone):
    made = {
        settings: model_of(settings).backbone
        for settings in (
            replace(PLAIN, backbone=backbone, last_stride=2, pooling=pooling, neck=neck)
            for pooling in ("average", "gem")
            for neck in ("none", "batchnorm")
        )
    }
    images = torch.rand(4, 3, 64, 32)
    features = [network(images) for network in made.values()]
    assert len({tuple(found.shape) for found in features}) == 1
    assert len({round(found.abs().sum().item(), 3) for found in features}) == 4


def test_a_neck_makes_the_feature_have_mean_0_in_training():
    features = model_of(BOTH).backbone.train()(torch.rand(8, 3, 64, 32))
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(features.shape[1]), atol=1e-4, rtol=0)


def test_both_are_kept_in_the_model_file(tmp_path, pixels):
    model = model_of(BOTH)
    model.backbone.train()(torch.rand(8, 3, 64, 32))
    with torch.no_grad():
        model.backbone.get_parameter("global_pool.p").fill_(4.5)
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.embed(pixels), model.embed(pixels))
    assert loaded.header.parts == NetworkParts(pooling="gem", neck=("feature-norm",))
    assert loaded.backbone.state_dict().keys() == model.backbone.state_dict().keys()


def test_a_plain_model_says_nothing_new(tmp_path):
    model_of(PLAIN).save(tmp_path / "model.safetensors")
    assert read_header(tmp_path / "model.safetensors").parts == NetworkParts()


def test_a_model_of_both_starts_one_of_both(tmp_path, pixels):
    model = model_of(BOTH)
    model.backbone.train()(torch.rand(8, 3, 64, 32))
    model.save(tmp_path / "model.safetensors")
    started = create_model(replace(BOTH, weights=str(tmp_path)), device=CPU)
    np.testing.assert_array_equal(started.embed(pixels), model.embed(pixels))


def test_a_plain_model_starts_one_of_both_whose_pooling_and_neck_are_new(tmp_path):
    model = model_of(PLAIN)
    model.save(tmp_path / "model.safetensors")
    started = create_model(replace(BOTH, weights=str(tmp_path)), device=CPU).backbone.state_dict()
    assert all(torch.equal(started[key], value) for key, value in model.backbone.state_dict().items())
    assert started["global_pool.p"].item() == 3


def test_a_model_of_both_starts_no_plain_one(tmp_path):
    model_of(BOTH).save(tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"made with --pooling gem --neck batchnorm; with --pooling average --neck"):
        create_model(replace(PLAIN, weights=str(tmp_path)), device=CPU)


def test_a_network_whose_last_map_is_not_pooled_by_one_layer_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1))

    for parts, flag in (
        (trained_parts("gem", "none"), "--pooling average"),
        (trained_parts("average", "batchnorm"), "--neck none"),
    ):
        with pytest.raises(SettingsError, match=flag):
            fit_parts(copy.deepcopy(network), parts, num_features=4, classifier=("1",))


def test_parts_of_others_are_none_that_are_trained():
    assert trained_as(NetworkParts(neck=("batchnorm",))) is None
    assert trained_as(NetworkParts(stem_relu=False)) is None
    assert trained_as(NetworkParts()) == ("average", "none")
