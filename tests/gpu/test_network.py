"""The network on a device against the CPU: norms in groups, features, bf16, torch.compile."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from iics.layers.norm_groups import NormGroups
from iics.layers.normalization import (
    AdaptiveInstanceBatchNorm2d,
    GroupedBatchNorm2d,
    MixingWeight,
    norm_layers,
    set_norm_groups,
)
from iics.models.backbone import create_backbone
from iics.models.features import extract_features
from iics.pixels.held_pixels import HeldPixels
from iics.training.engine import Engine, at_work

pytestmark = pytest.mark.gpu

NORMS = ["bn", "aibn"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def norm_of(kind, activation):
    generator = torch.Generator().manual_seed(1)
    source = nn.BatchNorm2d(5)
    for tensor in (source.weight, source.bias, source.running_mean, source.running_var):
        tensor.data = torch.rand(5, generator=generator) + 0.5
    norm = GroupedBatchNorm2d(source, activation)
    return norm if kind == "bn" else AdaptiveInstanceBatchNorm2d(norm, MixingWeight(torch.tensor(0.3), learned=True))


def trained_once(norm, maps, upstream, size):
    norm.groups = NormGroups(size)
    x = maps.clone().requires_grad_()
    y = norm(x)
    gradients = torch.autograd.grad(y, [x, *norm.parameters()], upstream)
    return [y, *gradients, norm.running_mean, norm.running_var, norm.eval()(maps)]


def assert_same(theirs, ours, tolerance):
    for there, here in zip(theirs, ours, strict=True):
        torch.testing.assert_close(there.cpu().float(), here.float(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize("kind", NORMS)
def test_norms_in_groups_are_those_of_the_cpu(device, dtype, kind, size, layout):
    maps = torch.randn(8, 5, 6, 3, generator=torch.Generator().manual_seed(0)) * 2 + 1
    upstream = torch.randn(maps.shape, generator=torch.Generator().manual_seed(2))
    maps = maps.contiguous(memory_format=layout)
    here, there = norm_of(kind, nn.ReLU()), norm_of(kind, nn.ReLU()).to(device, dtype)
    expected = trained_once(here, maps, upstream, size)
    assert_same(trained_once(there, maps.to(device, dtype), upstream.to(device, dtype), size), expected, 1e-4)


@pytest.mark.parametrize("kind", NORMS)
def test_norms_of_bf16_maps_keep_their_statistics_in_float32(device, kind):
    maps = (torch.randn(8, 5, 6, 3, generator=torch.Generator().manual_seed(0)) + 100).bfloat16()
    norm = norm_of(kind, nn.Identity()).to(device)
    y = norm(maps.to(device))
    assert y.dtype == torch.bfloat16
    assert norm.running_mean.dtype == torch.float32
    assert_same([y], [norm_of(kind, nn.Identity())(maps.float())], 0.05)


def backbone_on(device, dtype, name="resnet18"):
    torch.manual_seed(0)
    return create_backbone(name, weights="none", norm="aibn").to(device, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_a_step_of_a_backbone_in_groups_has_the_gradients_of_the_cpu(device, dtype, name):
    images = torch.rand(8, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    found = []
    for backbone in (backbone_on(torch.device("cpu"), torch.float64, name), backbone_on(device, dtype, name)):
        first = next(backbone.parameters())
        set_norm_groups(backbone.train(), NormGroups(4))
        features = backbone(images.to(first.device, first.dtype))
        features.square().mean().backward()
        norms = norm_layers(backbone)
        found.append([features, first.grad, norms[0].weight.grad, norms[-1].running_mean, norms[-1].running_var])
    assert_same(found[1], [tensor.detach() for tensor in found[0]], 5e-3)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (11, 64, 32, 3), dtype=np.uint8)


def features_of(pixels, device, engine=None, crops=None):
    backbone = backbone_on(device, torch.float32).eval()
    network = engine.network(backbone) if engine else None
    options = {"mean": MEAN, "std": STD, "batch_size": 4, "network": network, "crops": crops}
    return extract_features(backbone, pixels, device=device, **options)


def test_features_are_those_of_the_cpu_whether_crops_are_held_or_sent(device, pixels):
    sent, held = features_of(pixels, device), features_of(HeldPixels(pixels, device), device)
    assert sent.device.type == device.type
    assert torch.equal(sent, held)
    assert_same([sent], [features_of(pixels, torch.device("cpu"))], 1e-3)
    assert torch.equal(features_of(HeldPixels(pixels, device), device, crops=range(4, 8)), sent[4:8])


def test_features_in_bf16_point_where_those_in_float32_do(device, pixels):
    half = features_of(pixels, device, Engine(device=device, dtype=torch.bfloat16))
    assert half.dtype == torch.float32
    cosines = torch.nn.functional.cosine_similarity(half, features_of(pixels, device))
    assert cosines.min() > 0.999


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own, of what it compiles with
def test_a_compiled_step_is_the_uncompiled_one(device):
    images = torch.rand(8, 3, 64, 32, generator=torch.Generator().manual_seed(0)).to(device)
    found = []
    for compiles in (False, True):
        engine, backbone = Engine(device=device, compiles=compiles), backbone_on(device, torch.float32)
        with at_work(engine):
            set_norm_groups(backbone.train(), NormGroups(4))
            features = engine.network(backbone)(images)
            features.square().mean().backward()
        found.append([features.detach(), next(backbone.parameters()).grad])
    assert_same(found[1], [tensor.cpu() for tensor in found[0]], 1e-2)


def test_a_copy_of_a_network_from_a_device_computes_the_same_on_the_cpu(device, pixels):
    backbone = backbone_on(device, torch.float32).eval()
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        there = backbone(images.to(device))
        assert_same([there], [copy.deepcopy(backbone).cpu()(images)], 1e-3)
