"""Plain operations compute what the norms and the model compute."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from iics.export.deployed_network import DeployedNetwork, PlainBatchNorm2d, PlainInstanceBatchNorm2d
from iics.export.input_form import TOOLS, InputForm
from iics.export.onnx_file import unmirrored_features
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, MixingWeight, norm_layers
from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model


def random_norm(*, alpha=None, activation=None, channels=6):
    source = nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(0)
    source.weight.data = torch.randn(channels, generator=generator)
    source.bias.data = torch.randn(channels, generator=generator)
    source.running_mean = 3 * torch.randn(channels, generator=generator)
    source.running_var = 10 ** torch.linspace(-6, 4, channels)  # from below eps to large
    norm = GroupedBatchNorm2d(source, activation or nn.Identity())
    if alpha is not None:
        norm = AdaptiveInstanceBatchNorm2d(norm, MixingWeight(torch.as_tensor(alpha), learned=True))
    return norm.eval()


def maps(*shape):
    return 5 * torch.randn(*shape, generator=torch.Generator().manual_seed(1)) + 2


ALPHAS = [0.0, 0.3, 1.0, -0.5, 1.7, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]  # clamped to [0, 1]; the last is IBN-a


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("shape", [(3, 6, 4, 2), (1, 6, 1, 2), (2, 6, 1, 1)])
@torch.no_grad()
def test_plain_aibn_is_aibn(alpha, shape):
    norm, x = random_norm(alpha=alpha), maps(*shape)
    torch.testing.assert_close(PlainInstanceBatchNorm2d(norm)(x), norm(x), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_map_of_one_pixel_has_the_batch_part_alone():
    norm, x = random_norm(alpha=0.2), maps(4, 6, 1, 1)
    expected = nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    torch.testing.assert_close(PlainInstanceBatchNorm2d(norm)(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", [nn.Identity(), nn.ReLU(inplace=True), nn.ReLU6(inplace=True)])
@torch.no_grad()
def test_activations_stay(activation):
    x = maps(3, 6, 4, 2)
    for norm, plain in (
        (random_norm(activation=activation), PlainBatchNorm2d),
        (random_norm(alpha=0.5, activation=activation), PlainInstanceBatchNorm2d),
    ):
        torch.testing.assert_close(plain(norm)(x), norm(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "norm"),
    [("efficientnet_lite0", "bn"), ("efficientnet_lite0", "aibn"), ("resnet18", "in"), ("resnet18", "ibn")],
)
def test_the_network_gives_the_features_of_the_model(backbone, norm, pixels):
    model = create_model(
        ModelSettings(backbone=backbone, weights="none", norm=norm, height=64, width=32), device=torch.device("cpu")
    )
    rng = torch.Generator().manual_seed(0)
    for layer in norm_layers(model.backbone):
        layer.running_mean.normal_(generator=rng).mul_(0.1)
        layer.running_var.uniform_(0.5, 2.0, generator=rng)
    features = DeployedNetwork(model)(torch.from_numpy(pixels[:3])).numpy()
    np.testing.assert_allclose(features, model.embed(pixels[:3]), atol=1e-5)
    assert np.abs(features[0] - features[1]).max() > 1e-4


@pytest.mark.parametrize("form", [*TOOLS.values(), InputForm(channels="bgr")])
def test_every_form_gives_the_features_of_the_model(form, aibn_model, pixels):
    features = DeployedNetwork(aibn_model, form)(torch.from_numpy(form.given(pixels[:3]))).numpy()
    np.testing.assert_allclose(features, aibn_model.embed(pixels[:3]), atol=1e-5)


def test_without_mirror_a_mirrored_crop_has_other_features(aibn_model, pixels):
    form = InputForm(mirror=False)
    network = DeployedNetwork(aibn_model, form)
    alone, mirrored = (
        network(torch.from_numpy(np.ascontiguousarray(crops))).numpy() for crops in (pixels[:3], pixels[:3, :, ::-1])
    )
    both = alone + mirrored  # of rows of length 1, not of raw features: near the model's, not equal
    np.testing.assert_allclose(alone, unmirrored_features(aibn_model, pixels[:3]), atol=1e-5)
    assert np.abs(alone - mirrored).max() > 1e-3
    cosines = (both / np.linalg.norm(both, axis=1, keepdims=True) * aibn_model.embed(pixels[:3])).sum(axis=1)
    assert cosines.min() > 0.9999


def test_the_model_stays_as_it_is(aibn_model):
    before = copy.deepcopy(aibn_model.backbone.state_dict())
    layers = norm_layers(aibn_model.backbone)
    DeployedNetwork(aibn_model)
    assert norm_layers(aibn_model.backbone) == layers
    assert all(torch.equal(value, before[key]) for key, value in aibn_model.backbone.state_dict().items())
