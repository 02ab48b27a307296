"""The folder that keeps decoded pixels: where it is, what in it is ours, how it is locked and emptied.

pixels-KEY.npy              decoded pixels, whole
.pixels-KEY.npy.PID.tmp     being written, or left by a process that was killed
pixels-KEY.npy.lock         held by the process that writes
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from iics.errors import WriteError

_OURS = re.compile(r"\.?(?P<name>pixels-[0-9a-f]{32}\.npy)(\.lock|\.[0-9]+\.tmp)?")


@dataclass(frozen=True)
class ClearedFile:
    """A file that was removed."""

    path: Path
    num_bytes: int


@dataclass(frozen=True)
class Clearance:
    """What emptying a cache folder did.

    Attributes:
        removed: Files that are gone.
        kept: Files that another process is writing.
    """

    removed: tuple[ClearedFile, ...]
    kept: tuple[Path, ...]


def cache_folder(chosen: str = "") -> Path:
    """Return the folder for decoded pixels: the one chosen, or `iics` in the user's folder for caches.

    Raises:
        WriteError: If it is below the home folder of a user that has none.
    """
    caches = os.environ.get("XDG_CACHE_HOME", "")
    folder = chosen or (f"{caches}/iics" if Path(caches).is_absolute() else "~/.cache/iics")
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise WriteError(
            f"There is no folder {folder} to keep decoded pixels in: this user has no home folder. Set HOME or "
            "XDG_CACHE_HOME, or name a folder in full."
        ) from error


def cached_file(folder: Path, key: str) -> Path:
    """Return where the pixels of a key (32 hexadecimal digits) are kept."""
    return folder / f"pixels-{key}.npy"


def temporary_of(file: Path) -> Path:
    """Return where this process writes a cached file before it is whole."""
    return file.with_name(f".{file.name}.{os.getpid()}.tmp")


@contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of a cached file within the block; it ends with the process, however that ends.

    Args:
        file: The cached file, there or not.
        wait: Whether to wait for another process that holds it.

    Yields:
        Whether it is held: always after waiting.

    Raises:
        OSError: If the lock cannot be made.
    """
    lock = FileLock(_lock_of(file))
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed left half written; files whose lock is held stay."""
    for file, parts in _parts(folder).items():
        temporaries = [path for path in parts if path.suffix == ".tmp"]
        if temporaries:
            with locked(file, wait=False) as is_held:
                for path in temporaries if is_held else []:
                    path.unlink(missing_ok=True)


def clear_cache(folder: Path) -> Clearance:
    """Remove decoded pixels, leftovers and locks from a folder; files of other names stay, and those being written.

    Raises:
        WriteError: If the folder cannot be read or one of our files cannot be removed.
    """
    if folder.exists() and not folder.is_dir():
        raise WriteError(f"{folder} is no folder; name the one that decoded pixels are kept in.")
    removed: list[ClearedFile] = []
    kept: list[Path] = []
    try:
        for file, parts in _parts(folder).items():
            with locked(file, wait=False) as is_held:
                if not is_held:
                    kept += [path for path in parts if path != _lock_of(file)]
                    continue
                for path in sorted(parts - {_lock_of(file)}):
                    if path.is_file():  # the process that wrote it may just have finished
                        num_bytes = path.stat().st_size
                        path.unlink()
                        removed.append(ClearedFile(path, num_bytes))
                _lock_of(file).unlink()
    except OSError as error:
        raise WriteError(f"Cannot clear {folder}: {error}.") from error
    return Clearance(tuple(removed), tuple(kept))


def _parts(folder: Path) -> dict[Path, set[Path]]:
    """Return our files of a folder, grouped by the cached file they belong to, whether or not that is there."""
    parts: dict[Path, set[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _OURS.fullmatch(path.name)
        if match and path.is_file():
            parts.setdefault(folder / match["name"], set()).add(path)
    return parts


def _lock_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")
