"""The folder that uploads lie in: locked while its process lives, cleared by the next start if that was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "iics-page-"
_LOCK = "lock"


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Yield a folder of this process alone, removed when the block ends; remove those of dead processes first."""
    remove_dead_folders(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Locked under another name first: a folder whose lock can be seen is never without its holder.
        lock = FileLock(folder / f"{_LOCK}.new")
        with lock:
            (folder / f"{_LOCK}.new").rename(folder / _LOCK)
            (folder / "files").mkdir()
            yield folder / "files"


def remove_dead_folders(place: Path) -> None:
    """Remove the folders of uploads whose process is gone; those of other users and of living processes stay."""
    for folder in place.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        try:
            if folder.is_symlink() or lock.is_symlink() or not lock.is_file() or not _is_own(folder):
                continue
            with FileLock(lock, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):  # held by a page that lives, or just removed by one that starts as well
            continue


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
