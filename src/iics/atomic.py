"""Atomic writes: a killed process leaves the whole old file or the whole new one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from iics.errors import WriteError

_TEMPORARY = ".{name}.{process}.tmp"


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content`: written beside it, flushed to disk, then renamed.

    Text is written as UTF-8; bytes of file names that are not UTF-8 come out as they were.

    Raises:
        WriteError: If it cannot be written; a file that was there stays as it was.
    """
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    temporary = path.parent / _TEMPORARY.format(name=path.name, process=os.getpid())
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        _remove(temporary)
        raise WriteError(f"Cannot write {path}: {error.strerror or error}.") from error
    except BaseException:
        _remove(temporary)
        raise


def check_folder_of(path: Path) -> None:
    """Refuse a file that cannot be made where it is to be, before anything is computed for it.

    Raises:
        WriteError: If its folder does not exist, or it is a folder itself.
    """
    if not path.absolute().parent.is_dir():
        raise WriteError(f"There is no folder {path.absolute().parent} to write {path.name} into.")
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it.")


def remove_stale_temporaries(folder: Path) -> None:
    """Delete what writers that were killed left in a folder."""
    for file in folder.glob(_TEMPORARY.format(name="*", process="*")):
        file.unlink(missing_ok=True)


def _remove(temporary: Path) -> None:
    """Delete a file where that can be done: on a read-only disk, it was never made, and deleting it raises, too."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
