"""Encoded files of a crop set, one after another or from many threads; archives and videos stay open."""

from __future__ import annotations

import threading
import zipfile
from contextlib import closing
from pathlib import Path

from iics.crops import CropSet
from iics.errors import DataError
from iics.regular_file import MOST_PICTURE_BYTES, read_regular
from iics.video_pictures import VideoPictures, place_in_video
from iics.zip_member import ZIP_FAULTS, open_zip, read_member


class ReadError(DataError):
    """A file that could not even be read; its cause is the reason."""


class CropReader:
    """Reads encoded files by index; safe to use from threads, those of an archive one at a time.

    Raises:
        DataError: If the archive cannot be opened.
    """

    def __init__(self, crops: CropSet) -> None:
        self._crops = crops
        self._lock = threading.Lock()
        self._videos = VideoPictures()
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
                return read_crop_bytes(self._crops, index, videos=self._videos)
            with self._lock:
                return read_crop_bytes(self._crops, index, archive=self._archive)
        except DataError as error:
            raise ReadError(str(error)) from error.__cause__

    def close(self) -> None:
        """Close the archive and the videos, if there are any."""
        self._videos.close()
        if self._archive is not None:
            self._archive.close()


def read_crop_bytes(
    crops: CropSet, index: int, *, archive: zipfile.ZipFile | None = None, videos: VideoPictures | None = None
) -> bytes:
    """Return the encoded file of one crop, of a frame of a video a picture that is made of it.

    Args:
        crops: The set.
        index: Which crop.
        archive: The open zip of `crops.archive`; opened for this one read if it is None.
        videos: Videos that may be open; opened for this one read if it is None.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        place = place_in_video(crops.paths[index]) if crops.archive is None else None
        if place is not None:
            return _read_frame(*place, videos)
        if crops.archive is None:
            return read_regular(crops.paths[index], most_bytes=MOST_PICTURE_BYTES)
        member = crops.paths[index].as_posix()
        if archive is not None:
            return read_member(archive, member, most_bytes=MOST_PICTURE_BYTES)
        with open_zip(crops.archive) as opened:
            return read_member(opened, member, most_bytes=MOST_PICTURE_BYTES)
    except (DataError, *ZIP_FAULTS) as error:
        raise DataError(f"Cannot read {crops.label(index)}: {error}.") from error


def _read_frame(video: Path, frame: int, videos: VideoPictures | None) -> bytes:
    if videos is not None:
        return videos.read(video, frame)
    with closing(VideoPictures()) as opened:
        return opened.read(video, frame)
