"""What pictures of crops are drawn with: framed crops, captions, fonts, colours."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from iics.arrays import Colour
from iics.shown_name import shown

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WHITE, INK, PALE = (255, 255, 255), (45, 45, 45), (232, 232, 232)
FRAME, GAP, MARGIN = 4, 10, 14
"""Width of a frame, room between crops, and room around a picture, in pixels."""

_LONGEST_CAPTION = 200
"""Characters that are measured at all: a name may have thousands, and each is tried for its width."""


def camera_caption(name: str) -> str:
    """Return what the camera is called in a picture."""
    return f"camera {name}" if name.isdigit() else shown(name)


def draw_cell(
    draw: ImageDraw.ImageDraw,
    sheet: Image.Image,
    crop: Image.Image,
    corner: tuple[int, int],
    box: tuple[int, int],
    frame: Colour,
    captions: list[str],
    font: Font,
) -> None:
    """Draw one framed crop, its shape kept, with its captions below."""
    (x, y), (width, height) = corner, box
    outer = (width + 2 * FRAME, height + 2 * FRAME)
    draw.rectangle((x, y, x + outer[0] - 1, y + outer[1] - 1), fill=PALE, outline=frame, width=FRAME)
    scale = min(width / crop.width, height / crop.height)
    fitted = crop.resize(
        (max(1, round(crop.width * scale)), max(1, round(crop.height * scale))), Image.Resampling.BICUBIC
    )
    sheet.paste(fitted, (x + FRAME + (width - fitted.width) // 2, y + FRAME + (height - fitted.height) // 2))
    for number, caption in enumerate(captions):
        centred_text(draw, caption, x, y + outer[1] + 1 + number * line_height(font), outer[0], font)


def centred_text(draw: ImageDraw.ImageDraw, text: str, x: int, y: int, width: int, font: Font) -> None:
    """Write text centred in `width` pixels, its end cut off where it is too long."""
    text = fitted = shown(text)[:_LONGEST_CAPTION]
    while len(fitted) > 1 + len("..") and draw.textlength(fitted, font=font) > width:
        text = text[:-1]
        fitted = text + ".."
    draw.text((x + width / 2, y), fitted, fill=INK, font=font, anchor="ma")


def line_height(font: Font) -> int:
    """Return the height of a line of text, in pixels."""
    return round(font.getbbox("Ag")[3]) + 3
