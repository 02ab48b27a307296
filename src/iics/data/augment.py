"""Batches of uint8 crops to training images (Sec. 4.2): mirror, pad and crop, normalise, erase.

Every crop draws for itself, from an explicit generator; the work is done on whole batches.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from iics.config import AugmentSettings


def augment(
    pixels: Tensor,
    *,
    settings: AugmentSettings,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    generator: torch.Generator,
) -> Tensor:
    """Return augmented, normalised images.

    Args:
        pixels: uint8 RGB crops. Shape (n, h, w, 3).
        settings: Probabilities and sizes.
        mean: Channel means for pixels in [0, 1]; erased rectangles show it.
        std: Channel standard deviations.
        generator: Source of all draws, on the CPU.

    Returns:
        Images, float32, channels-last memory. Shape (n, 3, h, w).
    """
    shifted = mirror_and_shift(
        pixels, pad=settings.pad, mirror_probability=settings.mirror_probability, generator=generator
    )
    images = normalise_pixels(shifted, mean=mean, std=std)
    erased = erase_mask(
        len(pixels),
        pixels.shape[1],
        pixels.shape[2],
        probability=settings.erase_probability,
        area=(settings.erase_min_area, settings.erase_max_area),
        min_aspect=settings.erase_min_aspect,
        generator=generator,
    ).to(pixels.device)
    return images.masked_fill_(erased[:, None], 0.0)


def normalise_pixels(pixels: Tensor, *, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Tensor:
    """Return network input, in channels-last memory.

    Args:
        pixels: uint8 RGB. Shape (n, h, w, 3).
        mean: Channel means for pixels in [0, 1].
        std: Channel standard deviations.

    Returns:
        Normalised images, float32. Shape (n, 3, h, w).
    """
    scale = torch.tensor([1 / (255 * s) for s in std], device=pixels.device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=pixels.device)
    return torch.addcmul(shift, pixels.float(), scale).permute(0, 3, 1, 2)


def mirror_and_shift(pixels: Tensor, *, pad: int, mirror_probability: float, generator: torch.Generator) -> Tensor:
    """Return crops mirrored with a probability, then padded with black and cropped at a random place.

    Args:
        pixels: Crops. Shape (n, h, w, 3).
        pad: Pixels added on each side.
        mirror_probability: In [0, 1].
        generator: Source of the draws, on the CPU.
    """
    num_crops, height, width, _ = pixels.shape
    is_mirrored = torch.rand(num_crops, generator=generator) < mirror_probability
    offsets = torch.randint(0, 2 * pad + 1, (2, num_crops), generator=generator) - pad
    rows = torch.arange(height) + offsets[0][:, None]  # (n, h), outside [0, h) is border
    columns = torch.arange(width) + offsets[1][:, None]
    is_inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = torch.where(is_mirrored[:, None], width - 1 - columns, columns)
    device = pixels.device
    crop = torch.arange(num_crops, device=device)[:, None, None]
    moved = pixels[
        crop, rows.clamp(0, height - 1).to(device)[:, :, None], columns.clamp(0, width - 1).to(device)[:, None, :]
    ]
    return moved * is_inside.to(device)[..., None]


def erase_mask(
    num_crops: int,
    height: int,
    width: int,
    *,
    probability: float,
    area: tuple[float, float],
    min_aspect: float,
    generator: torch.Generator,
) -> Tensor:
    """Return where each crop is erased: one rectangle, or nothing (Zhong et al., "Random Erasing", AAAI 2020).

    Args:
        num_crops: n.
        height: Height of a crop.
        width: Width of a crop.
        probability: Probability that a crop is erased at all.
        area: Smallest and largest share of the crop's area, uniform in between.
        min_aspect: Smallest height / width; log-uniform up to its inverse. Rectangles are cut to the crop's size.
        generator: Source of the draws, on the CPU.

    Returns:
        Boolean mask. Shape (n, h, w).
    """
    draws = torch.rand(5, num_crops, generator=generator)
    pixels = (area[0] + draws[0] * (area[1] - area[0])) * height * width
    log_aspect = math.log(min_aspect) * (2 * draws[1] - 1)
    tall = (pixels * log_aspect.exp()).sqrt().round().clamp(1, height)
    wide = (pixels / log_aspect.exp()).sqrt().round().clamp(1, width)
    top = (draws[2] * (height - tall + 1)).floor()
    left = (draws[3] * (width - wide + 1)).floor()
    row, column = torch.arange(height), torch.arange(width)
    in_rows = (row >= top[:, None]) & (row < (top + tall)[:, None])
    in_columns = (column >= left[:, None]) & (column < (left + wide)[:, None])
    is_erased = draws[4] < probability
    return is_erased[:, None, None] & in_rows[:, :, None] & in_columns[:, None, :]
