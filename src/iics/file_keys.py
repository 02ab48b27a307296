"""One key for one file, however its path is spelled: a/../x.png, a link, another case, relative or absolute.

CropSet -> the place of each crop: its file's key, and its member of an archive and its box where it has them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable
from pathlib import Path

from iics.crops import CropSet
from iics.video_pictures import place_in_video


def file_key(path: Path) -> Hashable | None:
    """Return what all paths to a file have in common, None if there is no file: its number on its device.

    Systems that number no files get the path without links. Of a frame of a video it is that of the video, and the
    frame.
    """
    place = place_in_video(path)
    if place is not None:
        video, frame = place
        key = file_key(video)
        return None if key is None else (key, frame)
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)


def crop_places(crops: CropSet) -> list[tuple[Hashable, ...]]:
    """Return the place of each crop: equal for the same crop, whatever set it is in and however its path is spelled."""
    if crops.archive is None:
        keys = {path: file_key(path) or path for path in set(crops.paths)}
        files: list[tuple[Hashable, ...]] = [(keys[path],) for path in crops.paths]
    else:
        archive = file_key(crops.archive) or crops.archive
        files = [(archive, os.path.normpath(path)) for path in crops.paths]
    if crops.boxes is None:
        return files
    return [(*file, *box) for file, box in zip(files, crops.boxes.tolist(), strict=True)]
