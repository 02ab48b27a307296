"""Crops decoded once: CropSet -> one uint8 array in a file, mapped into memory and served by index.

The file is named by a hash of everything that decides its pixels: the contents and boxes of the crops in their order,
the size, how crops come to it, the decoders and how a picture is shown. A crop that changed gives another name, so
pixels are never out of date. A file appears whole or not at all; of two processes that need it at once, one builds it
and the other waits. Behind the pixels stands a checksum of them, compared whenever the file is opened: what a disk lost
since is decoded again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from iics.arrays import Colour, Pixels
from iics.crops import CropSet
from iics.errors import WriteError
from iics.pixels.cache_folder import cache_folder, cached_file
from iics.pixels.digests import Digests, file_digests
from iics.pixels.images import check_size, checked_num_threads
from iics.pixels.pixel_decoder import PixelDecoder
from iics.pixels.pixel_file import CannotKeepError, PixelFile, cache_key, has_size_of
from iics.pixels.pixel_source import PixelSource

logger = logging.getLogger(__name__)

Source = Literal["auto", "cache", "decode"]


def open_pixels(
    crops: CropSet,
    *,
    height: int,
    width: int,
    letterbox: Colour | None = None,
    source: Source = "auto",
    cache_dir: str = "",
    num_threads: int | None = None,
    digests: Digests | None = None,
    progress: Callable[[int], None] | None = None,
) -> PixelSource:
    """Return the pixels of crops, resized (bicubic) to one size: the same whatever the source.

    Args:
        crops: The crops to read.
        height: Rows of a crop, in pixels.
        width: Columns of a crop, in pixels.
        letterbox: As in `resized`.
        source: `cache` maps a file of n * height * width * 3 bytes, which is built first if it is not there. `decode`
            reads the crops each time. `auto` takes the file, and decodes with a warning where it cannot be kept.
        cache_dir: Folder of that file; empty takes the user's folder for caches.
        num_threads: Decoding threads; None takes one for each core this process may use.
        digests: What `file_digests` returned, if it was asked before.
        progress: Called from this thread with the number of crops done so far, while the file is built.

    Returns:
        Pixels in the order of `crops`; read-only if they lie in a file.

    Raises:
        ValueError: If height, width or num_threads is below 1.
        DataError: If any crop cannot be decoded (all are tried first; of `decode` only those that are asked for), or
            changes while it is read.
        WriteError: If the source is `cache` and the file cannot be kept.
    """
    kept = kept_pixels(
        crops,
        height=height,
        width=width,
        letterbox=letterbox,
        source=source,
        cache_dir=cache_dir,
        num_threads=num_threads,
        digests=digests,
        progress=progress,
    )
    if kept is not None:
        return kept
    return PixelDecoder(crops, height=height, width=width, letterbox=letterbox, num_threads=num_threads)


def kept_pixels(
    crops: CropSet,
    *,
    height: int,
    width: int,
    letterbox: Colour | None = None,
    source: Source = "auto",
    cache_dir: str = "",
    num_threads: int | None = None,
    digests: Digests | None = None,
    progress: Callable[[int], None] | None = None,
) -> Pixels | None:
    """Return pixels that lie in a file, as `open_pixels`, or None if they are to be decoded each time."""
    check_size(height, width)
    num_threads = checked_num_threads(num_threads)
    if source == "decode":
        return None
    try:
        folder = _folder(cache_dir)
        digests = digests or file_digests(crops, num_threads=num_threads)
        file = cached_file(folder, cache_key(digests, height=height, width=width, letterbox=letterbox))
        shape = (len(crops), height, width, 3)
        return PixelFile(file, crops, digests, shape, letterbox, num_threads, progress).pixels()
    except CannotKeepError as error:
        ways_out = "Free disk (iics clear-cache) or choose another folder (--pixels.cache-dir)"
        if source == "cache":
            raise WriteError(f"{error} {ways_out}, or decode each time (--pixels.source decode).") from error
        logger.warning("%s Crops are decoded each time they are needed, which is slower. %s.", error, ways_out)
        return None


def pixels_kept_before(
    crops: CropSet, *, height: int, width: int, letterbox: Colour | None = None, cache_dir: str = ""
) -> Pixels | None:
    """Return pixels that lie in a file already, None if there is no such file, whole; nothing is written.

    Crops are read and hashed only if a file of the right size is there.

    Raises:
        DataError: If one cannot be read.
    """
    shape, num_threads = (len(crops), height, width, 3), checked_num_threads(None)
    try:
        folder = _folder(cache_dir)
        if not any(has_size_of(file, shape) for file in folder.glob(cached_file(folder, "*").name)):
            return None
        digests = file_digests(crops, num_threads=num_threads)
        file = cached_file(folder, cache_key(digests, height=height, width=width, letterbox=letterbox))
        return PixelFile(file, crops, digests, shape, letterbox, num_threads, None).opened()
    except (CannotKeepError, OSError):
        return None


def _folder(cache_dir: str) -> Path:
    try:
        return cache_folder(cache_dir)
    except WriteError as error:
        raise CannotKeepError(str(error)) from error
