"""What a viewer shows of a picture: turned as its EXIF says, on white where it is transparent, in sRGB of 8 bits.

Files, pictures handed over as objects, sizes read from headers and uploads all pass here. So a box drawn on a picture
is cut where it was drawn, and a file gives the same pixels however it is handed over.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from iics.errors import DataError

MOST_PIXELS = 80_000_000
"""Of a picture: more than a camera's frame has. A file of kilobytes can claim, and hold, pixels of gigabytes."""
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""The decoders a crop may reach; Pillow's rarer ones would only widen what a hostile file can touch."""
VERSION = 2
"""Raised when a file gives other pixels than before: pixels that were kept then are not used again."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)  # orientations whose width is the height that is shown


@contextmanager
def decoding() -> Iterator[None]:
    """Turn what Pillow raises into a DataError whose message is the reason alone; the caller knows the file.

    Raises:
        DataError: If the block meets a picture that is truncated, damaged, too large or not of `FORMATS`.
    """
    try:
        yield
    except UnidentifiedImageError as error:
        raise DataError(f"no {', '.join(FORMATS)} image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"it claims to have more than {MOST_PIXELS / 1e6:.0f} million pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        reason = "truncated" if "truncated" in str(error).lower() else f"damaged: {error}"
        raise DataError(reason) from error


@contextmanager
def opened_picture(file: BinaryIO) -> Iterator[Image.Image]:
    """Open a picture whose format and size may be trusted; nothing but its header is read.

    Raises:
        DataError: As `decoding`, or if it has more than `MOST_PIXELS`. The message is the reason alone.
    """
    with decoding(), Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(
                f"it has {image.width:,} x {image.height:,} pixels, at most {MOST_PIXELS / 1e6:.0f} million are read"
            )
        yield image


@decoding()
def as_shown(image: Image.Image) -> Image.Image:
    """Return a picture as it is shown: RGB, with no EXIF or profile left that could be applied again.

    Of several frames it is the one that the picture stands at: the first, of a file just opened.

    Args:
        image: Any picture, loaded or not; it stays as it is. 16 bits a channel are scaled: 65535 is white.

    Raises:
        DataError: As `decoding`, or if its mode is I, F, LAB or La: black and white are not said, or unknown to
            Pillow.
    """
    turn = _TURNS.get(_orientation(image))  # before loading, as `shown_size` reads it
    shown = _in_srgb(_on_white(_of_eight_bits(image)), image.info.get("icc_profile"))
    shown = shown if turn is None else shown.transpose(turn)
    shown.info = {}
    return shown


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height of what `as_shown` returns; of a file just opened, from its header alone."""
    width, height = image.size
    return (height, width) if _orientation(image) in _LYING else (width, height)


def is_turned(image: Image.Image) -> bool:
    """Return whether a picture is shown otherwise than it is stored, by its EXIF."""
    return _orientation(image) != 1


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation of 1 to 8; 1 if there is none, or it is damaged: viewers pass over such a one.

    Only EXIF before the pixels counts: browsers look neither behind them nor into XMP, and Pillow would have to decode.
    """
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error):
        return 1
    return orientation if orientation in _TURNS else 1


def _of_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            values = np.where(values == transparent, np.uint16(65535), values)
        return Image.fromarray((values >> 8).astype(np.uint8))  # the higher byte, as Pillow and browsers take it
    if image.mode in ("I", "F", "LAB", "La"):
        raise DataError(
            f"pixel mode {image.mode} has no one way to be shown; convert it to RGB or grey of 8 or 16 bits"
        )
    return image


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture without transparency, on white: colours that nobody sees are not looked at either."""
    if not image.has_transparency_data:
        return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture as RGB, its colours those of sRGB if it brings a colour profile of its own."""
    transform = _to_srgb(profile, image.mode) if profile else None
    return image.convert("RGB") if transform is None else transform.apply(image)


@lru_cache(maxsize=32)  # a data set has a few profiles, each of them in every file
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB; None if it is sRGB, or no profile for such pixels: viewers ignore it."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
