"""Paths that begin with ~, as people write them, where a user may have no home folder."""

from __future__ import annotations

import os
from pathlib import Path

from iics.errors import DataError


def expanded(path: Path | str) -> Path:
    """Return a path with the home folder in place of ~ or ~USER.

    Raises:
        DataError: If that user has none, or what was given is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise DataError(f"A path is needed, as text or as a pathlib.Path, got {path!r:.80}.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # pathlib's, which names nothing
        raise DataError(
            f"{path} begins with ~, and the home folder that it stands for is not known. Set HOME, or write the path "
            "in full."
        ) from error
