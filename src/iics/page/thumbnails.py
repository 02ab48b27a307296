"""Small pictures as `data:` addresses: the page serves no files, so no address can lead to one."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from iics.crops import CropSet
from iics.errors import DataError
from iics.gallery.gallery import Gallery
from iics.gallery.matches import Match
from iics.pixels.crop_images import ReadCrop
from iics.pixels.images import for_each_image

HEIGHT, WIDTH = 192, 128
"""Pixels that a thumbnail has at most: more than it is shown at, for dense screens."""
_QUALITY = 82
_PICTURES_KEPT = 2000
"""Some 5 kB each."""


def thumbnail(image: Image.Image) -> str:
    """Return an RGB picture, made smaller if it is larger than a thumbnail, as a JPEG in a `data:` address."""
    small = image.copy()
    small.thumbnail((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    small.save(content, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def crop_thumbnails(crops: CropSet) -> list[str | None]:
    """Return the thumbnail of each crop; None where its file is gone or damaged."""
    found: list[str | None] = [None] * len(crops)

    def keep(index: int, crop: ReadCrop) -> None:
        found[index] = thumbnail(crop.image)

    try:
        for_each_image(crops, keep)
    except DataError:  # the archive of the crops is gone
        return [None] * len(crops)
    return found


def match_thumbnails(matches: Sequence[Match]) -> dict[str, str | None]:
    """Return the thumbnail of each match by its crop; None where its file is gone or damaged."""
    found: dict[str, str | None] = {}
    for archive, has_box in {(match.archive, match.box is not None) for match in matches}:
        alike = [match for match in matches if (match.archive, match.box is not None) == (archive, has_box)]
        crops = CropSet(
            paths=tuple(match.path for match in alike),
            camera_ids=np.zeros(len(alike), dtype=np.int64),
            camera_names=("any",),
            archive=archive,
            boxes=np.array([match.box for match in alike], dtype=np.int64) if has_box else None,
        )
        found |= zip((match.crop_id for match in alike), crop_thumbnails(crops), strict=True)
    return found


class CropPictures:
    """Pictures of a gallery's crops; the last ones are kept, and shown while their crops are in the gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._kept: dict[str, str | None] = {}

    def __call__(self, crop_ids: Iterable[str]) -> dict[str, str | None]:
        """Return the picture of each crop as a `data:` address; None where the crop or its file is gone."""
        wanted = sorted(set(crop_ids))
        rows = self._gallery.rows_by_id(wanted)
        for gone in set(wanted) - rows.keys():
            self._kept.pop(gone, None)
        new = [Match.from_row(row) for crop_id, row in rows.items() if self._kept.get(crop_id) is None]
        found = {crop_id: self._kept.get(crop_id) for crop_id in rows} | match_thumbnails(new)
        for crop_id, picture in found.items():
            self._kept.pop(crop_id, None)
            self._kept[crop_id] = picture  # the last used last
        while len(self._kept) > _PICTURES_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return found
