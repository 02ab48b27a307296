"""The image of a crop: its file decoded and, where the crop is a box in a larger picture, cut to it.

Everything that looks at pixels asks here, so a box is never forgotten. Boxes of one file that are asked for in a row
read, hash and decode it once.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from iics.crops import CropSet
from iics.errors import DataError
from iics.pixels.crop_reader import CropReader
from iics.shown_picture import as_shown, opened_picture

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True, eq=False)
class EncodedFile:
    """A file that was read."""

    data: bytes

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.data).digest()

    @cached_property
    def image(self) -> Image.Image:
        """The whole picture as a viewer shows it, RGB.

        Raises:
            DataError: As `decode_image`.
        """
        return decode_image(self.data)


@dataclass(frozen=True, eq=False)
class ReadCrop:
    """A crop that was read.

    Attributes:
        file: Its file, perhaps shared with other crops.
        box: Where it lies in the picture as it is shown; None if the file is the crop.
    """

    file: EncodedFile
    box: Box | None

    @property
    def digest(self) -> bytes:
        """A hash of all that decides the pixels: the file's own, or one of that and the box."""
        if self.box is None:
            return self.file.digest
        return hashlib.sha256(self.file.digest + np.array(self.box, "<i8").tobytes()).digest()

    @cached_property
    def image(self) -> Image.Image:
        """The crop, RGB.

        Raises:
            DataError: As `decode_image`, or if the box reaches outside the picture.
        """
        if self.box is None:
            return self.file.image
        left, top, width, height = self.box
        picture = self.file.image
        if left + width > picture.width or top + height > picture.height:
            raise DataError(
                f"the box needs {left + width} x {top + height} pixels, the picture has "
                f"{picture.width} x {picture.height}"
            )
        return picture.crop((left, top, left + width, top + height))


class CropImages:
    """Crops of a set by index; of boxes in one file, asked for in a row, the file is read and decoded once.

    It holds one file and is for one thread; the reader may be shared.
    """

    def __init__(self, crops: CropSet, reader: CropReader) -> None:
        self._crops, self._reader = crops, reader
        self._path: Path | None = None
        self._file = EncodedFile(b"")

    def __getitem__(self, index: int) -> ReadCrop:
        """Return one crop, read and not yet decoded.

        Raises:
            ReadError: If its file cannot be read.
        """
        if self._crops.boxes is None:
            return ReadCrop(EncodedFile(self._reader.read(index)), None)
        path = self._crops.paths[index]
        if path != self._path:
            self._file = EncodedFile(self._reader.read(index))
            self._path = path
        left, top, width, height = self._crops.boxes[index].tolist()
        return ReadCrop(self._file, (left, top, width, height))


def decode_image(data: bytes) -> Image.Image:
    """Return what is shown of an encoded file, RGB and fully loaded; of several frames the first.

    Raises:
        DataError: If the data is empty, truncated, damaged, too large or not of `FORMATS`. The message is the reason
            alone; the caller knows the file.
    """
    if not data:
        raise DataError("empty file")
    with opened_picture(io.BytesIO(data)) as image:
        return as_shown(image)
