"""Decoding: the crops of a CropSet -> RGB images of one size, in memory.

Files are read and decoded on a thread pool (Pillow frees the GIL); the result does not depend on the threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from PIL import Image

from iics.arrays import Colour, Pixels
from iics.crops import CropSet
from iics.errors import DataError
from iics.memory import free_memory
from iics.pixels.crop_images import CropImages, ReadCrop
from iics.pixels.crop_reader import CropReader, ReadError

RESAMPLING = Image.Resampling.BICUBIC
Interpolation = Literal["bicubic", "bilinear"]
"""How a crop is resized: ours take bicubic, some networks of others were trained on bilinear."""
_FILTERS = {"bicubic": RESAMPLING, "bilinear": Image.Resampling.BILINEAR}
CROPS_PER_TASK = 64
FAILURES_NAMED = 5


def load_pixels(
    crops: CropSet,
    *,
    height: int,
    width: int,
    interpolation: Interpolation = "bicubic",
    letterbox: Colour | None = None,
    num_threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Pixels:
    """Decode all crops and resize them to one size.

    Args:
        crops: The crops to read.
        height: Rows of the result, in pixels.
        width: Columns of the result, in pixels.
        interpolation: How they are resized.
        letterbox: As in `resized`.
        num_threads: Decoding threads; None takes one for each core this process may use.
        progress: Called from this thread with the number of crops done so far.

    Returns:
        RGB pixels in the order of `crops`. Shape (n, height, width, 3), n * height * width * 3 bytes.

    Raises:
        ValueError: If height, width or num_threads is below 1.
        DataError: If the array does not fit into free memory, or any crop cannot be decoded (all are tried first).
    """
    check_size(height, width)
    _check_memory(crops, height, width)
    pixels = np.empty((len(crops), height, width, 3), dtype=np.uint8)

    def keep(index: int, crop: ReadCrop) -> None:
        pixels[index] = resized(
            crop.image, height=height, width=width, interpolation=interpolation, letterbox=letterbox
        )

    failures = for_each_image(crops, keep, num_threads=num_threads, progress=progress)
    if failures:
        raise DataError(describe_failures(crops, failures))
    return pixels


def for_each_image(
    crops: CropSet,
    use: Callable[[int, ReadCrop], None],
    *,
    num_threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[str, ...]:
    """Read and decode every crop and hand it to `use`, on several threads and in no fixed order.

    Args:
        crops: The crops to read.
        use: Called with the crop's index and the crop, decoded; must be safe to call from threads.
        num_threads: Decoding threads; None takes one for each core this process may use.
        progress: Called from this thread with the number of crops done so far.

    Returns:
        One entry, "place (reason)", for each crop that could not be read or decoded, in order of the crops.

    Raises:
        ValueError: If num_threads is below 1.
        DataError: If the archive cannot be opened.
    """
    num_threads = checked_num_threads(num_threads)
    with CropReader(crops) as reader, ThreadPoolExecutor(num_threads) as pool:
        return decode_each(crops, range(len(crops)), use, reader=reader, pool=pool, progress=progress)


def decode_each(
    crops: CropSet,
    indices: Sequence[int],
    use: Callable[[int, ReadCrop], None],
    *,
    reader: CropReader,
    pool: ThreadPoolExecutor,
    crops_per_task: int = CROPS_PER_TASK,
    progress: Callable[[int], None] | None = None,
) -> tuple[str, ...]:
    """Do the work of `for_each_image` for some crops, with a reader and threads that are there already.

    Args:
        crops: The set.
        indices: Which of them.
        use: Called with the place in `indices` and the crop, decoded; must be safe to call from threads.
        reader: Of `crops`.
        pool: Decodes.
        crops_per_task: Crops that a thread takes at once.
        progress: Called from this thread with the number of crops done so far.

    Returns:
        As `for_each_image`.
    """

    def use_all(places: range) -> list[str]:
        failures = []
        images = CropImages(crops, reader)
        for place in places:
            index = indices[place]
            try:
                crop = images[index]
                _ = crop.image  # decoded here, where its fault is caught
            except DataError as error:
                reason = f"cannot be read: {error.__cause__}" if isinstance(error, ReadError) else str(error)
                failures.append(f"{crops.label(index)} ({reason})")
            else:
                use(place, crop)
        return failures

    tasks = tasks_of(len(indices), crops_per_task)
    failures: list[str] = []
    for task, failed in zip(tasks, pool.map(use_all, tasks), strict=True):
        failures += failed
        if progress is not None:
            progress(task.stop)
    return tuple(failures)


def tasks_of(num_crops: int, crops_per_task: int) -> list[range]:
    """Return the crops in runs that a thread takes at once."""
    starts = range(0, num_crops, crops_per_task)
    return [range(start, min(start + crops_per_task, num_crops)) for start in starts]


def resized(
    image: Image.Image,
    *,
    height: int,
    width: int,
    interpolation: Interpolation = "bicubic",
    letterbox: Colour | None = None,
) -> Pixels:
    """Return the pixels of an RGB image at the size that is asked for.

    Args:
        image: Of any size.
        height: Rows of the result.
        width: Columns of the result.
        interpolation: How it is resized.
        letterbox: Keep the image's shape: it lies in the middle, as large as it fits, and the rest has this colour.
            None stretches it over the whole.

    Returns:
        Shape (height, width, 3).
    """
    if letterbox is None:
        return np.asarray(image.resize((width, height), _FILTERS[interpolation]))
    # Not Pillow's ImageOps.pad: it makes a side of 0 pixels of a crop that is much longer than wide, and fails.
    scale = min(height / image.height, width / image.width)
    rows, columns = max(1, round(scale * image.height)), max(1, round(scale * image.width))
    top, left = (height - rows) // 2, (width - columns) // 2
    pixels = np.full((height, width, 3), letterbox, dtype=np.uint8)
    pixels[top : top + rows, left : left + columns] = np.asarray(image.resize((columns, rows), _FILTERS[interpolation]))
    return pixels


def describe_failures(crops: CropSet, failures: tuple[str, ...], *, num_tried: int | None = None) -> str:
    """Return one message for the crops that `for_each_image` could not decode: the first few and the total.

    Args:
        crops: The set.
        failures: What came back.
        num_tried: How many crops were decoded or not; None for all.
    """
    named = "; ".join(failures[:FAILURES_NAMED])
    rest = len(failures) - FAILURES_NAMED
    return (
        f"{len(failures)} of {num_tried or len(crops)} crops in {crops.name} cannot be decoded: {named}"
        f"{f'; and {rest} more' if rest > 0 else ''}. Replace or remove these files."
    )


def _check_memory(crops: CropSet, height: int, width: int) -> None:
    needed = len(crops) * height * width * 3
    free = free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{crops.name}: {len(crops):,} crops at {height} x {width} pixels need {needed / 1e9:.2f} GB of memory, "
            f"{free / 1e9:.2f} GB are free. Choose a smaller image size, use fewer crops or free memory."
        )


def check_size(height: int, width: int) -> None:
    """Refuse a size that no image has.

    Raises:
        ValueError: If it is empty.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1, got {height} and {width}.")


def checked_num_threads(num_threads: int | None) -> int:
    """Return the number of decoding threads; None takes one for each core this process may use.

    Raises:
        ValueError: If it is below 1.
    """
    if num_threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if num_threads < 1:
        raise ValueError(f"num_threads must be at least 1, got {num_threads}.")
    return num_threads
