"""What can be embedded, as the pixels that a network takes, a block of crops at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from iics.arrays import Colour, Pixels
from iics.crops import CropSet
from iics.data_splits import DataSplits, one_split
from iics.errors import DataError
from iics.models.model_header import ModelHeader
from iics.models.pixel_arrays import checked_pixels, picture_of
from iics.pixels.images import Interpolation, load_pixels, resized
from iics.shown_picture import as_shown

Images = CropSet | npt.NDArray[Any] | Image.Image | Sequence[Image.Image | npt.NDArray[Any] | Path | str]
"""What can be embedded; see `ReidModel.embed`."""
CROPS_PER_BLOCK = 4096
"""Crops decoded at once by `ReidModel.embed`: 0.4 GB at 256x128."""


def resize_picture(
    picture: Image.Image,
    height: int,
    width: int,
    interpolation: Interpolation = "bicubic",
    letterbox: Colour | None = None,
) -> Pixels:
    """Return what is shown of a picture as the pixels the network takes: RGB, resized. Shape (height, width, 3).

    Raises:
        DataError: If nothing can be shown of it.
    """
    try:
        shown = as_shown(picture)
    except DataError as error:
        raise DataError(f"A picture of {picture.width} x {picture.height} pixels cannot be used: {error}.") from error
    return resized(shown, height=height, width=width, interpolation=interpolation, letterbox=letterbox)


def pixel_blocks(images: Images, header: ModelHeader) -> Iterator[Pixels]:
    """Yield the pixels of the images, a block of crops at a time: a gallery need not fit into memory.

    Args:
        images: As `iics.models.reid_model.ReidModel.embed` takes them.
        header: Of the model that embeds them.

    Raises:
        DataError: If an image cannot be read or shown, or is no image.
        ValueError: If there are no images, or an array is none of crops.
    """
    if images is None or isinstance(images, DataSplits):
        images = one_split(images, what="What is embedded")
    if isinstance(images, str | Path):
        raise DataError(
            f"A list of files is embedded, not one path: [{str(images)!r}] for a picture; for a folder, "
            "load_folder(path).train."
        )
    if isinstance(images, Image.Image):
        images = [images]
    if isinstance(images, torch.Tensor):
        raise ValueError("Pass a NumPy array, uint8 (n, h, w, 3), instead of a tensor: pixels.cpu().numpy().")
    if not isinstance(images, np.ndarray | CropSet | Sequence) or isinstance(images, str) or len(images) == 0:
        raise ValueError(f"Pass a crop set, or a list of at least one picture or file, got {images!r}.")
    size = (header.height, header.width)
    if isinstance(images, np.ndarray) and images.dtype != np.object_:
        pixels = checked_pixels(images)
        if pixels.shape[1:3] == size:
            for start in range(0, len(pixels), CROPS_PER_BLOCK):  # the blocks, so the batches, of a crop set
                yield pixels[start : start + CROPS_PER_BLOCK]
            return
        images = list(pixels)
    if not isinstance(images, CropSet):
        pictures = [picture_of(image) for image in images if not isinstance(image, str | Path)]
        if pictures and len(pictures) < len(images):
            raise ValueError("Pass pictures and arrays, or files, not a mixture of both.")
        if pictures:
            how = header.interpolation, header.letterbox
            yield np.stack([resize_picture(picture, *size, *how) for picture in pictures])
            return
        files = tuple(Path(image) for image in images if isinstance(image, str | Path))
        images = CropSet(paths=files, camera_ids=np.zeros(len(files), dtype=np.int64), camera_names=("unknown",))
    for start in range(0, len(images), CROPS_PER_BLOCK):
        block = images.subset(np.arange(start, min(start + CROPS_PER_BLOCK, len(images))))
        yield load_pixels(
            block,
            height=size[0],
            width=size[1],
            interpolation=header.interpolation,
            letterbox=header.letterbox,
        )
