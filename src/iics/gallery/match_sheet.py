"""A picture of the query and its matches. If a file is missing, its place is blank and says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iics.crops import CropSet
from iics.errors import DataError
from iics.gallery.matches import Match
from iics.home_folder import expanded
from iics.pixels.crop_images import CropImages, decode_image
from iics.pixels.crop_reader import CropReader
from iics.pixels.drawing import FRAME, GAP, MARGIN, WHITE, camera_caption, draw_cell, line_height
from iics.regular_file import MOST_PICTURE_BYTES, read_regular

QUERY_FRAME, MATCH_FRAME = (130, 130, 130), (60, 100, 170)
_COLUMNS = 10
_CROP_HEIGHT = 128
"""In pixels; crops are fitted into boxes half as wide."""


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


def match_sheet(query: Path | None, matches: Sequence[Match]) -> Image.Image:
    """Draw matches in order, from left to right and top to bottom, after the query if there is one.

    Args:
        query: The picture that was searched for.
        matches: What was found.

    Raises:
        DataError: If the query cannot be read.
    """
    cells = [(_picture(match), MATCH_FRAME, _captions(match)) for match in matches]
    if query is not None:
        cells.insert(0, (_query(query), QUERY_FRAME, ["query"]))
    font = ImageFont.load_default(max(11, _CROP_HEIGHT // 10))
    box = (_CROP_HEIGHT // 2, _CROP_HEIGHT)
    step_x = box[0] + 2 * FRAME + GAP
    step_y = box[1] + 2 * FRAME + 2 * line_height(font) + GAP
    num_columns = max(1, min(_COLUMNS, len(cells)))
    num_rows = max(1, -(-len(cells) // num_columns))
    size = (2 * MARGIN + num_columns * step_x - GAP, 2 * MARGIN + num_rows * step_y - GAP)
    sheet = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(sheet)
    for place, (picture, frame, captions) in enumerate(cells):
        corner = (MARGIN + place % num_columns * step_x, MARGIN + place // num_columns * step_y)
        draw_cell(draw, sheet, picture, corner, box, frame, captions, font)
    return sheet


def _query(path: Path) -> Image.Image:
    try:
        return decode_image(read_regular(expanded(path), most_bytes=MOST_PICTURE_BYTES))
    except (OSError, DataError) as error:
        raise DataError(f"The query {path} cannot be drawn: {error}.") from error


def _picture(match: Match) -> Image.Image:
    try:
        return match_image(match)
    except DataError:
        return Image.new("RGB", (1, 2), WHITE)


def _captions(match: Match) -> list[str]:
    score = f"{match.rank}: {match.similarity:.2f}" if match.rank else match.path.name
    return [camera_caption(match.camera), score]
