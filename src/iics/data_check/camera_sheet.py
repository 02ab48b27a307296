"""A picture of each camera's crops: a row of random crops per camera. In: a CropSet. Out: PIL images, one per page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iics.arrays import Colour, IntArray
from iics.crops import CropSet
from iics.pixels.crop_images import ReadCrop
from iics.pixels.drawing import FRAME, GAP, INK, MARGIN, WHITE, camera_caption, centred_text, draw_cell, line_height
from iics.pixels.images import for_each_image

CROPS_PER_CAMERA = 12
CAMERAS_PER_PAGE = 12
CROP_FRAME: Colour = (130, 130, 130)
_BOX = (64, 128)
_NAME_WIDTH = 150
_FONT_SIZE = 13


def camera_sheets(crops: CropSet, *, seed: int = 0) -> Iterator[Image.Image]:
    """Yield pages of up to 12 cameras, each with up to 12 random crops beside its name and number of crops.

    A crop that cannot be decoded is an empty frame that says so; cameras without crops have no row.

    Args:
        crops: The set.
        seed: Of the choice.

    Raises:
        DataError: If the archive cannot be opened.
    """
    generator = np.random.default_rng(seed)
    rows: list[IntArray] = []
    for camera in np.unique(crops.camera_ids):
        members = np.flatnonzero(crops.camera_ids == camera)
        rows.append(np.sort(generator.choice(members, min(CROPS_PER_CAMERA, len(members)), replace=False)))
    for start in range(0, len(rows), CAMERAS_PER_PAGE):
        yield _page(crops, rows[start : start + CAMERAS_PER_PAGE])


def _page(crops: CropSet, rows: list[IntArray]) -> Image.Image:
    font = ImageFont.load_default(_FONT_SIZE)
    step_x, step_y = _BOX[0] + 2 * FRAME + GAP, _BOX[1] + 2 * FRAME + GAP
    width = 2 * MARGIN + _NAME_WIDTH + CROPS_PER_CAMERA * step_x - GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(rows) * step_y - GAP), WHITE)
    draw = ImageDraw.Draw(sheet)
    pictures = _decoded(crops, np.concatenate(rows))
    for row, chosen in enumerate(rows):
        y = MARGIN + row * step_y
        camera = int(crops.camera_ids[chosen[0]])
        num_crops = int((crops.camera_ids == camera).sum())
        lines = camera_caption(crops.camera_names[camera]), f"{num_crops} crop{'' if num_crops == 1 else 's'}"
        for number, line in enumerate(lines):
            top = y + _BOX[1] // 2 + (number - 1) * line_height(font)
            centred_text(draw, line, MARGIN, top, _NAME_WIDTH - GAP, font)
        for column, index in enumerate(chosen.tolist()):
            x = MARGIN + _NAME_WIDTH + column * step_x
            if index in pictures:
                draw_cell(draw, sheet, pictures[index], (x, y), _BOX, CROP_FRAME, [], font)
            else:
                corner = (x + _BOX[0] + 2 * FRAME - 1, y + _BOX[1] + 2 * FRAME - 1)
                draw.rectangle((x, y, *corner), outline=INK, width=1)
                centred_text(draw, "unreadable", x, y + _BOX[1] // 2, _BOX[0] + 2 * FRAME, font)
    return sheet


def _decoded(crops: CropSet, indices: IntArray) -> dict[int, Image.Image]:
    """Return the pictures of those crops that can be decoded, by their index."""
    pictures: dict[int, Image.Image] = {}

    def keep(place: int, crop: ReadCrop) -> None:
        pictures[int(indices[place])] = crop.image

    for_each_image(crops.subset(indices), keep)
    return pictures
