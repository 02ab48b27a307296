"""Members of a zip, read in place with nothing taken for granted: what they claim is asked before they are unpacked."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import cast

from iics.errors import DataError
from iics.regular_file import check_regular, open_regular, too_large

ZIP_FAULTS = (
    *(OSError, EOFError, KeyError, IndexError, ValueError, OverflowError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError),
)
"""What zipfile raises of a damaged archive; RuntimeError of members that are encrypted or packed in another way."""

_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # unpacked no further than asked for
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")  # gzip, bzip2, xz
_PIECE = 4096  # of what is packed; of the other ways, this much unpacks to some 100 MB at most


def open_zip(path: Path) -> zipfile.ZipFile:
    """Return an archive, open to be read.

    Raises:
        Exception: One of `ZIP_FAULTS`, if it is none, damaged, or no regular file.
    """
    check_regular(path)
    return zipfile.ZipFile(path)


def read_member(archive: zipfile.ZipFile, name: str, *, most_bytes: int) -> bytes:
    """Return a member, unpacked.

    Args:
        archive: Open.
        name: Of the member.
        most_bytes: Larger ones are refused before they are unpacked; one that holds more than it claims is not
            unpacked further than that.

    Raises:
        DataError: If it claims to be larger. The message is the reason alone.
        Exception: One of `ZIP_FAULTS`, if it is missing or damaged.
    """
    member = archive.getinfo(name)
    if member.file_size > most_bytes:
        raise DataError(too_large(member.file_size, most_bytes))
    with cast(zipfile.ZipExtFile, archive.open(member)) as opened:
        if member.compress_type in _BOUNDED:
            return opened.read(member.file_size)
        return b"".join(iter(lambda: opened.read1(_PIECE), b""))


def is_tar(path: Path) -> bool:
    """Return whether a file is a tar archive, packed or not.

    Its first bytes are asked before tarfile is: that looks for the begin of xz data through all zeros of a file.
    """
    with open_regular(path) as file:
        head = file.read(512)
    return (head.startswith(_PACKED) or head[257:262] == b"ustar") and tarfile.is_tarfile(path)


def is_plain(name: str) -> bool:
    """Return whether a member is found again under the path that its name makes: a//b and ./a are not."""
    return Path(name).as_posix() == name
