"""The file of the pixels of some crops: named by what decides them, whole or not at all, with a checksum behind."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
import PIL
from PIL import features

from iics.arrays import Colour, Pixels
from iics.crops import CropSet
from iics.errors import DataError
from iics.pixels.cache_folder import locked, remove_leftovers, temporary_of
from iics.pixels.crop_images import ReadCrop
from iics.pixels.digests import Digests
from iics.pixels.images import CROPS_PER_TASK, RESAMPLING, describe_failures, for_each_image, resized, tasks_of
from iics.regular_file import UnfitFileError, check_regular
from iics.shown_picture import VERSION

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
"""Of the file; what its pixels are of is `shown_picture.VERSION`."""
_DECODERS = ("libjpeg_turbo", "webp")
_HEADER_BYTES = 128
_CHECKSUM_BYTES = hashlib.sha256().digest_size


class CannotKeepError(Exception):
    """Why pixels cannot be kept in the folder, as a sentence."""


def has_size_of(file: Path, shape: tuple[int, ...]) -> bool:
    """Return whether a file has as many bytes as pixels of a shape with what stands before and behind them."""
    return 0 < file.stat().st_size - math.prod(shape) - _CHECKSUM_BYTES <= _HEADER_BYTES


def cache_key(digests: Digests, *, height: int, width: int, letterbox: Colour | None = None) -> str:
    """Return the name of what decides the pixels: 32 hexadecimal digits."""
    decoders = [f"{name} {features.version(name)}" for name in _DECODERS]
    about = [
        FORMAT_VERSION,
        f"shown {VERSION}",
        f"pillow {PIL.__version__}",
        *decoders,
        RESAMPLING.name,
        height,
        width,
        *([] if letterbox is None else [f"letterbox {letterbox}"]),
        len(digests),
    ]
    key = hashlib.sha256("\n".join(str(part) for part in about).encode())
    for digest in digests:
        key.update(digest)
    return key.hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class PixelFile:
    """The file of the pixels of some crops, there or not."""

    file: Path
    crops: CropSet
    digests: Digests
    shape: tuple[int, ...]
    letterbox: Colour | None
    num_threads: int
    progress: Callable[[int], None] | None

    def pixels(self) -> Pixels:
        """Return the pixels in the file, building it if it is not there.

        Raises:
            DataError: As `open_pixels`.
            CannotKeepError: If there is no room for it, or the folder cannot be used.
        """
        folder = self.file.parent
        try:
            pixels = self.opened()
            if pixels is None:
                folder.mkdir(parents=True, exist_ok=True)
                remove_leftovers(folder)
                with locked(self.file, wait=False) as is_free:
                    if is_free:
                        return self._built()
                logger.warning("Another process is decoding %s; waiting for it.", self.crops.name)
                with locked(self.file, wait=True):
                    return self._built()
        except (OSError, NotImplementedError) as error:  # the latter from a file system without locks
            place = self.file if isinstance(error, UnfitFileError) else folder
            raise CannotKeepError(f"Pixels cannot be kept in {place}: {error}.") from error
        if self.progress is not None:
            self.progress(len(self.crops))
        return pixels

    def _built(self) -> Pixels:
        """Return the pixels in a file whose lock is held, building it unless another process just has."""
        file, pixels = self.file, self.opened()
        if pixels is not None:
            return pixels
        if file.exists():
            logger.warning("%s is damaged or not ours; it is built anew.", file)
            file.unlink()
        _check_room(self.crops, self.shape, file.parent)
        temporary = temporary_of(file)
        try:
            with temporary.open("wb") as opened:
                self._write(opened)
                opened.flush()
                os.fsync(opened.fileno())
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        pixels = self.opened()
        if pixels is None:
            raise OSError(f"{file} is not what was written")
        return pixels

    def _write(self, opened: BinaryIO) -> None:
        """Decode all crops, each to its place in the file."""
        crops, shape = self.crops, self.shape
        np.lib.format.write_array_header_1_0(opened, {"descr": "|u1", "fortran_order": False, "shape": shape})
        start, one_at_a_time = opened.tell(), Lock()
        checksums = [b""] * len(self.digests)
        changed: list[str] = []

        def keep(index: int, crop: ReadCrop) -> None:
            if crop.digest != self.digests[index]:
                changed.append(crops.label(index))
                return
            pixels = resized(crop.image, height=shape[1], width=shape[2], letterbox=self.letterbox)
            checksums[index] = hashlib.sha256(pixels.data).digest()
            with one_at_a_time:
                opened.seek(start + index * pixels.size)
                opened.write(pixels.data)

        failures = for_each_image(crops, keep, num_threads=self.num_threads, progress=self.progress)
        if failures:
            raise DataError(describe_failures(crops, failures))
        if changed:
            raise DataError(f"{changed[0]} changed while it was read. Start again when {crops.name} is complete.")
        opened.seek(0, os.SEEK_END)
        opened.write(hashlib.sha256(b"".join(checksums)).digest())

    def opened(self) -> Pixels | None:
        """Return the array in the file; None if that is missing or holds anything but such an array, as written.

        Raises:
            OSError: If it is there and cannot be read.
        """
        try:
            check_regular(self.file)
            pixels: Pixels = np.lib.format.open_memmap(self.file, mode="r")
        except (FileNotFoundError, ValueError, OverflowError):
            return None
        is_ours = pixels.dtype == np.uint8 and pixels.shape == self.shape and pixels.flags.c_contiguous
        if not is_ours or not has_size_of(self.file, self.shape):
            return None
        with self.file.open("rb") as opened:
            opened.seek(-_CHECKSUM_BYTES, os.SEEK_END)
            return pixels if opened.read() == _checksum(pixels, self.num_threads) else None


def _checksum(pixels: Pixels, num_threads: int) -> bytes:
    """Return one hash of the hashes of all crops' pixels, read a few at a time on several threads."""

    def of_task(task: range) -> bytes:
        return b"".join(hashlib.sha256(pixels[index].data).digest() for index in task)

    with ThreadPoolExecutor(num_threads) as pool:
        return hashlib.sha256(b"".join(pool.map(of_task, tasks_of(len(pixels), CROPS_PER_TASK)))).digest()


def _check_room(crops: CropSet, shape: tuple[int, ...], folder: Path) -> None:
    """Refuse what does not fit onto the disk, before anything is decoded."""
    num_crops, height, width, _ = shape
    needed, free = num_crops * height * width * 3 + _HEADER_BYTES + _CHECKSUM_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        raise CannotKeepError(
            f"{crops.name}: {num_crops:,} crops at {height} x {width} pixels take {needed / 1e9:.2f} GB of disk, "
            f"{free / 1e9:.2f} GB are free in {folder}."
        )
