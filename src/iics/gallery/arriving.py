"""Crops that arrive in a folder: which files are complete and new. It polls, so that network shares work.

A file is complete if size and time of change are the same in two successive looks. A file that cannot be read is
tried again when it changes.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.errors import DataError
from iics.natural_order import natural_order
from iics.plausible_times import EARLIEST, LATEST
from iics.readers.left_out import is_ignored, is_image

logger = logging.getLogger(__name__)

FileState = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


@dataclass
class ArrivingFiles:
    """What was seen of a folder's images so far.

    Attributes:
        folder: Where they arrive, at any depth.
    """

    folder: Path
    _seen: dict[Path, FileState] = field(default_factory=dict)
    _taken: dict[Path, FileState] = field(default_factory=dict)
    _passed_over: set[Path] = field(default_factory=set)

    def look(self) -> list[Path]:
        """Return the images that are whole and were not returned as they are now, in order of their paths.

        Folders that are hidden or kept by a NAS or desktop are passed over, and told when they are first seen.

        Raises:
            DataError: If the folder is gone.
        """
        now, passed_over = _images(self.folder)
        self._tell(passed_over - self._passed_over)
        self._passed_over = passed_over
        whole = [
            path for path, state in now.items() if self._seen.get(path) == state and self._taken.get(path) != state
        ]
        self._seen = now
        self._taken = {path: state for path, state in self._taken.items() if path in now}
        self._taken |= {path: now[path] for path in whole}
        return whole

    def modified(self, path: Path) -> float:
        """Return when a file that was returned was last changed, as it was then.

        In seconds since 1970; NaN where the file's system says what cannot be.
        """
        seconds = self._taken[path][1] / 1e9
        return seconds if EARLIEST <= seconds < LATEST else math.nan

    def _tell(self, folders: set[Path]) -> None:
        if folders:
            logger.warning(
                "Passed over: %s%s (hidden, or kept by a NAS, desktop or program beside pictures).",
                min(folders),
                f" and {len(folders) - 1} other such folders" if len(folders) > 1 else "",
            )


def crops_by_folder(
    folder: Path, files: Sequence[Path], *, camera: str | None, time_of: Callable[[Path], float] | None = None
) -> tuple[CropSet | None, list[Path]]:
    """Return the crops in `files`, and the files whose camera is not known.

    Args:
        folder: The watched folder.
        files: Images below it.
        camera: The one camera that took them all; None if the first folder below `folder` names it.
        time_of: Answers when a crop was taken, in seconds since 1970; None if that is not known.
    """
    cameras = {file: camera or _camera_folder(folder, file) for file in files}
    known = [file for file in files if cameras[file]]
    names = natural_order(name for name in cameras.values() if name)
    if not known:
        return None, list(files)
    number = {name: index for index, name in enumerate(names)}
    camera_ids = np.array([number[cameras[file] or ""] for file in known])
    times = None if time_of is None else np.array([time_of(file) for file in known])
    crops = CropSet(tuple(known), camera_ids, tuple(names), times=times, name=folder.name)
    return crops, [file for file in files if not cameras[file]]


def _camera_folder(folder: Path, file: Path) -> str | None:
    parts = file.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else None


def _images(folder: Path) -> tuple[dict[Path, FileState], set[Path]]:
    """Return size and time of change of each image at any depth, by path, and the folders that are passed over."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder} to watch.")
    found: dict[Path, FileState] = {}
    passed_over: set[Path] = set()
    for parent, folders, names in os.walk(folder):
        passed_over |= {Path(parent, name) for name in folders if is_ignored(name)}
        # In place: os.walk then does not enter the others.
        folders[:] = [name for name in folders if not is_ignored(name)]
        for name in names:
            path = Path(parent, name)
            if is_ignored(name) or not is_image(name):
                continue
            try:
                state = path.stat()
            except OSError:
                if path.is_symlink():
                    found[path] = (0, 0)  # to nothing, or to itself: reading it will tell
                continue  # gone between listing and looking
            found[path] = (state.st_size, state.st_mtime_ns)
    return dict(sorted(found.items(), key=lambda item: item[0].as_posix())), passed_over
