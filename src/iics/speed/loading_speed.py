"""How fast training gets its batches: ours from the second epoch on, beside one crop after another.

The plain form is what a torch `Dataset` with the usual transforms does for each sample, on one core, as one worker of a
`DataLoader` would. Ours runs on torch's number of threads: set it to 1 to compare core with core.
"""

from __future__ import annotations

import math
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from iics.config import AugmentSettings
from iics.crops import CropSet
from iics.measure import seconds_in_turn
from iics.pixels.augment import augment
from iics.pixels.augment_draws import draw_augmentation
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader
from iics.pixels.pixel_cache import open_pixels
from iics.pixels.pixel_source import PixelSource

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LoadingSpeed:
    """Crops a second, medians.

    Attributes:
        ours: Batches from the decoded pixels on disk, augmented as batches.
        plain: One crop after another: decode, resize, augment, stack.
    """

    ours: float
    plain: float

    @property
    def ratio(self) -> float:
        """How many times as fast ours is."""
        return self.ours / self.plain


def compare_loading(
    crops: CropSet, *, height: int, width: int, batch_size: int, repeats: int = 3, seed: int = 0
) -> LoadingSpeed:
    """Time an epoch of augmented training batches in both ways, in turn; the crops' files have been read before.

    Args:
        crops: What an epoch goes through, in random order; the last, smaller batch is left out.
        height: Rows of an image, in pixels.
        width: Columns of an image, in pixels.
        batch_size: Crops in a batch.
        repeats: Times are the median of so many epochs.
        seed: Of order and augmentation.

    Raises:
        ValueError: If there are fewer crops than fill a batch.
        DataError: If a crop cannot be decoded.
        WriteError: If there is no room for decoded pixels in the folder for temporary files.
    """
    num_batches = len(crops) // batch_size
    if num_batches < 1:
        raise ValueError(f"A batch of {batch_size} needs as many crops, got {len(crops)}.")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(crops), generator=generator)[: num_batches * batch_size]
    batches = list(torch.split(order, batch_size))
    with tempfile.TemporaryDirectory() as folder:
        pixels = open_pixels(crops, height=height, width=width, source="cache", cache_dir=folder)
        files = _unpacked(crops, Path(folder))
        plain = PlainLoader(files, height=height, width=width, settings=AugmentSettings(), seed=seed)
        epochs = {
            "plain": lambda: plain.epoch(batches),
            "ours": lambda: fast_epoch(pixels, batches, generator=generator),
        }
        seconds = seconds_in_turn(epochs, repeats=repeats)
    return LoadingSpeed(len(order) / seconds["ours"], len(order) / seconds["plain"])


def fast_epoch(pixels: PixelSource, batches: list[Tensor], *, generator: torch.Generator) -> Tensor:
    """Make every batch as training does and return the last."""
    for batch in batches:
        chosen = torch.from_numpy(pixels[batch.numpy()])
        draws = draw_augmentation(*chosen.shape[:3], settings=AugmentSettings(), generator=generator)
        images = augment(chosen, draws, mean=MEAN, std=STD)
    return images


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


def _unpacked(crops: CropSet, folder: Path) -> list[Path]:
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
