"""What augmentation draws (Sec. 4.2): who is mirrored, where each crop is cut, which rectangle is erased.

Every crop draws for itself, from an explicit generator on the CPU: the device that does the work changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from iics.device import sent
from iics.model_settings import AugmentSettings


@dataclass(frozen=True, eq=False)
class AugmentDraws:
    """The draws of a batch of n crops.

    Attributes:
        is_mirrored: Shape (n,), bool.
        offsets: Row and column of the mirrored crop that come to the top left corner, from -pad to pad; what lies
            outside is black. Shape (2, n), int64.
        erased: Top, bottom, left and right of the erased rectangle, the second and fourth exclusive; all 0 where
            nothing is erased. Shape (4, n), int64.
    """

    is_mirrored: Tensor
    offsets: Tensor
    erased: Tensor

    def rows(self, chosen: slice) -> AugmentDraws:
        """Return the draws of some crops of the batch."""
        return AugmentDraws(self.is_mirrored[chosen], self.offsets[:, chosen], self.erased[:, chosen])

    def on(self, device: torch.device) -> AugmentDraws:
        """Return them on a device, sent there in one piece."""
        together = torch.cat([self.is_mirrored[None].long(), self.offsets, self.erased])
        is_mirrored, offsets, erased = torch.split(sent(together, device), [1, 2, 4])
        return AugmentDraws(is_mirrored[0].bool(), offsets, erased)


def draw_augmentation(
    num_crops: int, height: int, width: int, *, settings: AugmentSettings, generator: torch.Generator
) -> AugmentDraws:
    """Return the draws of a batch of crops of one size."""
    is_mirrored = torch.rand(num_crops, generator=generator) < settings.mirror_probability
    offsets = torch.randint(0, 2 * settings.pad + 1, (2, num_crops), generator=generator) - settings.pad
    erased = draw_rectangles(
        num_crops,
        height,
        width,
        probability=settings.erase_probability,
        area=(settings.erase_min_area, settings.erase_max_area),
        min_aspect=settings.erase_min_aspect,
        generator=generator,
    )
    return AugmentDraws(is_mirrored, offsets, erased)


def draw_rectangles(
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
        Top, bottom, left and right. Shape (4, n), int64.
    """
    draws = torch.rand(5, num_crops, generator=generator)
    pixels = (area[0] + draws[0] * (area[1] - area[0])) * height * width
    log_aspect = math.log(min_aspect) * (2 * draws[1] - 1)
    tall = (pixels * log_aspect.exp()).sqrt().round().clamp(1, height)
    wide = (pixels / log_aspect.exp()).sqrt().round().clamp(1, width)
    top = (draws[2] * (height - tall + 1)).floor()
    left = (draws[3] * (width - wide + 1)).floor()
    rectangles = torch.stack([top, top + tall, left, left + wide]).long()
    return rectangles * (draws[4] < probability)
