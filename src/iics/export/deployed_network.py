"""The network that is exported: crops in, finished features out, AIBN (Eq. 12) in plain operations.

AIBN in evaluation mode mixes running with instance statistics. With x' = (x - mu_bn) / sqrt(var_bn + eps) it is

    y = gamma * (x' - (1 - a) * m) / sqrt(a + (1 - a) * (v + eps / (var_bn + eps))) + beta,

with mean m and unbiased variance v of x' over the pixels of a crop. x' is a batch normalisation without gamma and
beta, which exporters fold into the convolution before it. All channels of x' have the same scale; int8 needs that,
because it has one scale for all channels of a map.

Only operations that small runtimes have are used. OpenCV 4.14 has no backward slices, which `flip` is exported as,
and computes a wrong shape for the expanded length, which `F.normalize` is exported as. MNN 3.6 takes the norm over
the whole batch where `torch.linalg.vector_norm` is exported as ReduceL2.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from iics.export.input_form import AS_DECODED, InputForm
from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d, NormLayer
from iics.models.reid_model import ReidModel
from iics.pixels.augment import scale_and_shift


class DeployedNetwork(nn.Module):
    """What `ReidModel.embed` computes, as one module: normalised, mirror-averaged, L2-normalised.

    Args:
        model: Left as it is; its weights are copied.
        form: Form of the input; without mirror, the features are those of the crop alone.
    """

    scale: Tensor
    shift: Tensor
    exchange: Tensor

    def __init__(self, model: ReidModel, form: InputForm = AS_DECODED) -> None:
        super().__init__()
        self.backbone = _plain(model.backbone)
        self.form = form
        scale, shift = scale_and_shift(model.header.mean, model.header.std)  # of pixels from 0 to 255
        mean, std = (255 * torch.tensor(three, dtype=torch.float64) for three in form.scale)
        self.register_buffer("scale", (scale * std).float()[:, None, None])
        self.register_buffer("shift", (shift + scale * mean).float()[:, None, None])
        self.register_buffer("exchange", torch.eye(model.header.width).flip(0))
        self.eval()

    def forward(self, crops: Tensor) -> Tensor:
        """Return the features of crops.

        Args:
            crops: In the form that was chosen. Shape (n, h, w, 3) or (n, 3, h, w).

        Returns:
            L2-normalised features. Shape (n, d).
        """
        if self.form.is_uint8:
            crops = crops.permute(0, 3, 1, 2).float()
        if self.form.channels == "bgr":
            crops = torch.cat([crops[:, 2:], crops[:, 1:2], crops[:, :1]], dim=1)
        # Not folded into the first convolution: its padding must be 0 after normalising, not before.
        images = crops * self.scale + self.shift
        if self.form.mirror:
            # A product with an exchange matrix mirrors in every runtime; it is about 1 % of efficientnet_lite0's work.
            both = torch.cat([images, images @ self.exchange])  # one pass: the graph holds the backbone once
            raw = self.backbone(both)
            raw = raw.reshape(2, -1, raw.shape[1]).mean(dim=0)
        else:
            raw = self.backbone(images)
        features: Tensor = raw / raw.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
        return features


class PlainBatchNorm2d(nn.Module):
    """`GroupedBatchNorm2d` in evaluation mode."""

    def __init__(self, source: GroupedBatchNorm2d) -> None:
        super().__init__()
        self.norm = _running_norm(source, affine=True)
        self.activation = _plain_activation(source.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w) and activate them."""
        y: Tensor = self.activation(self.norm(x))
        return y


class PlainInstanceBatchNorm2d(nn.Module):
    """`AdaptiveInstanceBatchNorm2d` in evaluation mode, by the formula above."""

    alpha: Tensor
    smallest_variance: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, source: AdaptiveInstanceBatchNorm2d) -> None:
        super().__init__()
        self.norm = _running_norm(source, affine=False)
        self.activation = _plain_activation(source.activation)
        alpha = source.mix().detach().expand_as(source.running_var)
        smallest = alpha + (1 - alpha) * source.eps / (source.running_var + source.eps)
        values = {"alpha": alpha, "smallest_variance": smallest, "weight": source.weight, "bias": source.bias}
        for name, channels in values.items():
            self.register_buffer(name, channels.detach()[:, None, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps of shape (n, c, h, w) and activate them."""
        x = self.norm(x)
        pixels = x.shape[2] * x.shape[3]
        if pixels == 1:  # no instance variance: only the batch part is left
            return self._activated(x * self.weight + self.bias)
        mean = x.mean(dim=(2, 3), keepdim=True)
        centred = x - mean
        var = centred.square().mean(dim=(2, 3), keepdim=True) * ((1 - self.alpha) * (pixels / (pixels - 1)))
        scale = self.weight * torch.rsqrt(self.smallest_variance + var)
        return self._activated(centred * scale + (self.alpha * mean * scale + self.bias))

    def _activated(self, y: Tensor) -> Tensor:
        activated: Tensor = self.activation(y)
        return activated


class _Clamp(nn.Module):
    """ReLU6: torch takes `nn.ReLU6` apart for export, at a tenth of a second each."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(0.0, 6.0)


def _plain(backbone: nn.Module) -> nn.Module:
    """Return a copy of a backbone, on the CPU, whose norms are made of ordinary operations."""
    plain = copy.deepcopy(backbone).to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for path, module in list(plain.named_modules()):
        if isinstance(module, NormLayer):
            parent, _, child = path.rpartition(".")
            setattr(plain.get_submodule(parent), child, _plain_norm(module))
    network: nn.Module = plain.requires_grad_(False)
    return network


def _plain_norm(layer: NormLayer) -> nn.Module:
    if isinstance(layer, GroupedBatchNorm2d):
        return PlainBatchNorm2d(layer)
    return PlainInstanceBatchNorm2d(layer)


def _running_norm(source: NormLayer, *, affine: bool) -> nn.BatchNorm2d:
    """Return batch normalisation by the running statistics of a layer."""
    norm = nn.BatchNorm2d(len(source.running_mean), eps=source.eps, affine=affine).eval()
    norm.load_state_dict(
        {"running_mean": source.running_mean, "running_var": source.running_var}
        | ({"weight": source.weight, "bias": source.bias} if affine else {}),
        strict=False,  # leaves the counter of batches out
    )
    return norm


def _plain_activation(activation: nn.Module) -> nn.Module:
    if isinstance(activation, nn.ReLU6):
        return _Clamp()
    return nn.ReLU() if isinstance(activation, nn.ReLU) else activation  # not in place: nothing to take apart
