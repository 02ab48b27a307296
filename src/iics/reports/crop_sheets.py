"""Pictures of a run's own crops: clusters, and matches across cameras. Crops and indices in, one PIL image out.

A sheet is rows of framed crops, each row under a line of text; below a crop stand its camera and a similarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from iics.crops import CropSet
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader
from iics.pixels.drawing import FRAME, GAP, INK, MARGIN, WHITE, camera_caption, draw_cell, line_height

PLAIN, ASKED = (170, 170, 170), (40, 90, 160)
"""Frames of crops that were found, and of the crop that was searched for."""

_HEIGHT = 112
_BOX = (_HEIGHT // 2, _HEIGHT)
_FONT_SIZE = 12


@dataclass(frozen=True)
class Cell:
    """A crop in a sheet.

    Attributes:
        index: Which crop.
        similarity: What stands below its camera; None for nothing.
        is_asked: Whether it is what was searched for.
        starts_group: Whether there is more room before it.
    """

    index: int
    similarity: float | None = None
    is_asked: bool = False
    starts_group: bool = False


@dataclass(frozen=True)
class SheetRow:
    """A line of text and the crops below it; without crops it is a heading."""

    title: str
    cells: tuple[Cell, ...] = ()


def crop_sheet(crops: CropSet, rows: Sequence[SheetRow]) -> Image.Image:
    """Draw a sheet of crops.

    Args:
        crops: What the cells of the rows point to.
        rows: At least one, from top to bottom.

    Raises:
        DataError: If a crop cannot be read.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    line, step = line_height(font), _BOX[0] + 2 * FRAME + GAP
    row_height = {False: 2 * line, True: line + _BOX[1] + 2 * FRAME + 2 * line + GAP}
    widths = [sum(step + (GAP if cell.starts_group else 0) for cell in row.cells) for row in rows]
    texts = [int(font.getlength(row.title)) for row in rows]
    size = 2 * MARGIN + max(*widths, *texts), 2 * MARGIN + sum(row_height[bool(row.cells)] for row in rows)
    sheet = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    with CropReader(crops) as reader:
        images = CropImages(crops, reader)
        for row in rows:
            indent = 0 if row.cells else line // 2
            draw.text((MARGIN, top + indent), row.title, fill=INK, font=font)
            left = MARGIN
            for cell in row.cells:
                left += GAP if cell.starts_group else 0
                image = images[cell.index].image
                captions = [camera_caption(crops.camera_names[crops.camera_ids[cell.index]])]
                captions += [] if cell.similarity is None else [f"{cell.similarity:.2f}"]
                frame = ASKED if cell.is_asked else PLAIN
                draw_cell(draw, sheet, image, (left, top + line), _BOX, frame, captions, font)
                left += step
            top += row_height[bool(row.cells)]
    return sheet
