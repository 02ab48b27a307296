"""Encoded files of a crop set, one after another or from many threads; an archive is opened once."""

from __future__ import annotations

import threading
import zipfile

from iics.crops import CropSet, read_crop_bytes
from iics.errors import DataError
from iics.zip_member import ZIP_FAULTS, open_zip


class ReadError(DataError):
    """A file that could not even be read; its cause is the reason."""


class CropReader:
    """Reads encoded files by index; safe to use from threads, those of an archive one at a time.

    Args:
        crops: The crops to read.

    Raises:
        DataError: If the archive cannot be opened.
    """

    def __init__(self, crops: CropSet) -> None:
        self._crops = crops
        self._lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        if crops.archive is not None:
            try:
                self._archive = open_zip(crops.archive)
            except ZIP_FAULTS as error:
                raise DataError(f"Cannot open {crops.archive}: {error}. Fetch the archive again.") from error

    def __enter__(self) -> CropReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, index: int) -> bytes:
        """Return the encoded file of one crop.

        Raises:
            ReadError: If it cannot be read.
        """
        try:
            if self._archive is None:
                return read_crop_bytes(self._crops, index)
            with self._lock:
                return read_crop_bytes(self._crops, index, archive=self._archive)
        except DataError as error:
            raise ReadError(str(error)) from error.__cause__

    def close(self) -> None:
        """Close the archive, if there is one."""
        if self._archive is not None:
            self._archive.close()
