"""The picture of a match, read from where it was when it was indexed."""

from __future__ import annotations

import numpy as np
from PIL import Image

from iics.crops import CropSet
from iics.errors import DataError
from iics.gallery.matches import Match
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader


def match_image(match: Match) -> Image.Image:
    """Return the crop, RGB.

    Raises:
        DataError: If its file is gone or cannot be decoded.
    """
    crops = CropSet(
        paths=(match.path,),
        camera_ids=np.zeros(1, dtype=np.int64),
        camera_names=(match.camera,),
        archive=match.archive,
        boxes=None if match.box is None else np.array([match.box]),
    )
    with CropReader(crops) as reader:
        try:
            return CropImages(crops, reader)[0].image
        except DataError as error:
            raise DataError(f"Cannot show {match.place}: {error}") from error
