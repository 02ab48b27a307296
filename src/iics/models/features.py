"""Model x crops -> features (Sec. 4.2): pooled, averaged over the crop and, where it counts, its mirror image.

Heads see these raw features; clustering, testing and search see them L2-normalised.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iics.pixels.augment import normalise_pixels
from iics.pixels.held_pixels import pixels_on
from iics.pixels.pixel_source import PixelSource


@torch.no_grad()
def extract_features(
    backbone: nn.Module,
    pixels: PixelSource,
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    mirror: bool = True,
    batch_size: int,
    device: torch.device,
    crops: range | None = None,
    network: Callable[[Tensor], Tensor] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Return raw features: the mean of f over each crop and its mirror image, or f of the crop alone.

    Args:
        backbone: Network from (n, 3, h, w) to (n, d); put into evaluation mode for the call, then back.
        pixels: RGB crops. Shape (n, h, w, 3).
        mean: Channel means for pixels in [0, 1].
        std: Channel standard deviations.
        mirror: Whether the mirror image counts; it does not where left and right flank are two individuals.
        batch_size: Crops forwarded at once.
        device: Where the backbone is.
        crops: Which, side by side; None takes all.
        network: How to call the backbone; None calls it as it is.
        progress: Called after each batch with the number of crops in it.

    Returns:
        Raw features, float32, on `device`. Shape (len(crops), d).
    """
    was_training = backbone.training
    backbone.eval()
    forward, rows = network or backbone, []
    chosen = range(len(pixels)) if crops is None else crops
    for start in range(chosen.start, chosen.stop, batch_size):
        batch = pixels_on(device, pixels, slice(start, min(start + batch_size, chosen.stop)))
        images = normalise_pixels(batch, mean=mean, std=std)
        rows.append((forward(images) + forward(images.flip(3))).float() / 2 if mirror else forward(images).float())
        if progress is not None:
            progress(len(images))
    backbone.train(was_training)
    return torch.cat(rows)


def l2_normalise(features: Tensor) -> Tensor:
    """Return rows of length 1; a zero row stays zero. Shape (n, d)."""
    return F.normalize(features, dim=1)
