"""Checkpoints as other programs write them, with their names of tensors, and what their networks compute of crops.

Each program's forward pass is written here in plain torch, around torchvision's ResNet-18 with random numbers.
"""

import importlib

import torch
from torch import nn
from torch.nn import functional as F

from iics.models.torchvision_import import import_torchvision

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class HalfInstanceNorm(nn.Module):
    """IBN-a as those programs have it: instance norm of the first half of the channels, batch norm of the second."""

    def __init__(self, channels):
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x):
        return torch.cat([self.IN(x[:, : self.half]), self.BN(x[:, self.half :])], dim=1)


def resnet18(*, last_stride, ibn=False):
    """Return torchvision's network in evaluation mode, every tensor of it random."""
    import_torchvision()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = importlib.import_module("torchvision.models").resnet18(weights=None)
    network.layer4[0].conv1.stride = network.layer4[0].downsample[0].stride = (last_stride, last_stride)
    if ibn:
        for layer in (network.layer1, network.layer2, network.layer3):
            for block in layer:
                block.bn1 = HalfInstanceNorm(block.bn1.num_features)
    return randomised(network)


def randomised(module):
    """Return a module in evaluation mode whose norms are as if it had been trained."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        for name in ("weight", "running_var", "bias", "running_mean"):
            tensor = getattr(part, name, None)
            if tensor is not None and tensor.ndim == 1:
                low, high = (0.5, 1.5) if name in ("weight", "running_var") else (-0.3, 0.3)
                tensor.data.uniform_(low, high, generator=generator)
    return module.eval()


def maps(network, images, *, relu=True, pool=None):
    """Return the last feature maps."""
    x = network.bn1(network.conv1(images))
    x = (pool or network.maxpool)(x.relu() if relu else x)
    return network.layer4(network.layer3(network.layer2(network.layer1(x))))


def mean(x):
    return x.mean(dim=(2, 3))


def gem(p):
    return lambda x: F.adaptive_avg_pool2d(x.clamp(min=1e-6).pow(p), 1).pow(1 / p).flatten(1)


def normalised(pixels, scale=255.0, average=MEAN, deviation=STD):
    """Return images as a network takes them, of pixels (n, h, w, 3)."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / scale
    return (images - torch.tensor(average)[:, None, None]) / torch.tensor(deviation)[:, None, None]


def below(prefix, module):
    return {f"{prefix}{key}": value for key, value in module.state_dict().items()}


def plain():
    network = resnet18(last_stride=2)
    return network.state_dict(), lambda images: mean(maps(network, images))


def torchreid():
    network = resnet18(last_stride=2)
    state = {key: value for key, value in network.state_dict().items() if not key.startswith("fc.")}
    state |= {"classifier.weight": torch.zeros(7, 512), "classifier.bias": torch.zeros(7)}
    parallel = {f"module.{key}": value for key, value in state.items()}
    return {"state_dict": parallel, "epoch": 60, "rank1": 0.5}, lambda images: mean(maps(network, images))


def torchreid_fc512():
    network = resnet18(last_stride=1)
    neck = randomised(nn.Sequential(nn.Linear(512, 32), nn.BatchNorm1d(32), nn.ReLU()))
    state = {key: value for key, value in network.state_dict().items() if not key.startswith("fc.")}
    state |= below("fc.", neck) | {"classifier.weight": torch.zeros(7, 32), "classifier.bias": torch.zeros(7)}
    return {"state_dict": state}, lambda images: neck(mean(maps(network, images)))


def strong_baseline(*, has_neck=True, ibn=False):
    network, neck = resnet18(last_stride=1, ibn=ibn), randomised(nn.BatchNorm1d(512))
    base = {key: value for key, value in network.state_dict().items() if ibn or not key.startswith("fc.")}
    state = {f"base.{key}": value for key, value in base.items()} | {"classifier.weight": torch.zeros(7, 512)}
    state |= below("bottleneck.", neck) if has_neck else {"classifier.bias": torch.zeros(7)}

    def forward(images):
        features = mean(maps(network, images, relu=ibn))
        return neck(features) if has_neck else features

    return state, forward


def fast_reid(*, power=None, has_range=False, width=None, ibn=False, bnneck_name="bottleneck.0."):
    network, pool = resnet18(last_stride=1, ibn=ibn), nn.MaxPool2d(3, stride=2, ceil_mode=True)
    state = {f"backbone.{k}": v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    state |= {"heads.weight": torch.zeros(7, width or 512)}
    state |= {} if power is None else {"heads.pool_layer.p": torch.tensor([power])}
    conv = None if width is None else nn.Conv2d(512, width, 1, bias=False)
    norm = randomised(nn.BatchNorm2d(width or 512))
    state |= {} if conv is None else {"heads.bottleneck.0.weight": conv.weight.detach()}
    state |= below(f"heads.{bnneck_name}" if conv is None else "heads.bottleneck.1.", norm)
    if has_range:
        state |= {"pixel_mean": torch.tensor([110.0, 105.0, 100.0]).view(1, 3, 1, 1)}
        state |= {"pixel_std": torch.tensor([60.0, 59.0, 58.0]).view(1, 3, 1, 1)}

    def forward(images):
        x = (mean if power is None else gem(power))(maps(network, images, pool=pool))[:, :, None, None]
        return norm(x if conv is None else conv(x)).flatten(1)

    return {"model": state, "optimizer": {"state": {}}, "iteration": 9}, forward


def layumi(*, linear=True, stride=2):
    network = resnet18(last_stride=stride)
    layers = [nn.Linear(512, 48), nn.BatchNorm1d(48)] if linear else [nn.BatchNorm1d(512)]
    neck = randomised(nn.Sequential(*layers))
    state = below("model.", network) | below("classifier.add_block.", neck)
    state |= {"classifier.classifier.0.weight": torch.zeros(7, 48), "classifier.classifier.0.bias": torch.zeros(7)}
    return state, lambda images: neck(mean(maps(network, images)))
