"""Crops as rows of a gallery: their keys, and what is stored of each beside its feature.

A crop's key is a hash of its place: absolute file, archive and box. A row also holds a hash of the file's contents,
to notice a picture that was replaced.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iics.crops import CropSet
from iics.errors import GalleryError
from iics.gallery.filters import is_quotable
from iics.gallery.schema import TEXT_LENGTHS
from iics.gallery.stored_values import UNKNOWN_TIME, Row, unicode_name
from iics.home_folder import expanded

_TRACKLET_BITS = 48  # few enough for any program that reads JSON, enough for a million tracklets


@dataclass(frozen=True)
class CropKeys:
    """Keys of the crops of a set in a gallery.

    Attributes:
        crops: The set.
        ids: Key of each crop: the same however its path is written. Length n.
        tracklets: The gallery's number of each crop's tracklet, None where it is not known: a hash of the key of the
            tracklet's first crop. Readers number tracklets from 0 in every data set, so their numbers would mean
            another tracklet in the next one. Length n.
    """

    crops: CropSet
    ids: tuple[str, ...]
    tracklets: tuple[int | None, ...]

    @classmethod
    def of(cls, crops: CropSet) -> CropKeys:
        """Return the keys of a set."""
        ids = tuple(_key(*_place(crops, index)) for index in range(len(crops)))
        return cls(crops, ids, _tracklet_numbers(crops, ids))

    def row(self, index: int, digest: bytes) -> Row:
        """Return what is stored of a crop beside its feature.

        Args:
            index: Which crop.
            digest: Hash of all that decides its pixels.

        Raises:
            GalleryError: If a name is too long, or is no text; the message is the reason alone.
        """
        crops = self.crops
        path, archive, box = _place(crops, index)
        time = math.nan if crops.times is None else float(crops.times[index])
        row: Row = {
            "crop_id": self.ids[index],
            "digest": digest.hex(),
            "path": unicode_name(path),
            "archive": unicode_name(archive),
            "camera": unicode_name(crops.camera_names[crops.camera_ids[index]]),
            "time": time if math.isfinite(time) else None,
            "tracklet": self.tracklets[index],
            "identity": None if crops.identity_ids is None else int(crops.identity_ids[index]),
            **dict(zip(("left", "top", "width", "height"), box or (None,) * 4, strict=True)),
        }
        _check_texts(row, crops.label(index))
        if row["time"] is not None and row["time"] <= UNKNOWN_TIME:
            raise GalleryError(f"the time {time} of {crops.label(index)} is no moment; it must be above {UNKNOWN_TIME}")
        return row


def _tracklet_numbers(crops: CropSet, ids: tuple[str, ...]) -> tuple[int | None, ...]:
    if crops.tracklet_ids is None:
        return (None,) * len(crops)
    first: dict[int, int] = {}
    for index in sorted(range(len(crops)), key=lambda index: (crops.paths[index].as_posix(), index)):
        first.setdefault(int(crops.tracklet_ids[index]), index)
    numbers = {number: int(ids[index], 16) >> (256 - _TRACKLET_BITS) for number, index in first.items()}
    return tuple(numbers[int(number)] if number >= 0 else None for number in crops.tracklet_ids)


def _place(crops: CropSet, index: int) -> tuple[str, str, tuple[int, int, int, int] | None]:
    """Return file, archive ("" if none) and box of a crop, as they are stored."""
    if crops.archive is None:
        path, archive = str(_absolute(crops.paths[index])), ""
    else:
        path, archive = crops.paths[index].as_posix(), str(_absolute(crops.archive))
    if crops.boxes is None:
        return path, archive, None
    left, top, width, height = np.asarray(crops.boxes[index]).tolist()
    return path, archive, (left, top, width, height)


def _absolute(path: Path) -> Path:
    """Return the one name of a file among its relative and absolute ones; links are kept, as users know them."""
    return Path(os.path.normpath(expanded(path).absolute()))


def _key(path: str, archive: str, box: tuple[int, int, int, int] | None) -> str:
    parts = (path, archive, "" if box is None else ",".join(map(str, box)))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _check_texts(row: Row, label: str) -> None:
    for field, length in TEXT_LENGTHS.items():
        if not is_quotable(row[field]):
            raise GalleryError(f"the {field} {row[field]!r} of {label!r} holds characters that are no text; rename it")
        num_bytes = len(row[field].encode())
        if num_bytes > length:
            raise GalleryError(f"the {field} of {label} takes {num_bytes} bytes, a gallery holds {length}; shorten it")
