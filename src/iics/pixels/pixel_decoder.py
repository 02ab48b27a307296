"""Pixels decoded each time they are asked for: no disk and no memory, at the price of decoding in every epoch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from iics.arrays import Colour, IntArray, Pixels
from iics.crops import CropSet
from iics.errors import DataError
from iics.pixels.crop_images import ReadCrop
from iics.pixels.crop_reader import CropReader
from iics.pixels.images import check_size, checked_num_threads, decode_each, describe_failures, resized
from iics.video_pictures import place_in_video

_CROPS_PER_TASK = 4  # a batch is small: more would leave threads without work


class PixelDecoder:
    """Decodes and resizes the crops that are asked for, on a pool of threads.

    Args:
        crops: The crops to read.
        height: Rows of a crop, in pixels.
        width: Columns of a crop, in pixels.
        letterbox: As in `resized`.
        num_threads: Decoding threads; None takes one for each core this process may use.

    Raises:
        ValueError: If height, width or num_threads is below 1.
        DataError: If the archive of the crops cannot be opened, or they lie in a video: each batch would decode it.
    """

    def __init__(
        self,
        crops: CropSet,
        *,
        height: int,
        width: int,
        letterbox: Colour | None = None,
        num_threads: int | None = None,
    ) -> None:
        check_size(height, width)
        if crops.archive is None and any(map(place_in_video, crops.paths)):
            raise DataError(
                f"{crops.name} lies in a video, which would be decoded anew for each batch. Decode it once, into a "
                "file (--pixels.source cache; room for it: --pixels.cache-dir FOLDER), or cut the crops out first "
                "(docs/boxes.md)."
            )
        self._crops, self._height, self._width, self._letterbox = crops, height, width, letterbox
        self._pool = ThreadPoolExecutor(checked_num_threads(num_threads))
        self._reader = CropReader(crops)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, 3)."""
        return (len(self._crops), self._height, self._width, 3)

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: slice | IntArray, /) -> Pixels:
        """Return some crops in the order asked for.

        Raises:
            DataError: If one of them cannot be decoded; all of those asked for are tried first.
        """
        indices = np.arange(len(self._crops))[index].tolist()
        pixels = np.empty((len(indices), *self.shape[1:]), np.uint8)

        def keep(place: int, crop: ReadCrop) -> None:
            pixels[place] = resized(crop.image, height=self._height, width=self._width, letterbox=self._letterbox)

        failures = decode_each(
            self._crops, indices, keep, reader=self._reader, pool=self._pool, crops_per_task=_CROPS_PER_TASK
        )
        if failures:
            raise DataError(describe_failures(self._crops, failures, num_tried=len(indices)))
        return pixels
