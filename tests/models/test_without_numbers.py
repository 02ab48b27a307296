"""Networks without numbers have the shapes of those with them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from iics.models import structure
from iics.models.structure import find_structure
from iics.models.timm_networks import create_network
from iics.models.without_numbers import WithoutNumbers


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050", "regnety_002"])
def test_the_structure_is_that_of_the_network_with_its_numbers(name, monkeypatch):
    with WithoutNumbers():
        found = find_structure(name, create_network(name))
    monkeypatch.setattr(structure, "WithoutNumbers", nullcontext)
    assert found == find_structure(name, create_network(name))


def test_nothing_is_drawn():
    before = torch.get_rng_state()
    with WithoutNumbers():
        network = create_network("resnet18")
        torch.nn.init.normal_(torch.empty(3))
        torch.empty(3).uniform_()
    assert torch.equal(torch.get_rng_state(), before)
    assert network.conv1.weight.shape == (64, 3, 7, 7)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [((3, 5), (1, 2), (1, 2), (1, 1)), ((1, 3), (2, 1), (0, 0), (1, 2))]
)
def test_a_convolution_gives_the_shape_of_its_numbers(kernel, stride, padding, dilation):
    layer = torch.nn.Conv2d(4, 6, kernel, stride=stride, padding=padding, dilation=dilation)
    x = torch.zeros(2, 4, 11, 13)
    with WithoutNumbers():
        shape = layer(x).shape
    assert shape == layer(x).shape
