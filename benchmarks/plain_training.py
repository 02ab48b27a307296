"""The plain forms that training is timed beside: written as one writes them first, in PyTorch's autograd.

AIBN straight from Eq. 12, C separate forwards for stage 1, images as they come from a loader (contiguous, float32).
Each takes a step from images that lie ready, so loading and augmentation are free here; ours starts from pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.layers.normalization import AdaptiveInstanceBatchNorm2d, GroupedBatchNorm2d
from iics.pixels.augment import normalise_pixels
from iics.speed.training_work import Phase, Work, stage1_heads, stage1_targets, stage2_loss, stage2_targets
from iics.training.context import TrainingContext


class PlainAIBN(nn.Module):
    """AIBN of feature maps of more than one pixel, as Eq. 12 reads; the batch is one normalisation group.

    Args:
        source: Weights, running statistics and alpha are taken over, not copied; the activation is left behind.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, source: AdaptiveInstanceBatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.mix = source.weight, source.bias, source.mix
        self.register_buffer("running_mean", source.running_mean)
        self.register_buffer("running_var", source.running_var)
        self.eps, self.momentum = source.eps, source.momentum

    def forward(self, x: Tensor) -> Tensor:
        """Normalise feature maps. Shape (n, c, h, w)."""
        alpha = self.mix.alpha.clamp(0, 1)
        mean_in = x.mean(dim=(2, 3), keepdim=True)
        var_in = x.var(dim=(2, 3), keepdim=True)
        if self.training:
            mean_bn = mean_in.mean(dim=0, keepdim=True)
            var_bn = (mean_in**2 + var_in).mean(dim=0, keepdim=True) - mean_bn**2
            with torch.no_grad():
                self.running_mean.mul_(1 - self.momentum).add_(mean_bn.flatten(), alpha=self.momentum)
                self.running_var.mul_(1 - self.momentum).add_(var_bn.flatten(), alpha=self.momentum)
        else:
            mean_bn, var_bn = self.running_mean[:, None, None], self.running_var[:, None, None]
        mean = alpha * mean_bn + (1 - alpha) * mean_in
        var = alpha * var_bn + (1 - alpha) * var_in
        return self.weight[:, None, None] * (x - mean) / torch.sqrt(var + self.eps) + self.bias[:, None, None]


def plain_backbone(backbone: nn.Module) -> nn.Module:
    """Return a copy with the same weights and plain norms: `nn.BatchNorm2d` and `PlainAIBN`, then the activation."""
    plain = copy.deepcopy(backbone)
    for path, module in list(plain.named_modules()):
        if isinstance(module, GroupedBatchNorm2d | AdaptiveInstanceBatchNorm2d):
            parent, _, child = path.rpartition(".")
            setattr(plain.get_submodule(parent), child, plain_norm(module))
    return plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def plain_norm(source: GroupedBatchNorm2d | AdaptiveInstanceBatchNorm2d) -> nn.Module:
    """Return the plain form of a layer, on the same weights, and its activation behind it."""
    if isinstance(source, AdaptiveInstanceBatchNorm2d):
        return nn.Sequential(PlainAIBN(source), source.activation)
    norm = nn.BatchNorm2d(len(source.weight), eps=source.eps, momentum=source.momentum)
    norm.weight, norm.bias = source.weight, source.bias
    norm.running_mean, norm.running_var = source.running_mean, source.running_var
    return nn.Sequential(norm, source.activation)


def stage1_step(
    backbone: nn.Module,
    heads: Sequence[nn.Module],
    optimiser: torch.optim.Optimizer,
    images: Sequence[Tensor],
    targets: Sequence[Tensor],
) -> float:
    """Take a step of stage 1 (Eq. 8), one forward per camera; return the loss.

    Args:
        backbone: In training mode.
        heads: One per camera.
        optimiser: Of all of them.
        images: Of each camera. Shapes (k, 3, h, w).
        targets: Cluster of each crop within its camera. Shapes (k,).
    """
    optimiser.zero_grad()
    loss = torch.zeros((), device=images[0].device)
    for head, of_camera, clusters in zip(heads, images, targets, strict=True):
        loss = loss + F.cross_entropy(head(backbone(of_camera)), clusters)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()


def stage2_step(
    backbone: nn.Module,
    head: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    targets: Tensor,
    *,
    margin: float,
    weight: float,
) -> float:
    """Take a step of stage 2 (Eq. 11) on different crops; return the loss.

    Args:
        backbone: In training mode.
        head: Of all clusters.
        optimiser: Of both.
        images: Shape (n, 3, h, w).
        targets: Cluster of each crop; each occurs more than once. Shape (n,).
        margin: Of the triplet loss, in feature units.
        weight: Of the triplet loss.
    """
    optimiser.zero_grad()
    features = backbone(images)
    distance = torch.cdist(features, features)
    is_same = targets[:, None] == targets[None, :]
    farthest = distance.masked_fill(~is_same, 0).max(dim=1).values
    nearest = distance.masked_fill(is_same, torch.inf).min(dim=1).values
    loss = F.cross_entropy(head(features), targets) + weight * F.relu(farthest - nearest + margin).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()


@torch.no_grad()
def extracted(backbone: nn.Module, images: Sequence[Tensor]) -> Tensor:
    """Return raw features, the mean over image and mirror image, of batches of images. Shape (n, d)."""
    backbone.eval()
    return torch.cat([(backbone(batch) + backbone(batch.flip(3))) / 2 for batch in images])


def plain_work(
    phase: Phase, context: TrainingContext, *, called: Callable[[nn.Module], nn.Module] = lambda network: network
) -> Work:
    """Return the plain form of a run of a phase, on a plain copy of the context's model as it is now.

    Args:
        phase: Which.
        context: Whose model, crops and settings.
        called: The copy to what is called in its place: `torch.compile`, say.
    """
    header, device = context.model.header, context.model.device
    pixels = torch.from_numpy(context.pixels[:]).to(device)
    images = normalise_pixels(pixels, mean=header.mean, std=header.std).contiguous()
    backbone = called(plain_backbone(context.model.backbone))
    if phase == "features":
        batches = torch.split(images, context.settings.inference_batch_size)
        return lambda: extracted(backbone, batches)
    backbone.train()
    return (_stage1_work if phase == "stage1" else _stage2_work)(context, backbone, images)


def _stage1_work(context: TrainingContext, backbone: nn.Module, images: Tensor) -> Work:
    settings = context.settings.stage1
    heads = [head.train() for head in stage1_heads(context)]
    rates = settings.backbone_learning_rate, settings.head_learning_rate
    optimiser = _optimiser(context, backbone, nn.ModuleList(heads), rates)
    by_camera = [torch.split(whole, settings.crops_per_camera) for whole in (images, stage1_targets(context))]
    return lambda: stage1_step(backbone, heads, optimiser, *by_camera)


def _stage2_work(context: TrainingContext, backbone: nn.Module, images: Tensor) -> Work:
    settings = context.settings.stage2
    head, targets = stage2_loss(context).head.train(), stage2_targets(context).to(images.device)
    rates = settings.backbone_learning_rate, settings.head_learning_rate
    optimiser = _optimiser(context, backbone, head, rates)
    margin, weight = settings.triplet_margin, settings.triplet_weight
    return lambda: stage2_step(backbone, head, optimiser, images, targets, margin=margin, weight=weight)


def _optimiser(
    context: TrainingContext, backbone: nn.Module, heads: nn.Module, rates: tuple[float, float]
) -> torch.optim.Optimizer:
    groups = [{"params": list(part.parameters()), "lr": r} for part, r in zip((backbone, heads), rates, strict=True)]
    settings = context.settings
    return torch.optim.SGD(groups, lr=rates[0], momentum=settings.momentum, weight_decay=settings.weight_decay)
