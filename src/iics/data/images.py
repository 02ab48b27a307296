"""Pixels of crops, decoded once: CropSet -> one uint8 array in memory.

Encoded files are read and decoded on a thread pool (Pillow frees the GIL); the result does not depend on the threads.
"""

from __future__ import annotations

import io
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from iics.data.crops import CropSet, read_crop_bytes
from iics.errors import DataError
from iics.memory import free_memory

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""The decoders a crop may reach; Pillow's rarer ones would only widen what a hostile file can touch."""
CROPS_PER_TASK = 64
FAILURES_NAMED = 5


def load_pixels(
    crops: CropSet,
    *,
    height: int,
    width: int,
    num_threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> npt.NDArray[np.uint8]:
    """Decode all crops and resize them (bicubic) to one size.

    Args:
        crops: The crops to read.
        height: Rows of the result, in pixels.
        width: Columns of the result, in pixels.
        num_threads: Decoding threads; None takes one for each core this process may use.
        progress: Called from this thread with the number of crops done so far.

    Returns:
        RGB pixels in the order of `crops`. Shape (n, height, width, 3), n * height * width * 3 bytes.

    Raises:
        ValueError: If height, width or num_threads is below 1.
        DataError: If the array does not fit into free memory, or any crop cannot be decoded (all are tried first).
    """
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1, got {height} and {width}.")
    _check_memory(crops, height, width)
    pixels = np.empty((len(crops), height, width, 3), dtype=np.uint8)

    def keep(index: int, _data: bytes, image: Image.Image) -> None:
        pixels[index] = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))

    failures = for_each_image(crops, keep, num_threads=num_threads, progress=progress)
    if failures:
        raise DataError(describe_failures(crops, failures))
    return pixels


def for_each_image(
    crops: CropSet,
    use: Callable[[int, bytes, Image.Image], None],
    *,
    num_threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[str, ...]:
    """Read and decode every crop and hand it to `use`, on several threads and in no fixed order.

    Args:
        crops: The crops to read.
        use: Called with the crop's index, its encoded file and its RGB image; must be safe to call from threads.
        num_threads: Decoding threads; None takes one for each core this process may use.
        progress: Called from this thread with the number of crops done so far.

    Returns:
        One entry, "place (reason)", for each crop that could not be read or decoded, in order of the crops.

    Raises:
        ValueError: If num_threads is below 1.
        DataError: If the archive cannot be opened.
    """
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads must be at least 1, got {num_threads}.")
    with _reader(crops) as read:

        def use_all(indices: range) -> list[str]:
            failures = []
            for index in indices:
                try:
                    data = read(index)
                    image = decode_image(data)
                except DataError as error:
                    reason = f"cannot be read: {error.__cause__}" if isinstance(error, _ReadError) else str(error)
                    failures.append(f"{crops.label(index)} ({reason})")
                else:
                    use(index, data, image)
            return failures

        starts = range(0, len(crops), CROPS_PER_TASK)
        tasks = [range(start, min(start + CROPS_PER_TASK, len(crops))) for start in starts]
        failures: list[str] = []
        with ThreadPoolExecutor(num_threads or _num_cores()) as pool:
            for task, failed in zip(tasks, pool.map(use_all, tasks), strict=True):
                failures += failed
                if progress is not None:
                    progress(task.stop)
    return tuple(failures)


def decode_image(data: bytes) -> Image.Image:
    """Return the RGB image in an encoded file, fully loaded; of several frames the first.

    Raises:
        DataError: If the data is empty, truncated, damaged, not of `FORMATS` or has more than 8 bits per channel. The
            message is the reason alone; the caller knows the file.
    """
    if not data:
        raise DataError("empty file")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.mode.startswith(("I", "F")):  # convert() would clip these to white
                raise DataError(f"pixel mode {image.mode}; 8 bits per channel are needed")
            loaded = image.convert("RGBA") if "transparency" in image.info else image
            return loaded.convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError(f"no {', '.join(FORMATS)} image") from error
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, Image.DecompressionBombError) as error:
        reason = "truncated" if "truncated" in str(error).lower() else f"damaged: {error}"
        raise DataError(reason) from error


def describe_failures(crops: CropSet, failures: tuple[str, ...]) -> str:
    """Return one message for the crops that `for_each_image` could not decode: the first few and the total."""
    named = "; ".join(failures[:FAILURES_NAMED])
    rest = len(failures) - FAILURES_NAMED
    return (
        f"{len(failures)} of {len(crops)} crops in {crops.name} cannot be decoded: {named}"
        f"{f'; and {rest} more' if rest > 0 else ''}. Replace or remove these files."
    )


class _ReadError(DataError):
    """A file that could not even be read; its cause is the reason."""


@contextmanager
def _reader(crops: CropSet) -> Iterator[Callable[[int], bytes]]:
    """Yield a thread-safe `index -> encoded file`; an archive is opened once and read under a lock."""
    archive: zipfile.ZipFile | None = None
    lock = threading.Lock()
    if crops.archive is not None:
        try:
            archive = zipfile.ZipFile(crops.archive)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"Cannot open {crops.archive}: {error}. Fetch the archive again.") from error

    def read(index: int) -> bytes:
        try:
            if archive is None:
                return read_crop_bytes(crops, index)
            with lock:
                return read_crop_bytes(crops, index, archive=archive)
        except DataError as error:
            raise _ReadError from error.__cause__

    try:
        yield read
    finally:
        if archive is not None:
            archive.close()


def _check_memory(crops: CropSet, height: int, width: int) -> None:
    needed = len(crops) * height * width * 3
    free = free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{crops.name}: {len(crops):,} crops at {height} x {width} pixels need {needed / 1e9:.2f} GB of memory, "
            f"{free / 1e9:.2f} GB are free. Choose a smaller image size, use fewer crops or free memory."
        )


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
