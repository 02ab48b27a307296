"""Files that were named by somebody, read with nothing taken for granted: regular ones, up to a bound.

A named pipe, a socket or a device would be waited for without end, and a file of 50 GB that is called a.jpg would be
read whole before anybody asks whether it is a picture. What is refused is an OSError, as what cannot be opened is.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

MOST_PICTURE_BYTES = 2**28
"""Of a picture's file: 268 MB; one of `iics.shown_picture.MOST_PIXELS` has more only if it is not packed."""
MOST_TABLE_BYTES = 2**29
"""Of a table: 537 MB, a line for each of some millions of crops."""
MOST_TEXT_BYTES = 2**26
"""Of what people or programs note beside data: lists, reports, settings, passwords."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # a pipe put there after the look is not waited for


class UnfitFileError(OSError):
    """What is there is not to be read; its text is the reason alone."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, str(path))
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def check_regular(path: Path | str) -> None:
    """Refuse what is no regular file, without opening it; links are followed.

    Raises:
        OSError: If nothing is there, or something else.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a path or a text
    except ValueError as error:  # a NUL, which no file name has
        raise UnfitFileError(path, "no file can have this name") from error
    if not stat.S_ISREG(mode):
        raise UnfitFileError(path, f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, no regular file")


def open_regular(path: Path | str) -> BufferedReader:
    """Return a regular file, open to be read.

    Raises:
        OSError: As `check_regular`, or if it cannot be opened.
    """
    check_regular(path)
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE))


def read_regular(path: Path | str, *, most_bytes: int) -> bytes:
    """Return the contents of a regular file.

    Args:
        path: The file.
        most_bytes: Larger files are refused before anything is read.

    Raises:
        OSError: As `open_regular`, or if the file is larger, or changes while it is read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise UnfitFileError(path, too_large(size, most_bytes))
        data = file.read(size + 1)
    if len(data) != size:
        raise UnfitFileError(path, "it changes while it is read, or does not tell its size")
    return data


def too_large(num_bytes: int, most_bytes: int) -> str:
    """Return why a file of so many bytes is refused."""
    return f"it has {num_bytes / 1e6:,.0f} MB, at most {most_bytes / 1e6:,.0f} MB are read"
