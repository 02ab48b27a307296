"""The plain forms of training compute what the fast ones do: a comparison of times would mean nothing otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.plain_training import PlainAIBN, plain_backbone, plain_norm
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight, norm_layers
from iics.models.backbone import create_backbone

ALPHA = 0.3


@pytest.fixture
def maps():
    return torch.randn(6, 5, 4, 3, generator=torch.Generator().manual_seed(0)) * 2 + 1


def aibn(activation=None):
    """Return AIBN with weights and running statistics that are not those it starts with; the same every time."""
    generator = torch.Generator().manual_seed(1)
    norm = nn.BatchNorm2d(5)
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        tensor.data = torch.rand(5, generator=generator) + 0.5
    mix = MixingWeight(torch.tensor(ALPHA), learned=True)
    return AdaptiveInstanceBatchNorm2d(GroupedBatchNorm2d(norm, activation or nn.Identity()), mix)


def test_plain_aibn_is_eq_12_in_training(maps, reference):
    source = aibn()
    weight, bias = source.weight.detach().numpy(), source.bias.detach().numpy()
    expected = reference.aibn(maps.numpy(), weight, bias, ALPHA, group_size=6)
    np.testing.assert_allclose(PlainAIBN(source)(maps).detach(), expected, atol=1e-5)


def test_plain_aibn_is_eq_12_in_evaluation(maps, reference):
    source = aibn()
    weight, bias = source.weight.detach().numpy(), source.bias.detach().numpy()
    running = {"running_mean": source.running_mean.numpy(), "running_var": source.running_var.numpy()}
    expected = reference.aibn(maps.numpy(), weight, bias, ALPHA, **running)
    np.testing.assert_allclose(PlainAIBN(source).eval()(maps).detach(), expected, atol=1e-5)


@pytest.mark.parametrize("is_aibn", [True, False])
def test_plain_norms_are_ours_with_gradients_and_running_statistics(is_aibn, maps):
    def make():
        return aibn(nn.ReLU()) if is_aibn else GroupedBatchNorm2d(nn.BatchNorm2d(5), nn.ReLU())

    ours, source = make(), make()
    plain = plain_norm(source)
    grad = torch.randn(maps.shape, generator=torch.Generator().manual_seed(2))
    gradients = []
    for layer, owner in ((ours, ours), (plain, source)):
        x = maps.clone().requires_grad_()
        y = layer(x)
        parameters = [owner.weight, owner.bias, *([owner.mix.alpha] if is_aibn else [])]
        gradients.append([y, *torch.autograd.grad(y, [x, *parameters], grad)])
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.running_mean, plain[0].running_mean)
    torch.testing.assert_close(ours.running_var, plain[0].running_var)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_a_plain_backbone_computes_the_same_and_leaves_ours_alone(name):
    torch.manual_seed(0)
    ours = create_backbone(name, weights="none", norm="aibn")
    num_layers = len(norm_layers(ours))
    plain = plain_backbone(ours)
    assert norm_layers(plain) == []
    assert len(norm_layers(ours)) == num_layers
    assert any(isinstance(module, PlainAIBN) for module in plain.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in ours.parameters())
    assert not {p.data_ptr() for p in plain.parameters()} & {p.data_ptr() for p in ours.parameters()}
    images = torch.rand(3, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(images), ours.eval()(images), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(plain.train()(images), ours.train()(images), atol=1e-3, rtol=1e-3)
