"""Pictures written to a file that the user names: PNG or JPEG, by its ending."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from iics.atomic import check_folder_of, write_atomically
from iics.errors import WriteError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def check_picture_path(path: Path) -> None:
    """Refuse a file that no picture can be written to, before anything is computed.

    Raises:
        WriteError: If it is neither PNG nor JPEG, is a folder, or its folder does not exist.
    """
    if path.suffix.lower() not in _FORMATS:
        raise WriteError(f"Contact sheets are written as .png or .jpg; {path} ends in {path.suffix or 'nothing'}.")
    check_folder_of(path)


def write_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture, whole or not at all.

    Raises:
        WriteError: If it cannot be written there.
    """
    check_picture_path(path)
    encoded = io.BytesIO()
    try:
        picture.save(encoded, format=_FORMATS[path.suffix.lower()])
    except (OSError, ValueError) as error:  # a JPEG has at most 65,500 pixels a side
        raise WriteError(f"Cannot draw {path}: {error}; write a .png, or choose fewer crops.") from error
    write_atomically(path, encoded.getvalue())
