"""What a visitor uploads -> a picture that may go through the model, or the reason why not. Nothing is trusted.

The size in pixels is read from the header and refused before anything is decoded: a few kilobytes can hold a picture of
gigabytes.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass

from PIL import Image

from iics.errors import DataError
from iics.pixels.crop_images import decode_image
from iics.shown_picture import FORMATS, decoding, shown_size

MAX_BYTES = 10_000_000
MAX_PIXELS = 25_000_000
MIN_SIDE = 8
"""Pixels that height and width have to have: less shows nobody."""


@dataclass(frozen=True, eq=False)
class QueryPicture:
    """A picture to search for.

    Attributes:
        name: What the visitor's file is called.
        digest: SHA-256 of the file, in hexadecimal.
        image: Decoded, RGB.
    """

    name: str
    digest: str
    image: Image.Image

    @property
    def note(self) -> str:
        """What is odd about it, "" if nothing is."""
        if self.image.width > self.image.height:
            return "This picture is wider than high. A crop shows one person, from head to feet, and little else."
        return ""


def read_query(name: str, data: bytes) -> QueryPicture:
    """Return the picture in an uploaded file.

    Raises:
        DataError: If it is empty, too large in bytes or pixels, tiny, damaged, or no picture.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"{name} has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are taken.")
    try:
        width, height = _size(data)
        if width * height > MAX_PIXELS:
            raise DataError(
                f"{width:,} x {height:,} pixels; at most {MAX_PIXELS / 1e6:.0f} million are taken, a crop has a few "
                "thousand"
            )
        if min(width, height) < MIN_SIDE:
            raise DataError(f"{width} x {height} pixels; a crop needs at least {MIN_SIDE} x {MIN_SIDE}")
        image = decode_image(data)
    except DataError as error:
        raise DataError(f"{name} cannot be searched for: {error}.") from error
    return QueryPicture(name, hashlib.sha256(data).hexdigest(), image)


def _size(data: bytes) -> tuple[int, int]:
    """Return width and height as the header has them."""
    if not data:
        raise DataError("empty file")
    with warnings.catch_warnings(), decoding():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return shown_size(image)
