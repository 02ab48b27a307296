"""Batches of uint8 crops to training images (Sec. 4.2): mirror, pad and crop, normalise, erase.

What is drawn is decided in `iics.pixels.augment_draws`; here it is done, to whole batches on the device they are on: by
one fused loop on the CPU, by torch elsewhere.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from iics.device import sent
from iics.pixels.augment_draws import AugmentDraws
from iics.pixels.augment_kernel import augmented_by_kernel, normalised_by_kernel

Channels = tuple[float, float, float]


def augment(pixels: Tensor, draws: AugmentDraws, *, mean: Channels, std: Channels) -> Tensor:
    """Return augmented, normalised images.

    Args:
        pixels: uint8 RGB crops. Shape (n, h, w, 3).
        draws: Of n crops of this size.
        mean: Channel means for pixels in [0, 1]; erased rectangles show it.
        std: Channel standard deviations.

    Returns:
        Images, float32, channels-last memory, where `pixels` are. Shape (n, 3, h, w).
    """
    if pixels.device.type != "cpu":
        return augment_in_torch(pixels, draws, mean=mean, std=std)
    scale, shift = scale_and_shift(mean, std)
    images = torch.empty(pixels.shape)
    augmented_by_kernel(
        pixels.contiguous().numpy(),
        draws.is_mirrored.numpy(),
        draws.offsets.numpy(),
        draws.erased.numpy(),
        scale=scale.numpy(),
        shift=shift.numpy(),
        images=images.numpy(),
    )
    return images.permute(0, 3, 1, 2)


def normalise_pixels(pixels: Tensor, *, mean: Channels, std: Channels) -> Tensor:
    """Return network input, in channels-last memory.

    Args:
        pixels: uint8 RGB. Shape (n, h, w, 3).
        mean: Channel means for pixels in [0, 1].
        std: Channel standard deviations.

    Returns:
        Normalised images, float32, where `pixels` are. Shape (n, 3, h, w).
    """
    if pixels.device.type != "cpu":
        return normalise_in_torch(pixels, mean=mean, std=std)
    scale, shift = scale_and_shift(mean, std)
    images = torch.empty(pixels.shape)
    normalised_by_kernel(pixels.contiguous().numpy(), scale=scale.numpy(), shift=shift.numpy(), images=images.numpy())
    return images.permute(0, 3, 1, 2)


def augment_in_torch(pixels: Tensor, draws: AugmentDraws, *, mean: Channels, std: Channels) -> Tensor:
    """Return what `augment` returns, for draws that were made, on any device."""
    draws = draws.on(pixels.device)
    erased = erase_mask(draws.erased, pixels.shape[1], pixels.shape[2])
    images = normalise_in_torch(mirror_and_shift(pixels, draws), mean=mean, std=std)
    images.masked_fill_(erased[:, None], 0.0)
    return images


def normalise_in_torch(pixels: Tensor, *, mean: Channels, std: Channels) -> Tensor:
    """Return what `normalise_pixels` returns, on any device."""
    scale, shift = _scale_and_shift_on(pixels.device, mean, std)
    images = torch.addcmul(shift, pixels.float(), scale)
    return images.permute(0, 3, 1, 2)


def mirror_and_shift(pixels: Tensor, draws: AugmentDraws) -> Tensor:
    """Return crops mirrored, then padded with black and cut out where it was drawn, all on one device.

    Shape (n, h, w, 3).
    """
    num_crops, height, width, _ = pixels.shape
    device = pixels.device
    down, right = draws.offsets
    rows = torch.arange(height, device=device) + down[:, None]  # (n, h), outside [0, h) is border
    columns = torch.arange(width, device=device) + right[:, None]
    is_inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = torch.where(draws.is_mirrored[:, None], width - 1 - columns, columns)
    crop = torch.arange(num_crops, device=device)[:, None, None]
    moved = pixels[crop, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    moved.masked_fill_(~is_inside[..., None], 0)
    return moved


def erase_mask(rectangles: Tensor, height: int, width: int) -> Tensor:
    """Return where crops are erased.

    Args:
        rectangles: Top, bottom, left and right. Shape (4, n).
        height: h.
        width: w.

    Returns:
        Boolean mask. Shape (n, h, w).
    """
    top, bottom, left, right = rectangles[:, :, None]
    row = torch.arange(height, device=rectangles.device)
    column = torch.arange(width, device=rectangles.device)
    in_rows, in_columns = (row >= top) & (row < bottom), (column >= left) & (column < right)
    mask: Tensor = in_rows[:, :, None] & in_columns[:, None, :]
    return mask


def scale_and_shift(mean: Channels, std: Channels) -> tuple[Tensor, Tensor]:
    """Return a and b such that a * pixel + b is the normalised pixel, per channel. Shapes (3,)."""
    scale, shift = 1 / (255 * np.array(std)), -np.array(mean) / np.array(std)
    return torch.tensor(scale, dtype=torch.float32), torch.tensor(shift, dtype=torch.float32)


@functools.cache  # sent once, not with every batch
def _scale_and_shift_on(device: torch.device, mean: Channels, std: Channels) -> tuple[Tensor, Tensor]:
    scale, shift = scale_and_shift(mean, std)
    return sent(scale, device), sent(shift, device)
