"""The plain form that loading is timed beside: one crop after another, as a `Dataset` loads it.

On one core, as one worker of a `DataLoader` would.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from iics.crops import CropSet
from iics.model_settings import AugmentSettings
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader
from iics.speed.training_speed import MEAN, STD


class PlainLoader:
    """One sample after another, as a `Dataset` with the usual transforms loads them.

    Args:
        files: An image each.
        height: Rows of an image, in pixels.
        width: Columns of an image, in pixels.
        settings: Of the augmentation.
        seed: Of its draws.
    """

    def __init__(self, files: list[Path], *, height: int, width: int, settings: AugmentSettings, seed: int) -> None:
        self._files, self._height, self._width, self._settings = files, height, width, settings
        self._random = random.Random(seed)
        self._mean, self._std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))

    def epoch(self, batches: list[Tensor]) -> Tensor:
        """Make every batch and return the last. Shape (n, 3, height, width)."""
        for batch in batches:
            images = torch.stack([self[index] for index in batch.tolist()])
        return images

    def __getitem__(self, index: int) -> Tensor:
        """Return one augmented image. Shape (3, height, width)."""
        pad = self._settings.pad
        with Image.open(self._files[index]) as opened:
            image = opened.convert("RGB").resize((self._width, self._height), Image.Resampling.BICUBIC)
        if self._random.random() < self._settings.mirror_probability:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        padded = ImageOps.expand(image, border=pad, fill=0)
        left, top = self._random.randint(0, 2 * pad), self._random.randint(0, 2 * pad)
        cut = padded.crop((left, top, left + self._width, top + self._height))
        pixels = torch.from_numpy(np.array(cut)).permute(2, 0, 1).contiguous().float().div_(255)
        pixels.sub_(self._mean).div_(self._std)
        if self._random.random() < self._settings.erase_probability:
            self._erase(pixels)
        return pixels

    def _erase(self, pixels: Tensor) -> None:
        settings = self._settings
        area = self._random.uniform(settings.erase_min_area, settings.erase_max_area) * self._height * self._width
        log_aspect = math.log(settings.erase_min_aspect)
        aspect = math.exp(self._random.uniform(log_aspect, -log_aspect))
        tall = min(max(round(math.sqrt(area * aspect)), 1), self._height)
        wide = min(max(round(math.sqrt(area / aspect)), 1), self._width)
        top, left = self._random.randint(0, self._height - tall), self._random.randint(0, self._width - wide)
        pixels[:, top : top + tall, left : left + wide] = 0


def unpacked(crops: CropSet, folder: Path) -> list[Path]:
    """Return plain files of the crops: those of an archive, and boxes cut out, are written to a folder."""
    if crops.archive is None and crops.boxes is None:
        return list(crops.paths)
    files = []
    with CropReader(crops) as reader:
        images = CropImages(crops, reader)
        for index, path in enumerate(crops.paths):
            files.append(folder / f"{index}{path.suffix if crops.boxes is None else '.png'}")
            if crops.boxes is None:
                files[-1].write_bytes(reader.read(index))
            else:
                images[index].image.save(files[-1])
    return files
