"""Hashes of what crops are: one each, of the encoded file and the box in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from iics.crops import CropSet
from iics.errors import DataError
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader, ReadError
from iics.pixels.images import CROPS_PER_TASK, describe_failures, for_each_image, tasks_of

Digests = list[bytes]
"""A hash of each crop's file and box; of length n."""


def file_digests(crops: CropSet, *, num_threads: int) -> Digests:
    """Return a hash of each crop's encoded file and its box; reading is cheap beside decoding.

    Raises:
        DataError: If one cannot be read; then all are decoded, so that every bad file is named at once.
    """

    def digests_of(task: range) -> Digests:
        images = CropImages(crops, reader)
        return [images[index].digest for index in task]

    try:
        with CropReader(crops) as reader, ThreadPoolExecutor(num_threads) as pool:
            return [digest for part in pool.map(digests_of, tasks_of(len(crops), CROPS_PER_TASK)) for digest in part]
    except ReadError as error:
        failures = for_each_image(crops, lambda *_: None, num_threads=num_threads) or (str(error),)
        raise DataError(describe_failures(crops, failures)) from error
