"""Files that are no data: what a NAS, a desktop or a program keeps beside pictures, such as thumbnails.

Every reader of folders and archives ignores them, and warns with a count if some are named like pictures.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_NAMES = frozenset(
    {
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@sharesnap"),  # Synology
        *("@__thumb", "@recycle", "@recently-snapshot"),  # QNAP
        *("~snapshot", "lost+found"),  # NetApp, Linux
        *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows' disks
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),  # Windows' folders
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder", "icon\r"),  # macOS
        *("picasa.ini", "zbthumbnail.info", "pspbrwse.jbf", "_vti_cnf", "_notes", "_gsdata_"),  # programs
    }
)
"""In lower case; names that begin with a dot (.thumbnails, .@__thumb, .Trash-1000, .sync) need no mention."""
_ENDINGS = ("@synoeastream", "@synoresource")
_APPLE_DOUBLE = "._"  # what macOS knows of the file of that name: named like a picture, and none


def is_ignored(name: str) -> bool:
    """Return whether a file or folder name is hidden, or one that a system keeps beside pictures."""
    lower = name.lower()
    return name.startswith(".") or lower in _NAMES or lower.endswith(_ENDINGS)


def is_image(name: str) -> bool:
    """Return whether a file is named like a picture."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


class LeftOut:
    """What was ignored in one data set. State: the number of files named like pictures, by the name ignored."""

    def __init__(self) -> None:
        self._num_images: Counter[str] = Counter()

    def note_entry(self, path: Path) -> None:
        """Note a file or folder that is passed over, with all that is below it."""
        if path.is_dir() and not path.is_symlink():
            names = (name for _, _, names in os.walk(path) for name in names)  # what cannot be listed counts as empty
            self._note(path.name, names)
        else:
            self._note("hidden files", [path.name])

    def note_member(self, parts: list[str]) -> None:
        """Note a file of an archive that is passed over, by the parts of its path."""
        first = next(part for part in parts if is_ignored(part))
        self._note("hidden files" if first is parts[-1] else first, parts[-1:])

    def tell(self, name: str) -> None:
        """Warn if files named like pictures were passed over; `name` is what to call the data."""
        total = self._num_images.total()
        if total:
            where = ", ".join(f"{what} ({count})" for what, count in sorted(self._num_images.items()) if count)
            logger.warning(
                "%s: %s left out: hidden, or kept by a NAS, desktop or program beside pictures: %s.",
                name,
                f"{total} files named like pictures are" if total > 1 else "1 file named like a picture is",
                where,
            )

    def _note(self, what: str, names: Iterable[str]) -> None:
        self._num_images[what] += sum(is_image(name) and not name.startswith(_APPLE_DOUBLE) for name in names)
