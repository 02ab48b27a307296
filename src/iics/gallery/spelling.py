"""Names as a database holds them, which is Unicode, and as this process calls its files, which depends on its locale.

Where the locale knows ASCII alone (LC_ALL=C without Python's UTF-8 mode), Python keeps each other byte of a file's name
or an argument as a lone surrogate, and no database takes those. Names on disk are UTF-8 nearly everywhere, so they are
read as that. In a UTF-8 locale nothing changes.
"""

from __future__ import annotations

import os
from pathlib import Path


def unicode_name(name: str) -> str:
    """Return a name of a file, a camera or an argument as Unicode; bytes that are no UTF-8 stay surrogates."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def local_path(name: str) -> Path:
    """Return the path by which this process can open a file of that Unicode name."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return Path(os.fsdecode(name.encode("utf-8", "surrogateescape")))
    return Path(name)
